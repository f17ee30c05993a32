//! `driftline simulate serve`: the simulated model service as a model server.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use driftline_events::Span;
use driftline_http::check_exposure;
use driftline_simulate::{SimulateOptions, SimulateSpec, SimulatorHandle, serve_model};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::traffic::Traffic;
use super::{line, take_commands, tell};
use crate::cli::{asked_to_stop, log_warnings, runtime};

/// Run the simulated model service as a server of its own, as real model servers are.
///
/// `POST /predict` takes a customer's features as JSON and answers with the model's prediction; `/metrics` shows traffic,
/// errors, latency and saturation; `/healthz` says that it is up. Its own customers ask it all the time. What it
/// answers is streamed to Driftline in the background, over HTTP or Kafka; labels follow after their delay.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Where the model service listens.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Listen beyond loopback: whoever reaches the address may ask the model and read its metrics.
    #[arg(long)]
    insecure: bool,
    /// With a speed above 1: after this time event time has caught up with the clock.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    catch_up: Span,
    #[command(flatten)]
    traffic: Traffic,
}

/// The log waits for Driftline as long as the server runs.
const GIVE_UP_AFTER: Span = Span::from_days(36_500);

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        log_warnings();
        // It has no tokens to ask for.
        check_exposure(self.listen, false, self.insecure)?;
        let options = self.traffic.options(self.catch_up)?;
        let spec = SimulateSpec::try_from(SimulateOptions {
            give_up_after: GIVE_UP_AFTER,
            keep_running: true,
            ..options
        })?;
        let handle = SimulatorHandle::new();
        take_commands(handle.clone());
        runtime()?.block_on(async {
            let listener = TcpListener::bind(self.listen)
                .await
                .with_context(|| format!("cannot listen on {}", self.listen))?;
            let address = listener.local_addr().context("the socket has no address")?;
            eprintln!(
                "The model service listens on http://{address}: POST /predict, GET /metrics, GET /healthz."
            );
            let stop = CancellationToken::new();
            let asked = stop.clone();
            tokio::spawn(async move {
                asked_to_stop().await;
                asked.cancel();
            });
            let told = tokio::spawn(tell(handle.clone()));
            let ended = serve_model(spec, listener, driftline::now(), handle, stop).await;
            told.abort();
            eprintln!("{}", line(&ended?));
            Ok(ExitCode::SUCCESS)
        })
    }
}
