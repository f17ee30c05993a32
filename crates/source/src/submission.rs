//! What the pipeline takes, and what it says of it.

use std::fmt;
use std::sync::Arc;

use driftline_events::{EventTime, ModelBatch};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::memory::Reservation;
use crate::positions::Position;
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

/// The rows of one payload, or of several messages: taken as a whole, or not at all.
#[derive(Debug)]
pub struct Submission {
    /// What the rows are.
    pub event: EventKind,
    /// One batch for each model, none empty. Over HTTP there is at least one; from Kafka there may be none, for
    /// messages without a usable row still move the positions.
    pub batches: Vec<ModelBatch>,
    /// The way the rows came.
    pub origin: Origin,
    /// Where the receipt goes. Dropped without one, the sender is told to try again.
    pub reply: Reply,
}

impl Submission {
    /// The bytes that its rows have in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.rows.get_array_memory_size()).sum()
    }
}

/// The way rows came, and what the pipeline must remember of it.
#[derive(Debug)]
pub enum Origin {
    /// In a request, whose sender waits for the receipt.
    Http {
        /// When the request arrived.
        arrival: EventTime,
        /// What tells the request from others, if its sender said so.
        idempotency: Option<Idempotency>,
    },
    /// In messages of a topic.
    Kafka {
        /// When the messages were read.
        arrival: EventTime,
        /// Where to read on once these rows are in the state: kept in the same checkpoint. Positions of other
        /// partitions stay as they are.
        positions: Vec<Position>,
        /// Asks for a checkpoint right after these rows, and waits until it is on disk. Dropped without an answer,
        /// nothing is known of it.
        durable: Option<oneshot::Sender<()>>,
    },
}

impl Origin {
    /// When the rows arrived.
    #[must_use]
    pub const fn arrival(&self) -> EventTime {
        match self {
            Self::Http { arrival, .. } | Self::Kafka { arrival, .. } => *arrival,
        }
    }
}

/// The request that a sender means by its `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Idempotency {
    /// Stands for the key and the route.
    pub key: u128,
    /// Stands for the payload, as it is after decompression, and the model that the request names for it.
    pub payload: u64,
    /// What the answer says besides the receipt, kept with it: whether a row is rejected depends on when it arrives.
    pub answer: Arc<[u8]>,
}

/// What became of a submission's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// One for each batch of the submission, in its order, or for each submission that was joined into it
    /// ([`Reply::joined`]); empty if the submission was refused.
    pub taken: Vec<Taken>,
    /// Refused: the `Idempotency-Key` was seen before, with another payload.
    pub conflict: bool,
    /// Refused: the rows cannot be made safe.
    pub storage: Option<StorageFault>,
    /// The request was taken before: [`Idempotency::answer`] of that time.
    pub answered: Option<Arc<[u8]>>,
}

impl Receipt {
    /// The receipt of rows that were taken.
    #[must_use]
    pub const fn of(taken: Vec<Taken>) -> Self {
        Self { taken, conflict: false, storage: None, answered: None }
    }

    /// The receipt of a request that was taken before, and what its answer said besides.
    #[must_use]
    pub const fn again(taken: Vec<Taken>, answer: Arc<[u8]>) -> Self {
        Self { taken, conflict: false, storage: None, answered: Some(answer) }
    }

    /// The receipt that refuses a key which was used for something else.
    #[must_use]
    pub const fn conflicting() -> Self {
        Self { taken: Vec::new(), conflict: true, storage: None, answered: None }
    }

    /// The receipt that refuses rows which cannot be made safe.
    #[must_use]
    pub const fn refused(fault: StorageFault) -> Self {
        Self { taken: Vec::new(), conflict: false, storage: Some(fault), answered: None }
    }

    /// Whether no row of the submission was looked at.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.conflict || self.storage.is_some()
    }
}

/// Why rows cannot be made safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageFault {
    /// The disk is full.
    Full,
    /// The disk failed, or what it holds cannot be written.
    Failed,
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
    tell: Option<Tell>,
    event: EventKind,
    rows: Vec<(String, u64)>,
    stats: Arc<IngestStats>,
    held: Held,
    on_taken: Option<Box<dyn FnOnce() + Send>>,
    /// The replies of submissions of one batch each, in the order of their rows.
    joined: Vec<Self>,
}

/// Tells a sender: its receipt, or nothing if the queue to the pipeline is full.
pub(crate) type Tell = Box<dyn FnOnce(Option<Receipt>) + Send>;

