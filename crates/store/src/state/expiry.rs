//! How entries that are too old leave the disk: when their run is merged anyway, or all in it are too old.

use std::sync::{Arc, PoisonError, RwLock};

use driftline_events::EventTime;
use rustc_hash::FxHashMap;

use super::table::Table;

/// The time before which a table's entries of one space are gone.
pub(super) type Floors = FxHashMap<(Table, u32), EventTime>;

/// The floors of the last committed checkpoint. A later one must not count: after a crash the entries between the two
/// are needed again.
#[derive(Clone, Debug, Default)]
pub(super) struct CommittedFloors(Arc<RwLock<Floors>>);

impl CommittedFloors {
    pub(super) fn raise(&self, floors: &Floors) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(floors);
    }

    pub(super) fn all(&self) -> Floors {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether an entry is older than its space's floor.
pub(super) fn is_over(floors: &Floors, table: Table, key: &[u8], value: &[u8]) -> bool {
    let space = key.first_chunk().map(|space| u32::from_be_bytes(*space));
    let floor = space.and_then(|space| floors.get(&(table, space)));
    floor.is_some_and(|floor| time_of(value).is_some_and(|time| time < *floor))
}

/// The time that every value of a hashed table begins with: milliseconds, as a zigzag varint.
pub(super) fn time_of(value: &[u8]) -> Option<EventTime> {
    postcard::take_from_bytes(value).ok().map(|(millis, _)| EventTime::from_millis(millis))
}
