//! What the pipeline takes, and what it says of it.

use std::fmt;
use std::sync::Arc;

use driftline_events::ModelBatch;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::memory::Reservation;
use crate::stats::IngestStats;

/// Predictions or labels.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// What a model answered.
    Prediction,
    /// What turned out to be true.
    Label,
}

impl EventKind {
    /// The kind as labels of metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            Self::Label => "label",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rows of one payload: taken as a whole, or not at all.
#[derive(Debug)]
pub struct Submission {
    /// What the rows are.
    pub event: EventKind,
    /// One batch for each model; at least one, none empty.
    pub batches: Vec<ModelBatch>,
    /// Where the receipt goes. Dropped without one, the sender is told to try again.
    pub reply: Reply,
}

/// What became of a submission's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// One for each batch of the submission, in its order.
    pub taken: Vec<Taken>,
}

/// What became of one batch's rows: the three add up to its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Folded, or kept until they can be (a label that came before its prediction).
    pub accepted: u64,
    /// Seen before.
    pub duplicates: u64,
    /// Older than their model's retention.
    pub too_late: u64,
}

impl Receipt {
    /// The sums over all batches.
    #[must_use]
    pub fn total(&self) -> Taken {
        self.taken.iter().fold(Taken::default(), |sum, taken| Taken {
            accepted: sum.accepted + taken.accepted,
            duplicates: sum.duplicates + taken.duplicates,
            too_late: sum.too_late + taken.too_late,
        })
    }
}

/// The way back to the sender. It also holds the memory that the rows were let in with, and counts what the
/// receipt says: both must happen even when the sender has hung up.
pub struct Reply {
    sender: oneshot::Sender<Receipt>,
    event: EventKind,
    models: Vec<String>,
    stats: Arc<IngestStats>,
    _memory: Reservation,
}

impl Reply {
    pub(crate) fn new(
        event: EventKind,
        batches: &[ModelBatch],
        stats: Arc<IngestStats>,
        memory: Reservation,
    ) -> (Self, oneshot::Receiver<Receipt>) {
        let (sender, receiver) = oneshot::channel();
        let models = batches.iter().map(|batch| batch.schema.model().to_string()).collect();
        (Self { sender, event, models, stats, _memory: memory }, receiver)
    }

    /// Tells what became of the rows. Call it when they are safe, whatever that means to the pipeline.
    pub fn send(self, receipt: Receipt) {
        for (model, taken) in self.models.iter().zip(&receipt.taken) {
            self.stats.took(self.event, model, *taken);
        }
        // A sender that hung up asks again, and its rows are then duplicates: nothing to do here.
        drop(self.sender.send(receipt));
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("event", &self.event)
            .field("models", &self.models)
            .finish_non_exhaustive()
    }
}