/// What is given back when the rows are through.
pub(crate) enum Held {
    /// Memory of the routes.
    Memory(#[expect(dead_code, reason = "held for its drop")] Reservation),
    /// Nothing: the source bounds what it holds by other means.
    Nothing,
}

impl Reply {
    /// The way back for a sender that waits. `on_taken` runs once the rows are taken, and never if they are refused:
    /// a sender that is refused comes again, and what it sends is counted then.
    pub(crate) fn new(
        event: EventKind,
        batches: &[ModelBatch],
        stats: Arc<IngestStats>,
        memory: Reservation,
        on_taken: Box<dyn FnOnce() + Send>,
    ) -> (Self, oneshot::Receiver<Receipt>) {
        let (sender, receiver) = oneshot::channel();
        // A sender that hung up asks again, and its rows are then duplicates: nothing to do here.
        let tell =
            Box::new(move |receipt: Option<Receipt>| drop(receipt.map(|receipt| sender.send(receipt))));
        let reply = Self::of_rows(event, rows_of(batches), stats, memory, on_taken, tell);
        (reply, receiver)
    }

    /// The same for a sender that is told otherwise, of so many rows of each model.
    pub(crate) fn of_rows(
        event: EventKind,
        rows: Vec<(String, u64)>,
        stats: Arc<IngestStats>,
        memory: Reservation,
        on_taken: Box<dyn FnOnce() + Send>,
        tell: Tell,
    ) -> Self {
        let held = Held::Memory(memory);
        Self { tell: Some(tell), event, rows, stats, held, on_taken: Some(on_taken), joined: Vec::new() }
    }

    /// The way back where nobody waits: the receipt is only counted.
    pub(crate) fn unheard(event: EventKind, batches: &[ModelBatch], stats: Arc<IngestStats>) -> Self {
        let rows = rows_of(batches);
        Self { tell: None, event, rows, stats, held: Held::Nothing, on_taken: None, joined: Vec::new() }
    }

    /// The way back to all the senders of submissions of one batch each, whose batches were joined in this order.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn joined(replies: Vec<Self>) -> Self {
        let first = replies.first().expect("somebody sent the rows");
        let reply = Self::unheard(first.event, &[], Arc::clone(&first.stats));
        // Joined ones are joined again: each sender has its own rows in the end.
        let each = |mut reply: Self| {
            let joined = std::mem::take(&mut reply.joined);
            if joined.is_empty() { vec![reply] } else { joined }
        };
        Self { joined: replies.into_iter().flat_map(each).collect(), ..reply }
    }

    /// Tells every sender that the queue to the pipeline is full.
    pub(crate) fn busy(self) {
        self.tell.into_iter().for_each(|tell| tell(None));
        self.joined.into_iter().for_each(Self::busy);
    }

    /// How many rows each of the joined submissions has; empty where none were joined.
    pub fn joined_rows(&self) -> impl Iterator<Item = u64> {
        self.joined.iter().map(|reply| reply.rows.iter().map(|(_, rows)| rows).sum())
    }

    /// How many submissions it answers.
    #[must_use]
    pub fn senders(&self) -> usize {
        self.joined.len().max(1)
    }

    /// Tells what became of the rows. Call it when they are safe, whatever that means to the pipeline.
    pub fn send(mut self, mut receipt: Receipt) {
        if !self.joined.is_empty() {
            let mut taken = std::mem::take(&mut receipt.taken).into_iter();
            for reply in self.joined {
                reply.send(Receipt { taken: taken.next().into_iter().collect(), ..receipt.clone() });
            }
            return;
        }
        if receipt.answered.is_some() {
            // What was rejected was counted the first time.
            for (model, rows) in &self.rows {
                self.stats.received(self.event, model, *rows);
                self.stats.took(self.event, model, Taken { duplicates: *rows, ..Taken::default() });
            }
        } else if !receipt.is_refused() {
            for ((model, rows), taken) in self.rows.iter().zip(&receipt.taken) {
                self.stats.received(self.event, model, *rows);
                self.stats.took(self.event, model, *taken);
            }
            if let Some(on_taken) = self.on_taken.take() {
                on_taken();
            }
        }
        drop(self.held);
        if let Some(tell) = self.tell {
            tell(Some(receipt));
        }
    }
}

fn rows_of(batches: &[ModelBatch]) -> Vec<(String, u64)> {
    let rows = |batch: &ModelBatch| (batch.schema.model().to_string(), batch.rows.num_rows() as u64);
    batches.iter().map(rows).collect()
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("event", &self.event).field("rows", &self.rows).finish_non_exhaustive()
    }
}
