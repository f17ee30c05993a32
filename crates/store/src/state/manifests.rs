//! The store's lists of its files, checked before the store reads them.
//!
//! The store takes a table whose list is missing for one that was never made, and removes what is left of it; and it
//! trusts what a list says. Each list has its checksum beside it, which is checked here.
//!
//! The layout is that of lsm-tree 3 (`version/persist.rs`): `current` holds the list's number (u64), its XXH3 (u128),
//! both little-endian, and a zero; the list is the file `v` and the number.

use std::fs;
use std::path::Path;

use super::error::StateError;

/// Checks the lists of the store's tables, given by their numbers, and of its own table 0.
///
/// # Errors
/// [`StateError::Damaged`] if one is missing, or is not what was written.
pub(super) fn check(store: &Path, keyspaces: impl Iterator<Item = u64>) -> Result<(), StateError> {
    read(&store.join("version"))?;
    for keyspace in std::iter::once(0).chain(keyspaces) {
        let folder = store.join("keyspaces").join(keyspace.to_string());
        let path = folder.join("current");
        let current = read(&path)?;
        let Some((number, rest)) = current.split_first_chunk() else {
            return Err(StateError::damaged(&path, "it is cut off"));
        };
        let path = folder.join(format!("v{}", u64::from_le_bytes(*number)));
        let sum = xxhash_rust::xxh3::xxh3_128(&read(&path)?);
        if rest.strip_suffix(&[0]) != Some(&sum.to_le_bytes()) {
            return Err(StateError::damaged(&path, "it fails its checksum"));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, StateError> {
    fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => StateError::damaged(path, "it is missing"),
        _ => StateError::io("read", path)(source),
    })
}
