//! The store's tables on disk.

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fjall::{AbstractTree as _, Database, Keyspace, OwnedWriteBatch, PersistMode};

use super::StateSpec;
use super::buffer::Buffer;
use super::error::StateError;
use super::runs::MetaEntry;
use super::table::Table;

/// Two mergers: one is left for flushing while the other is in a long merge.
const WORKERS: usize = 2;

/// A commit waits until no table has more than this many full memtables. The store itself waits at four, and for
/// ever if its workers have died of a full disk meanwhile.
const MAX_SEALED_MEMTABLES: usize = 1;
/// The store waits for ever at 30.
const MAX_UNMERGED_RUNS: usize = 20;
/// How long a commit waits for the store to catch up, until it gives up for now.
const CATCH_UP: Duration = Duration::from_secs(60);

/// The open store.
pub(super) struct Disk {
    folder: PathBuf,
    tables: Vec<Keyspace>,
    database: Database,
    /// Long readers let go.
    pub(super) closing: AtomicBool,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Disk {
    /// Opens the store in a folder of the state folder, or makes it.
    pub(super) fn open(folder: &Path, name: &str, spec: &StateSpec) -> Result<Self, StateError> {
        let open = || -> fjall::Result<Self> {
            let database = Database::builder(folder.join(name))
                .cache_size(spec.cache_bytes)
                .max_journaling_size(spec.log_bytes)
                .worker_threads(WORKERS)
                .manual_journal_persist(true)
                .open()?;
            let tables = Table::STORED
                .iter()
                .map(|table| database.keyspace(table.name(), || table.options()))
                .collect::<fjall::Result<_>>()?;
            Ok(Self { folder: folder.to_owned(), tables, database, closing: AtomicBool::new(false) })
        };
        // On damaged files the store may panic where it should say so.
        panic::catch_unwind(AssertUnwindSafe(open))
            .map_err(|_| StateError::damaged(&folder.join(name), "the store cannot make sense of its files"))?
            .map_err(StateError::store("open", folder))
    }

    pub(super) fn table(&self, table: Table) -> &Keyspace {
        &self.tables[table.index()]
    }

    pub(super) const fn database(&self) -> &Database {
        &self.database
    }

    /// The store's own number of each table.
    pub(super) fn keyspaces(&self) -> [u64; Table::STORED.len()] {
        Table::STORED.map(|table| self.table(table).id())
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<fjall::Slice>, StateError> {
        self.table(table).get(key).map_err(StateError::store("read", &self.folder))
    }

    /// Whether a write failed, so that the store takes no more.
    pub(super) fn has_stopped(&self) -> bool {
        self.database.persist(PersistMode::Buffer).is_err()
    }

    /// Waits until the store has caught up with what it was given before.
    pub(super) fn catch_up(&self) -> Result<(), StateError> {
        let since = Instant::now();
        loop {
            if self.has_stopped() {
                return Err(StateError::Stopped);
            }
            let behind = self.tables.iter().any(|table| {
                table.sealed_memtable_count() > MAX_SEALED_MEMTABLES
                    || table.tree.l0_run_count() > MAX_UNMERGED_RUNS
            });
            if !behind {
                return Ok(());
            }
            if since.elapsed() > CATCH_UP {
                return Err(StateError::Busy("its disk is slower than what is written to it"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Writes a checkpoint's changes of its tables as one batch, and some entries of [`Table::Meta`]; not durable yet.
    pub(super) fn write(&self, changes: &Buffer, meta: Vec<MetaEntry>) -> Result<(), StateError> {
        let mut batch = OwnedWriteBatch::with_capacity(self.database.clone(), changes.entries())
            .durability(Some(PersistMode::Buffer));
        for table in Table::STORED {
            let keyspace = self.table(table);
            for (key, value) in changes.ordered(table) {
                match value {
                    Some(value) => batch.insert(keyspace, key.clone(), value.clone()),
                    None => batch.remove(keyspace, key.clone()),
                }
            }
        }
        let keyspace = self.table(Table::Meta);
        meta.into_iter().for_each(|(key, value)| batch.insert(keyspace, key, value));
        batch.commit().map_err(StateError::store("write", &self.folder))
    }

    /// Makes what was written durable.
    pub(super) fn sync(&self) -> Result<(), StateError> {
        self.database.persist(PersistMode::SyncData).map_err(StateError::store("sync", &self.folder))
    }

    /// Waits until nobody else has it, then closes it; gives it back if somebody keeps it.
    pub(super) fn close(mut disk: Arc<Self>) -> Result<(), Arc<Self>> {
        disk.closing.store(true, Ordering::Relaxed);
        let since = Instant::now();
        loop {
            match Arc::try_unwrap(disk) {
                Ok(_) => return Ok(()),
                Err(back) if since.elapsed() > Duration::from_secs(5) => {
                    back.closing.store(false, Ordering::Relaxed);
                    return Err(back);
                }
                Err(back) => disk = back,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
