//! One file of the journal.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::frames::Frames;
use super::header::{HEADER_BYTES, Header, HeaderFault};
use crate::files::Files;

/// How the name of a file of the journal ends.
const EXTENSION: &str = ".journal";
/// What an operator puts behind it to say that what cannot be read in it is lost.
pub(super) const LOST: &str = ".lost";
/// What stands behind it while the file is made.
const NEW: &str = ".new";

/// One file of the journal. It holds the frames from its first number up to the next file's first number; whatever
/// is after them in it was never acknowledged, or stands in the next file again.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) first_seq: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// An operator goes on without what cannot be read.
    pub(super) lost: bool,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In order, one for each first number.
    pub(super) segments: Vec<Segment>,
    /// Files that were never finished.
    pub(super) unfinished: Vec<PathBuf>,
}

/// Where the file with a first number is.
pub(super) fn path_of(folder: &Path, first_seq: u64) -> PathBuf {
    folder.join(format!("{first_seq:020}{EXTENSION}"))
}

/// Where a file is while it is made.
pub(super) fn new_path_of(folder: &Path, first_seq: u64) -> PathBuf {
    folder.join(format!("{first_seq:020}{EXTENSION}{NEW}"))
}

/// An error of the file system with its place.
pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    move |source| JournalError::Io { action, path: path.to_owned(), source }
}

/// The journal's files in a folder; others are left alone.
pub(super) fn list(folder: &Path, files: &dyn Files) -> Result<Listing, JournalError> {
    let mut listing = Listing::default();
    for entry in files.list(folder).map_err(io_error("list the files of", folder))? {
        let path = folder.join(&entry.name);
        let Some((number, ending)) = entry.name.to_str().and_then(|name| name.split_at_checked(20)) else {
            continue;
        };
        let Ok(first_seq) = number.parse() else { continue };
        let lost = match ending.strip_prefix(EXTENSION) {
            Some("") => false,
            Some(LOST) => true,
            Some(NEW) => {
                listing.unfinished.push(path);
                continue;
            }
            _ => continue,
        };
        listing.segments.push(Segment { first_seq, path, bytes: entry.bytes, lost });
    }
    // A file that is there again counts, not the one that was given up.
    listing.segments.sort_by_key(|segment| (segment.first_seq, segment.lost));
    listing.segments.dedup_by_key(|segment| segment.first_seq);
    Ok(listing)
}

impl Segment {
    /// Its header. One that was given up may have none.
    ///
    /// # Errors
    /// [`JournalError`] if it cannot be read or used.
    pub(super) fn header(&self, files: &dyn Files) -> Result<Option<Header>, JournalError> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        self.read(files, HEADER_BYTES as u64, &mut bytes)?;
        self.header_in(&bytes)
    }

    /// All its bytes.
    ///
    /// # Errors
    /// [`JournalError`] if it cannot be read.
    pub(super) fn content(&self, files: &dyn Files) -> Result<Vec<u8>, JournalError> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.bytes).unwrap_or_default());
        self.read(files, u64::MAX, &mut bytes)?;
        Ok(bytes)
    }

    fn read(&self, files: &dyn Files, at_most: u64, bytes: &mut Vec<u8>) -> Result<(), JournalError> {
        let read = files.read(&self.path).and_then(|reader| reader.take(at_most).read_to_end(bytes));
        read.map(drop).map_err(io_error("read", &self.path))
    }

    /// The header at the start of its bytes.
    pub(super) fn header_in(&self, bytes: &[u8]) -> Result<Option<Header>, JournalError> {
        match Header::decode(bytes) {
            Ok(header) if header.first_seq == self.first_seq => Ok(Some(header)),
            Err(HeaderFault::Newer(version)) => Err(JournalError::Newer { path: self.path.clone(), version }),
            Ok(_) | Err(HeaderFault::Damaged) if self.lost => Ok(None),
            Ok(_) | Err(HeaderFault::Damaged) => Err(JournalError::Damaged {
                path: self.path.clone(),
                at_byte: 0,
                unreadable_bytes: self.bytes,
            }),
        }
    }

    /// The error of frames that stopped at bytes that are none.
    pub(super) fn damaged(&self, mut frames: Frames<'_>) -> JournalError {
        let at_byte = frames.at() as u64;
        let mut readable = at_byte;
        while let Some(frame) = frames.skip_to_frame() {
            readable += frame.bytes() as u64;
        }
        JournalError::Damaged {
            path: self.path.clone(),
            at_byte,
            unreadable_bytes: self.bytes.saturating_sub(readable),
        }
    }
}
