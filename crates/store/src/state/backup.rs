//! A copy of the state while it is in use.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use fjall::{PersistMode, Readable as _};

use super::buffer::Buffer;
use super::disk::Disk;
use super::error::StateError;
use super::layout::{self, Committed, Version};
use super::table::Table;
use super::{NUMBER, State, lock};

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// The checkpoint it is a copy of.
    pub checkpoint: u64,
    /// Entries copied.
    pub entries: u64,
}

impl State {
    /// Copies the last written checkpoint into `target`, a folder that is not there yet. Reads and commits go on
    /// meanwhile. The copy can be opened as a state, and has the same id.
    ///
    /// # Errors
    /// [`StateError::TargetExists`]; [`StateError`] if a disk refuses: then `target` has to be removed.
    pub fn backup(&self, target: &Path) -> Result<BackedUp, StateError> {
        if target.exists() {
            return Err(StateError::TargetExists { path: target.to_owned() });
        }
        fs::create_dir_all(target).map_err(StateError::io("make the folder", target))?;
        let source = self.disk()?;
        let failed = || StateError::store("back up", target);
        let spec = super::StateSpec { cache_bytes: 4 * 1_024 * 1_024, faults: None, ..self.0.spec.clone() };
        let copy = Disk::open(target, layout::CHECKPOINT, &spec)?;
        // One instant of all tables.
        let (snapshot, copy_runs) = {
            let _commits = lock(&self.0.commits);
            (source.database().snapshot(), self.0.runs.copier())
        };
        let (lists, mut entries) = copy_runs(target)?;
        for table in Table::STORED {
            let mut into = copy.table(table).start_ingestion().map_err(failed())?;
            for entry in snapshot.iter(source.table(table)) {
                if source.closing.load(Ordering::Relaxed) {
                    return Err(StateError::Busy("the store is opened anew, which a backup would hold up"));
                }
                let (key, value) = entry.into_inner().map_err(StateError::store("read", self.folder()))?;
                into.write(key, value).map_err(failed())?;
                entries += 1;
            }
            into.finish().map_err(failed())?;
        }
        copy.write(&Buffer::default(), lists)?;
        copy.database().persist(PersistMode::SyncAll).map_err(failed())?;
        let checkpoint = copy
            .get(Table::Meta, NUMBER)?
            .and_then(|bytes| Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?)))
            .ok_or_else(|| StateError::damaged(self.folder(), "it does not know its last checkpoint"))?;
        let version = Version::new(self.id().to_owned(), copy.keyspaces());
        drop(copy);
        Committed::create(target, checkpoint)?;
        version.save(target)?;
        Ok(BackedUp { checkpoint, entries })
    }
}
