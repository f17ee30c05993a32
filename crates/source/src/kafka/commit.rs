//! Commits of group offsets, on a thread of their own: librdkafka tells what became of a commit only to who waits for it,
//! and a broker that is away would hold up the thread that polls.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;

use super::context::Context;
use super::stats::KafkaStats;

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

fn commit(consumer: &BaseConsumer<Context>, offsets: &TopicPartitionList) -> Result<(), KafkaError> {
    consumer.commit(offsets, CommitMode::Sync)?;
    offsets.elements().iter().try_for_each(|element| element.error())
}
