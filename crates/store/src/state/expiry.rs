//! How entries that are too old leave the disk: when their block is merged anyway.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use driftline_events::EventTime;
use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};
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

    /// What removes a table's entries as they are merged; `None` for a table whose entries stay.
    pub(super) fn filter(&self, table: Table) -> Option<Arc<dyn Factory>> {
        table.is_hashed().then(|| Arc::new(ByAge { table, floors: self.clone() }) as Arc<dyn Factory>)
    }
}

#[derive(Debug)]
struct ByAge {
    table: Table,
    floors: CommittedFloors,
}

impl Factory for ByAge {
    fn name(&self) -> &str {
        "by-age"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        let floors = self.floors.0.read().unwrap_or_else(PoisonError::into_inner);
        let floors = floors
            .iter()
            .filter(|((table, _), _)| *table == self.table)
            .map(|((_, space), floor)| (*space, *floor));
        Box::new(Older { floors: floors.collect(), last: (0, None) })
    }
}

/// Removes what is older than its space's floor was when the merge began.
struct Older {
    floors: FxHashMap<u32, EventTime>,
    /// The space that was looked up last: keys come in order.
    last: (u32, Option<EventTime>),
}

impl fmt::Debug for Older {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Older").finish_non_exhaustive()
    }
}

impl CompactionFilter for Older {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        if self.floors.is_empty() {
            return Ok(Verdict::Keep);
        }
        let Some(space) = item.key().first_chunk().copied().map(u32::from_be_bytes) else {
            return Ok(Verdict::Keep);
        };
        if self.last.0 != space || self.last.1.is_none() {
            self.last = (space, self.floors.get(&space).copied());
        }
        let Some(floor) = self.last.1 else { return Ok(Verdict::Keep) };
        // A tombstone stays until the last level, so that no earlier version of the entry shows.
        Ok(match time_of(&item.value()?) {
            Some(time) if time < floor => Verdict::Remove,
            _ => Verdict::Keep,
        })
    }
}

/// The time that every value of a hashed table begins with: milliseconds, as a zigzag varint.
fn time_of(value: &[u8]) -> Option<EventTime> {
    postcard::take_from_bytes(value).ok().map(|(millis, _)| EventTime::from_millis(millis))
}
