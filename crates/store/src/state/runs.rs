//! The tables whose keys are hashes, on disk: for each, runs of entries in the order of their keys.
//!
//! A checkpoint's changes of such a table become one file ([`run::Run`]), which never changes. A few runs of about one
//! size that lie side by side are merged into one, in a thread of its own. Which files count, and in what order,
//! stands in [`Table::Meta`], so that it becomes durable with the checkpoint; a file that does not stand there was
//! made by nobody, and is removed at the next start.
//!
//! Ids come once, are looked for at once and once more for their label, are in no order, and leave by age. A general
//! store writes each into its log, sorts it into memory, and then into levels of files; here it is sorted once, and
//! written once and at each merge. A filter tells of nearly every run that a new id is not in it.

mod block;
mod copy;
mod due;
mod filter;
mod find;
mod merge;
mod open;
mod run;
#[cfg(test)]
mod tests;
mod worker;
mod writer;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(super) use merge::Merge;
use run::Run;
use writer::RunWriter;

use super::buffer::{Buffer, Range};
use super::error::StateError;
use super::expiry::CommittedFloors;
use super::sizes::TableSizes;
use super::table::Table;
use super::{layout, lock};

/// Where the state's folder has them.
const FOLDER: &str = "runs";
/// The beginning of the keys in [`Table::Meta`] that say which there are, each with its table's name behind it.
const LIST: &str = "runs/";
/// A commit waits for merges while a table has more runs than this: each is one more place to look.
const MAX_RUNS: usize = 64;
/// How long it waits, until it gives up for now.
const CATCH_UP: Duration = Duration::from_secs(60);
/// How often it has tried meanwhile what failed: there may be space again.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// A key's hash, for filters.
pub(super) fn hash(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

/// The first 16 bytes of a key, in an order that agrees with the keys'.
pub(super) fn prefix(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = key.len().min(bytes.len());
    bytes[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
}

/// A run in its table's list.
#[derive(Clone, Debug)]
struct Listed {
    /// No other file of the folder ever has it.
    number: u64,
    run: Arc<Run>,
}

/// A table's runs, the oldest first.
type List = Arc<Vec<Listed>>;

/// A table's list as it is stored: each run's number, and its file's length.
type Stored = Vec<(u64, u64)>;

/// An entry of [`Table::Meta`]: key and value.
pub(super) type MetaEntry = (Vec<u8>, Vec<u8>);

/// A checkpoint's new runs, durable, and the lists that name them.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    checkpoint: u64,
    new: Vec<(Table, Listed)>,
    lists: [List; Table::HASHED.len()],
}

impl Prepared {
    /// What is to be put into [`Table::Meta`] with the checkpoint.
    pub(super) fn entries(&self) -> Vec<MetaEntry> {
        Table::HASHED.into_iter().zip(&self.lists).map(|(table, list)| entry(table, list)).collect()
    }
}

fn entry(table: Table, list: &[Listed]) -> MetaEntry {
    let stored: Stored = list.iter().map(|listed| (listed.number, listed.run.bytes())).collect();
    let value = postcard::to_stdvec(&stored).expect("a vector takes all");
    (list_key(table), value)
}

fn list_key(table: Table) -> Vec<u8> {
    [LIST, table.name()].concat().into_bytes()
}

fn file_name(table: Table, number: u64) -> String {
    format!("{}-{number}.run", table.name())
}

/// The runs of all hashed tables.
#[derive(Debug)]
pub(super) struct Runs {
    folder: PathBuf,
    lists: [RwLock<List>; Table::HASHED.len()],
    /// The number of the next run.
    next: AtomicU64,
    floors: CommittedFloors,
    /// Files that were merged into others: they go when a checkpoint is committed that does not name them.
    retired: Mutex<Vec<Arc<Run>>>,
    /// What the last commit wrote, if it was not committed after all.
    prepared: Mutex<Option<Prepared>>,
    /// Held by whoever merges.
    merging: Mutex<()>,
    worker: Mutex<Option<JoinHandle<()>>>,
    stopped: AtomicBool,
}

impl Runs {
    fn list(&self, table: Table) -> List {
        Arc::clone(&self.lists[table.hashed_index()].read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, table: Table, change: impl FnOnce(&mut Vec<Listed>) -> T) -> T {
        let list = &self.lists[table.hashed_index()];
        change(Arc::make_mut(&mut list.write().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Shows those of the entries with these keys, in order, that there are.
    pub(super) fn get_each<'a, K: AsRef<[u8]> + 'a>(
        &self,
        table: Table,
        keys: impl Iterator<Item = &'a K>,
        show: &mut dyn FnMut(&'a K, &[u8]),
    ) -> Result<(), StateError> {
        let mut open: Vec<_> = keys.map(Some).collect();
        let mut hashes: Vec<_> = open.iter().flatten().map(|key| hash(K::as_ref(key))).collect();
        let mut likely = Vec::new();
        for listed in self.list(table).iter().rev() {
            let run = &listed.run;
            run.likely(&hashes, &mut likely)?;
            if likely.is_empty() {
                continue;
            }
            let keys: Vec<_> = likely.iter().filter_map(|at| Some((*at, K::as_ref(open[*at]?)))).collect();
            for found in find::find_all(run, &keys)? {
                for (place, value) in found.iter() {
                    if let Some(key) = open[place].take() {
                        value.into_iter().for_each(|value| show(key, value));
                    }
                }
            }
            let mut is_open = open.iter().map(Option::is_some);
            hashes.retain(|_| is_open.next() == Some(true));
            open.retain(Option::is_some);
        }
        Ok(())
    }

    /// The value of an entry.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let mut found = None;
        self.get_each(table, std::iter::once(&key), &mut |_, value| found = Some(value.to_vec()))?;
        Ok(found)
    }

    /// All entries from the beginning of a range on, or from its end backwards.
    pub(super) fn scan(&self, table: Table, range: Range<'_>, reverse: bool) -> Result<Merge, StateError> {
        let runs: Vec<_> = self.list(table).iter().map(|listed| Arc::clone(&listed.run)).collect();
        Merge::new(&runs, range, reverse)
    }

    /// Waits until there are not too many runs.
    pub(super) fn catch_up(self: &Arc<Self>) -> Result<(), StateError> {
        let since = Instant::now();
        let mut tended = None::<Instant>;
        while Table::HASHED.into_iter().any(|table| self.list(table).len() > MAX_RUNS) {
            if tended.is_none_or(|tended| tended.elapsed() > TEND_EVERY) {
                self.tend();
                tended = Some(Instant::now());
            }
            if since.elapsed() > CATCH_UP {
                return Err(StateError::Busy("its disk is slower than what is written to it"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// While this is held nothing is merged; it waits for a merge that goes on.
    pub(super) fn pause(&self) -> MutexGuard<'_, ()> {
        lock(&self.merging)
    }

    /// Writes a checkpoint's changes as new runs, durable. They count when what [`Prepared::entries`] says is
    /// committed, and are read from [`Runs::install`] on.
    pub(super) fn prepare(&self, checkpoint: u64, changes: &Buffer) -> Result<Prepared, StateError> {
        let mut prepared = lock(&self.prepared);
        // Not again after a commit that failed: it may count already, and its files are then not to be touched.
        let new = match &*prepared {
            Some(prepared) if prepared.checkpoint == checkpoint => prepared.new.clone(),
            _ => self.write(changes)?,
        };
        let lists = Table::HASHED.map(|table| {
            let mut list = self.list(table);
            for (_, listed) in new.iter().filter(|(of, _)| *of == table) {
                Arc::make_mut(&mut list).push(listed.clone());
            }
            list
        });
        Ok(prepared.insert(Prepared { checkpoint, new, lists }).clone())
    }

    fn write(&self, changes: &Buffer) -> Result<Vec<(Table, Listed)>, StateError> {
        let mut new = Vec::new();
        let written = self.write_into(changes, &mut new);
        if written.is_err() {
            // What cannot be removed now is at the next start.
            new.iter().for_each(|(_, listed): &(Table, Listed)| drop(fs::remove_file(listed.run.path())));
        }
        written.map(|()| new)
    }

    fn write_into(&self, changes: &Buffer, new: &mut Vec<(Table, Listed)>) -> Result<(), StateError> {
        for table in Table::HASHED {
            let changes = changes.hashed(table);
            if changes.is_empty() {
                continue;
            }
            let (number, mut writer) = self.begin(table, changes.len() as u64)?;
            for (hash, key, value) in changes.sorted() {
                writer.push_hashed(hash, key, value)?;
            }
            new.push((table, Listed { number, run: Arc::new(writer.finish()?) }));
        }
        if new.is_empty() {
            return Ok(());
        }
        layout::sync_folder(&self.folder).map_err(StateError::io("write", &self.folder))
    }

    /// Begins a run of at most so many entries.
    fn begin(&self, table: Table, entries: u64) -> Result<(u64, RunWriter), StateError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        RunWriter::create(&self.folder.join(file_name(table, number)), entries).map(|writer| (number, writer))
    }

    /// Reads what was committed from now on, and merges what is due.
    pub(super) fn install(self: &Arc<Self>, committed: &Prepared) {
        for (table, listed) in &committed.new {
            self.change(*table, |list| list.push(listed.clone()));
        }
        *lock(&self.prepared) = None;
        let names = |run: &Run| {
            committed.lists.iter().any(|list| list.iter().any(|listed| listed.run.path() == run.path()))
        };
        lock(&self.retired).retain(|run| names(run) || fs::remove_file(run.path()).is_err());
        self.let_old_go();
        self.tend();
    }

    /// Runs in which every entry is too old go, the oldest first: an entry hides older ones with its key.
    fn let_old_go(&self) {
        for table in Table::HASHED {
            let floors = self.floors.all();
            if !self.list(table).first().is_some_and(|oldest| oldest.run.is_over(table, &floors)) {
                continue;
            }
            // A merge may have these in its hands; it is their turn then when it is done.
            let Ok(_merging) = self.merging.try_lock() else { continue };
            let over = self.change(table, |list| {
                let over = list.iter().take_while(|listed| listed.run.is_over(table, &floors)).count();
                list.drain(..over).collect::<Vec<_>>()
            });
            lock(&self.retired).extend(over.into_iter().map(|listed| listed.run));
        }
    }

    /// A table's size.
    pub(super) fn sizes(&self, table: Table) -> TableSizes {
        let list = self.list(table);
        TableSizes {
            table,
            disk_bytes: list.iter().map(|listed| listed.run.bytes()).sum(),
            files: list.len(),
            entries: list.iter().map(|listed| listed.run.entries() as usize).sum(),
        }
    }

    /// Ends merging, and waits until it has ended.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        let worker = lock(&self.worker).take();
        // A merge that panicked has left nothing behind but an unfinished file.
        worker.into_iter().for_each(|worker| drop(worker.join()));
    }
}
