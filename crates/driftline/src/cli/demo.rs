//! `driftline demo`: the service and a simulated model service in one process, and a story of a few minutes.

mod alarms;
mod setup;
mod tell;
mod view;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use driftline::Service;
use driftline_evaluate::{Incident, WindowReport};
use driftline_simulate::{SimulateError, SimulateOptions, SimulateSpec, SimulatorHandle, Story, run};
use driftline_store::HistoryQuery;
use tokio_util::sync::CancellationToken;

use super::{asked_to_stop, log_warnings, runtime, table};

/// Watch a simulated model drift and degrade, live in this terminal. Needs no configuration.
///
/// A service starts with a temporary state, beside it a telecom's churn model that sends it five hours of traffic in
/// five minutes: healthy, then a covariate shift, then concept drift, then recovery. Keys 1 to 8 break other things.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the service listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Predictions a second.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Print lines instead of the live view; done by itself where no terminal is.
    #[arg(long)]
    plain: bool,
    /// Go on after the story until Ctrl-C, also without a terminal.
    #[arg(long)]
    keep_running: bool,
}

/// The window that the story is told by.
const WINDOW: &str = "15m";

/// Windows of the past that are shown.
const SHOWN: usize = 60;

/// What the views show.
struct Stage {
    service: Service,
    simulator: SimulatorHandle,
    story: Story,
    url: String,
}

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        log_warnings();
        runtime()?.block_on(self.play())
    }

    async fn play(self) -> anyhow::Result<ExitCode> {
        let state = tempfile::tempdir().context("cannot make a temporary folder for the demo's state")?;
        let story = Story::demo();
        let mut options =
            SimulateOptions { rate_per_second: self.rate, keep_running: true, ..SimulateOptions::demo() };
        let service = setup::service(self.listen, state.path(), &options).await?;
        let url = format!("http://{}", service.address());
        options.url.clone_from(&url);
        let spec = SimulateSpec::try_from(options)?;
        let simulator = SimulatorHandle::new();
        let stop = CancellationToken::new();
        let simulation = tokio::spawn(run(spec, driftline::now(), simulator.clone(), stop.clone()));
        let stage = Stage { service, simulator, story, url };

        let live = !self.plain && std::io::stdout().is_terminal();
        let told = if live {
            view::show(&stage, &stop).await
        } else {
            tell::lines(&stage, self.keep_running, &stop).await
        };
        stop.cancel();
        let simulated: Result<_, SimulateError> = simulation.await.context("the simulation panicked")?;
        stage.print_ending().await;
        stage.service.run(std::future::ready(())).await?;
        told?;
        simulated?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Stage {
    /// The last windows, the oldest first.
    async fn windows(&self) -> Vec<Arc<WindowReport>> {
        let query = HistoryQuery {
            model: driftline_simulate::MODEL.to_owned(),
            window: Some(WINDOW.to_owned()),
            segment: Some(BTreeMap::new()),
            limit: SHOWN,
            ..HistoryQuery::default()
        };
        let page =
            self.service.handle().find(query).await.ok().flatten().and_then(Result::ok).unwrap_or_default();
        page.reports.into_iter().rev().filter(|report| report.is_final && report.rows > 0).collect()
    }

    /// What fires, and what was over lately.
    async fn incidents(&self) -> Vec<Incident> {
        let models = self.service.handle().alerts().await.unwrap_or_default();
        models.into_iter().flat_map(|model| model.incidents).collect()
    }

    fn elapsed(&self) -> Duration {
        self.simulator.progress().elapsed
    }

    async fn print_ending(&self) {
        let reports: Vec<WindowReport> =
            self.windows().await.iter().map(|report| WindowReport::clone(report)).collect();
        // Every third is enough to see the story: windows of 15 minutes end every 5.
        let shown: Vec<WindowReport> = reports.into_iter().step_by(3).collect();
        if !shown.is_empty() {
            println!("{}", table::windows(driftline_events::Task::Binary, &shown));
        }
        let progress = self.simulator.progress();
        println!(
            "{} predictions and {} labels were watched, none lost: {} were rejected.",
            progress.predictions.accepted,
            progress.labels.accepted,
            progress.predictions.rejected + progress.labels.rejected
        );
        println!("Next: README.md, section \"Watch your own model\".");
    }
}

/// Done at Ctrl-C or when `stop` is cancelled.
async fn stopped(stop: &CancellationToken) {
    tokio::select! {
        () = asked_to_stop() => {}
        () = stop.cancelled() => {}
    }
}
