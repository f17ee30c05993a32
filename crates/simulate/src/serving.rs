//! The simulated model service as a server: what a real model server shows of itself, from outside.
//!
//! ```text
//! POST /predict ─┐
//!                ├─> ModelService::handle ─> answer
//! customers ─────┘        │        └─> figures ─> GET /metrics
//!                         └─> inference log ─> Driftline, over HTTP or Kafka
//! ```
//!
//! Invariants:
//! - Every request whose input was understood passes one function, which counts and times it once and writes it to the
//!   log once, with the same status and the same duration. So the server's metrics and Driftline's figures agree.
//! - No request waits for the log: a full queue drops events, and counts them.

mod asked;
mod customers;
mod figures;
mod log;
mod routes;
mod service;

use std::sync::Arc;
use std::time::Duration;

use driftline_events::EventTime;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::handle::{Progress, SimulatorHandle};
use crate::options::{SimulateError, SimulateSpec};
use crate::simulator::Simulator;
use log::Sender;
use service::ModelService;

/// How long a shutdown waits for requests that are being answered, and then for the log.
const PATIENCE: Duration = Duration::from_secs(10);

/// The clock that customers, outside requests and the log share: event time as [`SimulateSpec::event_time`] has it.
#[derive(Clone, Debug)]
struct EventClock {
    spec: SimulateSpec,
    start: EventTime,
    began: Instant,
}

impl EventClock {
    fn now(&self) -> EventTime {
        self.start.saturating_add(self.spec.event_time(self.began.elapsed()))
    }

    /// When the customers have asked for the last time.
    fn end(&self) -> EventTime {
        let options = &self.spec.options;
        if options.keep_running {
            return EventTime::MAX;
        }
        self.start.saturating_add(self.spec.event_time(options.duration.duration()))
    }
}

/// Serves the simulated model on `listener` until `shutdown` is cancelled: `POST /predict`, `GET /metrics` and
/// `GET /healthz`. Meanwhile the spec's customers ask it, and its log goes where the spec says. The customers stop when
/// the planned duration is over, unless the spec goes on after it; the server does not.
///
/// # Errors
/// [`SimulateError`] if the model or the way out cannot be set up, or the listener fails. A Driftline or Kafka that
/// is away is no error: events wait, and are dropped and counted when too many do.
pub async fn serve_model(
    spec: SimulateSpec,
    listener: TcpListener,
    now: EventTime,
    handle: SimulatorHandle,
    shutdown: CancellationToken,
) -> Result<Progress, SimulateError> {
    let clock = EventClock { start: spec.start(now), began: Instant::now(), spec: spec.clone() };
    let simulator = Simulator::try_new(&spec, clock.start)?;
    handle.update(|progress| progress.training_auc = Some(simulator.model().training_auc()));

    let (closing, abandon) = (CancellationToken::new(), CancellationToken::new());
    let (service, logged) = ModelService::new(&simulator, handle.clone(), clock.clone());
    let service = Arc::new(service);
    let sender = Sender::try_new(spec, handle.clone(), service.figures().clone(), abandon.clone())?;
    let mut log = tokio::spawn(watched(shutdown.clone(), log::run(logged, sender, closing.clone())));

    let requests = TaskTracker::new();
    let customers = customers::run(
        Arc::clone(&service),
        simulator,
        clock,
        handle.clone(),
        requests.clone(),
        shutdown.clone(),
    );
    let customers = tokio::spawn(watched(shutdown.clone(), customers));
    let routes = routes::router(Arc::clone(&service), requests.clone());
    let serving = axum::serve(listener, routes).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let serving = tokio::spawn(watched(shutdown.clone(), serving.into_future()));

    shutdown.cancelled().await;
    // The log ends last: it takes what the others still do.
    let ended = tokio::time::timeout(PATIENCE, async {
        let served = serving.await;
        let asked = customers.await;
        requests.close();
        requests.wait().await;
        (served, asked)
    })
    .await;
    closing.cancel();
    if tokio::time::timeout(PATIENCE, &mut log).await.is_err() {
        abandon.cancel();
        joined(log.await);
    }
    match ended {
        Ok((served, asked)) => {
            joined(asked);
            joined(served).map_err(SimulateError::Listen)?;
        }
        Err(_) => tracing::warn!("Requests were still being answered; they are cut off."),
    }
    Ok(handle.progress())
}

/// A task whose panic ends the server.
async fn watched<T>(shutdown: CancellationToken, task: impl Future<Output = T>) -> T {
    let guard = shutdown.drop_guard();
    let ended = task.await;
    guard.disarm();
    ended
}

/// What a task gave; its panic goes on here.
fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    match ended {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests;
