//! The runs that a folder has when it is opened.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};

use fjall::Slice;

use super::super::error::StateError;
use super::super::expiry::CommittedFloors;
use super::super::layout;
use super::super::table::Table;
use super::run::Run;
use super::writer::UNFINISHED;
use super::{FOLDER, Listed, MetaEntry, Runs, Stored, entry, file_name, list_key};

impl Runs {
    /// Those of a folder that has none, or none that counts.
    pub(in super::super) fn empty(folder: &Path, floors: CommittedFloors) -> Result<Self, StateError> {
        let none: Vec<_> = Self::none().collect();
        Self::open(folder, floors, |key| {
            Ok(none.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone()))
        })
    }

    /// Writes a run of entries in the order of their keys; gives what [`Table::Meta`] has to say then.
    pub(in super::super) fn import(
        &self,
        table: Table,
        most: u64,
        entries: impl Iterator<Item = Result<(Slice, Slice), StateError>>,
    ) -> Result<MetaEntry, StateError> {
        let (number, mut writer) = self.begin(table, most)?;
        for read in entries {
            let (key, value) = read?;
            writer.push(&key, Some(&value))?;
        }
        let run = Arc::new(writer.finish()?);
        layout::sync_folder(&self.folder).map_err(StateError::io("write", &self.folder))?;
        Ok(entry(table, &[Listed { number, run }]))
    }

    /// Opens the runs that the last checkpoint names, and removes what it does not.
    pub(in super::super) fn open(
        folder: &Path,
        floors: CommittedFloors,
        stored: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StateError>,
    ) -> Result<Self, StateError> {
        let folder = folder.join(FOLDER);
        fs::create_dir_all(&folder).map_err(StateError::io("make the folder", &folder))?;
        let (mut names, mut next) = (Vec::new(), 1);
        let mut lists = Vec::with_capacity(Table::HASHED.len());
        for table in Table::HASHED {
            let damaged = || StateError::damaged(&folder, format!("no list of the runs of {}", table.name()));
            let bytes = stored(&list_key(table))?.ok_or_else(damaged)?;
            let stored: Stored = postcard::from_bytes(&bytes).map_err(|_| damaged())?;
            let mut list = Vec::with_capacity(stored.len());
            for (number, bytes) in stored {
                let name = file_name(table, number);
                list.push(Listed { number, run: Arc::new(Run::open(&folder.join(&name), bytes)?) });
                names.push(name);
                next = next.max(number + 1);
            }
            lists.push(RwLock::new(Arc::new(list)));
        }
        remove_others(&folder, &names).map_err(StateError::io("tidy", &folder))?;
        Ok(Self {
            folder,
            lists: lists.try_into().expect("one for each"),
            next: AtomicU64::new(next),
            floors,
            retired: Mutex::default(),
            prepared: Mutex::default(),
            merging: Mutex::default(),
            worker: Mutex::default(),
            stopped: AtomicBool::new(false),
        })
    }

    /// The entries of a state that has none, for [`Table::Meta`].
    pub(in super::super) fn none() -> impl Iterator<Item = MetaEntry> {
        Table::HASHED.into_iter().map(|table| entry(table, &[]))
    }
}

/// Removes runs that nobody names.
fn remove_others(folder: &Path, names: &[String]) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_run = name.ends_with(".run") || name.ends_with(UNFINISHED);
        if is_run && !names.iter().any(|known| known == name) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}
