//! A running simulation seen and steered from outside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftline_events::EventTime;

use crate::client::Receipt;
use crate::scenario::Scenario;

/// Steers a run and shows where it is; clones are the same handle.
#[derive(Clone, Debug, Default)]
pub struct SimulatorHandle {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    commands: BTreeMap<Scenario, bool>,
    progress: Progress,
}

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Wall time since the start.
    pub elapsed: Duration,
    /// Up to where events have been made; `None` before the start.
    pub event_time: Option<EventTime>,
    /// The scenarios that are on, in [`Scenario`]'s order.
    pub active: Vec<Scenario>,
    /// Area under the ROC curve of the simulated model on its training sample; `None` before the start.
    pub training_auc: Option<f64>,
    /// Predictions sent.
    pub predictions: Sent,
    /// Labels sent.
    pub labels: Sent,
    /// Requests that were tried again.
    pub retries: u64,
    /// What it waits for, in a sentence, while a request is tried again.
    pub waiting_for: Option<String>,
    /// Why the service rejected a row, of the latest request with a rejected row.
    pub last_rejection: Option<String>,
}

impl Progress {
    fn rejected(&mut self, receipt: &Receipt) {
        if let Some(rejection) = &receipt.first_rejection {
            self.last_rejection = Some(rejection.clone());
        }
    }
}

/// Rows that the service has answered for, or that Kafka has confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// All of them.
    pub sent: u64,
    /// Those that it took.
    pub accepted: u64,
    /// Those that it had already.
    pub duplicates: u64,
    /// Those that it did not take: rejected or too late.
    pub rejected: u64,
}

impl Sent {
    pub(crate) fn add(&mut self, receipt: &Receipt) {
        self.sent += receipt.accepted + receipt.duplicates + receipt.rejected;
        self.accepted += receipt.accepted;
        self.duplicates += receipt.duplicates;
        self.rejected += receipt.rejected;
    }
}

impl SimulatorHandle {
    /// A handle for a run that is to be started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Switches a scenario on or off, from the next batch to the end of the run, whatever the schedule says.
    pub fn set(&self, scenario: Scenario, on: bool) {
        self.shared().commands.insert(scenario, on);
    }

    /// Where the run is now.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.shared().progress.clone()
    }

    /// Counts predictions that were answered for.
    pub(crate) fn count_predictions(&self, receipt: &Receipt) {
        self.update(|progress| {
            progress.predictions.add(receipt);
            progress.rejected(receipt);
        });
    }

    /// Counts labels that were answered for.
    pub(crate) fn count_labels(&self, receipt: &Receipt) {
        self.update(|progress| {
            progress.labels.add(receipt);
            progress.rejected(receipt);
        });
    }

    pub(crate) fn commands(&self) -> BTreeMap<Scenario, bool> {
        self.shared().commands.clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.shared().progress);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // Counters are whole after a panic elsewhere.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
