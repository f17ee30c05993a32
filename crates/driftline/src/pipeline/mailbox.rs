//! Alert events on their way to sinks: kept in the state until each sink has them.
//!
//! An event is handed over only once the checkpoint that has it, and the alerts it tells of, is on disk: a crash can
//! neither take back what somebody was told nor leave it untold. One that was handed over and not heard of is handed
//! over again after a restart, with the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use driftline_evaluate::{AlertEvent, EventAction, Incident};
use driftline_expose::{AlertClock, Delivery, NotTaken, Notifier, NotifyError, NotifySpec};
use driftline_store::{State, StateError, Table};
use serde::{Deserialize, Serialize};

use crate::durability::Health;

/// Events that may wait for all sinks together; then the oldest go.
const CAPACITY: usize = 10_000;

/// How the keys of letters, and of who was told of an incident, begin in [`Table::Outbox`].
const LETTER: u8 = b'a';
const TOLD: u8 = b't';

/// An event for a sink, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Letter {
    sink: String,
    event: Arc<AlertEvent>,
}

/// A letter that was not heard of.
struct Waiting {
    letter: Letter,
    is_handed_over: bool,
}

/// Alert events on their way.
pub(crate) struct Mailbox {
    state: State,
    notifier: Notifier,
    heard: Arc<Mutex<Vec<u64>>>,
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Letters before it are on disk, by the last checkpoint; and by the one that is being committed.
    durable: u64,
    sealed: Option<(u64, u64)>,
    /// By open incident, the sinks that were told of it.
    told: BTreeMap<String, BTreeSet<String>>,
    dropped: u64,
}

/// A mailbox that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailboxError {
    /// What waits cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// A letter that is none.
    #[error("an alert event in the state folder is damaged; restore it from a backup")]
    Damaged(#[source] serde_json::Error),
    /// A sink cannot start.
    #[error(transparent)]
    Sink(#[from] NotifyError),
}

fn letter_key(number: u64) -> [u8; 9] {
    let mut key = [LETTER; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn told_key(incident: &str) -> Vec<u8> {
    [&[TOLD], incident.as_bytes()].concat()
}

impl Mailbox {
    /// Goes on with what the state has. `source` is what events say of where they come from, `open` are the models'
    /// incidents.
    pub(crate) fn open(
        state: State,
        spec: NotifySpec,
        source: &str,
        clock: AlertClock,
        open: &[Incident],
    ) -> Result<Self, MailboxError> {
        let mut letters = Vec::new();
        state.scan(Table::Outbox, &[LETTER], false, &mut |key, value| {
            if let Some(number) = key.get(1..).and_then(|number| number.try_into().ok()) {
                letters.push((u64::from_be_bytes(number), value.to_vec()));
            }
            ControlFlow::Continue(())
        })?;
        let mut told = BTreeMap::new();
        state.scan(Table::Outbox, &[TOLD], false, &mut |key, value| {
            if let (Ok(incident), Ok(sinks)) = (str::from_utf8(&key[1..]), serde_json::from_slice(value)) {
                told.insert(incident.to_owned(), sinks);
            }
            ControlFlow::Continue(())
        })?;
        let mut waiting = BTreeMap::new();
        for (number, bytes) in letters {
            let letter = serde_json::from_slice(&bytes).map_err(MailboxError::Damaged)?;
            waiting.insert(number, Waiting { letter, is_handed_over: false });
        }
        let heard = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&heard);
        let on_delivery = Arc::new(move |number, _: Delivery| {
            tell.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        });
        let notifier = Notifier::start(spec, source, clock, on_delivery)?;
        let nobody = BTreeSet::new();
        notifier.active(open.iter().map(|incident| (incident, told.get(&incident.id).unwrap_or(&nobody))));
        let next = waiting.keys().next_back().map_or(0, |last| last + 1);
        Ok(Self { state, notifier, heard, next, waiting, durable: next, sealed: None, told, dropped: 0 })
    }

    /// Takes an event for all who are to be told of it; says whether there is anybody.
    pub(crate) fn put(&mut self, event: AlertEvent) -> bool {
        let incident = event.incident.id.clone();
        let known = self.told.get(&incident).cloned().unwrap_or_default();
        let sinks: Vec<String> = self.notifier.route(&event, &known).into_iter().map(str::to_owned).collect();
        let is_over = matches!(event.action, EventAction::Resolved | EventAction::Retracted);
        if is_over {
            if self.told.remove(&incident).is_some() {
                self.state.remove(Table::Outbox, &told_key(&incident));
            }
        } else if sinks.iter().any(|sink| !known.contains(sink)) {
            let told = self.told.entry(incident.clone()).or_default();
            told.extend(sinks.iter().cloned());
            let told = serde_json::to_vec(told).expect("names are text");
            self.state.put(Table::Outbox, &told_key(&incident), told);
        }
        let event = Arc::new(event);
        for sink in &sinks {
            let letter = Letter { sink: sink.clone(), event: Arc::clone(&event) };
            let bytes = serde_json::to_vec(&letter).expect("events are plain data");
            self.state.put(Table::Outbox, &letter_key(self.next), bytes);
            self.waiting.insert(self.next, Waiting { letter, is_handed_over: false });
            self.next += 1;
        }
        while self.waiting.len() > CAPACITY {
            let Some((number, waiting)) = self.waiting.pop_first() else { break };
            tracing::error!(
                sink = waiting.letter.sink,
                "A sink has been away for long: its oldest alert event is left out."
            );
            self.state.remove(Table::Outbox, &letter_key(number));
            self.dropped += 1;
        }
        !sinks.is_empty()
    }

    /// A checkpoint with everything so far was sealed.
    pub(crate) const fn sealed(&mut self, number: u64) {
        self.sealed = Some((number, self.next));
    }

    /// Lets go of what was delivered, and hands over what is on disk as far as sinks have room. `committed` is the
    /// last checkpoint's number.
    pub(crate) fn pump(&mut self, committed: u64, health: &Health) {
        self.hear();
        if let Some((_, next)) = self.sealed.take_if(|(number, _)| *number <= committed) {
            self.durable = next;
        }
        let mut full = BTreeSet::new();
        let mut unknown = Vec::new();
        for (number, waiting) in self.waiting.range_mut(..self.durable) {
            let Letter { sink, event } = &waiting.letter;
            if waiting.is_handed_over || full.contains(sink) {
                continue;
            }
            match self.notifier.notify(*number, sink, Arc::clone(event)) {
                Ok(()) => waiting.is_handed_over = true,
                Err(NotTaken::UnknownSink) => unknown.push(*number),
                Err(_) => drop(full.insert(sink.clone())),
            }
        }
        for number in unknown {
            if let Some(waiting) = self.waiting.remove(&number) {
                let sink = waiting.letter.sink;
                tracing::warn!(
                    sink,
                    "An alert event waited for a sink that is not configured any more; it is left out."
                );
                self.state.remove(Table::Outbox, &letter_key(number));
                self.dropped += 1;
            }
        }
        let (sinks, dropped) = (self.notifier.snapshot(), self.dropped);
        health.note(|health| {
            health.sinks = sinks;
            health.figures.alerts_dropped = dropped;
        });
    }

    fn hear(&mut self) {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        for number in heard {
            self.waiting.remove(&number);
            self.state.remove(Table::Outbox, &letter_key(number));
        }
    }

    /// Sends what was handed over, for as long as `patience`, and lets go of what was delivered.
    pub(crate) async fn finish(&mut self, patience: Duration) {
        self.notifier.finish(patience).await;
        self.hear();
    }
}
