//! Commits of group offsets, on a thread of their own: librdkafka tells what became of a commit only to who waits for it,
//! and a broker that is away would hold up the thread that polls.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;

use super::context::Context;
use super::stats::KafkaStats;
use super::worker::{BREATH, Worker};
use crate::positions::{Position, Positions};

/// A commit that failed is tried again after this.
const COMMIT_AGAIN: Duration = Duration::from_secs(5);

/// The same where somebody waits for it.
const COMMIT_SOON: Duration = Duration::from_millis(200);

/// The way to that thread.
pub(super) struct Committer {
    requests: mpsc::Sender<TopicPartitionList>,
    sent: u64,
    answers: Arc<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    count: AtomicU64,
    has_failed: AtomicBool,
}

impl Committer {
    /// Starts the thread; it ends when this is dropped and the last commit has been answered.
    pub(super) fn start(
        consumer: Arc<BaseConsumer<Context>>,
        stats: Arc<KafkaStats>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (requests, offsets) = mpsc::channel::<TopicPartitionList>();
        let answers = Arc::new(Answers::default());
        let own = Arc::clone(&answers);
        let run = move || {
            for offsets in offsets {
                own.note(commit(&consumer, &offsets), &stats);
            }
        };
        let thread = std::thread::Builder::new().name("kafka-commit".to_owned()).spawn(run)?;
        Ok((Self { requests, sent: 0, answers }, thread))
    }

    /// Commits offsets; one commit at a time.
    pub(super) fn send(&mut self, offsets: TopicPartitionList) {
        if self.requests.send(offsets).is_ok() {
            self.sent += 1;
        }
    }

    /// Whether the last commit has no answer yet.
    pub(super) fn is_busy(&self) -> bool {
        self.answers.count.load(Ordering::Acquire) < self.sent
    }

    /// Whether a commit failed since this was asked last.
    pub(super) fn take_failure(&self) -> bool {
        self.answers.has_failed.swap(false, Ordering::AcqRel)
    }
}

impl Answers {
    fn note(&self, result: Result<(), KafkaError>, stats: &KafkaStats) {
        match result {
            Ok(()) => stats.count(|counts| counts.commits += 1),
            Err(error) => {
                stats.count(|counts| counts.commit_failures += 1);
                self.has_failed.store(true, Ordering::Release);
                tracing::warn!(%error, "Failed to commit group offsets; lag tools show old figures, nothing is lost.");
            }
        }
        self.count.fetch_add(1, Ordering::Release);
    }
}

impl Worker<'_> {
    /// Commits what has become durable since the last time.
    pub(super) fn commit(&mut self) {
        if self.committer.is_busy() {
            return;
        }
        if self.committer.take_failure() {
            self.committed = Positions::default();
            self.commit_after = Some(Instant::now() + COMMIT_AGAIN);
        }
        let is_due = self.commit_after.is_some_and(|after| Instant::now() >= after);
        if !is_due && !self.job.durable.has_changed().unwrap_or(false) {
            return;
        }
        self.commit_after = None;
        let durable = Arc::clone(&self.job.durable.borrow_and_update());
        let due: Vec<Position> = durable.iter().filter(|position| self.is_due(position)).collect();
        self.commit_now(&due);
    }

    pub(super) fn is_due(&self, position: &Position) -> bool {
        let Position { topic, partition, next } = position;
        let is_ours = self.topics.get(topic).is_some_and(|read| read.expected.contains_key(partition));
        is_ours && self.committed.next(topic, *partition) != Some(*next)
    }

    fn commit_now(&mut self, positions: &[Position]) {
        if positions.is_empty() {
            return;
        }
        let mut offsets = TopicPartitionList::with_capacity(positions.len());
        for Position { topic, partition, next } in positions {
            let mut element = offsets.add_partition(topic, *partition);
            element.set_metadata(&self.job.state_id);
            if let Err(error) = element.set_offset(rdkafka::Offset::Offset(*next)) {
                tracing::error!(%error, %topic, partition, next, "Failed to write an offset.");
                return;
            }
        }
        self.committer.send(offsets);
        positions.iter().for_each(|position| self.committed.set(position));
    }

    /// Commits positions, and waits until the broker has them; it may refuse for a moment while the group changes.
    /// `false` if it does not take them in time.
    pub(super) fn commit_and_wait(&mut self, positions: &[Position]) -> bool {
        let deadline = Instant::now() + self.job.spec.tuning.goodbye_wait;
        // One that is on its way may be of older positions, and must not come after these.
        self.await_answer(deadline);
        loop {
            self.committer.take_failure();
            self.commit_now(positions);
            self.await_answer(deadline);
            if !self.committer.is_busy() && !self.committer.take_failure() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(COMMIT_SOON);
        }
    }

    fn await_answer(&self, deadline: Instant) {
        while self.committer.is_busy() && Instant::now() < deadline {
            std::thread::sleep(BREATH);
        }
    }

    /// The positions that are in a checkpoint: all that were handed on, if that is known; else those that were told of.
    pub(super) fn safe_positions(&self, is_durable: bool) -> Vec<Position> {
        if is_durable {
            self.job.positions.iter().collect()
        } else {
            self.job.durable.borrow().iter().collect()
        }
    }
}

fn commit(consumer: &BaseConsumer<Context>, offsets: &TopicPartitionList) -> Result<(), KafkaError> {
    consumer.commit(offsets, CommitMode::Sync)?;
    offsets.elements().iter().try_for_each(|element| element.error())
}
