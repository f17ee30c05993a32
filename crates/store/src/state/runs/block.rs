//! A part of a run that is read at once: entries in the order of their keys.
//!
//! An entry is the key's length, the value's length and 1, or 0 for an entry that was removed (both as LEB128), the key
//! and the value. A CRC-32 ends the block.

use std::ops::Range;

/// A block is closed above this: one read, and some 20 entries to search.
pub(super) const BLOCK_BYTES: usize = 1_024;

const CRC_BYTES: usize = 4;

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn read_length(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut length = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(length);
        }
    }
    None
}

/// Appends an entry to a block that is being made.
pub(super) fn append(block: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    write_length(block, key.len());
    write_length(block, value.map_or(0, |value| value.len() + 1));
    block.extend_from_slice(key);
    block.extend_from_slice(value.unwrap_or_default());
}

/// Ends a block that is being made.
pub(super) fn close(block: &mut Vec<u8>) {
    block.extend_from_slice(&crc32fast::hash(block).to_le_bytes());
}

/// The entries of a closed block; `None` if it is not what was written.
pub(super) fn check(block: &[u8]) -> Option<&[u8]> {
    let (entries, crc) = block.split_at_checked(block.len().checked_sub(CRC_BYTES)?)?;
    (crc32fast::hash(entries).to_le_bytes() == crc).then_some(entries)
}

/// Where an entry stands in its block.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) key: Range<usize>,
    /// `None`: it was removed.
    pub(super) value: Option<Range<usize>>,
}

/// The entry at a place, and the next one's place. `None` at the end.
pub(super) fn entry(entries: &[u8], at: &mut usize) -> Option<Place> {
    let mut read = *at;
    let key = read_length(entries, &mut read)?;
    let value = read_length(entries, &mut read)?;
    let key = read..read.checked_add(key)?;
    let value = value.checked_sub(1).map(|length| key.end..key.end.saturating_add(length));
    let end = value.as_ref().map_or(key.end, |value| value.end);
    (end <= entries.len()).then(|| {
        *at = end;
        Place { key, value }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_comes_back_and_what_was_altered_does_not() {
        let entries: [(&[u8], Option<&[u8]>); 5] =
            [(b"", None), (b"a", Some(b"")), (b"ab", None), (b"b", Some(&[7; 300])), (&[9; 200], Some(b"z"))];
        let mut block = Vec::new();
        entries.iter().for_each(|(key, value)| append(&mut block, key, *value));
        close(&mut block);
        let read = check(&block).unwrap();
        let mut at = 0;
        for (key, value) in entries {
            let place = entry(read, &mut at).unwrap();
            assert_eq!((&read[place.key], place.value.map(|value| &read[value])), (key, value));
        }
        assert!(entry(read, &mut at).is_none());
        for byte in 0..block.len() {
            let mut altered = block.clone();
            altered[byte] ^= 0x10;
            assert!(check(&altered).is_none(), "{byte}");
        }
        assert!(check(&block[..3]).is_none());
        // Lengths that lie beyond the end, or beyond everything.
        assert!(entry(&[1, 9, b'a'], &mut 0).is_none());
        assert!(entry(&[0xff; 30], &mut 0).is_none());
    }
}
