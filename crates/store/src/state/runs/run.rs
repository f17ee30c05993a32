//! One run: a file of entries in the order of their keys, which never changes.
//!
//! ```text
//! magic and format   12 bytes
//! blocks             entries, see `block`
//! filter             see `filter`
//! footer             postcard: each block's length and the beginning of its first key; ages
//! trailer            where the filter begins, how long it is, and the footer's CRC-32
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use driftline_events::EventTime;
use serde::{Deserialize, Serialize};

use super::super::error::StateError;
use super::super::expiry::Floors;
use super::super::table::Table;
use super::block;
use super::filter::Filter;
use super::prefix;

pub(super) const MAGIC: [u8; 12] = *b"driftrun\x01\0\0\0";
const TRAILER_BYTES: usize = 24;

/// What stands behind the blocks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Footer {
    pub(super) entries: u64,
    /// The latest time in each space.
    pub(super) newest: Vec<(u32, i64)>,
    /// Entries of which no time is known: they stay.
    pub(super) ageless: u64,
    /// The first 16 bytes of each block's first key.
    pub(super) firsts: Vec<u128>,
    pub(super) lengths: Vec<u32>,
}

/// The end of a file.
pub(super) struct Trailer {
    pub(super) filter_at: u64,
    /// How many blocks the filter has; the footer is behind it.
    pub(super) filter_blocks: u64,
    pub(super) footer_crc: u32,
}

impl Trailer {
    pub(super) fn to_bytes(&self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..8].copy_from_slice(&self.filter_at.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.filter_blocks.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.footer_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..20]);
        bytes[20..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; TRAILER_BYTES]) -> Option<Self> {
        let trailer = Self {
            filter_at: u64::from_le_bytes(*bytes.first_chunk()?),
            filter_blocks: u64::from_le_bytes(*bytes[8..].first_chunk()?),
            footer_crc: u32::from_le_bytes(*bytes[16..].first_chunk()?),
        };
        (trailer.to_bytes() == *bytes).then_some(trailer)
    }
}

/// What cannot be read, or is not what was written.
fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> StateError {
    move |source| match source.kind() {
        io::ErrorKind::InvalidData => StateError::damaged(path, "its filter fails its checksum"),
        _ => StateError::io("read", path)(source),
    }
}

/// A run that can be read.
#[derive(Debug)]
pub(super) struct Run {
    path: PathBuf,
    file: File,
    bytes: u64,
    filter: Filter,
    footer: Footer,
    /// Where each block begins, and where the last one ends.
    offsets: Vec<u64>,
}

impl Run {
    /// Opens a file of a known length.
    pub(super) fn open(path: &Path, bytes: u64) -> Result<Self, StateError> {
        let file = File::open(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StateError::damaged(path, "it is missing"),
            _ => StateError::io("open", path)(source),
        })?;
        let found = file.metadata().map_err(StateError::io("read", path))?.len();
        if found != bytes {
            return Err(StateError::damaged(path, format!("it has {found} bytes, and {bytes} were written")));
        }
        let altered = || StateError::damaged(path, "it fails its checksum");
        let read = |at: u64, end: u64| {
            let length = end.checked_sub(at).filter(|_| end <= bytes).ok_or_else(altered)?;
            let mut part = vec![0; usize::try_from(length).map_err(|_| altered())?];
            file.read_exact_at(&mut part, at).map_err(StateError::io("read", path))?;
            Ok::<_, StateError>(part)
        };
        let end = bytes.checked_sub(TRAILER_BYTES as u64).ok_or_else(altered)?;
        let trailer = read(end, bytes)?.first_chunk().and_then(Trailer::from_bytes).ok_or_else(altered)?;
        let footer_at = trailer.filter_at.saturating_add(Filter::bytes(trailer.filter_blocks));
        let footer = read(footer_at, end)?;
        if crc32fast::hash(&footer) != trailer.footer_crc || read(0, MAGIC.len() as u64)? != MAGIC {
            return Err(altered());
        }
        let footer: Footer = postcard::from_bytes(&footer).map_err(|_| altered())?;
        let filter =
            Filter::open(&file, trailer.filter_at, trailer.filter_blocks).map_err(unreadable(path))?;
        let mut offsets = vec![MAGIC.len() as u64];
        for length in &footer.lengths {
            offsets.push(offsets[offsets.len() - 1] + u64::from(*length));
        }
        if offsets.last() != Some(&trailer.filter_at) || footer.firsts.len() != footer.lengths.len() {
            return Err(altered());
        }
        Ok(Self { path: path.to_owned(), file, bytes, filter, footer, offsets })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// The file's length.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its entries, those that say that one was removed included.
    pub(super) const fn entries(&self) -> u64 {
        self.footer.entries
    }

    pub(super) fn blocks(&self) -> usize {
        self.footer.lengths.len()
    }

    /// Whether every entry is older than its space's floor.
    pub(super) fn is_over(&self, table: Table, floors: &Floors) -> bool {
        self.footer.ageless == 0
            && self.footer.newest.iter().all(|(space, newest)| {
                floors.get(&(table, *space)).is_some_and(|floor| EventTime::from_millis(*newest) < *floor)
            })
    }

    /// The first block that may have a key, by the order of keys.
    pub(super) fn block_of(&self, key: &[u8]) -> usize {
        let prefix = prefix(key);
        self.footer.firsts.partition_point(|first| *first < prefix).saturating_sub(1)
    }

    /// Whether no entry of a block comes at or before a key.
    pub(super) fn begins_behind(&self, block: usize, key: &[u8]) -> bool {
        self.footer.firsts[block] > prefix(key)
    }

    /// Reads a block; gives its entries.
    pub(super) fn read<'a>(&self, index: usize, room: &'a mut Vec<u8>) -> Result<&'a [u8], StateError> {
        room.resize(self.footer.lengths[index] as usize, 0);
        self.file.read_exact_at(room, self.offsets[index]).map_err(StateError::io("read", &self.path))?;
        block::check(room).ok_or_else(|| {
            let at = self.offsets[index];
            StateError::damaged(&self.path, format!("the block at byte {at} fails its checksum"))
        })
    }

    /// Of keys with these hashes, the places of those that it may have.
    pub(super) fn likely(&self, hashes: &[u64], likely: &mut Vec<usize>) -> Result<(), StateError> {
        self.filter.likely(&self.file, hashes, likely).map_err(unreadable(&self.path))
    }

    /// Shows what is known of a key: its value, or `None` if it was removed. Says whether anything is.
    pub(super) fn find(
        &self,
        key: &[u8],
        room: &mut Vec<u8>,
        show: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<bool, StateError> {
        let prefix = prefix(key);
        // Keys that begin alike may begin several blocks.
        for index in self.block_of(key)..self.blocks() {
            if self.footer.firsts[index] > prefix {
                break;
            }
            let entries = self.read(index, room)?;
            let mut at = 0;
            while let Some(place) = block::entry(entries, &mut at) {
                if entries[place.key] == *key {
                    show(place.value.map(|value| &entries[value]));
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
