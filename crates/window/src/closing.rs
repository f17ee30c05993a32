//! Which windows of a model are due, and what is in them.

use std::collections::BTreeSet;
use std::sync::Arc;

use driftline_events::EventTime;
use driftline_summary::{CellSummary, SegmentKey};

use crate::WindowError;
use crate::key::{CellId, CellKey};
use crate::schedule::{Due, first_end_after};
use crate::windower::{WindowSummary, Windower};

impl Windower {
    /// Windows that closed since the last call, and up to `limit` closed ones whose panes changed.
    ///
    /// Every closed window is listed once with revision 0, and again after a change. What `limit` holds back
    /// stays owed. A window without any rows is listed for the version seen last.
    pub fn due(&mut self, limit: usize) -> Vec<Due> {
        let Some(watermark) = self.watermark.value() else { return Vec::new() };
        let floor = watermark.saturating_sub(self.time.retention);
        let mut due = Vec::new();
        for index in 0..self.schedules.len() {
            let window = self.time.windows[index].clone();
            let owed = self.schedules[index].take_owed(limit, floor);
            let ends = self.schedules[index].newly_closed(&window, watermark, self.panes.starts());
            for end in ends {
                let mut cells = self.panes.cells_in(end.saturating_sub(window.length), end);
                if cells.is_empty() && self.earliest.is_some_and(|earliest| end > earliest) {
                    let silent = CellKey { version: Arc::clone(&self.latest_version), segment: None };
                    cells.extend(self.keys.id(&silent));
                }
                due.extend(cells.into_iter().map(|cell| self.close(index, end, cell)));
            }
            due.extend(owed.into_iter().map(|(end, cell)| self.close(index, end, cell)));
        }
        due
    }

    fn close(&mut self, window: usize, end: EventTime, cell: CellId) -> Due {
        let (_, open_from) = self.start_of(window, end, cell);
        let revision = self.schedules[window].evaluated(end, cell, open_from);
        Due { window, end, cell, revision, is_final: true }
    }

    /// The windows that the latest events are in, not closed yet.
    #[must_use]
    pub fn open(&self) -> Vec<Due> {
        let (Some(greatest), Some(watermark)) = (self.watermark.greatest(), self.watermark.value()) else {
            return Vec::new();
        };
        let mut open = Vec::new();
        for (index, window) in self.time.windows.iter().enumerate() {
            let end = first_end_after(window, greatest);
            if end > watermark {
                let cells = self.panes.cells_in(end.saturating_sub(window.length), end);
                open.extend(cells.into_iter().map(|cell| Due {
                    window: index,
                    end,
                    cell,
                    revision: 0,
                    is_final: false,
                }));
            }
        }
        open
    }

    /// Windows that nothing can change any more, each once: those that ended a retention before the watermark, or
    /// all that are left when there is nothing to come (`at_end`). For replays, where revisions are of no use.
    pub fn settled(&mut self, at_end: bool) -> Vec<Due> {
        let Some(watermark) = self.watermark.value() else { return Vec::new() };
        let through = if at_end { EventTime::MAX } else { watermark.saturating_sub(self.time.retention) };
        let mut settled = Vec::new();
        for (index, window) in self.time.windows.iter().enumerate() {
            let mut ends = BTreeSet::new();
            for pane in self.panes.starts() {
                let mut end = first_end_after(window, pane);
                while end <= pane.saturating_add(window.length) {
                    if end <= through && self.settled_through.is_none_or(|settled| end > settled) {
                        ends.insert(end);
                    }
                    end = end.saturating_add(window.every);
                }
            }
            for end in ends {
                let cells = self.panes.cells_in(end.saturating_sub(window.length), end);
                settled.extend(cells.into_iter().map(|cell| Due {
                    window: index,
                    end,
                    cell,
                    revision: 0,
                    is_final: true,
                }));
            }
        }
        self.settled_through = self.settled_through.max(Some(through));
        settled.sort_by_key(|due| (due.end, due.window, due.cell));
        settled
    }

    /// Where a window starts: its length before its end, or further back while it has fewer rows than it needs.
    /// And from where on a row would be part of it.
    fn start_of(&self, window: usize, end: EventTime, cell: CellId) -> (EventTime, EventTime) {
        let window = &self.time.windows[window];
        let start = end.saturating_sub(window.length);
        if window.min_rows == 0 || window.max_length <= window.length {
            return (start, start);
        }
        let earliest = end.saturating_sub(window.max_length);
        let mut rows = 0;
        let mut reached = start;
        for (pane, summary) in self.panes.back_from(end, cell) {
            if pane < earliest || (pane < start && rows >= window.min_rows) {
                break;
            }
            rows += summary.traffic.total.rows;
            reached = reached.min(pane);
        }
        (reached, if rows >= window.min_rows { reached } else { earliest })
    }

    /// Merges the panes of a window.
    ///
    /// # Errors
    /// [`WindowError::Merge`] if panes do not fit together, which would be a fault of the program.
    pub fn summarise(&self, due: &Due) -> Result<WindowSummary, WindowError> {
        let window = &self.time.windows[due.window];
        let (start, _) = self.start_of(due.window, due.end, due.cell);
        let mut current = CellSummary::new(Arc::clone(&self.spec));
        self.panes.merge_into(&mut current, start, due.end, due.cell)?;
        Ok(WindowSummary {
            name: Arc::clone(&window.name),
            start,
            end: due.end,
            length: window.length,
            reached_back: due.end.saturating_sub(window.length).since(start),
            key: self.keys.key(due.cell).clone(),
            revision: due.revision,
            is_final: due.is_final,
            current,
        })
    }

    /// Merges the panes that start in `[start, end)`, of one version or of all, of one segment or of all rows.
    /// `None` if there is nothing of that kind.
    ///
    /// # Errors
    /// As [`Windower::summarise`].
    pub fn merged(
        &self,
        start: EventTime,
        end: EventTime,
        version: Option<&str>,
        segment: Option<&SegmentKey>,
    ) -> Result<Option<CellSummary>, WindowError> {
        let mut merged = None;
        for cell in self.panes.cells_in(start, end) {
            let key = self.keys.key(cell);
            if version.is_none_or(|version| *key.version == *version) && key.segment.as_ref() == segment {
                let into = merged.get_or_insert_with(|| CellSummary::new(Arc::clone(&self.spec)));
                self.panes.merge_into(into, start, end, cell)?;
            }
        }
        Ok(merged)
    }
}
