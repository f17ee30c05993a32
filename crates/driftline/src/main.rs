//! The `driftline` command.

mod cli;

use std::process::ExitCode;

use clap::Parser;

/// Reports are made and freed by the thousand at a time, on other threads than those that decode: glibc keeps what they
/// leave, and with many models that was half of the memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
