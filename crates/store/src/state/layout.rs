//! The state folder's own files: who has it, which format it is, and how far it was committed.
//!
//! ```text
//! LOCK         held by the process that has the folder
//! VERSION      the format, the folder's id, and the store's tables by number
//! COMMITTED    the number of the last committed checkpoint, twice
//! checkpoint/  the store
//! runs/        the tables whose keys are hashes
//! ```
//!
//! VERSION and COMMITTED are there so that a store whose files are missing, cut off or put back from another day is
//! found out: the store itself takes a missing file for one that was not made yet.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::error::StateError;
use super::table::Table;

pub(super) const CHECKPOINT: &str = "checkpoint";
/// The store while it is made for the first time.
pub(super) const CHECKPOINT_NEW: &str = "checkpoint.new";
const LOCK: &str = "LOCK";
const VERSION: &str = "VERSION";
const COMMITTED: &str = "COMMITTED";

/// The format that this version writes, and the latest it reads.
pub const FORMAT: u32 = 2;

/// Holds the folder for this process until it is dropped.
pub(super) fn lock(folder: &Path) -> Result<File, StateError> {
    fs::create_dir_all(folder).map_err(StateError::io("make the folder", folder))?;
    let path = folder.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(StateError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StateError::io("lock", &path)(source)),
    }
}

/// What VERSION says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) id: String,
    /// The store's number of each table that it has. In format 1 it has all, and they stand in another order.
    pub(super) keyspaces: Vec<(Table, u64)>,
    pub(super) format: u32,
}

/// 128 bits that no other folder has.
pub(super) fn random_id() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

impl Version {
    /// That of a folder that is made now.
    pub(super) fn new(id: String, keyspaces: [u64; Table::STORED.len()]) -> Self {
        Self { id, keyspaces: Table::STORED.into_iter().zip(keyspaces).collect(), format: FORMAT }
    }

    /// The store's number of a table; 0, which is its own, if it has none.
    pub(super) fn keyspace(&self, table: Table) -> u64 {
        self.keyspaces.iter().find(|(of, _)| *of == table).map_or(0, |(_, keyspace)| *keyspace)
    }

    fn text(&self) -> String {
        let mut text = format!("driftline state\nformat {}\nid {}\n", self.format, self.id);
        for (table, keyspace) in &self.keyspaces {
            text.push_str(&format!("table {} {keyspace}\n", table.name()));
        }
        let crc = crc32fast::hash(text.as_bytes());
        text.push_str(&format!("crc32 {crc:08x}\n"));
        text
    }

    /// Writes VERSION, whole or not at all.
    pub(super) fn save(&self, folder: &Path) -> Result<(), StateError> {
        let path = folder.join(VERSION);
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(self.text().as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            sync_folder(folder)
        };
        write().map_err(StateError::io("write", &path))
    }

    /// Reads VERSION; `None` if there is none.
    pub(super) fn load(folder: &Path) -> Result<Option<Self>, StateError> {
        let path = folder.join(VERSION);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StateError::io("read", &path)(source)),
        };
        let text = String::from_utf8_lossy(&bytes);
        // The format first: a newer one may end differently.
        if let Some(found) =
            text.strip_prefix("driftline state\nformat ").and_then(|rest| rest.lines().next())
            && let Ok(found) = found.parse::<u32>()
            && found > FORMAT
        {
            return Err(StateError::Newer { path: folder.to_owned(), found, known: FORMAT });
        }
        Self::parse(&text).map(Some).ok_or_else(|| StateError::damaged(&path, "it is not what was written"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut version = Self { id: String::new(), keyspaces: Vec::new(), format: 0 };
        for line in text.lines() {
            match *line.split(' ').collect::<Vec<_>>() {
                ["format", format] => version.format = format.parse().ok()?,
                ["id", id] => version.id = id.to_owned(),
                ["table", name, keyspace] => {
                    let table = Table::ALL.iter().find(|table| table.name() == name)?;
                    version.keyspaces.push((*table, keyspace.parse().ok()?));
                }
                _ => {}
            }
        }
        let tables = if version.format == 1 { Table::ALL.len() } else { Table::STORED.len() };
        // What is read is right if it would be written the same.
        (version.text() == text && version.keyspaces.len() == tables).then_some(version)
    }
}

/// COMMITTED: a number in two slots that are written in turn, so that one of them is whole at any moment. It is
/// written in place, which needs no space.
#[derive(Debug)]
pub(super) struct Committed {
    file: File,
    pub(super) number: u64,
}

/// Apart by a disk's block, so that a torn write spoils one slot only.
const SLOT_BYTES: u64 = 4_096;
const SLOT: usize = 12;

impl Committed {
    /// Makes it anew.
    pub(super) fn create(folder: &Path, number: u64) -> Result<Self, StateError> {
        let path = folder.join(COMMITTED);
        let make = || -> io::Result<Self> {
            let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&path)?;
            file.write_all_at(&slot(number), 0)?;
            file.write_all_at(&slot(number), SLOT_BYTES)?;
            file.sync_all()?;
            sync_folder(folder)?;
            Ok(Self { file, number })
        };
        make().map_err(StateError::io("write", &path))
    }

    /// Opens it.
    pub(super) fn open(folder: &Path) -> Result<Self, StateError> {
        let path = folder.join(COMMITTED);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StateError::damaged(&path, "the file is missing"));
            }
            Err(source) => return Err(StateError::io("open", &path)(source)),
        };
        let read = |at| {
            let mut bytes = [0; SLOT];
            file.read_exact_at(&mut bytes, at).ok()?;
            let number = u64::from_le_bytes(*bytes.first_chunk()?);
            (slot(number) == bytes).then_some(number)
        };
        let Some(number) = read(0).max(read(SLOT_BYTES)) else {
            return Err(StateError::damaged(&path, "both of its numbers fail their checksum"));
        };
        Ok(Self { file, number })
    }

    /// Makes it known that a checkpoint is durable.
    pub(super) fn set(&mut self, number: u64) -> io::Result<()> {
        self.file.write_all_at(&slot(number), number % 2 * SLOT_BYTES)?;
        self.file.sync_data()?;
        self.number = number;
        Ok(())
    }
}

fn slot(number: u64) -> [u8; SLOT] {
    let mut bytes = [0; SLOT];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..8]);
    bytes[8..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
