//! `driftline simulate`: a simulated model service as a client of a running Driftline.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use driftline_events::Span;
use driftline_simulate::{
    DEFAULT_URL, Progress, Scenario, Schedule, SimulateOptions, SimulateSpec, SimulatorHandle, run,
};
use tokio_util::sync::CancellationToken;

use super::{asked_to_stop, log_warnings, runtime};

/// Send the traffic of a simulated model service to a running Driftline.
///
/// While it runs, scenarios are switched by lines of standard input: `on concept-drift`, `off concept-drift`.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The service's address.
    #[arg(long, default_value = DEFAULT_URL, env = "DRIFTLINE_URL")]
    to: String,
    /// Bearer token, where the service asks for one.
    #[arg(long, env = "DRIFTLINE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Predictions a second.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Seconds of event time in a second; what is planned ends at the present.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// How long it runs.
    #[arg(long, default_value = "1h")]
    duration: Span,
    /// The same seed gives the same customers, outcomes and labels.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Median time from a prediction to its label, in event time.
    #[arg(long, default_value = "10m")]
    label_delay: Span,
    /// What goes wrong and when, in time since the start: `covariate-shift@60s..120s`; may be given several times.
    #[arg(long, value_name = "SCENARIO@FROM..TO")]
    scenario: Vec<String>,
    /// Traffic follows the hour of the day.
    #[arg(long)]
    daily_pattern: bool,
    /// Gzip the requests.
    #[arg(long)]
    gzip: bool,
    /// List the scenarios and stop.
    #[arg(long)]
    list: bool,
}

impl Simulate {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        log_warnings();
        if self.list {
            for scenario in Scenario::ALL {
                println!("{:20} {}", scenario.name(), scenario.description());
            }
            return Ok(ExitCode::SUCCESS);
        }
        let schedule: Schedule = self.scenario.join(",").parse().context("--scenario")?;
        let spec = SimulateSpec::try_from(SimulateOptions {
            url: self.to,
            token: self.token.map(Into::into),
            seed: self.seed,
            rate_per_second: self.rate,
            speed: self.speed,
            duration: self.duration,
            gzip: self.gzip,
            label_delay: self.label_delay,
            daily_pattern: self.daily_pattern,
            schedule,
            ..SimulateOptions::default()
        })?;
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
