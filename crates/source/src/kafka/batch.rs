//! Messages that are handed on together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::message::{BorrowedMessage, Message};

use super::config::Tuning;
use crate::positions::{Position, Positions};

/// Messages of one kind, as they lie in librdkafka's memory.
#[derive(Debug, Default)]
pub(super) struct Batch<'c> {
    messages: Vec<BorrowedMessage<'c>>,
    runs: Vec<Run>,
    bytes: usize,
    since: Option<Instant>,
}

/// Messages of one partition that follow each other: a broker sends hundreds at once, and what they have in common is kept
/// and looked up once.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) messages: usize,
    /// The offset after the last of them.
    pub(super) next: i64,
}

impl<'c> Batch<'c> {
    pub(super) fn push(&mut self, topic: &Arc<str>, message: BorrowedMessage<'c>) {
        let (partition, next) = (message.partition(), message.offset() + 1);
        match self.runs.last_mut().filter(|run| run.partition == partition && run.topic == *topic) {
            Some(run) => {
                run.messages += 1;
                run.next = next;
            }
            None => self.runs.push(Run { topic: Arc::clone(topic), partition, messages: 1, next }),
        }
        self.bytes += message.payload_len() + message.key_len();
        self.since.get_or_insert_with(Instant::now);
        self.messages.push(message);
    }

    pub(super) fn is_full(&self, tuning: &Tuning) -> bool {
        self.messages.len() >= tuning.batch_messages || self.bytes >= tuning.batch_bytes
    }

    /// How much longer it may wait for more; `None` if there is nothing in it.
    pub(super) fn patience(&self, tuning: &Tuning) -> Option<Duration> {
        let patience = self.since.map(|since| tuning.batch_wait.saturating_sub(since.elapsed()));
        if self.is_full(tuning) { patience.map(|_| Duration::ZERO) } else { patience }
    }

    /// Forgets messages that are not ours any more.
    pub(super) fn retain(&mut self, keep: impl Fn(&str, i32) -> bool) {
        let Self { messages, runs, since, .. } = std::mem::take(self);
        let mut messages = messages.into_iter();
        for run in runs {
            let of_run = messages.by_ref().take(run.messages);
            if keep(&run.topic, run.partition) {
                of_run.for_each(|message| self.push(&run.topic, message));
            } else {
                of_run.for_each(drop);
            }
        }
        if !self.messages.is_empty() {
            self.since = since;
        }
    }

    /// Takes the messages out, with the runs that they make.
    pub(super) fn take(&mut self) -> (Vec<BorrowedMessage<'c>>, Vec<Run>) {
        let Self { messages, runs, .. } = std::mem::take(self);
        (messages, runs)
    }
}

/// Where their partitions are read on after these runs.
pub(super) fn positions_after(runs: &[Run]) -> Vec<Position> {
    let position =
        |run: &Run| Position { topic: Arc::clone(&run.topic), partition: run.partition, next: run.next };
    runs.iter().map(position).collect::<Positions>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_run_of_a_partition_says_where_it_is_read_on() {
        let run = |topic: &str, partition, next| Run { topic: topic.into(), partition, messages: 1, next };
        let runs = [run("b", 0, 5), run("a", 1, 3), run("b", 0, 7), run("b", 1, 2)];
        let found: Vec<_> = positions_after(&runs)
            .into_iter()
            .map(|position| (position.topic.to_string(), position.partition, position.next))
            .collect();
        let expected = [("a", 1, 3), ("b", 0, 7), ("b", 1, 2)];
        assert_eq!(found, expected.map(|(topic, partition, next)| (topic.to_owned(), partition, next)));
    }
}
