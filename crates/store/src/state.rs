//! The durable state: tables whose changes become durable together, one checkpoint at a time.
//!
//! Changes are buffered. [`State::seal`] cuts the buffer off as a checkpoint, [`State::commit`] writes it as one batch
//! and syncs it. A read sees the buffer, then the checkpoint that is being committed, then the disk. After a crash the
//! state is that of the last committed checkpoint, whole.
//!
//! A commit that fails leaves everything as it was, and can be tried again with the same checkpoint: the store under
//! it, which takes no more writes after one that failed, is closed, its log renewed, and opened anew.

mod backup;
mod buffer;
mod disk;
mod error;
mod expiry;
mod hashed;
mod layout;
mod log;
mod manifests;
mod read;
mod runs;
mod scan;
mod sizes;
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod upgrade;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::thread;
use std::time::{Duration, Instant};

use driftline_events::EventTime;

pub use backup::BackedUp;
use buffer::Buffer;
use disk::Disk;
pub use error::StateError;
use expiry::CommittedFloors;
pub use layout::FORMAT as STATE_FORMAT;
use layout::{Committed, Version};
use runs::Runs;
pub use sizes::{Buffered, StateSizes, TableSizes};
pub use spec::{CommitStep, StateFaults, StateSpec};
pub use table::Table;

/// Where a checkpoint says its number.
const NUMBER: &[u8] = b"checkpoint";
/// Where floors stand, each with its table's name and its space behind it.
const FLOOR: &[u8] = b"floor/";

/// The durable state of a service: one folder, one process.
#[derive(Clone, Debug)]
pub struct State(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    version: Version,
    spec: StateSpec,
    buffers: Mutex<Buffers>,
    /// `None` while it is opened anew, or after that failed.
    disk: RwLock<Option<Arc<Disk>>>,
    commits: Mutex<Commits>,
    runs: Arc<Runs>,
    floors: CommittedFloors,
    seal_sources: Mutex<Vec<Weak<dyn SealSource>>>,
    _lock: File,
}

#[derive(Debug)]
struct Buffers {
    active: Buffer,
    sealed: Option<Sealed>,
    /// The number of the last sealed checkpoint.
    number: u64,
}

#[derive(Debug)]
struct Commits {
    committed: Committed,
    /// A commit failed: the store must be opened anew before the next.
    suspect: bool,
}

/// A checkpoint: everything that was put between two seals.
#[derive(Clone, Debug)]
pub struct Sealed {
    number: u64,
    changes: Arc<Buffer>,
}

impl Sealed {
    /// Its number: one more than the checkpoint before.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// How many entries it changes.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.changes.entries()
    }

    /// Roughly its bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.changes.bytes()
    }
}

