//! Merging in a thread of its own.

use std::io;
use std::ops::{Bound, Range};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use super::super::error::StateError;
use super::super::expiry::is_over;
use super::super::{layout, lock};
use super::due::due;
use super::{Listed, Merge, Runs};
use crate::state::Table;

impl Runs {
    /// Has merged what is due, unless that goes on already.
    pub(super) fn tend(self: &Arc<Self>) {
        let mut worker = lock(&self.worker);
        let is_due = |table| self.due(table).is_some();
        if worker.as_ref().is_some_and(|worker| !worker.is_finished())
            || self.stopped.load(Ordering::Relaxed)
            || !Table::HASHED.into_iter().any(is_due)
        {
            return;
        }
        let runs = Arc::clone(self);
        let merge = move || {
            for table in Table::HASHED {
                while let Some(range) = runs.due(table) {
                    match runs.merge(table, range) {
                        Ok(()) => {}
                        Err(StateError::Stopped) => return,
                        Err(error) => {
                            let folder = runs.folder.display();
                            tracing::warn!(%folder, %error, source = ?std::error::Error::source(&error),
                                "Cannot merge files of the state; it is tried again with the next checkpoint.");
                            return;
                        }
                    }
                }
            }
        };
        match thread::Builder::new().name("merge".to_owned()).spawn(merge) {
            Ok(thread) => *worker = Some(thread),
            Err(error) => tracing::warn!(%error, "Cannot start a thread to merge files of the state."),
        }
    }

    fn due(&self, table: Table) -> Option<Range<usize>> {
        due(&self.list(table).iter().map(|listed| listed.run.bytes()).collect::<Vec<_>>())
    }

    /// Merges all runs of a table into one.
    pub(in super::super) fn compact(&self, table: Table) -> Result<(), StateError> {
        let _merging = lock(&self.merging);
        self.replace(table, &self.list(table))
    }

    /// Merges some adjacent runs into one. Others may be appended meanwhile, and these are read until it is done.
    pub(super) fn merge(&self, table: Table, range: Range<usize>) -> Result<(), StateError> {
        let _merging = lock(&self.merging);
        self.replace(table, self.list(table).get(range).unwrap_or_default())
    }

    /// Writes one run in the place of some, without what is too old.
    fn replace(&self, table: Table, old: &[Listed]) -> Result<(), StateError> {
        let Some(oldest) = old.first() else { return Ok(()) };
        self.ask_for_space(old.iter().map(|listed| listed.run.bytes()).sum())?;
        let is_last = self.list(table).first().is_some_and(|listed| listed.number == oldest.number);
        let floors = self.floors.all();
        let runs: Vec<_> = old.iter().map(|listed| Arc::clone(&listed.run)).collect();
        let (number, mut writer) = self.begin(table, runs.iter().map(|run| run.entries()).sum())?;
        let mut merge = Merge::new(&runs, (Bound::Unbounded, Bound::Unbounded), false)?;
        let mut write = |key: &[u8], value: Option<&[u8]>| {
            let value = value.filter(|value| !is_over(&floors, table, key, value));
            // What hides an older entry stays until there is none.
            if value.is_none() && is_last { Ok(()) } else { writer.push(key, value) }
        };
        while let Some(written) = merge.next(&mut write)? {
            written?;
            if self.stopped.load(Ordering::Relaxed) {
                return Err(StateError::Stopped);
            }
        }
        let run = Arc::new(writer.finish()?);
        layout::sync_folder(&self.folder).map_err(StateError::io("write", &self.folder))?;
        self.change(table, |list| {
            // Nobody else takes away from a list while this one holds the lock for it.
            if let Some(at) = list.iter().position(|listed| listed.number == oldest.number) {
                list.splice(at..at + old.len(), [Listed { number, run }]);
            }
        });
        lock(&self.retired).extend(runs);
        Ok(())
    }

    /// A merge may not take the space that the journal and the next checkpoint need: the files that it replaces go after
    /// that.
    fn ask_for_space(&self, bytes: u64) -> Result<(), StateError> {
        let failed = || StateError::io("merge files in", &self.folder);
        let space = rustix::fs::statvfs(&self.folder).map_err(|error| failed()(error.into()))?;
        if space.f_bavail.saturating_mul(space.f_frsize) < 2 * bytes {
            return Err(failed()(io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }
}
