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
pub(crate) struct Binned {
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

/// The bins of a feature that could be compared.
pub(crate) enum Bins<'a> {
    /// Of numbers, on their grid.
    Numbers(&'a Grid, NumberBins),
    /// Of categories.
    Categories(CategoryBins),
}

impl Bins<'_> {
    /// The bins that changed most; see [`Binned::changes`].
    pub(crate) fn changes(&self, n: (f64, f64)) -> Vec<BinChange> {
        match self {
            Self::Numbers(grid, bins) => bins.changes(grid, n),
            Self::Categories(bins) => bins.changes(n),
        }
    }
}

/// Bins of numbers. Where the reference has ten values or fewer, each is a bin and one more takes every other
/// value. Otherwise they are the reference's tenths, open at both ends; a value that a tenth or more of the
/// reference has is a bin of its own, so that a column of mostly zeros is not one bin and blind.
pub(super) fn numeric(grid: &Grid, reference: &NumericSummary, current: &NumericSummary) -> NumberBins {
    let (r, c) = (reference.cells().dense(), current.cells().dense());
    let occupied = || (0..r.len()).filter(|&cell| r[cell] != 0.0);
    let few = occupied().nth(BINS).is_none() && occupied().all(|cell| grid.is_single_value(cell));
    let runs = if few { single_values(&r) } else { tenths(grid, reference, &r) };
    let mut binned = Binned::new(runs.iter().map(|run| run.bin + 1).max().unwrap_or(0));
    let ends = runs.iter().skip(1).map(|run| run.start).chain([r.len()]);
    for (run, end) in runs.iter().zip(ends) {
        for (sums, cells) in [(&mut binned.reference, &r), (&mut binned.current, &c)] {
            let sum = &mut sums[run.bin];
            *sum = cells[run.start..end].iter().fold(*sum, |sum, weight| sum + weight);
        }
    }
    NumberBins { binned, runs, cells: r.len() }
}

/// Neighbouring cells that are in one bin.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The first of them; the last is before the next run's first.
    start: usize,
    bin: usize,
}

/// Bins of numbers, and the cells that each has.
pub(crate) struct NumberBins {
    pub(super) binned: Binned,
    /// In the order of the cells; neighbours may be of one bin.
    runs: Vec<Run>,
    cells: usize,
}

impl NumberBins {
    /// The bins that changed most; see [`Binned::changes`].
    pub(super) fn changes(&self, grid: &Grid, n: (f64, f64)) -> Vec<BinChange> {
        self.binned.changes(n, &|bin| self.bin(grid, bin), OTHER_VALUES)
    }

    /// What a bin holds.
    pub(super) fn bin(&self, grid: &Grid, bin: usize) -> Bin {
        let is_it = |run: &Run| run.bin == bin;
        let first_run = self.runs.iter().position(is_it).unwrap_or(0);
        let last_run = self.runs.iter().rposition(is_it).unwrap_or(0);
        let first = self.runs.get(first_run).map_or(0, |run| run.start);
        let last = self.runs.get(last_run + 1).map_or(self.cells, |next| next.start) - 1;
        if first == last && grid.is_single_value(first) {
            return Bin::Value(grid.bounds(first).0);
        }
        // The bin of every other value has the single values' cells between its own.
        if !self.runs[first_run..=last_run].iter().all(is_it) {
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
            self.runs.iter_mut().filter(|run| run.bin > least).for_each(|run| run.bin -= 1);
        }
        self
    }
}

/// A bin for each cell that the reference has, and one for all others.
fn single_values(reference: &[f64]) -> Vec<Run> {
    let others = reference.iter().filter(|&&weight| weight != 0.0).count();
    let (mut runs, mut own) = (Vec::with_capacity(2 * others + 1), 0);
    for (cell, &weight) in reference.iter().enumerate() {
        let bin = if weight == 0.0 { others } else { own };
        own += usize::from(weight != 0.0);
        if runs.last().is_none_or(|run: &Run| run.bin != bin) {
            runs.push(Run { start: cell, bin });
        }
    }
    runs
}

fn tenths(grid: &Grid, reference: &NumericSummary, cells: &[f64]) -> Vec<Run> {
    let Some(mut starts) = reference.quantile_bin_starts(BINS) else { return vec![Run { start: 0, bin: 0 }] };
    let tenth = cells.iter().sum::<f64>() / BINS as f64;
    let last = cells.iter().rposition(|&weight| weight != 0.0).unwrap_or(0);
    for (cell, &weight) in cells[..last].iter().enumerate() {
        if weight >= tenth && grid.is_single_value(cell) {
            starts.push(cell + 1);
        }
    }
    starts.sort_unstable();
    starts.dedup();
    std::iter::once(0).chain(starts).enumerate().map(|(bin, start)| Run { start, bin }).collect()
}

/// Bins of categories. For the PSI: those with at least 0.5 % of the reference, the rest pooled with unseen
/// values. For the distances: all kept categories, the reference's others, and unseen values.
pub(crate) struct CategoryBins {
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
