//! Alertmanagers, by their API v2: each instance is told all that fires, again and again.

mod active;
mod labels;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftline_evaluate::{AlertEvent, EventAction, Incident};
use driftline_events::EventTime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::active::ActiveSet;
pub(super) use self::labels::test_alert;
use super::endpoint::Endpoint;
use super::failure::SendError;
use super::http::Poster;
use super::ledger::Ledger;
use super::notifier::AlertClock;
use super::pace::Pace;

/// Events that may wait for an Alertmanager; the caller keeps what has no room.
const ROOM: usize = 1_024;

/// The most alerts in one request.
const BATCH: usize = 256;

const JSON: &str = "application/json";

/// A sink of Alertmanagers. An event counts as delivered once one of them has it: they tell each other, and what still
/// fires is told to all of them every minute.
pub(super) struct Alertmanagers {
    shared: Arc<Shared>,
}

/// What the tasks of the instances share.
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    ledger: Arc<Ledger>,
    clock: AlertClock,
}

#[derive(Debug)]
struct State {
    active: ActiveSet,
    /// Grows with each change of the active set.
    version: u64,
    pending: Vec<Pending>,
    /// Whether each instance took what was sent last.
    connected: Vec<Option<bool>>,
}

/// An event that no instance has yet.
#[derive(Debug)]
struct Pending {
    number: u64,
    /// The version of the active set that has it.
    version: u64,
    /// The instances that will never take it.
    refused_by: BTreeSet<usize>,
}

impl Alertmanagers {
    /// Starts a task for each instance.
    pub(super) fn start(
        endpoints: &[Endpoint],
        settings: &Settings,
        ledger: Arc<Ledger>,
        tasks: &mut JoinSet<()>,
    ) -> std::io::Result<Self> {
        let state = State {
            active: ActiveSet::default(),
            version: 0,
            pending: Vec::new(),
            connected: vec![None; endpoints.len()],
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            ledger,
            clock: Arc::clone(&settings.clock),
        });
        for (index, endpoint) in endpoints.iter().enumerate() {
            let instance = Instance {
                index,
                poster: Poster::try_new(endpoint.clone())?,
                shared: Arc::clone(&shared),
                changed: shared.changed.subscribe(),
                settings: settings.clone(),
                failures: 0,
            };
            tasks.spawn(instance.run());
        }
        Ok(Self { shared })
    }

    /// Takes an event; gives whether there was room.
    pub(super) fn notify(&self, number: u64, event: &AlertEvent) -> bool {
        let mut state = self.shared.state();
        if state.pending.len() >= ROOM {
            return false;
        }
        self.shared.ledger.handed_over();
        // A test is no alert that fires: it is sent on its own, by `test_sink`.
        if event.action == EventAction::Test {
            drop(state);
            self.shared.ledger.dropped(&[number]);
            return true;
        }
        let now = (self.shared.clock)();
        state.active.apply(&event.incident, now);
        state.version += 1;
        let version = state.version;
        state.pending.push(Pending { number, version, refused_by: BTreeSet::new() });
        drop(state);
        self.shared.changed.send_replace(version);
        true
    }

    /// Takes up an incident as it was when the service stopped.
    pub(super) fn restore(&self, incident: &Incident) {
        let mut state = self.shared.state();
        let now = (self.shared.clock)();
        state.active.apply(incident, now);
        state.version += 1;
        let version = state.version;
        drop(state);
        self.shared.changed.send_replace(version);
    }
}

