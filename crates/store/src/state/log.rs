//! The store's own log, read before the store reads it.
//!
//! Where the store finds something in its log that it cannot read, it takes it for the torn end of a write that was
//! never finished and cuts the log off there, whatever comes behind. So the log is read here first: what cannot be
//! read may only be the end of all, and only of a checkpoint that was never said to be committed.
//!
//! The layout is that of fjall 3 (`journal/entry.rs`): batches of a start (tag 1, u32 items, u64 number), items (tag
//! 2: u8 kind, u8 compression, u64 table, u16 key length, u32 value length, u32 stored length, key, value) and an end
//! (tag 3, u64 XXH3 of the items, `FJL` 3), little-endian; zeros behind the last.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use super::error::StateError;
use super::layout;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: [u8; 4] = [b'F', b'J', b'L', 3];

/// The entry in whose value every checkpoint says its number.
pub(super) struct NumberEntry<'a> {
    pub(super) keyspace: u64,
    pub(super) key: &'a [u8],
}

/// Checks all the log's files of a store.
///
/// # Errors
/// [`StateError::Damaged`] if a file is missing, or something cannot be read that was committed.
pub(super) fn check(store: &Path, number: &NumberEntry<'_>, committed: u64) -> Result<(), StateError> {
    let files = files(store)?;
    if files.is_empty() {
        return Err(StateError::damaged(store, "its log is missing"));
    }
    for pair in files.windows(2) {
        if pair[0].0 + 1 != pair[1].0 {
            let missing = store.join(format!("{}.jnl", pair[0].0 + 1));
            return Err(StateError::damaged(&missing, "this part of the log is missing"));
        }
    }
    let mut torn: Option<(PathBuf, u64)> = None;
    let mut last = None;
    for (_, path) in files {
        let file = File::open(&path).map_err(StateError::io("open", &path))?;
        let found = read(&mut Counted { reader: BufReader::new(file), at: 0 }, number)
            .map_err(StateError::io("read", &path))?;
        // Nothing is written behind a write that failed, until the store is opened anew and cuts it off.
        if found.batches > 0
            && let Some((path, at)) = &torn
        {
            return Err(unreadable(path, *at));
        }
        last = found.number.or(last);
        if let Some(at) = found.torn {
            torn = Some((path, at));
        }
    }
    match (torn, last) {
        (Some((path, at)), Some(last)) if last < committed => Err(unreadable(&path, at)),
        _ => Ok(()),
    }
}

fn unreadable(path: &Path, at: u64) -> StateError {
    StateError::damaged(
        path,
        format!("from byte {at} on it cannot be read, and what stood there was committed"),
    )
}

/// Copies the newest part of the log into a new file. After a failed sync the system may hold pages for written that
/// are not, and never try them again; pages of a new file it has to write.
pub(super) fn renew(store: &Path) -> Result<(), StateError> {
    let Some((_, path)) = files(store)?.pop() else {
        return Err(StateError::damaged(store, "its log is missing"));
    };
    let copy = || -> io::Result<()> {
        let mut from = BufReader::new(File::open(&path)?);
        let mut file = tempfile::Builder::new().suffix(".renewed").tempfile_in(store)?;
        let mut to = BufWriter::new(file.as_file_mut());
        let mut block = vec![0; 64 * 1_024];
        // The zeros that the store reserves at the end are left out. A batch's end is not a zero.
        let mut zeros = 0;
        loop {
            let read = from.read(&mut block)?;
            if read == 0 {
                break;
            }
            match block[..read].iter().rposition(|byte| *byte != 0) {
                None => zeros += read as u64,
                Some(last) => {
                    io::copy(&mut io::repeat(0).take(zeros), &mut to)?;
                    to.write_all(&block[..=last])?;
                    zeros = (read - last - 1) as u64;
                }
            }
        }
        to.flush()?;
        drop(to);
        file.as_file().sync_all()?;
        file.persist(&path)?;
        layout::sync_folder(store)
    };
    copy().map_err(StateError::io("renew", &path))
}

/// The log's files, the oldest first.
fn files(store: &Path) -> Result<Vec<(u64, PathBuf)>, StateError> {
    let io = || StateError::io("list", store);
    let mut files = Vec::new();
    for entry in fs::read_dir(store).map_err(io())? {
        let path = entry.map_err(io())?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let Some(number) = number else {
                return Err(StateError::damaged(&path, "the store names no file so"));
            };
            files.push((number, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

#[derive(Debug, Default)]
struct Found {
    batches: u64,
    /// What the last checkpoint in it calls itself.
    number: Option<u64>,
    /// Where something stands that is no whole batch.
    torn: Option<u64>,
}

fn read(from: &mut Counted<impl Read>, number: &NumberEntry<'_>) -> io::Result<Found> {
    let mut found = Found::default();
    loop {
        let at = from.at;
        match batch(from, number) {
            Ok(Some(said)) => {
                found.batches += 1;
                found.number = said.or(found.number);
            }
            Ok(None) => return Ok(found),
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => {
                found.torn = Some(at);
                return Ok(found);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Reads one batch: the number it says, if it does. `None` at the end.
fn batch(from: &mut Counted<impl Read>, number: &NumberEntry<'_>) -> io::Result<Option<Option<u64>>> {
    let invalid = || io::Error::from(ErrorKind::InvalidData);
    match from.first()? {
        None | Some(0) => return Ok(None),
        Some(START) => {}
        Some(_) => return Err(invalid()),
    }
    let mut items = u32::from_le_bytes(from.bytes()?);
    let _seqno: [u8; 8] = from.bytes()?;
    let mut hash = Xxh3Default::new();
    let mut said = None;
    let mut body = Vec::new();
    loop {
        let [tag] = from.bytes()?;
        match tag {
            ITEM if items > 0 => {
                items -= 1;
                let header: [u8; 20] = from.bytes()?;
                let keyspace = u64::from_le_bytes(part(&header, 2));
                let key = usize::from(u16::from_le_bytes(part(&header, 10)));
                let stored = u32::from_le_bytes(part(&header, 16)) as usize;
                body.clear();
                // Not reserved: the length may be what is wrong.
                if from.by_ref().take((key + stored) as u64).read_to_end(&mut body)? != key + stored {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                hash.update(&[tag]);
                hash.update(&header);
                hash.update(&body);
                if keyspace == number.keyspace && body[..key] == *number.key {
                    said = body[key..].try_into().ok().map(u64::from_be_bytes);
                }
            }
            CLEAR if items > 0 => {
                items -= 1;
                let keyspace: [u8; 8] = from.bytes()?;
                hash.update(&[tag]);
                hash.update(&keyspace);
            }
            END if items == 0 => {
                let sum = u64::from_le_bytes(from.bytes()?);
                let whole = from.bytes()? == MAGIC && sum == hash.digest();
                return if whole { Ok(Some(said)) } else { Err(invalid()) };
            }
            _ => return Err(invalid()),
        }
    }
}

fn part<const N: usize>(header: &[u8; 20], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&header[at..at + N]);
    part
}

/// A reader that knows where it is.
struct Counted<R> {
    reader: R,
    at: u64,
}

impl<R: Read> Counted<R> {
    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn first(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        Ok((self.read(&mut byte)? == 1).then_some(byte[0]))
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}
