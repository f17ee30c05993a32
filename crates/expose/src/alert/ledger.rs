//! What became of a sink's events, told to the caller and counted.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::options::SinkKind;
use crate::publish::Delivery;

/// Is told what became of each event, by its number, from any thread.
pub type OnAlertDelivery = Arc<dyn Fn(u64, Delivery) + Send + Sync>;

/// Faults that stay are told again after this.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// How it stands with a sink, and what was counted since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkSnapshot {
    /// Its name.
    pub sink: String,
    /// Its kind.
    pub kind: SinkKind,
    /// Whether the other side took what was sent last, all of them where there are several; `None` before that.
    pub connected: Option<bool>,
    /// Events that were handed over and not heard of yet.
    pub waiting: u64,
    /// Events that the other side has, on their own or in the newest of their incident.
    pub delivered: u64,
    /// Attempts that failed, and were or will be made again.
    pub failures: u64,
    /// Events that the other side will never take.
    pub refused: u64,
    /// Events that were left out: over before quiet hours were, or too many in them.
    pub dropped: u64,
    /// What went wrong last, without secrets; it may be over.
    pub error: Option<String>,
}

/// One sink's account.
pub(super) struct Ledger {
    snapshot: Mutex<SinkSnapshot>,
    told: Mutex<Option<Instant>>,
    on_delivery: OnAlertDelivery,
}

impl Ledger {
    pub(super) fn new(sink: &str, kind: SinkKind, on_delivery: OnAlertDelivery) -> Self {
        let snapshot = SinkSnapshot {
            sink: sink.to_owned(),
            kind,
            connected: None,
            waiting: 0,
            delivered: 0,
            failures: 0,
            refused: 0,
            dropped: 0,
            error: None,
        };
        Self { snapshot: Mutex::new(snapshot), told: Mutex::default(), on_delivery }
    }

    fn state(&self) -> MutexGuard<'_, SinkSnapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn snapshot(&self) -> SinkSnapshot {
        self.state().clone()
    }

    pub(super) fn tell(&self, number: u64, delivery: Delivery) {
        (self.on_delivery)(number, delivery);
    }

    pub(super) fn handed_over(&self) {
        self.state().waiting += 1;
    }

    pub(super) fn given_back(&self) {
        self.settle(1, |_| ());
    }

    fn settle(&self, events: usize, count: impl FnOnce(&mut SinkSnapshot)) {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(events as u64);
        count(&mut state);
    }

    pub(super) fn connected(&self, connected: bool) {
        self.state().connected = Some(connected);
    }

    pub(super) fn delivered(&self, numbers: &[u64]) {
        self.settle(numbers.len(), |state| state.delivered += numbers.len() as u64);
        numbers.iter().for_each(|&number| self.tell(number, Delivery::Delivered));
    }

    pub(super) fn refused(&self, numbers: &[u64], reason: &str) {
        self.settle(numbers.len(), |state| {
            state.refused += numbers.len() as u64;
            state.error = Some(reason.to_owned());
        });
        let sink = self.state().sink.clone();
        tracing::error!(
            sink,
            reason,
            events = numbers.len(),
            "An alert is refused for good; it is left out."
        );
        numbers.iter().for_each(|&number| self.tell(number, Delivery::Refused));
    }

    /// Nobody is to be told of them any more: to the caller they are done with.
    pub(super) fn dropped(&self, numbers: &[u64]) {
        self.settle(numbers.len(), |state| state.dropped += numbers.len() as u64);
        numbers.iter().for_each(|&number| self.tell(number, Delivery::Delivered));
    }

    pub(super) fn failed(&self, reason: &str) {
        let mut state = self.state();
        state.failures += 1;
        state.error = Some(reason.to_owned());
        let sink = state.sink.clone();
        drop(state);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(sink, reason, "Failed to send an alert; trying on.");
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("snapshot", &self.snapshot).finish_non_exhaustive()
    }
}