/// What every instance's task needs.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) sink: String,
    pub(super) timeout: Duration,
    pub(super) clock: AlertClock,
    pub(super) pace: Pace,
    pub(super) stop: CancellationToken,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of what is active now, and the requests that say so.
    fn requests(&self, now: EventTime) -> (u64, Vec<Vec<u8>>) {
        let mut state = self.state();
        let alerts = state.active.alerts(now);
        let encode = |batch: &[serde_json::Value]| serde_json::Value::from(batch).to_string().into_bytes();
        (state.version, alerts.chunks(BATCH).map(encode).collect())
    }

    fn connected(&self, index: usize, connected: bool) {
        let mut state = self.state();
        state.connected[index] = Some(connected);
        let all = state.connected.iter().all(|connected| *connected != Some(false));
        drop(state);
        self.ledger.connected(all);
    }

    /// An instance has everything up to `version`.
    fn delivered(&self, version: u64) {
        let mut delivered = Vec::new();
        self.state().pending.retain(|pending| {
            let goes = pending.version <= version;
            if goes {
                delivered.push(pending.number);
            }
            !goes
        });
        if !delivered.is_empty() {
            self.ledger.delivered(&delivered);
        }
    }

    /// An instance will never take something of `version`. What none will take is refused.
    fn refused(&self, index: usize, version: u64, reason: &str) {
        let mut state = self.state();
        let instances = state.connected.len();
        let mut refused = Vec::new();
        state.pending.retain_mut(|pending| {
            if pending.version <= version {
                pending.refused_by.insert(index);
            }
            let goes = pending.refused_by.len() == instances;
            if goes {
                refused.push(pending.number);
            }
            !goes
        });
        drop(state);
        if !refused.is_empty() {
            self.ledger.refused(&refused, reason);
        }
    }
}

/// The task of one instance.
struct Instance {
    index: usize,
    poster: Poster,
    shared: Arc<Shared>,
    changed: watch::Receiver<u64>,
    settings: Settings,
    failures: u32,
}

impl Instance {
    async fn run(mut self) {
        let mut at = Instant::now() + self.settings.pace.resend;
        loop {
            let is_stopping = self.settings.stop.is_cancelled();
            if !is_stopping {
                tokio::select! {
                    // After a failure it is not hurried by what is new.
                    changed = self.changed.changed(), if self.failures == 0 => {
                        if changed.is_err() {
                            return;
                        }
                    }
                    () = tokio::time::sleep_until(at) => {}
                    () = self.settings.stop.cancelled() => {}
                }
            }
            if is_stopping && !self.changed.has_changed().unwrap_or(false) {
                return;
            }
            at = Instant::now() + self.send().await;
        }
    }

    /// Tells the instance all that is active; gives how long to wait until the next time.
    async fn send(&mut self) -> Duration {
        self.changed.mark_unchanged();
        let now = (self.settings.clock)();
        let (version, requests) = self.shared.requests(now);
        let has_sent = !requests.is_empty();
        match self.send_all(requests, now).await {
            Ok(()) => {
                self.failures = 0;
                if has_sent {
                    self.shared.connected(self.index, true);
                }
                self.shared.delivered(version);
                self.settings.pace.resend
            }
            Err(SendError::Never { reason }) => {
                self.failures = 0;
                self.shared.connected(self.index, false);
                self.shared.ledger.failed(&reason);
                self.shared.refused(self.index, version, &reason);
                self.settings.pace.resend
            }
            Err(SendError::Later { reason, after }) => {
                self.failures += 1;
                self.shared.connected(self.index, false);
                self.shared.ledger.failed(&reason);
                let pause = self.settings.pace.pause(&self.settings.sink, self.failures, after);
                // What fires would end by itself if it were not told again.
                pause.min(self.settings.pace.resend)
            }
        }
    }

    /// Of several requests all are tried though one is refused: it is one alert of it that is wrong.
    async fn send_all(&self, requests: Vec<Vec<u8>>, now: EventTime) -> Result<(), SendError> {
        let mut result = Ok(());
        for request in requests {
            let post = self.poster.post(request, JSON, now);
            let sent = tokio::time::timeout(self.settings.timeout, post).await.unwrap_or_else(|_| {
                let (shown, timeout) = (self.poster.shown(), self.settings.timeout);
                Err(SendError::later(format!("{shown}: no answer within {timeout:?}")))
            });
            match sent {
                Ok(_) => {}
                Err(error @ SendError::Never { .. }) => result = Err(error),
                Err(error @ SendError::Later { .. }) => return Err(error),
            }
        }
        result
    }
}

/// What an Alertmanager is sent after an event.
#[cfg(test)]
pub(super) fn sample_alerts(event: &AlertEvent) -> serde_json::Value {
    let mut active = ActiveSet::default();
    active.apply(&event.incident, event.time);
    active.alerts(event.time).into()
}

#[cfg(test)]
mod tests;
