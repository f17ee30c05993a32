//! The consumer's thread: it polls, and everything else it does is short enough to poll on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::commit::Committer;
use super::config::KafkaSpec;
use super::context::{Change, Context};
use super::dead_letter::DeadLetters;
use super::stats::KafkaStats;
use crate::ingest::Intake;
use crate::positions::{Position, Positions};
use crate::submission::{EventKind, Submission};

/// The longest that a poll waits: what else there is to do, is done this often.
const POLL: Duration = Duration::from_millis(50);

/// Messages taken before the thread looks up from polling.
const AT_A_STRETCH: usize = 1_000;

/// A pause between two looks at a queue that is full or an answer that is awaited.
pub(super) const BREATH: Duration = Duration::from_millis(2);

const KINDS: [EventKind; 2] = [EventKind::Prediction, EventKind::Label];

/// What the thread is given.
pub(super) struct Job {
    pub(super) spec: Arc<KafkaSpec>,
    pub(super) intake: Intake,
    pub(super) stats: Arc<KafkaStats>,
    pub(super) state_id: String,
    pub(super) positions: Positions,
    pub(super) channel: mpsc::Sender<Submission>,
    pub(super) durable: watch::Receiver<Arc<Positions>>,
    pub(super) dead_letters: Option<DeadLetters>,
    pub(super) stop: CancellationToken,
}

/// A topic of which partitions are read.
#[derive(Debug)]
pub(super) struct ReadTopic {
    pub(super) name: Arc<str>,
    pub(super) event: EventKind,
    pub(super) default_model: Option<Arc<str>>,
    /// By partition the offset that comes next; `None` until the first message shows it.
    pub(super) expected: BTreeMap<i32, Option<i64>>,
}

/// The thread's state.
pub(super) struct Worker<'c> {
    pub(super) job: Job,
    pub(super) consumer: &'c BaseConsumer<Context>,
    pub(super) committer: Committer,
    pub(super) topics: BTreeMap<Arc<str>, ReadTopic>,
    pub(super) batches: [Batch<'c>; 2],
    /// Submissions that the pipeline had no room for, oldest first.
    pub(super) outbox: VecDeque<Submission>,
    /// Since when it has had none.
    pub(super) full_since: Option<Instant>,
    pub(super) is_paused: bool,
    /// Positions that are durable and committed, as far as is known.
    pub(super) committed: Positions,
    pub(super) commit_after: Option<Instant>,
    /// Changes of the assignment wait until then for a broker that did not answer.
    pub(super) change_after: Option<Instant>,
    /// The pipeline has gone.
    pub(super) is_abandoned: bool,
}

impl<'c> Worker<'c> {
    pub(super) fn new(job: Job, consumer: &'c BaseConsumer<Context>, committer: Committer) -> Self {
        Self {
            job,
            consumer,
            committer,
            topics: BTreeMap::new(),
            batches: Default::default(),
            outbox: VecDeque::new(),
            full_since: None,
            is_paused: false,
            committed: Positions::default(),
            commit_after: None,
            change_after: None,
            is_abandoned: false,
        }
    }

    /// Reads until it is told to stop, then hands over everything.
    pub(super) fn run(mut self) {
        while !self.job.stop.is_cancelled() && !self.is_abandoned {
            self.carry_out_changes();
            self.flush_what_is_due();
            self.hand_on();
            self.commit();
            if let Some(letters) = &self.job.dead_letters {
                letters.poll();
            }
            if self.holds_back() {
                std::thread::sleep(BREATH);
            } else {
                self.poll();
            }
        }
        self.finish();
    }

    fn poll(&mut self) {
        let patience = self.batches.iter().filter_map(|batch| batch.patience(&self.job.spec.tuning)).min();
        let mut wait = patience.unwrap_or(POLL).min(POLL);
        for _ in 0..AT_A_STRETCH {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => self.take(message),
                Some(Err(error)) => self.stumble(&error),
                None => return,
            }
            wait = Duration::ZERO;
            if self.batches.iter().any(|batch| batch.is_full(&self.job.spec.tuning)) {
                return;
            }
        }
    }

    fn take(&mut self, message: BorrowedMessage<'c>) {
        let Some(read) = self.topics.get_mut(message.topic()) else { return };
        let Some(expected) = read.expected.get_mut(&message.partition()) else { return };
        // Offsets may be left out (marks of transactions, compaction), but never come again.
        if expected.is_some_and(|expected| message.offset() < expected) {
            return;
        }
        *expected = Some(message.offset() + 1);
        self.batches[place(read.event)].push(&read.name, message);
    }

    fn stumble(&mut self, error: &KafkaError) {
        match error {
            KafkaError::PartitionEOF(_) => {}
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => self.find_gaps(),
            // Told by the context already, which has librdkafka's words for it.
            _ => tracing::debug!(%error, "Failed to read from Kafka."),
        }
    }

    fn flush_what_is_due(&mut self) {
        for event in KINDS {
            if self.batches[place(event)].patience(&self.job.spec.tuning) == Some(Duration::ZERO) {
                self.flush(event);
            }
        }
    }

    pub(super) fn flush_all(&mut self) {
        KINDS.into_iter().for_each(|event| self.flush(event));
    }

    /// The partitions that are read.
    pub(super) fn assigned(&self) -> impl Iterator<Item = (&Arc<str>, i32)> {
        self.topics
            .iter()
            .flat_map(|(topic, read)| read.expected.keys().map(move |&partition| (topic, partition)))
    }

    /// Forgets messages of partitions that are not read any more.
    pub(super) fn forget_unassigned(&mut self) {
        let topics = &self.topics;
        let keep = |topic: &str, partition: i32| {
            topics.get(topic).is_some_and(|read| read.expected.contains_key(&partition))
        };
        self.batches.iter_mut().for_each(|batch| batch.retain(keep));
        self.job.stats.state().partitions.retain(|(topic, partition), _| keep(topic, *partition));
    }

    /// Hands over everything before the consumer leaves its group.
    fn finish(&mut self) {
        let is_durable = !self.is_abandoned && self.make_durable();
        if !is_durable {
            tracing::warn!(
                "No checkpoint has what was read last from Kafka; it is read again at the next start."
            );
        }
        let positions = self.safe_positions(is_durable);
        let ours: Vec<Position> = positions.into_iter().filter(|position| self.is_due(position)).collect();
        self.commit_and_wait(&ours);
        if let Some(letters) = &self.job.dead_letters {
            letters.finish(self.job.spec.tuning.goodbye_wait);
        }
        self.consumer.context().close();
        // librdkafka waits for the answer to what it asked, and cannot be closed before it has one.
        while let Some(change) = self.consumer.context().next_change() {
            let answered = match change {
                Change::Assign(partitions) => self.consumer.incremental_assign(&partitions),
                Change::Revoke { partitions, .. } => self.consumer.incremental_unassign(&partitions),
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "Failed to answer a change of the assignment while closing.");
            }
        }
    }
}

pub(super) const fn place(event: EventKind) -> usize {
    match event {
        EventKind::Prediction => 0,
        EventKind::Label => 1,
    }
}

/// A list of partitions for librdkafka.
pub(super) fn list<T: AsRef<str>>(partitions: impl Iterator<Item = (T, i32)>) -> TopicPartitionList {
    let mut all = TopicPartitionList::new();
    partitions.for_each(|(topic, partition)| {
        all.add_partition(topic.as_ref(), partition);
    });
    all
}
