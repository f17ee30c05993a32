//! The bins that PSI and the distances are taken over.

use std::sync::Arc;

use driftline_summary::{CategoricalSummary, Categories, Grid, NumericSummary};

use crate::feature_report::BinChange;
use crate::words;

/// Bins for numbers: about this many, of equal share in the reference.
const BINS: usize = 10;
/// Least share of the reference that gives a category a bin of its own in the PSI.
const LEAST_SHARE: f64 = 0.005;
/// Bins that are named where a feature drifted.
const NAMED: usize = 3;
/// What the bin of all numbers without one of their own is called.
pub(super) const OTHER_VALUES: &str = "other values";
/// What the bin of all categories without one of their own is called.
pub(super) const RARE_AND_NEW: &str = "rare and new values";

/// What a bin holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bin {
    /// One number.
    Value(f64),
    /// Numbers in `[start, end)`, infinite where it is open.
    Range(f64, f64),
    /// Numbers up to this one.
    UpTo(f64),
    /// One category.
    Category(Arc<str>),
    /// Everything that has no bin of its own.
    Rest,
}

impl Bin {
    pub(super) fn label(&self, kind_of_rest: &str) -> String {
        match self {
            Self::Value(value) => words::number(*value),
            Self::UpTo(last) => format!("up to {}", words::number(*last)),
            Self::Range(start, end) if start.is_infinite() => format!("below {}", words::number(*end)),
            Self::Range(start, end) if end.is_infinite() => format!("above {}", words::number(*start)),
            Self::Range(start, end) => format!("{} to {}", words::number(*start), words::number(*end)),
            Self::Category(name) => name.to_string(),
            Self::Rest => kind_of_rest.to_owned(),
        }
    }
}

/// Weights per bin of both sides.
pub(super) struct Binned {
    pub(super) reference: Vec<f64>,
    pub(super) current: Vec<f64>,
}

impl Binned {
    fn new(bins: usize) -> Self {
        Self { reference: vec![0.0; bins], current: vec![0.0; bins] }
    }

    /// The bins with the greatest part in the PSI, that part descending; `n` are the effective rows of reference and
    /// current side, of which an empty bin counts as half of one.
    fn changes(&self, n: (f64, f64), bins: &dyn Fn(usize) -> Bin, rest: &str) -> Vec<BinChange> {
        let all = (self.reference.iter().sum::<f64>(), self.current.iter().sum::<f64>());
        if !(all.0 > 0.0 && all.1 > 0.0) {
            return Vec::new();
        }
        let part = |r: f64, c: f64| {
            let share = |share: f64, n: f64| if share > 0.0 { share } else { 0.5 / n };
            let (r, c) = (share(r, n.0), share(c, n.1));
            (c - r) * (c / r).ln()
        };
        let shares = self.reference.iter().zip(&self.current).map(|(r, c)| (r / all.0, c / all.1));
        let mut parts: Vec<(f64, usize, (f64, f64))> = shares
            .enumerate()
            .filter(|(_, (r, c))| r != c)
            .map(|(bin, (r, c))| (part(r, c), bin, (r, c)))
            .collect();
        parts.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let named = parts.into_iter().take(NAMED);
        named
            .map(|(_, bin, (reference, current))| BinChange {
                label: bins(bin).label(rest),
                reference,
                current,
            })
            .collect()
    }

    fn add(&mut self, bin: usize, reference: f64, current: f64) {
        self.reference[bin] += reference;
        self.current[bin] += current;
    }
}

/// Bins of numbers. Where the reference has ten values or fewer, each is a bin and one more takes every other
/// value. Otherwise they are the reference's tenths, open at both ends; a value that a tenth or more of the
/// reference has is a bin of its own, so that a column of mostly zeros is not one bin and blind.
pub(super) fn numeric(grid: &Grid, reference: &NumericSummary, current: &NumericSummary) -> NumberBins {
    let occupied: Vec<(usize, f64)> = reference.cells().iter().collect();
    let bin_of = if occupied.len() <= BINS && occupied.iter().all(|&(cell, _)| grid.is_single_value(cell)) {
        let mut bin_of = vec![occupied.len(); grid.cells()];
        for (bin, &(cell, _)) in occupied.iter().enumerate() {
            bin_of[cell] = bin;
        }
        bin_of
    } else {
        tenths(grid, reference, &occupied)
    };
    let mut binned = Binned::new(bin_of.iter().max().map_or(0, |last| last + 1));
    for (cell, weight) in occupied {
        binned.add(bin_of[cell], weight, 0.0);
    }
    for (cell, weight) in current.cells().iter() {
        binned.add(bin_of[cell], 0.0, weight);
    }
    NumberBins { binned, bin_of }
}

