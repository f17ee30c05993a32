//! Reading entries by their keys.

use super::error::StateError;
use super::table::Table;
use super::{State, lock};

impl State {
    /// The value of an entry.
    ///
    /// # Errors
    /// [`StateError`] if the disk cannot be read.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        {
            let buffers = lock(&self.0.buffers);
            let sealed = buffers.sealed.as_ref().map(|sealed| &*sealed.changes);
            for buffer in [Some(&buffers.active), sealed].into_iter().flatten() {
                if let Some(value) = buffer.get(table, key) {
                    return Ok(value.map(<[u8]>::to_vec));
                }
            }
        }
        if table.is_hashed() {
            return self.0.runs.get(table, key);
        }
        Ok(self.disk()?.get(table, key)?.map(|value| value.to_vec()))
    }

    /// Whether there is an entry.
    ///
    /// # Errors
    /// [`StateError`] if the disk cannot be read.
    pub fn contains(&self, table: Table, key: &[u8]) -> Result<bool, StateError> {
        self.get(table, key).map(|value| value.is_some())
    }

    /// Shows those of the entries with these keys, which are in order, that there are, in no order. Of a table whose
    /// keys are hashes.
    ///
    /// # Errors
    /// [`StateError`] if the disk cannot be read; some may have been shown.
    pub(crate) fn get_each<const N: usize>(
        &self,
        table: Table,
        keys: &[[u8; N]],
        show: &mut dyn FnMut(&[u8; N], &[u8]),
    ) -> Result<(), StateError> {
        debug_assert!(table.is_hashed());
        let mut stored = Vec::with_capacity(keys.len());
        {
            let buffers = lock(&self.0.buffers);
            let sealed = buffers.sealed.as_ref().map(|sealed| &*sealed.changes);
            for key in keys {
                let said = buffers.active.get(table, key);
                match said.or_else(|| sealed.and_then(|sealed| sealed.get(table, key))) {
                    Some(Some(value)) => show(key, value),
                    Some(None) => {}
                    None => stored.push(key),
                }
            }
        }
        self.0.runs.get_each(table, stored.into_iter(), &mut |key, value| show(key, value))
    }
}
