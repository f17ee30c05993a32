//! Reading several runs as one, in the order of keys.

use std::ops::Bound;
use std::sync::Arc;

use super::super::buffer::Range;
use super::super::error::StateError;
use super::block::{self, Place};
use super::run::Run;

/// A place in one run.
struct Cursor {
    run: Arc<Run>,
    reverse: bool,
    /// The block that is read.
    block: usize,
    room: Vec<u8>,
    /// Its entries, the next one last.
    places: Vec<Place>,
}

impl Cursor {
    /// A place at the first entry within a range, or behind it; backwards, at the last, or before it.
    fn new(run: Arc<Run>, range: Range<'_>, reverse: bool) -> Result<Self, StateError> {
        let mut cursor = Self { run, reverse, block: 0, room: Vec::new(), places: Vec::new() };
        if cursor.run.blocks() == 0 {
            return Ok(cursor);
        }
        let last = cursor.run.blocks() - 1;
        cursor.block = match if reverse { range.1 } else { range.0 } {
            Bound::Included(key) | Bound::Excluded(key) => cursor.run.block_of(key),
            Bound::Unbounded if reverse => last,
            Bound::Unbounded => 0,
        };
        if reverse {
            // Keys that begin alike may begin several blocks.
            if let Bound::Included(key) | Bound::Excluded(key) = range.1 {
                while cursor.block < last && !cursor.run.begins_behind(cursor.block + 1, key) {
                    cursor.block += 1;
                }
            }
        }
        cursor.read()?;
        loop {
            let Some((key, _)) = cursor.current() else { return Ok(cursor) };
            let is_before = match (if reverse { range.1 } else { range.0 }, reverse) {
                (Bound::Unbounded, _) => false,
                (Bound::Included(bound), false) => key < bound,
                (Bound::Excluded(bound), false) => key <= bound,
                (Bound::Included(bound), true) => key > bound,
                (Bound::Excluded(bound), true) => key >= bound,
            };
            if !is_before {
                return Ok(cursor);
            }
            cursor.advance()?;
        }
    }

    fn read(&mut self) -> Result<(), StateError> {
        let entries = self.run.read(self.block, &mut self.room)?;
        self.places.clear();
        let mut at = 0;
        while let Some(place) = block::entry(entries, &mut at) {
            self.places.push(place);
        }
        if !self.reverse {
            self.places.reverse();
        }
        Ok(())
    }

    fn current(&self) -> Option<(&[u8], Option<&[u8]>)> {
        let place = self.places.last()?;
        Some((&self.room[place.key.clone()], place.value.clone().map(|value| &self.room[value])))
    }

    fn advance(&mut self) -> Result<(), StateError> {
        self.places.pop();
        if self.places.is_empty() {
            let next = if self.reverse { self.block.checked_sub(1) } else { Some(self.block + 1) };
            if let Some(next) = next.filter(|next| *next < self.run.blocks()) {
                self.block = next;
                self.read()?;
            }
        }
        Ok(())
    }
}

/// Several runs as one: of a key's entries the newest counts.
pub(in super::super) struct Merge {
    /// The newest first.
    cursors: Vec<Cursor>,
    reverse: bool,
    key: Vec<u8>,
}

impl Merge {
    /// From the first entry of a range on; backwards, from the last. It goes beyond the range's other end. `runs`: the
    /// oldest first.
    pub(super) fn new(runs: &[Arc<Run>], range: Range<'_>, reverse: bool) -> Result<Self, StateError> {
        let cursors = runs.iter().rev().map(|run| Cursor::new(Arc::clone(run), range, reverse));
        Ok(Self { cursors: cursors.collect::<Result<_, _>>()?, reverse, key: Vec::new() })
    }

    /// Shows the next entry, those that were removed too, with what it makes of it; `None` at the end.
    pub(in super::super) fn next<T>(
        &mut self,
        show: impl FnOnce(&[u8], Option<&[u8]>) -> T,
    ) -> Result<Option<T>, StateError> {
        let mut first: Option<(&[u8], Option<&[u8]>)> = None;
        for current in self.cursors.iter().filter_map(Cursor::current) {
            let is_before =
                |(key, _): (&[u8], _)| if self.reverse { current.0 > key } else { current.0 < key };
            if first.is_none_or(is_before) {
                first = Some(current);
            }
        }
        let Some((key, value)) = first else { return Ok(None) };
        self.key.clear();
        self.key.extend_from_slice(key);
        let shown = show(key, value);
        for cursor in &mut self.cursors {
            if cursor.current().is_some_and(|(key, _)| key == self.key) {
                cursor.advance()?;
            }
        }
        Ok(Some(shown))
    }
}
