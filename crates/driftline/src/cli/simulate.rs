//! `driftline simulate`: a simulated model service as a client of a running Driftline, or as a server of its own.

mod serve;
mod traffic;

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use driftline_events::Span;
use driftline_simulate::{Progress, Scenario, SimulateSpec, SimulatorHandle, run};
use tokio_util::sync::CancellationToken;

use self::serve::Serve;
use self::traffic::Traffic;
use super::{asked_to_stop, log_warnings, runtime};

/// Send the traffic of a simulated model service to a running Driftline, or to Kafka.
///
/// While it runs, scenarios are switched by lines of standard input: `on concept-drift`, `off concept-drift`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Simulate {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    traffic: Traffic,
    /// How long it runs.
    #[arg(long, default_value = "1h")]
    duration: Span,
    /// List the scenarios and stop.
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the simulated model service as a server of its own, as real model servers are.
    Serve(Serve),
}

impl Simulate {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(Action::Serve(serve)) = self.action {
            return serve.run();
        }
        log_warnings();
        if self.list {
            for scenario in Scenario::ALL {
                println!("{:20} {}", scenario.name(), scenario.description());
            }
            return Ok(ExitCode::SUCCESS);
        }
        let spec = SimulateSpec::try_from(self.traffic.options(self.duration)?)?;
        let handle = SimulatorHandle::new();
        take_commands(handle.clone());
        runtime()?.block_on(async {
            let stop = CancellationToken::new();
            let asked = stop.clone();
            tokio::spawn(async move {
                asked_to_stop().await;
                asked.cancel();
            });
            let told = tokio::spawn(tell(handle.clone()));
            let ended = run(spec, driftline::now(), handle, stop).await;
            told.abort();
            let progress = ended?;
            eprintln!("{}", line(&progress));
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// Switches scenarios by lines of standard input.
fn take_commands(handle: SimulatorHandle) {
    std::thread::spawn(move || {
        for text in std::io::stdin().lock().lines().map_while(Result::ok) {
            let mut words = text.split_whitespace();
            let (verb, scenario) = (words.next(), words.next().map(str::parse::<Scenario>));
            match (verb, scenario) {
                (Some("on"), Some(Ok(scenario))) => handle.set(scenario, true),
                (Some("off"), Some(Ok(scenario))) => handle.set(scenario, false),
                (None, _) => {}
                (_, Some(Err(error))) => eprintln!("{error}"),
                _ => eprintln!("write `on SCENARIO` or `off SCENARIO`"),
            }
        }
    });
}

async fn tell(handle: SimulatorHandle) {
    // In a log a line a minute is enough.
    let every = if std::io::stderr().is_terminal() { 5 } else { 60 };
    loop {
        tokio::time::sleep(Duration::from_secs(every)).await;
        eprintln!("{}", line(&handle.progress()));
    }
}

fn line(progress: &Progress) -> String {
    let active: Vec<_> = progress.active.iter().map(|scenario| scenario.name()).collect();
    let mut text = format!(
        "{:>4} s: {} predictions and {} labels accepted, {} rejected, scenarios: {}",
        progress.elapsed.as_secs(),
        progress.predictions.accepted,
        progress.labels.accepted,
        progress.predictions.rejected + progress.labels.rejected,
        if active.is_empty() { "none".to_owned() } else { active.join(", ") },
    );
    if let Some(waiting) = &progress.waiting_for {
        text.push_str(&format!("; waiting: {waiting}"));
    }
    if let Some(rejection) = &progress.last_rejection {
        text.push_str(&format!("; last rejection: {rejection}"));
    }
    text
}
