//! Panes that are old enough are merged into wider ones.

use std::time::Duration;

use driftline_events::EventTime;

use super::{Pane, Panes};
use crate::WindowError;

impl Panes {
    /// Merges panes that ended by `before` into panes of `width`, at most about `limit` of them; says how many went.
    ///
    /// # Errors
    /// [`WindowError::Merge`] if panes do not fit together, which would be a fault of the program.
    pub(crate) fn roll_up(
        &mut self,
        before: EventTime,
        width: Duration,
        limit: usize,
    ) -> Result<usize, WindowError> {
        let mut narrow = Vec::new();
        for (&start, pane) in &self.panes {
            let wide = start.floor(width);
            if wide.saturating_add(width) > before || (narrow.len() >= limit && narrow.last() != Some(&wide))
            {
                break;
            }
            if pane.width < width {
                narrow.push(wide);
            }
        }
        let rolled = narrow.len();
        narrow.dedup();
        for wide in narrow {
            self.merge_slice(wide, width)?;
        }
        Ok(rolled)
    }

    fn merge_slice(&mut self, wide: EventTime, width: Duration) -> Result<(), WindowError> {
        let starts: Vec<EventTime> =
            self.panes.range(wide..wide.saturating_add(width)).map(|(&start, _)| start).collect();
        let mut sum = Pane::new(width);
        for start in starts {
            let Some(pane) = self.panes.remove(&start) else { continue };
            for (cell, summary) in pane.cells {
                self.changes.removed(start, cell);
                match sum.cells.entry(cell) {
                    std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(summary)),
                    std::collections::btree_map::Entry::Occupied(mut entry) => {
                        entry.get_mut().merge(&summary)?;
                    }
                }
            }
        }
        sum.cells.keys().for_each(|&cell| self.changes.wrote(wide, cell));
        self.panes.insert(wide, sum);
        Ok(())
    }
}
