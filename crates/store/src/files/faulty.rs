//! Files that fail when told to. For tests, this crate's and others'.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FileEntry, Files, WritableFile};

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// Making a file, or opening it to write.
    Create,
    /// Writing. Half of the bytes are written when it fails.
    Write,
    /// Making a file's content durable.
    Sync,
    /// Cutting a file.
    SetLen,
    /// Giving a file another name.
    Rename,
    /// Removing a file.
    Remove,
    /// Making a folder's names durable.
    SyncFolder,
    /// Opening a file to read it, or listing a folder.
    Read,
}

impl Operation {
    /// Those that change something.
    pub const CHANGES: [Self; 7] =
        [Self::Create, Self::Write, Self::Sync, Self::SetLen, Self::Rename, Self::Remove, Self::SyncFolder];
}

/// When one kind of operation fails.
#[derive(Clone, Copy, Debug)]
struct Fault {
    /// Operations that still succeed before.
    passes: u64,
    /// Operations that fail then; after them it works again.
    times: u64,
    kind: io::ErrorKind,
}

/// splitmix64: the faults of a seed must be the same on every machine, and need nothing better.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^ (drawn >> 31)
    }

    pub(crate) fn one_in(&mut self, cases: u64) -> bool {
        self.next().is_multiple_of(cases)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

#[derive(Debug, Default)]
struct Plan {
    faults: BTreeMap<Operation, Fault>,
    bytes_left: Option<u64>,
    /// A random source, and one in how many changes fails.
    random: Option<(Random, u64)>,
    injected: u64,
}

impl Plan {
    fn check(&mut self, operation: Operation) -> io::Result<()> {
        let Some(kind) = self.planned(operation).or_else(|| self.drawn(operation)) else { return Ok(()) };
        self.injected += 1;
        Err(kind.into())
    }

    fn planned(&mut self, operation: Operation) -> Option<io::ErrorKind> {
        let fault = self.faults.get_mut(&operation)?;
        if fault.passes > 0 {
            fault.passes -= 1;
            return None;
        }
        let kind = fault.kind;
        fault.times -= 1;
        if fault.times == 0 {
            self.faults.remove(&operation);
        }
        Some(kind)
    }

    fn drawn(&mut self, operation: Operation) -> Option<io::ErrorKind> {
        let (random, one_in) = self.random.as_mut()?;
        let hit = operation != Operation::Read && random.one_in(*one_in);
        let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::Other, io::ErrorKind::TimedOut];
        hit.then(|| kinds[random.below(3)])
    }

    /// How many of so many bytes still fit on the disk; they are taken.
    fn take(&mut self, bytes: u64) -> u64 {
        let Some(left) = &mut self.bytes_left else { return bytes };
        let taken = bytes.min(*left);
        *left -= taken;
        taken
    }

    fn give_back(&mut self, bytes: u64) {
        if let Some(left) = &mut self.bytes_left {
            *left += bytes;
        }
    }
}

/// Files over others, that fail as planned: an operation so and so often, a disk that fills, or by chance from a seed.
#[derive(Clone, Debug)]
pub struct FaultyFiles {
    files: Arc<dyn Files>,
    plan: Arc<Mutex<Plan>>,
}

impl FaultyFiles {
    /// Files that work until they are told to fail.
    #[must_use]
    pub fn new(files: Arc<dyn Files>) -> Self {
        Self { files, plan: Arc::default() }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an operation succeed `passes` times more and fail `times` times then (`u64::MAX`: until [`Self::heal`]).
    pub fn fail(&self, operation: Operation, passes: u64, times: u64, kind: io::ErrorKind) {
        if times > 0 {
            self.plan().faults.insert(operation, Fault { passes, times, kind });
        }
    }

    /// Makes one in `one_in` changes fail, drawn from a seed.
    pub fn fail_by_chance(&self, seed: u64, one_in: u64) {
        self.plan().random = Some((Random(seed), one_in.max(1)));
    }

    /// Leaves room for so many bytes more (`None`: no bound). A write that does not fit leaves what does. Cut and
    /// removed bytes come back.
    pub fn set_bytes_left(&self, bytes: Option<u64>) {
        self.plan().bytes_left = bytes;
    }

    /// Makes everything work again, the full disk too.
    pub fn heal(&self) {
        let mut plan = self.plan();
        *plan = Plan { injected: plan.injected, ..Plan::default() };
    }

    /// How many operations were made to fail.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.plan().injected
    }

    fn check(&self, operation: Operation) -> io::Result<()> {
        self.plan().check(operation)
    }

    fn len(&self, path: &Path) -> u64 {
        let entries = path.parent().and_then(|folder| self.files.list(folder).ok()).unwrap_or_default();
        entries.iter().find(|entry| path.file_name() == Some(&entry.name)).map_or(0, |entry| entry.bytes)
    }

    fn wrap(&self, file: Box<dyn WritableFile>, path: &Path) -> Box<dyn WritableFile> {
        Box::new(FaultyFile { file, files: self.clone(), bytes: self.len(path) })
    }
}

impl Files for FaultyFiles {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        self.files.make_folder(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<FileEntry>> {
        self.check(Operation::Read)?;
        self.files.list(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        self.check(Operation::Read)?;
        self.files.read(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        self.check(Operation::Create)?;
        let replaced = self.len(path);
        let file = self.files.create(path)?;
        self.plan().give_back(replaced);
        Ok(self.wrap(file, path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        self.check(Operation::Create)?;
        Ok(self.wrap(self.files.open(path)?, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Operation::Rename)?;
        let replaced = self.len(to);
        self.files.rename(from, to)?;
        self.plan().give_back(replaced);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check(Operation::Remove)?;
        let removed = self.len(path);
        self.files.remove(path)?;
        self.plan().give_back(removed);
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.check(Operation::SyncFolder)?;
        self.files.sync_folder(folder)
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn WritableFile>,
    files: FaultyFiles,
    bytes: u64,
}

impl FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl WritableFile for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fault = self.files.check(Operation::Write);
        let wanted = if fault.is_err() { bytes.len() / 2 } else { bytes.len() };
        let fits = self.files.plan().take(wanted as u64);
        let fits = usize::try_from(fits).map_or(wanted, |fits| fits.min(wanted));
        self.write(&bytes[..fits])?;
        fault?;
        if fits < wanted { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.files.check(Operation::Sync)?;
        self.file.sync_data()
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.files.check(Operation::SetLen)?;
        self.file.set_len(bytes)?;
        self.files.plan().give_back(self.bytes.saturating_sub(bytes));
        self.bytes = bytes;
        Ok(())
    }
}
