//! Reading a table in the order of its keys.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use fjall::Slice;

use super::buffer::Range;
use super::error::StateError;
use super::table::Table;
use super::{State, lock};

/// What a scan shows entries to.
type Show<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

impl State {
    /// Shows the entries whose key begins with `prefix`, in the order of keys or backwards, until it is told to stop.
    ///
    /// # Errors
    /// [`StateError`] if the disk cannot be read; some entries may have been shown.
    pub fn scan(&self, table: Table, prefix: &[u8], reverse: bool, show: Show<'_>) -> Result<(), StateError> {
        self.scan_from(table, prefix, Bound::Unbounded, reverse, show)
    }

    /// As [`State::scan`], beginning at a key: those before it, in the order they are shown in, are left out.
    ///
    /// # Errors
    /// As [`State::scan`].
    pub fn scan_from(
        &self,
        table: Table,
        prefix: &[u8],
        from: Bound<&[u8]>,
        reverse: bool,
        show: Show<'_>,
    ) -> Result<(), StateError> {
        let end = after_prefix(prefix);
        let low = Bound::Included(prefix);
        let high = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = match (from, reverse) {
            (Bound::Unbounded, _) => (low, high),
            (from, false) => (from, high),
            (from, true) => (low, from),
        };
        if is_empty(range) {
            return Ok(());
        }
        // First what is not on disk: what is committed in between is then seen twice, not missed.
        let mut changes = BTreeMap::new();
        {
            let buffers = lock(&self.0.buffers);
            if let Some(sealed) = &buffers.sealed {
                sealed.changes.table(table).lay_over(range, &mut changes);
            }
            buffers.active.table(table).lay_over(range, &mut changes);
        }
        let disk = self.disk()?;
        let entries = disk.table(table).range::<&[u8], _>(range);
        let stored =
            |guard: fjall::Guard| guard.into_inner().map_err(StateError::store("read", self.folder()));
        if reverse {
            merge(changes.into_iter().rev(), entries.rev().map(stored), |a, b| a > b, show)
        } else {
            merge(changes.into_iter(), entries.map(stored), |a, b| a < b, show)
        }
    }
}

/// Shows both in order; where both have a key, the change counts.
fn merge(
    changes: impl Iterator<Item = (Slice, Option<Slice>)>,
    stored: impl Iterator<Item = Result<(Slice, Slice), StateError>>,
    is_before: impl Fn(&[u8], &[u8]) -> bool,
    show: Show<'_>,
) -> Result<(), StateError> {
    let mut changes = changes.peekable();
    for entry in stored {
        let (key, value) = entry?;
        let mut replaced = false;
        while let Some((changed, new)) = changes.next_if(|(changed, _)| !is_before(&key, changed)) {
            replaced |= changed == key;
            if let Some(new) = new
                && show(&changed, &new).is_break()
            {
                return Ok(());
            }
        }
        if !replaced && show(&key, &value).is_break() {
            return Ok(());
        }
    }
    for (key, value) in changes {
        if let Some(value) = value
            && show(&key, &value).is_break()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// The first key behind all that begin with `prefix`; `None` if there is none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// A range that ends before it begins; the trees panic on it.
fn is_empty(range: Range<'_>) -> bool {
    match range {
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high) | Bound::Included(high)) => {
            low >= high
        }
        _ => false,
    }
}
