//! What is counted and seen of Kafka.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftline_events::EventTime;

/// The state of the Kafka source at one moment, and what it counted since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KafkaSnapshot {
    /// Whether a broker answers.
    pub connected: bool,
    /// Since when it is so.
    pub since: EventTime,
    /// What went wrong last; it may be over.
    pub error: Option<KafkaFault>,
    /// Whether partitions are paused because the queue to the pipeline is full.
    pub paused: bool,
    /// The partitions that are read here, by topic and number.
    pub partitions: Vec<PartitionSnapshot>,
    /// Counts since the start.
    pub counts: KafkaCounts,
}

/// Something that went wrong with Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaFault {
    /// When.
    pub time: EventTime,
    /// What librdkafka said.
    pub text: String,
    /// What to do, where waiting does not help: a password, a permission, a certificate.
    pub action: Option<&'static str>,
}

/// A partition that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSnapshot {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// The offset to read next: everything before it was handed to the pipeline.
    pub position: Option<i64>,
    /// Messages that wait in it; `None` until the broker has said so.
    pub lag: Option<u64>,
    /// How long ago the last message that was handed on had been written; zero when nothing waits.
    pub behind: Option<Duration>,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KafkaCounts {
    /// Messages of which every row was handed to the pipeline.
    pub folded: u64,
    /// Messages that were rejected, wholly or in part.
    pub rejected: u64,
    /// Messages without a value.
    pub tombstones: u64,
    /// Rejected messages that are in the dead-letter topic.
    pub dead_letters: u64,
    /// Rejected messages that could not be written there.
    pub dead_letter_failures: u64,
    /// Changes of the assignment.
    pub rebalances: u64,
    /// Partitions that were taken away before they could be handed over.
    pub lost_partitions: u64,
    /// Partitions that were handed over before their last rows were in a checkpoint and committed: those may be counted
    /// twice.
    pub unconfirmed_handovers: u64,
    /// Messages that were deleted before they were read.
    pub gap_messages: u64,
    /// Partitions whose log was not the one that was read before.
    pub resets: u64,
    /// Commits of group offsets.
    pub commits: u64,
    /// Commits that failed; the next one makes good for it.
    pub commit_failures: u64,
}

/// The counters, written by the consumer's thread and read by whoever asks.
#[derive(Debug)]
pub(crate) struct KafkaStats(Mutex<State>);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) connected: bool,
    pub(crate) since: EventTime,
    pub(crate) error: Option<KafkaFault>,
    pub(crate) paused: bool,
    pub(crate) partitions: BTreeMap<(Arc<str>, i32), PartitionState>,
    pub(crate) counts: KafkaCounts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PartitionState {
    /// Handed to the pipeline up to here.
    pub(crate) position: Option<i64>,
    /// When the last message of it had been written.
    pub(crate) last: Option<EventTime>,
    /// The offset after the last message that may be read.
    pub(crate) end: Option<i64>,
    /// Whether what was fetched reaches to the end: what lies between is no message, but a mark of a transaction.
    pub(crate) is_at_end: bool,
}

impl PartitionState {
    fn lag(&self) -> Option<u64> {
        let lag = u64::try_from(self.end?.saturating_sub(self.position?)).unwrap_or(0);
        Some(if self.is_at_end { 0 } else { lag })
    }

    fn behind(&self, now: EventTime) -> Option<Duration> {
        match self.lag()? {
            0 => Some(Duration::ZERO),
            _ => self.last.map(|last| now.since(last)),
        }
    }
}

impl KafkaStats {
    pub(crate) const fn new(now: EventTime) -> Self {
        Self(Mutex::new(State {
            connected: false,
            since: now,
            error: None,
            paused: false,
            partitions: BTreeMap::new(),
            counts: KafkaCounts {
                folded: 0,
                rejected: 0,
                tombstones: 0,
                dead_letters: 0,
                dead_letter_failures: 0,
                rebalances: 0,
                lost_partitions: 0,
                unconfirmed_handovers: 0,
                gap_messages: 0,
                resets: 0,
                commits: 0,
                commit_failures: 0,
            },
        }))
    }

    /// The counters stay true when a thread that held the lock panicked: each change is one addition.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut KafkaCounts)) {
        change(&mut self.state().counts);
    }

    /// Notes whether a broker answers. `true` if that is news.
    pub(crate) fn set_connected(&self, connected: bool, now: EventTime) -> bool {
        let mut state = self.state();
        let is_news = state.connected != connected;
        if is_news {
            (state.connected, state.since) = (connected, now);
        }
        is_news
    }

    pub(crate) fn snapshot(&self, now: EventTime) -> KafkaSnapshot {
        let state = self.state();
        let partition = |((topic, partition), of): (&(Arc<str>, i32), &PartitionState)| PartitionSnapshot {
            topic: Arc::clone(topic),
            partition: *partition,
            position: of.position,
            lag: of.lag(),
            behind: of.behind(now),
        };
        KafkaSnapshot {
            connected: state.connected,
            since: state.since,
            error: state.error.clone(),
            paused: state.paused,
            partitions: state.partitions.iter().map(partition).collect(),
            counts: state.counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_waits_and_time_behind_ends_with_it() {
        let stats = KafkaStats::new(EventTime::from_millis(0));
        let of = |position, end, is_at_end| {
            let last = Some(EventTime::from_millis(5_000));
            let partition = PartitionState { position, last, end, is_at_end };
            stats.state().partitions.insert(("t".into(), 0), partition);
            let snapshot = stats.snapshot(EventTime::from_millis(8_000));
            (snapshot.partitions[0].lag, snapshot.partitions[0].behind)
        };
        assert_eq!(of(Some(7), Some(10), false), (Some(3), Some(Duration::from_secs(3))));
        assert_eq!(of(Some(10), Some(10), false), (Some(0), Some(Duration::ZERO)));
        assert_eq!(of(Some(12), Some(10), false), (Some(0), Some(Duration::ZERO)));
        assert_eq!(of(Some(9), Some(10), true), (Some(0), Some(Duration::ZERO)));
        assert_eq!(of(Some(7), None, false), (None, None));
        assert_eq!(of(None, Some(7), false), (None, None));
    }
}
