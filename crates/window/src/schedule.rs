//! Which windows are due: those that closed, and closed ones whose panes changed since.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use driftline_events::EventTime;
use serde::{Deserialize, Serialize};

use crate::config::WindowSpec;
use crate::key::CellId;

/// One window of one cell that is to be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub(crate) window: usize,
    pub(crate) end: EventTime,
    pub(crate) cell: CellId,
    pub(crate) revision: u32,
    pub(crate) is_final: bool,
}

/// What is remembered of a closed window: how often it was evaluated, and from where on a row belongs to it.
#[derive(Clone, Copy, Debug)]
struct Closed {
    revision: u32,
    open_from: EventTime,
}

/// Ends of windows that may be empty are listed one by one up to this many at a time; after a longer
/// gap (the service was down for weeks) only the latest empty one is.
const MAX_EMPTY_ENDS: u32 = 100;

/// The state of one named window.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// Windows that end by then were listed.
    through: Option<EventTime>,
    closed: BTreeMap<EventTime, BTreeMap<CellId, Closed>>,
    /// Closed windows whose panes changed, still to be evaluated again, in the order they changed.
    owed: VecDeque<(EventTime, CellId)>,
    /// The same, to be found.
    owed_set: BTreeSet<(EventTime, CellId)>,
}

/// The first end of a window after `time`.
pub(crate) fn first_end_after(spec: &WindowSpec, time: EventTime) -> EventTime {
    time.floor(spec.every).saturating_add(spec.every)
}

/// The ends of all windows that hold the pane starting at `pane`, or may reach back to it.
fn ends_over(spec: &WindowSpec, pane: EventTime, reach: Duration) -> impl Iterator<Item = EventTime> + '_ {
    let last = pane.saturating_add(reach);
    let mut end = first_end_after(spec, pane);
    std::iter::from_fn(move || {
        (end <= last).then(|| {
            let this = end;
            end = end.saturating_add(spec.every);
            this
        })
    })
}

/// A [`Schedule`] on disk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredSchedule {
    through: Option<EventTime>,
    /// End, cell, revision, and from where on a row belongs to it.
    closed: Vec<(EventTime, CellId, u32, EventTime)>,
    owed: Vec<(EventTime, CellId)>,
}

impl Schedule {
    pub(crate) fn stored(&self) -> StoredSchedule {
        let closed = self.closed.iter().flat_map(|(&end, cells)| {
            cells.iter().map(move |(&cell, closed)| (end, cell, closed.revision, closed.open_from))
        });
        StoredSchedule {
            through: self.through,
            closed: closed.collect(),
            owed: self.owed.iter().copied().collect(),
        }
    }

    pub(crate) fn restored(stored: StoredSchedule) -> Self {
        let mut schedule = Self { through: stored.through, ..Self::default() };
        for (end, cell, revision, open_from) in stored.closed {
            schedule.closed.entry(end).or_default().insert(cell, Closed { revision, open_from });
        }
        schedule.owed_set = stored.owed.iter().copied().collect();
        schedule.owed = stored.owed.into();
        schedule
    }

    /// The ends in `(through, watermark]` of windows that hold one of `panes`, and of the empty ones between.
    pub(crate) fn newly_closed(
        &mut self,
        spec: &WindowSpec,
        watermark: EventTime,
        panes: impl IntoIterator<Item = EventTime>,
    ) -> BTreeSet<EventTime> {
        let latest = watermark.floor(spec.every);
        if self.through.is_some_and(|through| latest <= through) {
            return BTreeSet::new();
        }
        let mut ends: BTreeSet<_> = panes
            .into_iter()
            .flat_map(|pane| ends_over(spec, pane, spec.length))
            .filter(|&end| end <= latest && self.through.is_none_or(|through| end > through))
            .collect();
        if let Some(through) = self.through
            && latest > through
        {
            ends.insert(latest);
            let all = latest.since(through).as_millis() / spec.every.as_millis();
            if all <= u128::from(MAX_EMPTY_ENDS) {
                ends.extend(ends_over(spec, through, latest.since(through)));
            }
        }
        self.through = Some(self.through.map_or(latest, |through| through.max(latest)));
        ends
    }

    /// Notes that a pane of a cell changed: closed windows that hold it are owed an evaluation.
    pub(crate) fn pane_changed(&mut self, spec: &WindowSpec, pane: EventTime, cell: CellId) {
        let Some(through) = self.through else { return };
        for end in ends_over(spec, pane, spec.max_length.max(spec.length)) {
            if end > through {
                break;
            }
            let inside = pane >= end.saturating_sub(spec.length);
            let reached =
                self.closed.get(&end).and_then(|cells| cells.get(&cell)).is_some_and(|c| c.open_from <= pane);
            if (inside || reached) && self.owed_set.insert((end, cell)) {
                self.owed.push_back((end, cell));
            }
        }
    }

    /// Takes up to `limit` owed windows, those that have waited longest, and all that end by `floor`.
    pub(crate) fn take_owed(&mut self, limit: usize, floor: EventTime) -> Vec<(EventTime, CellId)> {
        let mut taken: Vec<_> = self.owed.iter().take(limit).copied().collect();
        taken.extend(self.owed_set.iter().take_while(|(end, _)| *end <= floor).copied());
        taken.sort_unstable();
        taken.dedup();
        for owed in &taken {
            self.owed_set.remove(owed);
        }
        self.owed.retain(|owed| self.owed_set.contains(owed));
        taken
    }

    /// Notes an evaluation and gives its revision.
    pub(crate) fn evaluated(&mut self, end: EventTime, cell: CellId, open_from: EventTime) -> u32 {
        let cells = self.closed.entry(end).or_default();
        let revision = cells.get(&cell).map_or(0, |closed| closed.revision + 1);
        cells.insert(cell, Closed { revision, open_from });
        revision
    }

    /// Windows still owed an evaluation.
    pub(crate) fn owed(&self) -> usize {
        self.owed_set.len()
    }

    /// Forgets windows that end by `floor`: nothing can change them any more.
    pub(crate) fn expire(&mut self, floor: EventTime) {
        self.closed = self.closed.split_off(&floor.saturating_add(Duration::from_millis(1)));
    }
}
