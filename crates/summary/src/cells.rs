//! Weight per cell, in as little memory as its spread allows.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::packed::{pack, unpack};

/// Occupied cells at which the dense form is taken: one in this many.
const DENSE_FROM_ONE_IN: usize = 8;

/// A weight for each of a fixed number of cells.
///
/// Sparse while at most one cell in eight is occupied, dense from there on; packed a quarter of that or less
/// where weights are whole. Two are equal when they hold the same weights, in whichever form.
#[derive(Clone, Debug)]
pub struct Cells {
    len: usize,
    store: Store,
}

#[derive(Clone, Debug)]
enum Store {
    /// Occupied cells in ascending order; no zeros.
    Sparse(Vec<(u32, f64)>),
    Dense(Vec<f64>),
    /// Occupied cells in ascending order, at rest: whole weights from 1 to 65,535.
    Packed(Box<[(u16, u16)]>),
}

impl Cells {
    /// `len` empty cells.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { len, store: Store::Sparse(Vec::new()) }
    }

    /// The number of cells, occupied or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no cell has weight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The weight of a cell; zero beyond the last.
    #[must_use]
    pub fn get(&self, cell: usize) -> f64 {
        match &self.store {
            Store::Sparse(entries) => {
                entries.binary_search_by_key(&(cell as u32), |entry| entry.0).map_or(0.0, |at| entries[at].1)
            }
            Store::Dense(weights) => weights.get(cell).copied().unwrap_or(0.0),
            Store::Packed(entries) => {
                let at = entries.binary_search_by_key(&cell, |entry| entry.0.into());
                at.map_or(0.0, |at| entries[at].1.into())
            }
        }
    }

    /// The occupied cells and their weights, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        type Forms<'a> = (&'a [(u32, f64)], &'a [f64], &'a [(u16, u16)]);
        let (sparse, dense, packed): Forms<'_> = match &self.store {
            Store::Sparse(entries) => (entries, &[], &[]),
            Store::Dense(weights) => (&[], weights, &[]),
            Store::Packed(entries) => (&[], &[], entries),
        };
        let dense = dense.iter().copied().enumerate().filter(|&(_, weight)| weight != 0.0);
        let packed = packed.iter().map(|&(cell, weight)| (cell.into(), weight.into()));
        sparse.iter().map(|&(cell, weight)| (cell as usize, weight)).chain(packed).chain(dense)
    }

    /// The weights of all cells.
    #[must_use]
    pub fn to_dense(&self) -> Vec<f64> {
        match &self.store {
            Store::Sparse(entries) => {
                let mut weights = vec![0.0; self.len];
                for &(cell, weight) in entries {
                    weights[cell as usize] = weight;
                }
                weights
            }
            Store::Dense(weights) => weights.clone(),
            Store::Packed(entries) => {
                let mut weights = vec![0.0; self.len];
                for &(cell, weight) in entries {
                    weights[usize::from(cell)] = weight.into();
                }
                weights
            }
        }
    }

    /// The weights of all cells, borrowed where they lie so.
    #[must_use]
    pub fn dense(&self) -> Cow<'_, [f64]> {
        match &self.store {
            Store::Dense(weights) => Cow::Borrowed(weights),
            Store::Sparse(_) | Store::Packed(_) => Cow::Owned(self.to_dense()),
        }
    }

    /// The sum of all weights, in the order of the cells.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.iter().map(|(_, weight)| weight).sum()
    }

    /// Adds weight to a cell.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn add(&mut self, cell: usize, weight: f64) {
        assert!(cell < self.len, "cell {cell} of {}", self.len);
        if weight == 0.0 {
            return;
        }
        self.unpack();
        match &mut self.store {
            Store::Packed(_) => unreachable!("unpacked above"),
            Store::Dense(weights) => weights[cell] += weight,
            Store::Sparse(entries) => match entries.binary_search_by_key(&(cell as u32), |entry| entry.0) {
                Ok(at) => entries[at].1 += weight,
                Err(at) => {
                    entries.insert(at, (cell as u32, weight));
                    self.settle();
                }
            },
        }
    }

    /// Takes weight back from a cell that it was added to. What rounding leaves (under a billionth of the
    /// weight taken) counts as nothing.
    pub fn retract(&mut self, cell: usize, weight: f64) {
        let left = |before: f64| {
            let after = before - weight;
            if after <= 1e-9 * weight { 0.0 } else { after }
        };
        self.unpack();
        match &mut self.store {
            Store::Packed(_) => unreachable!("unpacked above"),
            Store::Dense(weights) => {
                if let Some(before) = weights.get_mut(cell) {
                    *before = left(*before);
                }
            }
            Store::Sparse(entries) => {
                if let Ok(at) = entries.binary_search_by_key(&(cell as u32), |entry| entry.0) {
                    entries[at].1 = left(entries[at].1);
                    if entries[at].1 == 0.0 {
                        entries.remove(at);
                    }
                }
            }
        }
    }

    /// Adds another's weights cell by cell.
    ///
    /// # Panics
    /// If the numbers of cells differ.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.len, other.len, "cells of different grids");
        self.unpack();
        match (&mut self.store, &other.store) {
            (Store::Packed(_), _) => unreachable!("unpacked above"),
            (Store::Dense(mine), Store::Packed(theirs)) => {
                for &(cell, weight) in theirs {
                    mine[usize::from(cell)] += f64::from(weight);
                }
            }
            (Store::Sparse(mine), Store::Packed(theirs)) => {
                add_all(mine, theirs.iter().map(|&(cell, weight)| (cell.into(), weight.into())));
                self.settle();
            }
            (Store::Dense(mine), Store::Dense(theirs)) => {
                for (mine, theirs) in mine.iter_mut().zip(theirs) {
                    *mine += theirs;
                }
            }
            (Store::Dense(mine), Store::Sparse(theirs)) => {
                for &(cell, weight) in theirs {
                    mine[cell as usize] += weight;
                }
            }
            (Store::Sparse(mine), Store::Dense(theirs)) => {
                let mut sum = theirs.clone();
                for &(cell, weight) in mine.iter() {
                    sum[cell as usize] += weight;
                }
                self.store = Store::Dense(sum);
            }
            (Store::Sparse(mine), Store::Sparse(theirs)) => {
                add_all(mine, theirs.iter().copied());
                self.settle();
            }
        }
    }

    /// Takes back another's weights cell by cell.
    pub fn subtract(&mut self, other: &Self) {
        for (cell, weight) in other.iter() {
            self.retract(cell, weight);
        }
    }

    /// The weights to add to in place, in the dense form.
    pub(crate) fn dense_mut(&mut self) -> &mut [f64] {
        if !self.is_dense() {
            self.store = Store::Dense(self.to_dense());
        }
        match &mut self.store {
            Store::Dense(weights) => weights,
            Store::Sparse(_) | Store::Packed(_) => unreachable!("made dense above"),
        }
    }

    /// Takes the smallest form until it is changed again.
    pub(crate) fn pack(&mut self) {
        let entries = match &self.store {
            Store::Dense(weights) => packed(weights.len(), (0..).zip(weights.iter().copied())),
            Store::Sparse(entries) => packed(entries.len(), entries.iter().copied()),
            Store::Packed(_) => return,
        };
        match (entries, &mut self.store) {
            (Some(entries), _) => self.store = Store::Packed(entries),
            (None, Store::Sparse(entries)) => entries.shrink_to_fit(),
            (None, _) => {}
        }
    }

    fn unpack(&mut self) {
        if let Store::Packed(entries) = &self.store {
            self.store = Store::Sparse(loose(entries));
            self.settle();
        }
    }

    /// Whether the weights are in the dense form already.
    pub(crate) fn is_dense(&self) -> bool {
        matches!(self.store, Store::Dense(_))
    }

    /// Takes the dense form when enough cells are occupied.
    fn settle(&mut self) {
        if let Store::Sparse(entries) = &self.store
            && entries.len() * DENSE_FROM_ONE_IN > self.len
        {
            self.store = Store::Dense(self.to_dense());
        }
    }
}

