//! References in the state folder, one file a model.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use driftline_events::ModelId;
use driftline_summary::{DecodeError, Reference};

/// What can go wrong with a stored reference.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system refused.
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
    /// The file is there but cannot be used.
    #[error("{} is not a usable reference; build it again with `driftline reference` or remove the file", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: DecodeError,
    },
}

/// The folder `references` of a state folder.
#[derive(Clone, Debug)]
pub struct ReferenceFolder(PathBuf);

impl ReferenceFolder {
    /// The references of a state folder; nothing is touched yet.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        Self(state.join("references"))
    }

    /// Where a model's reference is.
    #[must_use]
    pub fn path(&self, model: &ModelId) -> PathBuf {
        self.0.join(format!("{model}.driftref"))
    }

    /// Stores a model's reference in place of the one before, whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn save(&self, model: &ModelId, reference: &Reference) -> Result<PathBuf, StoreError> {
        let path = self.path(model);
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { action, path, source }
        };
        fs::create_dir_all(&self.0).map_err(io("make the folder", &self.0))?;
        let mut file = tempfile::NamedTempFile::new_in(&self.0).map_err(io("write into", &self.0))?;
        file.write_all(&reference.encode()).map_err(io("write", &path))?;
        file.as_file().sync_all().map_err(io("write", &path))?;
        file.persist(&path).map_err(|error| io("write", &path)(error.error))?;
        fs::File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(io("write", &path))?;
        Ok(path)
    }

    /// Loads a model's reference; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be read or used.
    pub fn load(&self, model: &ModelId) -> Result<Option<Reference>, StoreError> {
        let path = self.path(model);
        match fs::read(&path) {
            Ok(bytes) => {
                Reference::decode(&bytes).map(Some).map_err(|source| StoreError::Unusable { path, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { action: "read", path, source }),
        }
    }
}
