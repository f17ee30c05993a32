//! The seam to the file system: what the journal asks of it, so that tests can make it fail.

mod faulty;
#[cfg(test)]
mod fragile;
mod os;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

pub use faulty::{FaultyFiles, Operation};
pub use os::OsFiles;

#[cfg(test)]
pub(crate) use fragile::FragileFiles;

/// A file system. [`OsFiles`] is the real one, [`FaultyFiles`] one that fails when told to.
pub trait Files: Send + Sync + fmt::Debug {
    /// Makes a folder and those above it; no error if it is there.
    ///
    /// # Errors
    /// What the system says.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;

    /// The files of a folder, in no order.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, folder: &Path) -> io::Result<Vec<FileEntry>>;

    /// Opens a file to read it from its start.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, path: &Path) -> io::Result<Box<dyn Read>>;

    /// Makes an empty file, in place of one that is there, to write it.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>>;

    /// Opens a file to write on at its end.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>>;

    /// Gives a file another name in the same folder, in place of a file that has it.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// A file that is written at its end.
pub trait WritableFile: Send + fmt::Debug {
    /// Writes all the bytes at the end. After an error some of them may be there.
    ///
    /// # Errors
    /// What the system says.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the content and the length durable.
    ///
    /// # Errors
    /// What the system says. Nothing written since the last success can be trusted then, not even after a later
    /// success: the system may have dropped the pages.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Cuts the file to a length.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;
}

/// A file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name in the folder.
    pub name: OsString,
    /// Its length.
    pub bytes: u64,
}