/// Something that puts entries only when a checkpoint is sealed, because they change too often.
pub(crate) trait SealSource: std::fmt::Debug + Send + Sync {
    /// Puts what has changed since it was last asked.
    fn save(&self, state: &State);
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Before the folder is let go: whoever opens it next must not find somebody writing there.
        self.runs.stop();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind the locks is whole between any two statements: a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long [`State::open`] waits for a folder that is in use.
const PATIENCE: Duration = Duration::from_secs(2);

impl State {
    /// Opens the state in a folder; makes both if there is neither. Waits for a moment if the folder is in use: what
    /// was just killed, or is just being started by whoever held it, lets go of it within milliseconds.
    ///
    /// # Errors
    /// [`StateError`]. A folder that held a state is never taken for an empty one.
    pub fn open(folder: &Path, spec: StateSpec) -> Result<Self, StateError> {
        let since = Instant::now();
        loop {
            match Self::open_now(folder, spec.clone()) {
                Err(StateError::InUse { .. }) if since.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(20));
                }
                opened => return opened,
            }
        }
    }

    fn open_now(folder: &Path, spec: StateSpec) -> Result<Self, StateError> {
        let lock = layout::lock(folder)?;
        let version = match Version::load(folder)? {
            Some(version) if !was_being_made(folder) => version,
            _ => make(folder, &spec)?,
        };
        let mut committed = Committed::open(folder)?;
        let store = folder.join(layout::CHECKPOINT);
        manifests::check(&store, version.keyspaces.iter().map(|(_, keyspace)| *keyspace))?;
        let meta = version.keyspace(Table::Meta);
        log::check(&store, &log::NumberEntry { keyspace: meta, key: NUMBER }, committed.number)?;
        let floors = CommittedFloors::default();
        let disk = Disk::open(folder, layout::CHECKPOINT, &spec)?;
        if Table::STORED.map(|table| version.keyspace(table)) != disk.keyspaces() {
            return Err(StateError::damaged(&store, "a table is missing"));
        }
        let number = disk
            .get(Table::Meta, NUMBER)?
            .and_then(|bytes| Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?)))
            .ok_or_else(|| StateError::damaged(&store, "it does not know its last checkpoint"))?;
        if number < committed.number {
            let what =
                format!("it ends at checkpoint {number}, but checkpoint {} was committed", committed.number);
            return Err(StateError::damaged(&store, what));
        }
        if number > committed.number {
            // The process died between the two. What the store recovered it has synced.
            committed.set(number).map_err(StateError::io("write", folder))?;
        }
        let version =
            if version.format < STATE_FORMAT { upgrade::from_1(folder, &disk, version)? } else { version };
        upgrade::tidy(folder, &disk)?;
        let stored = |key: &[u8]| Ok(disk.get(Table::Meta, key)?.map(|value| value.to_vec()));
        let runs = Arc::new(Runs::open(folder, floors.clone(), stored)?);
        let state = Self(Arc::new(Inner {
            folder: folder.to_owned(),
            version,
            seal_sources: Mutex::new(Vec::new()),
            spec,
            buffers: Mutex::new(Buffers { active: Buffer::default(), sealed: None, number }),
            disk: RwLock::new(Some(Arc::new(disk))),
            commits: Mutex::new(Commits { committed, suspect: false }),
            runs,
            floors,
            _lock: lock,
        }));
        state.load_floors()?;
        Ok(state)
    }

    /// An id that no other folder has, made with the folder.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.version.id
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// What it was opened with.
    #[must_use]
    pub fn spec(&self) -> &StateSpec {
        &self.0.spec
    }

    /// The number of the last committed checkpoint.
    #[must_use]
    pub fn committed(&self) -> u64 {
        lock(&self.0.commits).committed.number
    }

    /// Sets an entry.
    pub fn put(&self, table: Table, key: &[u8], value: Vec<u8>) {
        lock(&self.0.buffers).active.set(table, key, Some(&value));
    }

    pub(crate) fn put_bytes(&self, table: Table, key: &[u8], value: &[u8]) {
        lock(&self.0.buffers).active.set(table, key, Some(value));
    }

    /// Removes an entry.
    pub fn remove(&self, table: Table, key: &[u8]) {
        lock(&self.0.buffers).active.set(table, key, None);
    }

    /// Lets a table's entries of one space go that are older than `floor`, whenever the store comes by them. For
    /// tables whose keys begin with a space (u32, big-endian) and whose values begin with a time (milliseconds, a
    /// zigzag varint). It counts from the checkpoint on that it is part of.
    pub fn set_floor(&self, table: Table, space: u32, floor: EventTime) {
        debug_assert!(table.is_hashed());
        let mut buffers = lock(&self.0.buffers);
        buffers.active.floors.insert((table, space), floor);
        buffers.active.set(Table::Meta, &floor_key(table, space), Some(&floor.as_millis().to_be_bytes()));
    }

    /// The floor that was set last.
    ///
    /// # Errors
    /// [`StateError`] if the disk cannot be read.
    pub fn floor(&self, table: Table, space: u32) -> Result<Option<EventTime>, StateError> {
        Ok(self.get(Table::Meta, &floor_key(table, space))?.and_then(|value| floor_of(&value)))
    }

    fn load_floors(&self) -> Result<(), StateError> {
        let mut floors = expiry::Floors::default();
        self.scan(Table::Meta, FLOOR, false, &mut |key, value| {
            let entry = key[FLOOR.len()..].split_last_chunk::<4>();
            if let Some((name, space)) = entry
                && let Some(table) = Table::ALL.iter().find(|table| table.name().as_bytes() == name)
                && let Some(floor) = floor_of(value)
            {
                floors.insert((*table, u32::from_be_bytes(*space)), floor);
            }
            std::ops::ControlFlow::Continue(())
        })?;
        self.0.floors.raise(&floors);
        Ok(())
    }

    /// Cuts off everything that was put since the last seal, as a checkpoint to be committed. `None` if nothing was
    /// put, or while the checkpoint before is not committed.
    #[must_use]
    pub fn seal(&self) -> Option<Sealed> {
        if lock(&self.0.buffers).sealed.is_some() {
            return None;
        }
        let sources = {
            let mut sources = lock(&self.0.seal_sources);
            sources.retain(|source| source.strong_count() > 0);
            sources.clone()
        };
        sources.iter().filter_map(Weak::upgrade).for_each(|source| source.save(self));
        let mut buffers = lock(&self.0.buffers);
        if buffers.sealed.is_some() || buffers.active.is_empty() {
            return None;
        }
        buffers.number += 1;
        let number = buffers.number;
        let mut changes = buffers.active.take();
        changes.set(Table::Meta, NUMBER, Some(&number.to_be_bytes()));
        let sealed = Sealed { number, changes: Arc::new(changes) };
        buffers.sealed = Some(sealed.clone());
        Some(sealed)
    }

    /// Asks a source, while it lives, for what it has to put at each seal.
    pub(crate) fn save_at_seal(&self, source: Arc<impl SealSource + 'static>) {
        let source: Arc<dyn SealSource> = source;
        lock(&self.0.seal_sources).push(Arc::downgrade(&source));
    }

    /// The checkpoint that is sealed and not committed.
    #[must_use]
    pub fn sealed(&self) -> Option<Sealed> {
        lock(&self.0.buffers).sealed.clone()
    }

    /// Makes a checkpoint durable, whole or not at all.
    ///
    /// # Errors
    /// [`StateError`]. Nothing is lost then: the checkpoint is still sealed and still read, and the call can be made
    /// again with it, which first brings the store back.
    pub fn commit(&self, sealed: &Sealed) -> Result<(), StateError> {
        let mut commits = lock(&self.0.commits);
        if sealed.number <= commits.committed.number {
            return Ok(());
        }
        if let Err(error) = self.write(&mut commits, sealed) {
            commits.suspect = true;
            return Err(error);
        }
        lock(&self.0.buffers).sealed = None;
        Ok(())
    }

    fn write(&self, commits: &mut Commits, sealed: &Sealed) -> Result<(), StateError> {
        if commits.suspect || self.disk().is_ok_and(|disk| disk.has_stopped()) {
            commits.suspect = true;
            self.reopen(sealed.changes.bytes())?;
            commits.suspect = false;
        }
        let disk = self.disk()?;
        disk.catch_up()?;
        self.0.runs.catch_up()?;
        self.fault(CommitStep::Write)?;
        let prepared = self.0.runs.prepare(sealed.number, &sealed.changes)?;
        disk.write(&sealed.changes, prepared.entries())?;
        self.fault(CommitStep::Sync)?;
        disk.sync()?;
        self.fault(CommitStep::Mark)?;
        commits
            .committed
            .set(sealed.number)
            .map_err(StateError::io("mark a checkpoint in", &self.0.folder))?;
        self.0.floors.raise(&sealed.changes.floors);
        self.0.runs.install(&prepared);
        Ok(())
    }

    fn fault(&self, step: CommitStep) -> Result<(), StateError> {
        match &self.0.spec.faults {
            Some(faults) => faults.at(step).map_err(StateError::io("write", &self.0.folder)),
            None => Ok(()),
        }
    }

    /// Closes the store and opens it anew. Until there is space for it, and for what is to be written, the old one is
    /// left open: it takes no writes, but it can be read.
    fn reopen(&self, bytes: usize) -> Result<(), StateError> {
        // A merge would take the space that is there now.
        let _paused = self.0.runs.pause();
        self.probe(bytes)?;
        let mut slot = self.0.disk.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(disk) = slot.take()
            && let Err(disk) = Disk::close(disk)
        {
            *slot = Some(disk);
            return Err(StateError::Busy("somebody reads while it is to be opened anew"));
        }
        log::renew(&self.0.folder.join(layout::CHECKPOINT))?;
        let disk = Disk::open(&self.0.folder, layout::CHECKPOINT, &self.0.spec)?;
        tracing::warn!(folder = %self.0.folder.display(), "Opened the state's store anew after a failed write.");
        *slot = Some(Arc::new(disk));
        Ok(())
    }

    /// Asks the disk for the space that is needed next, and gives it back.
    fn probe(&self, bytes: usize) -> Result<(), StateError> {
        let probe = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix("probe").tempfile_in(&self.0.folder)?;
            let block = [0x5a; 64 * 1_024];
            for _ in 0..bytes.clamp(MIN_PROBE_BYTES, MAX_PROBE_BYTES).div_ceil(block.len()) {
                file.write_all(&block)?;
            }
            file.as_file().sync_all()
        };
        probe().map_err(StateError::io("write into", &self.0.folder))
    }

    fn disk(&self) -> Result<Arc<Disk>, StateError> {
        self.0.disk.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StateError::Stopped)
    }
}

