//! The bins that PSI and the distances are taken over.

use driftline_summary::{CategoricalSummary, Categories, Grid, NumericSummary};

/// Bins for numbers: about this many, of equal share in the reference.
const BINS: usize = 10;
/// Least share of the reference that gives a category a bin of its own in the PSI.
const LEAST_SHARE: f64 = 0.005;

/// Weights per bin of both sides.
pub(super) struct Binned {
    pub(super) reference: Vec<f64>,
    pub(super) current: Vec<f64>,
}

impl Binned {
    fn new(bins: usize) -> Self {
        Self { reference: vec![0.0; bins], current: vec![0.0; bins] }
    }

    fn add(&mut self, bin: usize, reference: f64, current: f64) {
        self.reference[bin] += reference;
        self.current[bin] += current;
    }
}

/// Bins of numbers. Where the reference has ten values or fewer, each is a bin and one more takes every other
/// value. Otherwise they are the reference's tenths, open at both ends; a value that a tenth or more of the
/// reference has is a bin of its own, so that a column of mostly zeros is not one bin and blind.
pub(super) fn numeric(grid: &Grid, reference: &NumericSummary, current: &NumericSummary) -> Binned {
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
    binned
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
}

pub(super) fn categorical(
    categories: &Categories,
    reference: &CategoricalSummary,
    current: &CategoricalSummary,
) -> CategoryBins {
    let kept = categories.kept().len();
    let least = LEAST_SHARE * reference.present.weight;
    let (mut psi, mut all) = (Binned::new(1), Binned::new(kept + 2));
    for category in 0..kept {
        let (r, c) = (reference.counts().get(category), current.counts().get(category));
        all.add(category, r, c);
        if r >= least && r > 0.0 {
            psi.reference.push(r);
            psi.current.push(c);
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
    CategoryBins { psi, all }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn summary(grid: &Arc<Grid>, values: impl IntoIterator<Item = f64>) -> NumericSummary {
        let mut summary = NumericSummary::new(Some(Arc::clone(grid)));
        values.into_iter().for_each(|value| summary.add(value, 1.0));
        summary
    }

    #[test]
    fn few_values_are_bins_and_others_are_one_more() {
        let grid = Arc::new(Grid::from_sorted(&[0.0, 0.0, 1.0]).unwrap());
        let reference = summary(&grid, [0.0, 0.0, 1.0]);
        let binned = numeric(&grid, &reference, &summary(&grid, [0.0, 0.5, 1.0, 1000.0, -1.0]));
        assert_eq!((binned.reference, binned.current), (vec![2.0, 1.0, 0.0], vec![1.0, 1.0, 3.0]));
    }

    #[test]
    fn tenths_are_open_at_the_ends() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let grid = Arc::new(Grid::from_sorted(&values).unwrap());
        let reference = summary(&grid, values);
        let binned = numeric(&grid, &reference, &summary(&grid, [-5.0, 0.0, 450.0, 999.0, 1e9]));
        assert_eq!(binned.reference.len(), 10);
        assert_eq!(binned.reference.iter().sum::<f64>(), 1000.0);
        assert_eq!((binned.current[0], binned.current[4], binned.current[9]), (2.0, 1.0, 2.0));
    }

    #[test]
    fn mostly_zeros_are_two_bins_at_least() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from((i - 970).max(0))).collect();
        let grid = Arc::new(Grid::from_sorted(&values).unwrap());
        let reference = summary(&grid, values);
        let binned = numeric(&grid, &reference, &summary(&grid, [0.0, 0.5, 7.0]));
        assert_eq!((binned.reference, binned.current), (vec![971.0, 29.0], vec![1.0, 2.0]));
    }

    #[test]
    fn rare_categories_are_pooled_with_unseen_for_psi_only() {
        let categories = Arc::new(Categories::from_weights([("a", 990.0), ("b", 6.0), ("c", 4.0)]));
        let mut reference = CategoricalSummary::new(Some(Arc::clone(&categories)));
        for (name, rows) in [("a", 990), ("b", 6), ("c", 4)] {
            (0..rows).for_each(|_| reference.add(name, 1.0));
        }
        let mut current = CategoricalSummary::new(Some(Arc::clone(&categories)));
        ["a", "c", "new"].into_iter().for_each(|name| current.add(name, 1.0));
        let bins = categorical(&categories, &reference, &current);
        assert_eq!((bins.psi.reference, bins.psi.current), (vec![4.0, 990.0, 6.0], vec![2.0, 1.0, 0.0]));
        assert_eq!(bins.all.reference, [990.0, 6.0, 4.0, 0.0, 0.0]);
        assert_eq!(bins.all.current, [1.0, 0.0, 1.0, 0.0, 1.0]);
    }
}
