//! Reading a table in the order of its keys.

use std::ops::{Bound, ControlFlow, RangeBounds};

use fjall::Slice;

use super::buffer::{Overlay, Range};
use super::error::StateError;
use super::runs::Merge;
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
        self.scan_if(table, prefix, from, reverse, &|_| ControlFlow::Continue(true), show)
    }

    /// As [`State::scan_from`], but a value is only read where its key is wanted, and nothing behind a break.
    ///
    /// # Errors
    /// As [`State::scan`].
    pub(crate) fn scan_if(
        &self,
        table: Table,
        prefix: &[u8],
        from: Bound<&[u8]>,
        reverse: bool,
        wants: &dyn Fn(&[u8]) -> ControlFlow<(), bool>,
        show: Show<'_>,
    ) -> Result<(), StateError> {
        let Some(range) = Prefixed::new(prefix, from, reverse) else { return Ok(()) };
        let changes = self.changes(table, range.get());
        let wanted = |key: &[u8]| wants(key) == ControlFlow::Continue(true);
        // The caller may learn from what is shown, so it is asked again before each.
        let show = |key: &[u8], value: Option<&[u8]>| match (wants(key), value) {
            (ControlFlow::Break(()), _) => ControlFlow::Break(()),
            (ControlFlow::Continue(true), Some(value)) => show(key, value),
            _ => ControlFlow::Continue(()),
        };
        if table.is_hashed() {
            let entries = self.runs(table, &range, reverse, wanted)?;
            return if reverse {
                merge(changes.into_iter().rev(), entries, |a, b| a > b, show)
            } else {
                merge(changes.into_iter(), entries, |a, b| a < b, show)
            };
        }
        let disk = self.disk()?;
        let entries = disk.table(table).range::<&[u8], _>(range.get());
        let stored = |guard: fjall::Guard| {
            guard.into_inner_if(|key| wanted(key)).map_err(StateError::store("read", self.folder()))
        };
        if reverse {
            merge(changes.into_iter().rev(), entries.rev().map(stored), |a, b| a > b, show)
        } else {
            merge(changes.into_iter(), entries.map(stored), |a, b| a < b, show)
        }
    }

    /// Shows the keys that begin with `prefix` from one on, in order, and reads no values.
    ///
    /// # Errors
    /// As [`State::scan`].
    pub(crate) fn scan_keys(
        &self,
        table: Table,
        prefix: &[u8],
        from: Bound<&[u8]>,
        show: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), StateError> {
        let Some(range) = Prefixed::new(prefix, from, false) else { return Ok(()) };
        let changes = self.changes(table, range.get());
        if table.is_hashed() {
            let entries = self.runs(table, &range, false, |_| false)?;
            return merge(changes.into_iter(), entries, |a, b| a < b, |key, _| show(key));
        }
        let disk = self.disk()?;
        let entries = disk.table(table).range::<&[u8], _>(range.get());
        let stored = |guard: fjall::Guard| {
            guard.key().map(|key| (key, None)).map_err(StateError::store("read", self.folder()))
        };
        merge(changes.into_iter(), entries.map(stored), |a, b| a < b, |key, _| show(key))
    }

    /// What is not on disk of a range. It is asked first: what is committed in between is then seen twice, not missed.
    fn changes(&self, table: Table, range: Range<'_>) -> Overlay {
        let mut changes = Overlay::new();
        let buffers = lock(&self.0.buffers);
        if let Some(sealed) = &buffers.sealed {
            sealed.changes.lay_over(table, range, &mut changes);
        }
        buffers.active.lay_over(table, range, &mut changes);
        changes
    }

    /// What runs have of a range, with the values of those that are wanted.
    fn runs<'a, W: Fn(&[u8]) -> bool>(
        &self,
        table: Table,
        range: &'a Prefixed<'a>,
        reverse: bool,
        wanted: W,
    ) -> Result<impl Iterator<Item = Result<(Slice, Option<Slice>), StateError>> + use<'a, W>, StateError>
    {
        let mut entries: Merge = self.0.runs.scan(table, range.get(), reverse)?;
        Ok(std::iter::from_fn(move || {
            loop {
                let entry = entries.next(|key, value| {
                    if !RangeBounds::<[u8]>::contains(&range.get(), key) {
                        return Some(None);
                    }
                    // What was removed is shown to nobody.
                    value.map(|value| Some((Slice::from(key), wanted(key).then(|| Slice::from(value)))))
                });
                match entry {
                    Ok(None | Some(Some(None))) => return None,
                    Ok(Some(Some(Some(entry)))) => return Some(Ok(entry)),
                    Ok(Some(None)) => {}
                    Err(error) => return Some(Err(error)),
                }
            }
        }))
    }
}

/// The keys that begin with a prefix, from one on.
struct Prefixed<'a> {
    prefix: &'a [u8],
    /// The first key behind all that begin with it.
    end: Option<Vec<u8>>,
    from: Bound<&'a [u8]>,
    reverse: bool,
}

impl<'a> Prefixed<'a> {
    /// `None` if there is no such key.
    fn new(prefix: &'a [u8], from: Bound<&'a [u8]>, reverse: bool) -> Option<Self> {
        let range = Self { prefix, end: after_prefix(prefix), from, reverse };
        (!is_empty(range.get())).then_some(range)
    }

    fn get(&self) -> Range<'_> {
        let low = Bound::Included(self.prefix);
        let high = self.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        match (self.from, self.reverse) {
            (Bound::Unbounded, _) => (low, high),
            (from, false) => (from, high),
            (from, true) => (low, from),
        }
    }
}

/// Shows both in order; where both have a key, the change counts.
fn merge(
    changes: impl Iterator<Item = (Slice, Option<Slice>)>,
    stored: impl Iterator<Item = Result<(Slice, Option<Slice>), StateError>>,
    is_before: impl Fn(&[u8], &[u8]) -> bool,
    mut show: impl FnMut(&[u8], Option<&[u8]>) -> ControlFlow<()>,
) -> Result<(), StateError> {
    let mut changes = changes.peekable();
    for entry in stored {
        let (key, value) = entry?;
        let mut replaced = false;
        while let Some((changed, new)) = changes.next_if(|(changed, _)| !is_before(&key, changed)) {
            replaced |= changed == key;
            if new.is_some_and(|new| show(&changed, Some(&new)).is_break()) {
                return Ok(());
            }
        }
        if !replaced && show(&key, value.as_deref()).is_break() {
            return Ok(());
        }
    }
    for (key, value) in changes {
        if value.is_some_and(|value| show(&key, Some(&value)).is_break()) {
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
