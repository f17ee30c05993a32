//! Reports on their way out: kept in the state until the brokers have them.
//!
//! A report is handed over only once the checkpoint that has it is on disk, so that nothing goes out that a crash would
//! undo; it leaves the state in the first checkpoint after its delivery. A crash between the two sends it again, with
//! the same id.

use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;
use driftline_expose::{
    Delivery, Message, PublishError, PublishFigures, PublishSpec, Publisher, window_report_message,
};
use driftline_store::{State, StateError, Table};

use crate::durability::{Health, causes};

/// Messages that may wait for brokers that are away; then the oldest go, which are in the history all the same.
const CAPACITY: u64 = 100_000;

/// How the keys of reports begin in [`Table::Outbox`].
const REPORT: u8 = b'r';

/// How many are read and handed over at a time: the publisher's queue takes about as many.
const STEP: usize = 1_024;

/// Messages on their way out.
pub(crate) struct Outbox {
    state: State,
    publisher: Publisher,
    topic: String,
    source: String,
    heard: Arc<Mutex<Vec<u64>>>,
    /// Messages in the state have numbers from the oldest up to the next.
    oldest: u64,
    next: u64,
    /// The next to hand over.
    unsent: u64,
    /// Those before it are on disk, by the last checkpoint; and by the one that is being committed.
    durable: u64,
    sealed: Option<(u64, u64)>,
    dropped: u64,
}

/// An outbox that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// What waits cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// Nothing can be sent.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

fn key_of(number: u64) -> [u8; 9] {
    let mut key = [REPORT; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn number_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..)?.try_into().ok()?))
}

impl Outbox {
    /// Goes on with what the state has. `source` is what events say of where they come from.
    pub(crate) fn open(state: State, spec: &PublishSpec, source: String) -> Result<Self, OutboxError> {
        let end = |reverse| -> Result<Option<u64>, StateError> {
            let mut found = None;
            state.scan(Table::Outbox, &[REPORT], reverse, &mut |key, _| {
                found = number_of(key);
                ControlFlow::Break(())
            })?;
            Ok(found)
        };
        let next = end(true)?.map_or(0, |last| last + 1);
        let oldest = end(false)?.unwrap_or(next);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&heard);
        let on_delivery = move |number, _: Delivery| {
            tell.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        };
        let publisher = Publisher::start(spec, Box::new(on_delivery))?;
        let topic = spec.topic().to_owned();
        Ok(Self {
            state,
            publisher,
            topic,
            source,
            heard,
            oldest,
            next,
            unsent: oldest,
            durable: next,
            sealed: None,
            dropped: 0,
        })
    }

    /// Takes the report of a window that closed, or its revision.
    pub(crate) fn put(&mut self, report: &WindowReport, now: EventTime) {
        let message = window_report_message(&self.topic, report, &self.source, now);
        let bytes = postcard::to_stdvec(&message).expect("a vector takes all");
        self.state.put(Table::Outbox, &key_of(self.next), bytes);
        self.next += 1;
        while self.next - self.oldest > CAPACITY {
            if self.dropped == 0 {
                tracing::error!(
                    kept = CAPACITY,
                    topic = self.topic,
                    "The brokers have been away for long: the oldest unpublished reports are left out from here on. They \
                     are in the history."
                );
            }
            self.state.remove(Table::Outbox, &key_of(self.oldest));
            self.oldest += 1;
            self.unsent = self.unsent.max(self.oldest);
            self.dropped += 1;
        }
    }

    /// A checkpoint with everything so far was sealed.
    pub(crate) const fn sealed(&mut self, number: u64) {
        self.sealed = Some((number, self.next));
    }

    /// Lets go of what was delivered, and hands over what is on disk as far as there is room. `committed` is the last
    /// checkpoint's number.
    pub(crate) fn pump(&mut self, committed: u64, health: &Health) {
        self.hear();
        if let Some((_, next)) = self.sealed.take_if(|(number, _)| *number <= committed) {
            self.durable = next;
        }
        if let Err(error) = self.hand_over() {
            // It is tried again at the next tick, and what is missing is still on disk.
            tracing::error!(cause = causes(&error), "Failed to read what is to be published; trying on.");
        }
        let (waiting, dropped) = (self.next - self.oldest, self.dropped);
        let sent = self.publisher.snapshot();
        health.note(|health| {
            health.figures.publish = Some(PublishFigures {
                connected: sent.connected,
                waiting,
                delivered: sent.delivered,
                failures: sent.failures,
                refused: sent.refused,
                dropped,
            });
        });
    }

    fn hear(&mut self) {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        for number in heard {
            self.state.remove(Table::Outbox, &key_of(number));
            // They are delivered in order, unless one was refused.
            self.oldest = self.oldest.max(number + 1);
        }
    }

    fn hand_over(&mut self) -> Result<(), StateError> {
        let mut messages = Vec::new();
        let (from, to) = (key_of(self.unsent), self.durable);
        // While the brokers take nothing, nothing is read again and again.
        let step = STEP.min(self.publisher.room());
        if self.unsent >= to || step == 0 {
            return Ok(());
        }
        self.state.scan_from(
            Table::Outbox,
            &[REPORT],
            Bound::Included(&from),
            false,
            &mut |key, value| {
                let Some(number) = number_of(key) else { return ControlFlow::Continue(()) };
                if number >= to || messages.len() == step {
                    return ControlFlow::Break(());
                }
                messages.push((number, postcard::from_bytes::<Message>(value)));
                ControlFlow::Continue(())
            },
        )?;
        for (number, message) in messages {
            match message {
                Ok(message) => {
                    if self.publisher.publish(number, message).is_err() {
                        return Ok(());
                    }
                }
                Err(error) => {
                    tracing::error!(%error, number, "A message in the outbox cannot be read; it is left out.");
                    self.state.remove(Table::Outbox, &key_of(number));
                    self.dropped += 1;
                }
            }
            self.unsent = number + 1;
        }
        Ok(())
    }

    /// Sends what was handed over, for as long as `patience`, and lets go of what was delivered.
    pub(crate) async fn finish(&mut self, patience: Duration) {
        self.publisher.finish(patience).await;
        self.hear();
    }
}
