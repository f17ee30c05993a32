//! What can go wrong with the journal.

use std::io;
use std::path::PathBuf;

use super::header::VERSION;
use super::segment::LOST;

/// What can go wrong with the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system refused. What was to be appended is not in the journal; the journal goes on by itself when the
    /// file system does.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file was written by a newer Driftline.
    #[error(
        "{} has format version {version}, this build reads up to {VERSION}: upgrade driftline, or start the version \
         that wrote it",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// Bytes that were acknowledged once cannot be read.
    #[error(
        "{} is damaged at byte {at_byte}: {unreadable_bytes} bytes of acknowledged batches cannot be read; restore the \
         file from a backup, or rename it to end in .journal{LOST} to go on without those bytes",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at_byte: u64,
        /// How much is lost if it is gone on without.
        unreadable_bytes: u64,
    },
    /// A file is not there, or shorter than it was.
    #[error(
        "batches {from} to {to} are missing from the journal: restore {} from a backup, or make an empty file {}{LOST} \
         to go on without them",
        path.display(),
        path.display()
    )]
    Missing {
        /// The number of the first that is missing.
        from: u64,
        /// The number of the last that is missing.
        to: u64,
        /// The file that should hold the first.
        path: PathBuf,
    },
    /// A payload that no journal takes.
    #[error("a batch of {bytes} bytes is too large for the journal, the limit is {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The longest.
        limit: usize,
    },
}

impl JournalError {
    /// Whether there is no room: it will work again when there is.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError<E> {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The one it was shown to gave up.
    #[error("batch {seq} of the journal was not taken")]
    Refused {
        /// Its number.
        seq: u64,
        /// Why.
        #[source]
        source: E,
    },
}
