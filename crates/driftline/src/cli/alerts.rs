//! `driftline alerts`: whether those who are to be told can be told.

mod receive;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use driftline_expose::test_sink;

use self::receive::Receive;
use super::{ConfigArgument, runtime};

/// Try where alerts go.
#[derive(Debug, Args)]
pub(crate) struct Alerts {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send a test alert to a sink of the configuration, and show what the other side answered.
    Test(Test),
    /// Receive alerts of Alertmanager and of Driftline, print them, and show them on a page.
    Receive(Receive),
}

#[derive(Debug, Args)]
struct Test {
    #[command(flatten)]
    config: ConfigArgument,
    /// The sink's name.
    #[arg(long)]
    sink: String,
}

impl Alerts {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Test(test) => test.run(),
            Action::Receive(receive) => receive.run(),
        }
    }
}

impl Test {
    fn run(self) -> anyhow::Result<ExitCode> {
        let Self { config, sink } = self;
        let config = config.load()?;
        let spec = config.notify_spec()?;
        let answer = runtime()?.block_on(test_sink(&spec, &sink, "/driftline/test", driftline::now()))?;
        for (place, outcome) in &answer.answers {
            match outcome {
                Ok(said) => println!("{place}: {said}"),
                Err(fault) => println!("{place}: FAILED: {fault}"),
            }
        }
        let seconds = answer.elapsed.as_secs_f64();
        if answer.is_ok() {
            println!("Sink {} ({}) took a test alert in {seconds:.2} s.", answer.sink, answer.kind);
            return Ok(ExitCode::SUCCESS);
        }
        println!("Sink {} ({}) did not take it.", answer.sink, answer.kind);
        Ok(ExitCode::FAILURE)
    }
}
