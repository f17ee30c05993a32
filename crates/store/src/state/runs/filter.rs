//! Which keys a run does not have, told without reading it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Bits for each key: some 0.1 % of the keys that are not there look as if they were, and each costs the reading of a block.
const BITS_PER_KEY: usize = 16;
/// Bits of a key that are set.
const PROBES: u32 = 6;
const PROBE_BITS: u32 = 9;
/// A key's bits stand in one line of the processor's cache.
const WORDS: usize = 8;
/// On disk so many blocks and their CRC-32 are a page, which is read as a whole.
const PAGE_BLOCKS: usize = 63;
const PAGE_BYTES: usize = PAGE_BLOCKS * WORDS * 8 + 4;
/// A larger filter stays on disk (32 MiB, of 17 million keys): no memory, but each look-up reads a page then and checks it,
/// which takes as long as reading the key itself.
const MAX_BLOCKS_IN_MEMORY: usize = 524_288;

type Block = [u64; WORDS];

/// The block of a key among so many, and its bits' places in it.
fn places(hash: u64, blocks: usize) -> (usize, impl Iterator<Item = (usize, u64)>) {
    let block = ((u128::from(hash) * blocks as u128) >> 64) as usize;
    // The upper bits chose the block: the places are told by all of them, mixed.
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (1..=PROBES).map(move |probe| (mixed >> (64 - probe * PROBE_BITS)) as usize % (64 * WORDS));
    (block, bits.map(|bit| (bit / 64, 1 << (bit % 64))))
}

/// A Bloom filter in blocks of 512 bits (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters,
/// 2007), while it is made.
#[derive(Debug)]
pub(super) struct FilterMaker {
    blocks: Vec<Block>,
}

impl FilterMaker {
    /// Room for so many keys.
    pub(super) fn new(keys: usize) -> Self {
        Self { blocks: vec![[0; WORDS]; (keys * BITS_PER_KEY).div_ceil(64 * WORDS).max(1)] }
    }

    /// Adds some keys: the more at a time, the more of their blocks the processor waits for together.
    pub(super) fn add(&mut self, hashes: &[u64]) {
        for hash in hashes {
            let (block, bits) = places(*hash, self.blocks.len());
            let block = &mut self.blocks[block];
            bits.for_each(|(word, bit)| block[word] |= bit);
        }
    }

    /// Its pages, as they stand on disk.
    pub(super) fn pages(&self) -> impl Iterator<Item = Vec<u8>> {
        self.blocks.chunks(PAGE_BLOCKS).map(|blocks| {
            let mut page: Vec<u8> = blocks.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
            page.resize(PAGE_BYTES - 4, 0);
            page.extend(crc32fast::hash(&page).to_le_bytes());
            page
        })
    }

    pub(super) fn blocks(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Whether it is too large for memory.
    pub(super) fn stays_on_disk(&self) -> bool {
        self.blocks.len() > MAX_BLOCKS_IN_MEMORY
    }
}

/// The filter of a run.
#[derive(Debug)]
pub(super) struct Filter {
    at: u64,
    blocks: usize,
    /// Empty if it stays on disk.
    in_memory: Vec<Block>,
}

impl Filter {
    /// How long it is on disk.
    pub(super) const fn bytes(blocks: u64) -> u64 {
        blocks.div_ceil(PAGE_BLOCKS as u64) * PAGE_BYTES as u64
    }

    /// The filter at a place of a file. A page that is not what was written is `InvalidData`.
    pub(super) fn open(file: &File, at: u64, blocks: u64) -> io::Result<Self> {
        Self::open_within(file, at, blocks, MAX_BLOCKS_IN_MEMORY)
    }

    fn open_within(file: &File, at: u64, blocks: u64, max_in_memory: usize) -> io::Result<Self> {
        let mut filter = Self { at, blocks: blocks as usize, in_memory: Vec::new() };
        if filter.blocks <= max_in_memory {
            let mut in_memory = Vec::with_capacity(filter.blocks);
            for page in 0..filter.blocks.div_ceil(PAGE_BLOCKS) {
                let page = filter.page(file, page)?;
                in_memory.extend((0..PAGE_BLOCKS).map(|block| block_of(&page, block)));
            }
            in_memory.truncate(filter.blocks);
            filter.in_memory = in_memory;
        }
        Ok(filter)
    }

    fn page(&self, file: &File, page: usize) -> io::Result<[u8; PAGE_BYTES]> {
        let mut bytes = [0; PAGE_BYTES];
        file.read_exact_at(&mut bytes, self.at + (page * PAGE_BYTES) as u64)?;
        let (blocks, crc) = bytes.split_at(PAGE_BYTES - 4);
        if crc32fast::hash(blocks).to_le_bytes() != crc {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(bytes)
    }

    /// Of keys with these hashes, the places of those that may be there; the others are not.
    pub(super) fn likely(&self, file: &File, hashes: &[u64], likely: &mut Vec<usize>) -> io::Result<()> {
        likely.clear();
        likely.resize(hashes.len(), 0);
        let mut kept = 0;
        for (place, hash) in hashes.iter().enumerate() {
            let (block, bits) = places(*hash, self.blocks);
            let read;
            let block = match self.in_memory.get(block) {
                Some(block) => block,
                None => {
                    read = block_of(&self.page(file, block / PAGE_BLOCKS)?, block % PAGE_BLOCKS);
                    &read
                }
            };
            // All bits at once, and no branch on what comes of them: no processor can foresee it, and one that guessed wrong
            // would not have begun to wait for the next keys' blocks.
            let missing = bits.fold(0, |missing, (word, bit)| missing | (!block[word] & bit));
            likely[kept] = place;
            kept += usize::from(missing == 0);
        }
        likely.truncate(kept);
        Ok(())
    }
}

fn block_of(page: &[u8; PAGE_BYTES], block: usize) -> Block {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(page[block * WORDS * 8..].as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::ops::Range;

    use super::super::hash;
    use super::*;

    fn hashes(keys: Range<u32>) -> Vec<u64> {
        keys.map(|n| hash(&n.to_be_bytes())).collect()
    }

    #[test]
    fn what_was_added_is_found_and_little_else_in_memory_and_on_disk() {
        let keys = 20_000;
        for max_in_memory in [MAX_BLOCKS_IN_MEMORY, 100] {
            let mut maker = FilterMaker::new(keys as usize);
            maker.add(&hashes(0..keys));
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"before").unwrap();
            maker.pages().for_each(|page| file.write_all(&page).unwrap());
            assert_eq!(file.metadata().unwrap().len(), 6 + Filter::bytes(maker.blocks()));
            let open = || Filter::open_within(&file, 6, maker.blocks(), max_in_memory);
            let filter = open().unwrap();
            assert_eq!(filter.in_memory.is_empty(), max_in_memory == 100);
            let mut likely = Vec::new();
            filter.likely(&file, &hashes(0..keys), &mut likely).unwrap();
            assert!(likely.iter().copied().eq(0..keys as usize));
            filter.likely(&file, &hashes(keys..keys + 200_000), &mut likely).unwrap();
            assert!(likely.len() < 400, "{} of 200,000", likely.len());
            filter.likely(&file, &[], &mut likely).unwrap();
            assert_eq!(likely, [0_usize; 0]);
            // A bit that was lost is found out, and not taken for a key that is not there.
            let byte = [0; 64];
            file.write_all_at(&byte, 6 + 4_000).unwrap();
            let asked = open().and_then(|filter| filter.likely(&file, &hashes(0..keys), &mut likely));
            assert_eq!(asked.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
