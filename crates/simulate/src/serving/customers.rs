//! The simulated customers that ask the model server.

use std::sync::Arc;
use std::time::Duration;

use driftline_events::{EventTime, Prediction, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::EventClock;
use super::log::LogEvent;
use super::service::ModelService;
use crate::handle::SimulatorHandle;
use crate::simulator::Simulator;

/// How far ahead of their handling requests are drawn.
const TICK: Duration = Duration::from_millis(50);

/// Asks until `shutdown` is cancelled, or the planned duration is over and nothing is to go on after it: each request in
/// a task of its own, at its own moment. Labels go to the log when they become known.
pub(super) async fn run(
    service: Arc<ModelService>,
    mut simulator: Simulator,
    clock: EventClock,
    handle: SimulatorHandle,
    requests: TaskTracker,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = shutdown.cancelled() => return,
        }
        for (scenario, on) in handle.commands() {
            simulator.set(scenario, on);
        }
        let (from, until) = (simulator.now(), clock.now().min(clock.end()));
        if until >= clock.end() && from == until {
            return;
        }
        let events = simulator.advance(until);
        handle.update(|progress| {
            progress.elapsed = clock.began.elapsed();
            progress.event_time = Some(simulator.now());
            progress.active = simulator.active();
        });
        let now = Instant::now();
        for prediction in events.predictions {
            let due = now + offset(&prediction, from, until);
            let service = Arc::clone(&service);
            requests.spawn(async move {
                tokio::time::sleep_until(due).await;
                service.handle(prediction).await
            });
        }
        for label in events.labels {
            service.log().push(LogEvent::Label(Box::new(label)));
        }
    }
}

/// Spreads the requests of a tick over the next one as they were spread in event time.
fn offset(prediction: &Prediction, from: EventTime, until: EventTime) -> Duration {
    let Some(Timestamp::Millis(time)) = prediction.timestamp else { return Duration::ZERO };
    let (since, whole) = (EventTime::from_millis(time).since(from), until.since(from));
    if whole.is_zero() {
        Duration::ZERO
    } else {
        TICK.mul_f64((since.as_secs_f64() / whole.as_secs_f64()).min(1.0))
    }
}
