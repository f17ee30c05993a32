//! The simulation paced by the wall clock.

use std::time::Duration;

use driftline_events::EventTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::handle::{Progress, SimulatorHandle};
use crate::options::{SimulateError, SimulateSpec};
use crate::outlet::Outlet;
use crate::simulator::Simulator;

/// How often events are sent, unless there are more than a batch of them.
const TICK: Duration = Duration::from_millis(200);

/// Sends what the spec's simulation yields, from [`SimulateSpec::start`] of `now` on, until its planned duration
/// is over or `shutdown` is cancelled. A slow service is followed: nothing is left out, the events come later.
///
/// # Errors
/// [`SimulateError`] if the service or the brokers refused a batch or did not take it in time.
pub async fn run(
    spec: SimulateSpec,
    now: EventTime,
    handle: SimulatorHandle,
    shutdown: CancellationToken,
) -> Result<Progress, SimulateError> {
    let began = Instant::now();
    let start = spec.start(now);
    let mut simulator = Simulator::try_new(&spec, start)?;
    let outlet = Outlet::try_new(&spec, handle.clone(), shutdown.clone())?;
    handle.update(|progress| progress.training_auc = Some(simulator.model().training_auc()));

    // About a batch of predictions.
    let step = Duration::from_secs_f64(spec.options.batch_rows as f64 / spec.rate_per_event_second())
        .max(Duration::from_millis(1));
    while !shutdown.is_cancelled() {
        let planned = spec.options.duration.duration();
        let elapsed = match began.elapsed() {
            elapsed if spec.options.keep_running => elapsed,
            elapsed => elapsed.min(planned),
        };
        let until = start.saturating_add(spec.event_time(elapsed));
        while simulator.now() < until && !shutdown.is_cancelled() {
            for (scenario, on) in handle.commands() {
                simulator.set(scenario, on);
            }
            let events = simulator.advance(until.min(simulator.now().saturating_add(step)));
            handle.update(|progress| {
                progress.elapsed = began.elapsed();
                progress.event_time = Some(simulator.now());
                progress.active = simulator.active();
            });
            send(&outlet, &events, spec.options.batch_rows).await?;
        }
        if elapsed == planned && !spec.options.keep_running {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = shutdown.cancelled() => {}
        }
    }
    Ok(handle.progress())
}

/// Predictions first, so that most labels find theirs.
async fn send(outlet: &Outlet, events: &Events, batch_rows: usize) -> Result<(), SimulateError> {
    for batch in events.predictions.chunks(batch_rows) {
        if outlet.send_predictions(batch).await?.is_none() {
            return Ok(());
        }
    }
    for batch in events.labels.chunks(batch_rows) {
        if outlet.send_labels(batch).await?.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
