//! What can go wrong with the durable state.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use super::layout;

type Source = Box<dyn Error + Send + Sync>;

/// What can go wrong with the durable state. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another process has the folder.
    #[error(
        "the state folder {} is in use by another process; stop that one, or give this one a folder of its own",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A newer version wrote the folder.
    #[error(
        "the state folder {} has format {found}, and this version knows formats up to {known}; use the version that wrote it",
        path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The latest format that is known here.
        known: u32,
    },
    /// A file is missing, cut off or altered.
    #[error(
        "the state folder is damaged: {}: {what}; restore the folder from a backup, or move it away to begin without its past",
        path.display()
    )]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What found it.
        #[source]
        source: Option<Source>,
    },
    /// The folder's rights do not let us write.
    #[error(
        "the state folder {} cannot be written; let the service's user write there, or give it another folder",
        path.display()
    )]
    NotWritable {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The system refused. Trying again can help.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// An earlier write failed, and the store has not come back since. The next commit brings it back if it can.
    #[error("the store stopped after a failed write; the next checkpoint tries to open it anew")]
    Stopped,
    /// The store is busy catching up, or somebody reads for long. Trying again helps.
    #[error("the store is busy: {0}; it is tried again")]
    Busy(&'static str),
    /// A backup's target is not an empty folder.
    #[error("{} is there already; name a folder that is not, for the backup", path.display())]
    TargetExists {
        /// The target.
        path: PathBuf,
    },
}

impl StateError {
    /// Whether it is that the disk, or the user's share of it, is full. It goes by itself when there is space again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }

    /// Whether the same can succeed later without anybody doing anything to the folder.
    #[must_use]
    pub const fn can_retry(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Stopped | Self::Busy(_))
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { path, source }
            }
            _ => Self::Io { action, path, source },
        }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into(), source: None }
    }

    /// What the store said, in our words.
    pub(super) fn store(action: &'static str, folder: &Path) -> impl FnOnce(fjall::Error) -> Self {
        let path = folder.join(layout::CHECKPOINT);
        move |error| match error {
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => {
                match source.kind() {
                    // What must be there is not, or ends too early.
                    io::ErrorKind::NotFound
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::InvalidData
                // A place before the file's beginning, reckoned from its end.
                | io::ErrorKind::InvalidInput => {
                        Self::Damaged { path, what: format!("cannot {action}"), source: Some(source.into()) }
                    }
                    _ => Self::io(action, &path)(source),
                }
            }
            fjall::Error::Locked => {
                let folder = path.parent().map(Path::to_owned).unwrap_or_default();
                Self::InUse { path: folder }
            }
            fjall::Error::Poisoned => Self::Stopped,
            error => Self::Damaged { path, what: format!("cannot {action}"), source: Some(Box::new(error)) },
        }
    }
}
