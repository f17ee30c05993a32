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
    bytes: usize,
    since: Option<Instant>,
    next: Positions,
}

impl<'c> Batch<'c> {
    pub(super) fn push(&mut self, topic: &Arc<str>, message: BorrowedMessage<'c>) {
        let (partition, next) = (message.partition(), message.offset() + 1);
        self.next.set(&Position { topic: Arc::clone(topic), partition, next });
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
        self.messages.retain(|message| keep(message.topic(), message.partition()));
        self.bytes = self.messages.iter().map(|message| message.payload_len() + message.key_len()).sum();
        self.next = self.next.iter().filter(|position| keep(&position.topic, position.partition)).collect();
        if self.messages.is_empty() {
            *self = Self::default();
        }
    }

    /// Takes the messages out, with the positions after them.
    pub(super) fn take(&mut self) -> (Vec<BorrowedMessage<'c>>, Vec<Position>) {
        let Self { messages, next, .. } = std::mem::take(self);
        (messages, next.into())
    }
}