/// Space without which it is not worth trying again: the store's own files take that much.
const MIN_PROBE_BYTES: usize = 2 * 1_024 * 1_024;
/// What the probe writes at most.
const MAX_PROBE_BYTES: usize = 256 * 1_024 * 1_024;

fn floor_key(table: Table, space: u32) -> Vec<u8> {
    [FLOOR, table.name().as_bytes(), &space.to_be_bytes()].concat()
}

fn floor_of(value: &[u8]) -> Option<EventTime> {
    value.try_into().ok().map(|bytes| EventTime::from_millis(i64::from_be_bytes(bytes)))
}

/// Whether the folder's making was cut short: the store is put in its place last of all.
fn was_being_made(folder: &Path) -> bool {
    !folder.join(layout::CHECKPOINT).exists() && folder.join(layout::CHECKPOINT_NEW).exists()
}

/// Makes an empty state.
fn make(folder: &Path, spec: &StateSpec) -> Result<Version, StateError> {
    let store = folder.join(layout::CHECKPOINT);
    let new = folder.join(layout::CHECKPOINT_NEW);
    if store.exists() {
        return Err(StateError::damaged(folder, "there is a store, but the file VERSION is missing"));
    }
    if new.exists() {
        fs::remove_dir_all(&new).map_err(StateError::io("remove", &new))?;
    }
    fs::create_dir(&new).map_err(StateError::io("make the folder", &new))?;
    let disk = Disk::open(folder, layout::CHECKPOINT_NEW, spec)?;
    let version = Version::new(layout::random_id(), disk.keyspaces());
    let mut first = Buffer::default();
    first.set(Table::Meta, b"id", Some(version.id.as_bytes()));
    first.set(Table::Meta, NUMBER, Some(&0_u64.to_be_bytes()));
    disk.write(&first, Runs::none().collect())?;
    disk.sync()?;
    drop(disk);
    Committed::create(folder, 0)?;
    version.save(folder)?;
    fs::rename(&new, &store).map_err(StateError::io("rename", &new))?;
    layout::sync_folder(folder).map_err(StateError::io("write", folder))?;
    Ok(version)
}
