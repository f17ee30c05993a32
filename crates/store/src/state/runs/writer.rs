//! Making a run.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::super::error::StateError;
use super::super::expiry::time_of;
use super::block::{self, BLOCK_BYTES};
use super::filter::FilterMaker;
use super::run::{Footer, MAGIC, Run, Trailer};
use super::{hash, prefix};

/// The end of a name that a file has while it is made.
pub(super) const UNFINISHED: &str = ".unfinished";

/// How much larger blocks are where the filter stays on disk, so that their index, which is in memory, stays small too: a byte
/// and a half for each entry of a small run, and a tenth of one in such a large one.
const LARGER: usize = 16;

/// A run that is being made: a file under another name until it is durable. Dropped before that, it is gone.
pub(super) struct RunWriter {
    path: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
    at: u64,
    block: Vec<u8>,
    first: u128,
    filter: FilterMaker,
    /// Of the block's keys, which are not in the filter yet.
    hashes: Vec<u64>,
    block_bytes: usize,
    newest: FxHashMap<u32, i64>,
    footer: Footer,
}

impl RunWriter {
    /// Begins a file for at most so many entries.
    pub(super) fn create(path: &Path, entries: u64) -> Result<Self, StateError> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(UNFINISHED);
        let unfinished = PathBuf::from(unfinished);
        let file = File::create(&unfinished).map_err(StateError::io("write", &unfinished))?;
        let filter = FilterMaker::new(entries as usize);
        let mut writer = Self {
            path: path.to_owned(),
            unfinished,
            file: BufWriter::with_capacity(256 * 1_024, file),
            at: 0,
            block: Vec::with_capacity(2 * BLOCK_BYTES),
            first: 0,
            block_bytes: if filter.stays_on_disk() { LARGER * BLOCK_BYTES } else { BLOCK_BYTES },
            filter,
            hashes: Vec::new(),
            newest: FxHashMap::default(),
            footer: Footer::default(),
        };
        writer.write(&MAGIC)?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.at += bytes.len() as u64;
        self.file.write_all(bytes).map_err(StateError::io("write", &self.unfinished))
    }

    /// Appends an entry, whose key is greater than that of the last; `None`: it was removed.
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StateError> {
        self.push_hashed(hash(key), key, value)
    }

    /// As [`RunWriter::push`], where the key's [`hash`] is known.
    pub(super) fn push_hashed(
        &mut self,
        hash: u64,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), StateError> {
        if self.block.is_empty() {
            self.first = prefix(key);
        }
        self.hashes.push(hash);
        self.footer.entries += 1;
        block::append(&mut self.block, key, value);
        if let Some(value) = value {
            match key.first_chunk().map(|space| u32::from_be_bytes(*space)).zip(time_of(value)) {
                Some((space, time)) => {
                    let newest = self.newest.entry(space).or_insert(i64::MIN);
                    *newest = time.as_millis().max(*newest);
                }
                None => self.footer.ageless += 1,
            }
        }
        if self.block.len() >= self.block_bytes { self.close_block() } else { Ok(()) }
    }

    fn close_block(&mut self) -> Result<(), StateError> {
        self.filter.add(&self.hashes);
        self.hashes.clear();
        let mut block = std::mem::take(&mut self.block);
        block::close(&mut block);
        let length = u32::try_from(block.len()).map_err(|_| {
            StateError::io("write", &self.unfinished)(io::Error::other("an entry has more than 4 GiB"))
        })?;
        self.footer.firsts.push(self.first);
        self.footer.lengths.push(length);
        self.write(&block)?;
        block.clear();
        self.block = block;
        Ok(())
    }

    /// Makes it durable but for its name: [`super::super::layout::sync_folder`] is for that.
    pub(super) fn finish(mut self) -> Result<Run, StateError> {
        if !self.block.is_empty() {
            self.close_block()?;
        }
        self.footer.newest = self.newest.drain().collect();
        self.footer.newest.sort_unstable();
        let footer = postcard::to_stdvec(&self.footer).expect("a vector takes all");
        let trailer = Trailer {
            filter_at: self.at,
            filter_blocks: self.filter.blocks(),
            footer_crc: crc32fast::hash(&footer),
        };
        for page in std::mem::replace(&mut self.filter, FilterMaker::new(0)).pages() {
            self.write(&page)?;
        }
        self.write(&footer)?;
        self.write(&trailer.to_bytes())?;
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.unfinished, &self.path))
            .map_err(StateError::io("write", &self.path))?;
        Run::open(&self.path, self.at)
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        // If it is finished there is nothing under this name; if this fails, the next start removes it.
        drop(fs::remove_file(&self.unfinished));
    }
}
