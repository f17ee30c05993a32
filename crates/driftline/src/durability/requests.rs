//! Requests that were taken, by their `Idempotency-Key`: a client that sends one again, because its answer was lost,
//! hears what it would have heard.

use std::time::Duration;

use driftline_events::EventTime;
use driftline_source::{Idempotency, Receipt, Taken};
use driftline_store::{State, StateError, Table};
use serde::{Deserialize, Serialize};

/// How long a key is known.
const KEPT: Duration = Duration::from_secs(24 * 3_600);

/// All keys share one space of their table.
const SPACE: u32 = 0;

/// How often the keys that are too old are let go.
const FLOOR_STEP: Duration = Duration::from_secs(600);

/// The requests of the last day.
#[derive(Debug)]
pub(crate) struct Requests {
    state: State,
    floor: Option<EventTime>,
}

/// A request that was taken, version 1. The time is first: by it the store lets entries go.
#[derive(Serialize, Deserialize)]
struct StoredRequest {
    arrival: i64,
    payload: u64,
    /// Accepted, duplicates, too late, for each batch.
    taken: Vec<(u64, u64, u64)>,
    /// What else the sender was answered.
    answer: Vec<u8>,
}

fn entry_key(idempotency: &Idempotency) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&SPACE.to_be_bytes());
    key[4..].copy_from_slice(&idempotency.key.to_be_bytes());
    key
}

impl Requests {
    pub(crate) const fn new(state: State) -> Self {
        Self { state, floor: None }
    }

    /// The receipt of a request that came before; `None` if it is new.
    ///
    /// # Errors
    /// [`StateError`] if the disk cannot be read.
    pub(crate) fn known(
        &self,
        idempotency: &Idempotency,
        now: EventTime,
    ) -> Result<Option<Receipt>, StateError> {
        let Some(bytes) = self.state.get(Table::Requests, &entry_key(idempotency))? else { return Ok(None) };
        let Ok(stored) = postcard::from_bytes::<StoredRequest>(&bytes) else { return Ok(None) };
        if EventTime::from_millis(stored.arrival) < now.saturating_sub(KEPT) {
            return Ok(None);
        }
        if stored.payload != idempotency.payload {
            return Ok(Some(Receipt::conflicting()));
        }
        let taken = stored.taken.into_iter();
        let taken =
            taken.map(|(accepted, duplicates, too_late)| Taken { accepted, duplicates, too_late }).collect();
        Ok(Some(Receipt::again(taken, stored.answer.into())))
    }

    /// Remembers a request that was taken.
    pub(crate) fn remember(&mut self, idempotency: &Idempotency, arrival: EventTime, taken: &[Taken]) {
        let stored = StoredRequest {
            arrival: arrival.as_millis(),
            payload: idempotency.payload,
            taken: taken.iter().map(|taken| (taken.accepted, taken.duplicates, taken.too_late)).collect(),
            answer: idempotency.answer.to_vec(),
        };
        let bytes = postcard::to_stdvec(&stored).expect("a vector takes all");
        self.state.put(Table::Requests, &entry_key(idempotency), bytes);
        let floor = arrival.saturating_sub(KEPT).floor(FLOOR_STEP);
        if self.floor.is_none_or(|known| known < floor) {
            self.floor = Some(floor);
            self.state.set_floor(Table::Requests, SPACE, floor);
        }
    }
}
