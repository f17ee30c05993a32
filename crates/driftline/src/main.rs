//! The `driftline` command.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Cli::parse();
    match arguments.run() {
        Ok(code) => code,
        Err(error) => {
            // The alternate form shows the causes on one line.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
