//! All sinks: each with its own queue and task, so that one that is dead delays nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use driftline_evaluate::{AlertEvent, Incident};
use driftline_events::EventTime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::alertmanager::{Alertmanagers, Settings};
use super::kafka::Topic;
use super::ledger::{Ledger, OnAlertDelivery, SinkSnapshot};
use super::outlet::Outlet;
use super::pace::Pace;
use super::queue::{Parcel, Pile, Queue};
use super::sink::{SinkSpec, TargetSpec};
use super::spec::NotifySpec;
use crate::publish::PublishError;

/// What the time is.
pub type AlertClock = Arc<dyn Fn() -> EventTime + Send + Sync>;

/// Events that may wait for a sink's task to take them up; the caller keeps what has no room.
const CHANNEL: usize = 256;

/// A sink that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// No thread, or no certificates that the system trusts.
    #[error("sink {sink} cannot start")]
    Sink {
        /// Its name.
        sink: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// No publisher.
    #[error("sink {sink} cannot start")]
    Publish {
        /// Its name.
        sink: String,
        /// Why.
        #[source]
        error: PublishError,
    },
}

/// An event that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotTaken {
    /// There is no room now: it is to be handed over later, before those that follow for this sink.
    #[error("the sink's queue is full")]
    Full,
    /// The configuration has no such sink any more.
    #[error("there is no such sink")]
    UnknownSink,
}

/// Tells sinks of alert events.
///
/// The caller keeps each event for each sink, with a number of its own, until it hears what became of it; after a
/// restart it hands the rest over again. Numbers grow within a sink. Sinks are full one by one: when one is, the
/// others' events are to go on.
pub struct Notifier {
    spec: NotifySpec,
    sinks: BTreeMap<String, Sink>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// A sink at work.
struct Sink {
    ledger: Arc<Ledger>,
    way: Way,
}

enum Way {
    Queue(mpsc::Sender<Parcel>),
    Alertmanagers(Alertmanagers),
    Topic(Topic),
}

impl Notifier {
    /// Starts all sinks; what cannot be reached is tried for ever. `source` is what events say of where they come from.
    ///
    /// # Errors
    /// [`NotifyError`] for the first that cannot start.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(
        spec: NotifySpec,
        source: &str,
        clock: AlertClock,
        on_delivery: OnAlertDelivery,
    ) -> Result<Self, NotifyError> {
        Self::with_pace(spec, source, clock, on_delivery, Pace::default())
    }

    pub(super) fn with_pace(
        spec: NotifySpec,
        source: &str,
        clock: AlertClock,
        on_delivery: OnAlertDelivery,
        pace: Pace,
    ) -> Result<Self, NotifyError> {
        let mut notifier =
            Self { spec, sinks: BTreeMap::new(), tasks: JoinSet::new(), stop: CancellationToken::new() };
        for sink in notifier.spec.sinks.clone() {
            let ledger = Arc::new(Ledger::new(&sink.name, sink.kind(), Arc::clone(&on_delivery)));
            let way = notifier.way(&sink, source, &clock, pace, &ledger)?;
            notifier.sinks.insert(sink.name, Sink { ledger, way });
        }
        Ok(notifier)
    }