/// Bins of numbers, and the bin that each cell is in.
pub(super) struct NumberBins {
    pub(super) binned: Binned,
    bin_of: Vec<usize>,
}

impl NumberBins {
    /// The bins that changed most; see [`Binned::changes`].
    pub(super) fn changes(&self, grid: &Grid, n: (f64, f64)) -> Vec<BinChange> {
        self.binned.changes(n, &|bin| self.bin(grid, bin), OTHER_VALUES)
    }

    /// What a bin holds.
    pub(super) fn bin(&self, grid: &Grid, bin: usize) -> Bin {
        let first = self.bin_of.iter().position(|&own| own == bin).unwrap_or(0);
        let last = self.bin_of.iter().rposition(|&own| own == bin).unwrap_or(0);
        if first == last && grid.is_single_value(first) {
            return Bin::Value(grid.bounds(first).0);
        }
        // The bin of every other value has the single values' cells between its own.
        if self.bin_of[first..=last].iter().any(|&own| own != bin) {
            return Bin::Rest;
        }
        if first == 0 && grid.is_single_value(last) {
            return Bin::UpTo(grid.bounds(last).0);
        }
        Bin::Range(grid.bounds(first).0, grid.bounds(last).1)
    }

    /// At most `bins` of them: while there are more, the neighbours that have least of the reference become one.
    pub(super) fn at_most(mut self, bins: usize) -> Self {
        while self.binned.reference.len() > bins.max(1) {
            let least = self.binned.reference.windows(2).map(|pair| pair[0] + pair[1]).enumerate();
            let least = least.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(first, _)| first);
            for side in [&mut self.binned.reference, &mut self.binned.current] {
                side[least] += side.remove(least + 1);
            }
            self.bin_of.iter_mut().filter(|bin| **bin > least).for_each(|bin| *bin -= 1);
        }
        self
    }
}

fn tenths(grid: &Grid, reference: &NumericSummary, occupied: &[(usize, f64)]) -> Vec<usize> {
    let Some(tenths) = reference.quantile_bins(BINS) else { return vec![0; grid.cells()] };
    let mut starts: Vec<bool> =
        std::iter::once(false).chain(tenths.windows(2).map(|pair| pair[0] != pair[1])).collect();
    let tenth = occupied.iter().map(|cell| cell.1).sum::<f64>() / BINS as f64;
    let last = occupied.last().map_or(0, |cell| cell.0);
    for &(cell, weight) in occupied {
        if weight >= tenth && grid.is_single_value(cell) && cell < last {
            starts[cell + 1] = true;
        }
    }
    let mut bin = 0;
    starts
        .into_iter()
        .map(|starts| {
            bin += usize::from(starts);
            bin
        })
        .collect()
}

/// Bins of categories. For the PSI: those with at least 0.5 % of the reference, the rest pooled with unseen
/// values. For the distances: all kept categories, the reference's others, and unseen values.
pub(super) struct CategoryBins {
    pub(super) psi: Binned,
    pub(super) all: Binned,
    /// The category of each PSI bin from the second on; the first is the pooled one.
    pub(super) named: Vec<Arc<str>>,
}

impl CategoryBins {
    /// The bins of the PSI that changed most; see [`Binned::changes`].
    pub(super) fn changes(&self, n: (f64, f64)) -> Vec<BinChange> {
        let of = |bin: usize| match bin.checked_sub(1).and_then(|at| self.named.get(at)) {
            Some(name) => Bin::Category(Arc::clone(name)),
            None => Bin::Rest,
        };
        self.psi.changes(n, &of, RARE_AND_NEW)
    }
}

pub(super) fn categorical(
    categories: &Categories,
    reference: &CategoricalSummary,
    current: &CategoricalSummary,
) -> CategoryBins {
    let kept = categories.kept().len();
    let least = LEAST_SHARE * reference.present.weight;
    let (mut psi, mut all) = (Binned::new(1), Binned::new(kept + 2));
    let mut named = Vec::new();
    for category in 0..kept {
        let (r, c) = (reference.counts().get(category), current.counts().get(category));
        all.add(category, r, c);
        if r >= least && r > 0.0 {
            psi.reference.push(r);
            psi.current.push(c);
            named.push(Arc::clone(&categories.kept()[category]));
        } else {
            psi.add(0, r, c);
        }
    }
    all.add(kept, reference.other.weight, current.other.weight);
    all.add(kept + 1, reference.unseen.weight, current.unseen.weight);
    psi.add(
        0,
        reference.other.weight + reference.unseen.weight,
        current.other.weight + current.unseen.weight,
    );
    CategoryBins { psi, all, named }
}

#[cfg(test)]
mod tests;
