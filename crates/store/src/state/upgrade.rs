//! A folder of format 1: its store had all tables, those whose keys are hashes too.

use std::path::Path;

use fjall::KeyspaceCreateOptions;

use super::buffer::Buffer;
use super::disk::Disk;
use super::error::StateError;
use super::expiry::CommittedFloors;
use super::layout::{FORMAT, Version};
use super::runs::Runs;
use super::table::Table;

/// Makes a folder of format 1 one of this format: entries go from the store's tables into runs. Cut short at any
/// moment, it is done again.
pub(super) fn from_1(folder: &Path, disk: &Disk, version: Version) -> Result<Version, StateError> {
    tracing::info!(folder = %folder.display(), "Takes the state folder over into the format of this version.");
    let failed = |action| StateError::store(action, folder);
    let runs = Runs::empty(folder, CommittedFloors::default())?;
    let mut lists = Vec::new();
    for table in Table::HASHED {
        let keyspace =
            disk.database().keyspace(table.name(), KeyspaceCreateOptions::default).map_err(failed("read"))?;
        let entries = keyspace.iter().map(|entry| entry.into_inner().map_err(failed("read")));
        lists.push(runs.import(table, keyspace.approximate_len() as u64, entries)?);
    }
    disk.write(&Buffer::default(), lists)?;
    disk.sync()?;
    let keyspaces = version.keyspaces.into_iter().filter(|(table, _)| !table.is_hashed()).collect();
    let version = Version { format: FORMAT, keyspaces, ..version };
    version.save(folder)?;
    Ok(version)
}

/// Removes what [`from_1`] has taken over.
pub(super) fn tidy(folder: &Path, disk: &Disk) -> Result<(), StateError> {
    for table in Table::HASHED {
        if disk.database().keyspace_exists(table.name()) {
            let failed = || StateError::store("tidy", folder);
            let keyspace =
                disk.database().keyspace(table.name(), KeyspaceCreateOptions::default).map_err(failed())?;
            disk.database().delete_keyspace(keyspace).map_err(failed())?;
        }
    }
    Ok(())
}