    fn way(
        &mut self,
        sink: &SinkSpec,
        source: &str,
        clock: &AlertClock,
        pace: Pace,
        ledger: &Arc<Ledger>,
    ) -> Result<Way, NotifyError> {
        let failed = |error| NotifyError::Sink { sink: sink.name.clone(), error };
        let (ledger, clock, stop) = (Arc::clone(ledger), Arc::clone(clock), self.stop.clone());
        match &sink.target {
            TargetSpec::Kafka(spec) => Topic::start(spec, source, ledger)
                .map(Way::Topic)
                .map_err(|error| NotifyError::Publish { sink: sink.name.clone(), error }),
            TargetSpec::Alertmanager(endpoints) => {
                let settings = Settings { sink: sink.name.clone(), timeout: sink.timeout, clock, pace, stop };
                Alertmanagers::start(endpoints, &settings, ledger, &mut self.tasks)
                    .map(Way::Alertmanagers)
                    .map_err(failed)
            }
            target => {
                let outlet = Outlet::start(target, sink.timeout, source).map_err(failed)?;
                let (parcels, queue) = mpsc::channel(CHANNEL);
                let queue = Queue {
                    sink: sink.name.clone(),
                    outlet,
                    ledger,
                    parcels: queue,
                    stop,
                    clock,
                    pace,
                    gathers: sink.kind().is_for_people(),
                    quiet_hours: sink.quiet_hours,
                    waiting: Pile::default(),
                };
                self.tasks.spawn(queue.run());
                Ok(Way::Queue(parcels))
            }
        }
    }

    /// The sinks that are to be told of an event: see [`NotifySpec::route`].
    #[must_use]
    pub fn route(&self, event: &AlertEvent, told: &BTreeSet<String>) -> Vec<&str> {
        self.spec.route(event, told)
    }

    /// Hands an event over to a sink.
    ///
    /// # Errors
    /// [`NotTaken`] if there is no room now, or no such sink.
    pub fn notify(&self, number: u64, sink: &str, event: Arc<AlertEvent>) -> Result<(), NotTaken> {
        let Sink { ledger, way } = self.sinks.get(sink).ok_or(NotTaken::UnknownSink)?;
        match way {
            Way::Queue(parcels) => {
                // Counted first: the task may be done with it before this goes on.
                ledger.handed_over();
                parcels.try_send(Parcel { number, event }).map_err(|_| {
                    ledger.given_back();
                    NotTaken::Full
                })
            }
            Way::Alertmanagers(alertmanagers) => {
                if alertmanagers.notify(number, &event) {
                    Ok(())
                } else {
                    Err(NotTaken::Full)
                }
            }
            Way::Topic(topic) => topic.notify(number, &event).map_err(|_| NotTaken::Full),
        }
    }

    /// Takes up the incidents that were open when the service stopped, or that ended a short while before: Alertmanagers
    /// must be told again and again. With each are the sinks that had been told of it.
    pub fn active<'a>(&self, incidents: impl IntoIterator<Item = (&'a Incident, &'a BTreeSet<String>)>) {
        for (incident, told) in incidents {
            for name in self.spec.sinks_of(incident, told) {
                if let Some(Sink { way: Way::Alertmanagers(alertmanagers), .. }) = self.sinks.get(name) {
                    alertmanagers.restore(incident);
                }
            }
        }
    }

    /// How it stands with each sink, by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<SinkSnapshot> {
        let of = |sink: &Sink| match &sink.way {
            Way::Topic(topic) => topic.snapshot(),
            Way::Queue(_) | Way::Alertmanagers(_) => sink.ledger.snapshot(),
        };
        self.sinks.values().map(of).collect()
    }

    /// Stops: what can be sent at once is sent within `patience`, the rest is left to the caller's next start.
    pub async fn finish(&mut self, patience: Duration) {
        self.stop.cancel();
        let deadline = Instant::now() + patience;
        for sink in self.sinks.values_mut() {
            if let Way::Topic(topic) = &mut sink.way {
                topic.finish(deadline.saturating_duration_since(Instant::now())).await;
            }
        }
        loop {
            match tokio::time::timeout_at(deadline, self.tasks.join_next()).await {
                Ok(None) => return,
                Ok(Some(Ok(()))) => {}
                Ok(Some(Err(error))) => tracing::error!(%error, "A sink's task ended before its time."),
                Err(_) => {
                    tracing::warn!(
                        sinks = self.tasks.len(),
                        "Sinks still send; what they have is sent again."
                    );
                    return self.tasks.shutdown().await;
                }
            }
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("spec", &self.spec).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
