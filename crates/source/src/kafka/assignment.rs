//! Partitions that come and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::context::Change;
use super::start::{Commit, Facts, Start, start_of};
use super::stats::PartitionState;
use super::worker::{ReadTopic, Worker};
use crate::positions::Position;

/// A broker that did not answer is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Worker<'_> {
    /// Carries out what librdkafka has asked for, in order.
    pub(super) fn carry_out_changes(&mut self) {
        if self.change_after.is_some_and(|after| Instant::now() < after) {
            return;
        }
        self.change_after = None;
        while let Some(change) = self.consumer.context().next_change() {
            match change {
                Change::Revoke { partitions, is_lost } => self.revoke(&partitions, is_lost),
                Change::Assign(partitions) => {
                    if let Err(error) = self.assign(&partitions) {
                        let code = error.rdkafka_error_code();
                        let text = format!("the offsets of {} partitions: {error}", partitions.count());
                        self.consumer.context().failed(code, &text);
                        self.consumer.context().put_back(Change::Assign(partitions));
                        self.change_after = Some(Instant::now() + ASK_AGAIN);
                        return;
                    }
                }
            }
        }
    }

    /// Begins to read partitions, where [`super::start`] says.
    ///
    /// # Errors
    /// [`KafkaError`] if the broker does not say what must be known; nothing has changed then.
    fn assign(&mut self, partitions: &TopicPartitionList) -> Result<(), KafkaError> {
        let wait = self.job.spec.tuning.lookup_wait;
        let mut starts: Vec<(Position, Start)> = Vec::with_capacity(partitions.count());
        if partitions.count() > 0 {
            let committed = self.consumer.committed_offsets(partitions.clone(), wait)?;
            let deadline = Instant::now() + 2 * wait;
            for element in committed.elements() {
                element.error()?;
                let (topic, partition) = (element.topic(), element.partition());
                let commit = match element.offset() {
                    Offset::Offset(offset) => {
                        Some(Commit { offset, is_own: element.metadata() == self.job.state_id })
                    }
                    _ => None,
                };
                let known = self.job.positions.next(topic, partition);
                let wait = wait.min(deadline.saturating_duration_since(Instant::now()));
                let bounds = self.consumer.fetch_watermarks(topic, partition, wait).ok();
                let facts = Facts { known, committed: commit, bounds, start: self.job.spec.start };
                let start = start_of(&facts);
                if start == Start::Unknown {
                    return Err(KafkaError::OffsetFetch(rdkafka::types::RDKafkaErrorCode::OperationTimedOut));
                }
                starts.push((Position { topic: topic.into(), partition, next: known.unwrap_or(-1) }, start));
            }
        }
        self.begin(&starts)
    }

    fn begin(&mut self, starts: &[(Position, Start)]) -> Result<(), KafkaError> {
        let mut offsets = TopicPartitionList::with_capacity(starts.len());
        for (Position { topic, partition, .. }, start) in starts {
            let offset = match *start {
                Start::At { offset, .. } => Offset::Offset(offset),
                Start::Oldest | Start::Unknown => Offset::Beginning,
            };
            offsets.add_partition(topic, *partition).set_offset(offset)?;
        }
        self.consumer.incremental_assign(&offsets)?;
        if self.is_paused {
            self.consumer.pause(&offsets)?;
        }
        let mut news = Vec::new();
        for (known, start) in starts {
            let Position { topic, partition, next } = known;
            let next_now = match *start {
                Start::At { offset, gap, is_reset } => {
                    self.tell_gap(topic, *partition, *next, offset, gap, is_reset);
                    Some(offset)
                }
                Start::Oldest | Start::Unknown => None,
            };
            self.read_topic(topic).expected.insert(*partition, next_now);
            self.committed_anew(topic, *partition);
            let of = PartitionState { position: next_now, ..PartitionState::default() };
            self.job.stats.state().partitions.insert((Arc::clone(topic), *partition), of);
            if let Some(next_now) = next_now.filter(|next_now| next_now != next) {
                news.push(Position { next: next_now, ..known.clone() });
            }
        }
        if !starts.is_empty() {
            self.consumer.context().heard();
            self.job.stats.count(|counts| counts.rebalances += 1);
            tracing::info!(partitions = %shown(starts.iter().map(|(at, _)| (&at.topic, at.partition))), "Reading.");
        }
        // A start that the state does not know is part of the state: a gap is counted once, and `latest` is the end as
        // it was when the partition came.
        if !news.is_empty() {
            self.queue_positions(news, None);
        }
        Ok(())
    }

    fn read_topic(&mut self, topic: &Arc<str>) -> &mut ReadTopic {
        let topics = &self.job.spec.topics;
        self.topics.entry(Arc::clone(topic)).or_insert_with(|| ReadTopic {
            name: Arc::clone(topic),
            // librdkafka subscribes by the same names and patterns.
            event: topics.event_of(topic).unwrap_or(crate::EventKind::Prediction),
            default_model: topics.model_of(topic).map(Into::into),
            expected: BTreeMap::new(),
        })
    }

    /// What was committed for a partition that comes back is not known any more.
    fn committed_anew(&mut self, topic: &Arc<str>, partition: i32) {
        if self.committed.next(topic, partition).is_some() {
            self.committed.set(&Position { topic: Arc::clone(topic), partition, next: -1 });
        }
    }

    fn tell_gap(&self, topic: &str, partition: i32, from: i64, to: i64, gap: u64, is_reset: bool) {
        if gap > 0 {
            self.job.stats.count(|counts| counts.gap_messages += gap);
            tracing::error!(
                topic,
                partition,
                from,
                to,
                messages = gap,
                "Messages were deleted before they were read; their rows are missing for good. Keep them for longer \
                 (retention.ms of the topic) than the service may be down or behind."
            );
        }
        if is_reset {
            self.job.stats.count(|counts| counts.resets += 1);
            tracing::error!(
                topic,
                partition,
                from,
                to,
                "The partition ends before the position that was read to: the topic was made anew, or has lost \
                 messages. Reading it from its beginning."
            );
        }
    }

    /// Lets partitions go: first everything that was read of them becomes durable and is committed, so that whoever gets
    /// them begins right there.
    fn revoke(&mut self, partitions: &TopicPartitionList, is_lost: bool) {
        let going: Vec<(Arc<str>, i32)> = partitions
            .elements()
            .iter()
            .map(|element| (element.topic().into(), element.partition()))
            .collect();
        if !going.is_empty() {
            self.job.stats.count(|counts| counts.rebalances += 1);
            let shown = shown(going.iter().map(|(topic, partition)| (topic, *partition)));
            tracing::info!(partitions = %shown, is_lost, "Letting partitions go.");
        }
        if is_lost {
            // Somebody else may read them by now: nothing may be committed, nothing more handed on.
            self.job.stats.count(|counts| counts.lost_partitions += going.len() as u64);
            self.drop_partitions(&going);
        } else if !going.is_empty() {
            if let Err(error) = self.consumer.pause(partitions) {
                tracing::debug!(%error, "Failed to pause partitions that go.");
            }
            let is_durable = self.make_durable();
            self.drop_partitions(&going);
            let is_going = |position: &Position| {
                going
                    .iter()
                    .any(|(topic, partition)| (topic, *partition) == (&position.topic, position.partition))
            };
            let safe: Vec<Position> = self.safe_positions(is_durable).into_iter().filter(is_going).collect();
            let is_committed = self.commit_and_wait(&safe);
            if !is_durable || !is_committed {
                self.job.stats.count(|counts| counts.unconfirmed_handovers += going.len() as u64);
                tracing::error!(
                    partitions = going.len(),
                    is_durable,
                    is_committed,
                    "Partitions go to another process before their last rows are in a checkpoint and committed; those \
                     may be counted twice. Is the disk of the state folder slow or full?"
                );
            }
        }
        if let Err(error) = self.consumer.incremental_unassign(partitions) {
            tracing::warn!(%error, "Failed to let partitions go.");
        }
    }

    fn drop_partitions(&mut self, going: &[(Arc<str>, i32)]) {
        for (topic, partition) in going {
            if let Some(read) = self.topics.get_mut(topic) {
                read.expected.remove(partition);
            }
        }
        self.topics.retain(|_, read| !read.expected.is_empty());
        self.forget_unassigned();
    }

    /// Looks for partitions whose position the log does not have, which librdkafka says without saying which.
    pub(super) fn find_gaps(&mut self) {
        let wait = self.job.spec.tuning.lookup_wait;
        let assigned: Vec<_> =
            self.assigned().map(|(topic, partition)| (Arc::clone(topic), partition)).collect();
        for (topic, partition) in assigned {
            let read = self.topics.get(&topic).and_then(|read| read.expected.get(&partition).copied());
            let Some(expected) = read else { continue };
            let bounds = match self.consumer.fetch_watermarks(&topic, partition, wait) {
                Ok(bounds) => bounds,
                Err(error) => {
                    tracing::warn!(%error, %topic, partition, "Failed to ask for the bounds of a partition.");
                    continue;
                }
            };
            let facts =
                Facts { known: expected, bounds: Some(bounds), start: self.job.spec.start, committed: None };
            let Start::At { offset, gap, is_reset } = start_of(&facts) else { continue };
            if Some(offset) == expected {
                continue;
            }
            self.tell_gap(&topic, partition, expected.unwrap_or(-1), offset, gap, is_reset);
            if let Err(error) = self.consumer.seek(&topic, partition, Offset::Offset(offset), wait) {
                tracing::error!(%error, %topic, partition, offset, "Failed to go on after a gap.");
                continue;
            }
            // What was read before the gap goes first: positions are kept in order.
            self.flush_all();
            self.read_topic(&topic).expected.insert(partition, Some(offset));
            let next = offset;
            self.queue_positions(vec![Position { topic, partition, next }], None);
        }
    }
}

fn shown<'t>(partitions: impl Iterator<Item = (&'t Arc<str>, i32)>) -> String {
    /// As many as a line of the log should name.
    const NAMED: usize = 20;
    let all: Vec<String> = partitions.map(|(topic, partition)| format!("{topic}/{partition}")).collect();
    match all.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{} and {more} more", all[..NAMED].join(" ")),
        _ => all.join(" "),
    }
}
