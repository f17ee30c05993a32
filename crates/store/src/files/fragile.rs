//! Files in memory that a power cut can take: what was not made durable is there in part, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::faulty::Random;
use super::{FileEntry, Files, WritableFile};

/// What reaches the disk whole or not at all; small, so that short frames tear too.
const SECTOR: usize = 16;

/// A file: what a reader sees, and what is on the disk.
#[derive(Clone, Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    disk: Vec<u8>,
    /// Sectors that the system knows it still has to write.
    dirty: BTreeSet<usize>,
}

impl Inode {
    fn write(&mut self, bytes: &[u8]) {
        let begin = self.seen.len();
        self.seen.extend_from_slice(bytes);
        self.dirty.extend(begin / SECTOR..self.seen.len().div_ceil(SECTOR));
    }

    /// A sector reaches the disk, which may make the file longer there.
    fn write_back(&mut self, sector: usize) {
        let end = self.seen.len().min((sector + 1) * SECTOR);
        let Some(bytes) = self.seen.get(sector * SECTOR..end) else { return };
        self.disk.resize(self.disk.len().max(end), 0);
        self.disk[sector * SECTOR..end].copy_from_slice(bytes);
    }

    fn write_back_some(&mut self, random: &mut Random) {
        for sector in std::mem::take(&mut self.dirty) {
            if random.one_in(2) {
                self.write_back(sector);
            } else {
                self.dirty.insert(sector);
            }
        }
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.write_back(sector);
        }
        self.disk.truncate(self.seen.len());
    }

    /// As Linux does: some of it was written, and the rest counts as written from now on.
    fn fail_to_sync(&mut self, random: &mut Random) {
        self.write_back_some(random);
        self.dirty.clear();
    }

    fn lose_power(&mut self, random: &mut Random) {
        self.write_back_some(random);
        if random.one_in(2) {
            self.disk.truncate(self.seen.len());
        }
        *self =
            Self { seen: self.disk.clone(), disk: std::mem::take(&mut self.disk), dirty: BTreeSet::new() };
    }
}

/// A change of names.
#[derive(Clone, Debug)]
enum Change {
    Put(PathBuf, usize),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

fn apply(names: &mut BTreeMap<PathBuf, usize>, change: &Change) {
    match change {
        Change::Put(path, inode) => drop(names.insert(path.clone(), *inode)),
        Change::Remove(path) => drop(names.remove(path)),
        Change::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Since the names were durable.
    changes: Vec<Change>,
    random: Random,
    failing_syncs: u64,
}

impl Disk {
    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.changes.push(change);
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Files in memory, of one folder.
#[derive(Clone, Debug)]
pub(crate) struct FragileFiles(Arc<Mutex<Disk>>);

impl FragileFiles {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            random: Random(seed),
            failing_syncs: 0,
        })))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// Another disk with the same on it, as it is seen now.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.disk().clone())))
    }

    /// Takes the power: of what was not durable, some is there.
    pub(crate) fn lose_power(&self) {
        let disk = &mut *self.disk();
        let kept = disk.random.below(disk.changes.len() + 1);
        let mut names = disk.durable_names.clone();
        for change in &disk.changes[..kept] {
            apply(&mut names, change);
        }
        disk.changes.clear();
        disk.durable_names.clone_from(&names);
        disk.names = names;
        for inode in &mut disk.inodes {
            inode.lose_power(&mut disk.random);
        }
    }

    /// Lets the next syncs of files fail; what they should have written is lost without another word.
    pub(crate) fn fail_syncs(&self, times: u64) {
        self.disk().failing_syncs = times;
    }

    /// The length of all files, as they are seen.
    pub(crate) fn bytes(&self) -> u64 {
        self.list(Path::new("")).unwrap().iter().map(|entry| entry.bytes).sum()
    }
}

impl Files for FragileFiles {
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<FileEntry>> {
        let disk = self.disk();
        let entry = |(path, inode): (&PathBuf, &usize)| FileEntry {
            name: path.file_name().unwrap().to_owned(),
            bytes: disk.inodes[*inode].seen.len() as u64,
        };
        Ok(disk.names.iter().map(entry).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        let disk = self.disk();
        Ok(Box::new(Cursor::new(disk.inodes[disk.inode(path)?].seen.clone())))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        let mut disk = self.disk();
        let inode = disk.inodes.len();
        disk.inodes.push(Inode::default());
        disk.change(Change::Put(path.to_owned(), inode));
        Ok(Box::new(FragileFile { files: self.clone(), inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        let inode = self.disk().inode(path)?;
        Ok(Box::new(FragileFile { files: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.inode(from)?;
        disk.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.inode(path)?;
        disk.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        let disk = &mut *self.disk();
        disk.durable_names.clone_from(&disk.names);
        disk.changes.clear();
        Ok(())
    }
}

#[derive(Debug)]
struct FragileFile {
    files: FragileFiles,
    inode: usize,
}

impl WritableFile for FragileFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let disk = &mut *self.files.disk();
        let inode = &mut disk.inodes[self.inode];
        inode.write(bytes);
        // The system writes when it likes.
        if disk.random.one_in(4) {
            inode.write_back_some(&mut disk.random);
        }
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let disk = &mut *self.files.disk();
        let inode = &mut disk.inodes[self.inode];
        if disk.failing_syncs > 0 {
            disk.failing_syncs -= 1;
            inode.fail_to_sync(&mut disk.random);
            return Err(io::Error::other("the disk does not answer"));
        }
        inode.sync();
        Ok(())
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        let inode = &mut self.files.disk().inodes[self.inode];
        inode.seen.truncate(bytes as usize);
        inode.dirty.retain(|sector| sector * SECTOR < inode.seen.len());
        Ok(())
    }
}
