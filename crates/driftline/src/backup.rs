//! A copy of the state folder that can be started from.

use std::fs;
use std::path::{Path, PathBuf};

use driftline_store::{State, StateError};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The state refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// A reference could not be copied.
    #[error("cannot copy into {}", path.display())]
    Copy {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Backup {
    /// The folder: a state folder itself.
    #[schema(example = "driftline-state/backups/2026-01-01T10-00-00Z")]
    pub path: String,
    /// The checkpoint it is a copy of.
    pub checkpoint: u64,
    /// Entries in it.
    pub entries: u64,
}

/// Copies the last checkpoint of a state and the references beside it into a new folder. What came after the
/// checkpoint is not in it: take one first.
///
/// # Errors
/// [`BackupError`]; what was copied is removed again.
pub fn backup(state: &State, target: &Path) -> Result<Backup, BackupError> {
    let made = copy(state, target);
    if made.is_err() && !matches!(made, Err(BackupError::State(StateError::TargetExists { .. }))) {
        // The error that is told is the first.
        drop(fs::remove_dir_all(target));
    }
    made
}

fn copy(state: &State, target: &Path) -> Result<Backup, BackupError> {
    let done = state.backup(target)?;
    let (from, into) = (state.folder().join("references"), target.join("references"));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Copy { path, source }
    };
    if from.is_dir() {
        fs::create_dir_all(&into).map_err(failed(&into))?;
        for entry in fs::read_dir(&from).map_err(failed(&into))? {
            let entry = entry.map_err(failed(&into))?;
            let path = into.join(entry.file_name());
            fs::copy(entry.path(), &path).map_err(failed(&path))?;
            fs::File::open(&path).and_then(|file| file.sync_all()).map_err(failed(&path))?;
        }
    }
    Ok(Backup { path: target.display().to_string(), checkpoint: done.checkpoint, entries: done.entries })
}
