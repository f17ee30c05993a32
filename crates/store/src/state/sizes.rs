//! How large the state is.

use fjall::AbstractTree as _;

use super::error::StateError;
use super::table::Table;
use super::{State, lock};

/// What is in memory and not committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffered {
    /// Entries put since the last seal.
    pub entries: usize,
    /// Roughly their bytes in memory.
    pub bytes: usize,
    /// Entries of the checkpoint that is sealed and not committed.
    pub sealed_entries: usize,
    /// Roughly their bytes in memory.
    pub sealed_bytes: usize,
}

/// One table's size on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSizes {
    /// The table.
    pub table: Table,
    /// Bytes of its files.
    pub disk_bytes: u64,
    /// Its files.
    pub files: usize,
    /// Entries on disk, those in it twice or removed and not merged away yet included.
    pub entries: usize,
}

/// The state's size on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSizes {
    /// Each table.
    pub tables: Vec<TableSizes>,
    /// Bytes of the store's log, those reserved and not written yet included.
    pub log_bytes: u64,
    /// Bytes that are in the log and in memory and not in the tables' files yet.
    pub unflushed_bytes: u64,
}

impl State {
    /// What is in memory and not committed. Seal when it grows too large.
    #[must_use]
    pub fn buffered(&self) -> Buffered {
        let buffers = lock(&self.0.buffers);
        let sealed = buffers.sealed.as_ref().map(|sealed| &sealed.changes);
        Buffered {
            entries: buffers.active.entries(),
            bytes: buffers.active.bytes(),
            sealed_entries: sealed.map_or(0, |sealed| sealed.entries()),
            sealed_bytes: sealed.map_or(0, |sealed| sealed.bytes()),
        }
    }

    /// The state's size on disk.
    ///
    /// # Errors
    /// [`StateError`] if the store is closed after a failed write, or the log's length cannot be read.
    pub fn sizes(&self) -> Result<StateSizes, StateError> {
        let disk = self.disk()?;
        let tables = Table::ALL.map(|table| {
            if table.is_hashed() {
                return self.0.runs.sizes(table);
            }
            let tree = disk.table(table);
            TableSizes {
                table,
                disk_bytes: tree.disk_space(),
                files: tree.table_count() + tree.blob_file_count(),
                entries: tree.approximate_len(),
            }
        });
        Ok(StateSizes {
            tables: tables.to_vec(),
            log_bytes: disk
                .database()
                .journal_disk_space()
                .map_err(StateError::store("read", self.folder()))?,
            unflushed_bytes: disk.database().write_buffer_size(),
        })
    }

    /// Merges a table's files into as few and as small as they get, with what is committed. It reads and writes the
    /// whole table.
    ///
    /// # Errors
    /// [`StateError`] if the disk refuses.
    pub fn compact(&self, table: Table) -> Result<(), StateError> {
        if table.is_hashed() {
            return self.0.runs.compact(table);
        }
        let disk = self.disk()?;
        let failed = || StateError::store("compact", self.folder());
        disk.table(table).rotate_memtable().map_err(failed())?;
        while disk.table(table).tree.sealed_memtable_count() > 0 {
            disk.catch_up()?;
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        disk.table(table).major_compact().map_err(failed())
    }
}