/// At most `most` cells with their weights, without those that have none; `None` if any does not fit.
fn packed(most: usize, cells: impl Iterator<Item = (u32, f64)>) -> Option<Box<[(u16, u16)]>> {
    // Which cells have weight no processor can foresee: each is written, and the next over it if it has none.
    let mut entries = vec![(0, 0); most];
    let (mut occupied, mut fit) = (0, true);
    for (cell, weight) in cells {
        let whole = weight as u16;
        fit &= f64::from(whole) == weight && (whole == 0 || cell <= u16::MAX.into());
        entries[occupied] = (cell as u16, whole);
        occupied += usize::from(whole != 0);
    }
    entries.truncate(occupied);
    fit.then(|| entries.into())
}

fn loose(packed: &[(u16, u16)]) -> Vec<(u32, f64)> {
    packed.iter().map(|&(cell, weight)| (cell.into(), weight.into())).collect()
}

/// Adds weights, whose cells ascend. Most sums soon have all cells that their parts have, and stay where they lie.
fn add_all(mine: &mut Vec<(u32, f64)>, theirs: impl Iterator<Item = (u32, f64)>) {
    let mut fresh = Vec::new();
    let mut rest = mine.iter_mut().peekable();
    for (cell, weight) in theirs {
        while rest.next_if(|own| own.0 < cell).is_some() {}
        match rest.next_if(|own| own.0 == cell) {
            Some(own) => own.1 += weight,
            None => fresh.push((cell, weight)),
        }
    }
    if !fresh.is_empty() {
        *mine = merged(mine, &fresh);
    }
}

fn merged(left: &[(u32, f64)], right: &[(u32, f64)]) -> Vec<(u32, f64)> {
    let mut sum = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (Some(l), Some(r)) if l.0 == r.0 => {
                sum.push((l.0, l.1 + r.1));
                left.next();
                right.next();
            }
            (Some(l), Some(r)) if l.0 > r.0 => sum.extend(right.next()),
            (Some(_), _) => sum.extend(left.next()),
            (None, Some(_)) => sum.extend(right.next()),
            (None, None) => return sum,
        }
    }
}

impl PartialEq for Cells {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

/// Stored as the number of cells and, for each occupied one, the gap to the one before and its weight.
impl Serialize for Cells {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut next = 0;
        let entries: Vec<(u32, u64)> = self
            .iter()
            .map(|(cell, weight)| {
                let gap = (cell - next) as u32;
                next = cell + 1;
                (gap, pack(weight))
            })
            .collect();
        (self.len as u32, entries).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (len, gaps) = <(u32, Vec<(u32, u64)>)>::deserialize(deserializer)?;
        let mut entries = Vec::with_capacity(gaps.len());
        let mut next = 0_u32;
        for (gap, weight) in gaps {
            let cell = next.checked_add(gap).filter(|&cell| cell < len);
            let cell = cell.ok_or_else(|| de::Error::custom("a cell beyond the last"))?;
            next = cell + 1;
            let weight = unpack(weight);
            if !(weight.is_finite() && weight > 0.0) {
                return Err(de::Error::custom("a cell with a weight that is not above zero"));
            }
            entries.push((cell, weight));
        }
        let mut cells = Self { len: len as usize, store: Store::Sparse(entries) };
        cells.settle();
        Ok(cells)
    }
}

#[cfg(test)]
mod tests;
