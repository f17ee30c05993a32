use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

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
    let NumberBins { binned, .. } =
        numeric(&grid, &reference, &summary(&grid, [0.0, 0.5, 1.0, 1000.0, -1.0]));
    assert_eq!((binned.reference, binned.current), (vec![2.0, 1.0, 0.0], vec![1.0, 1.0, 3.0]));
}

#[test]
fn tenths_are_open_at_the_ends() {
    let values: Vec<f64> = (0..1000).map(f64::from).collect();
    let grid = Arc::new(Grid::from_sorted(&values).unwrap());
    let reference = summary(&grid, values);
    let NumberBins { binned, .. } =
        numeric(&grid, &reference, &summary(&grid, [-5.0, 0.0, 450.0, 999.0, 1e9]));
    assert_eq!(binned.reference.len(), 10);
    assert_eq!(binned.reference.iter().sum::<f64>(), 1000.0);
    assert_eq!((binned.current[0], binned.current[4], binned.current[9]), (2.0, 1.0, 2.0));
}

#[test]
fn mostly_zeros_are_two_bins_at_least() {
    let values: Vec<f64> = (0..1000).map(|i| f64::from((i - 970).max(0))).collect();
    let grid = Arc::new(Grid::from_sorted(&values).unwrap());
    let reference = summary(&grid, values);
    let NumberBins { binned, .. } = numeric(&grid, &reference, &summary(&grid, [0.0, 0.5, 7.0]));
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

#[test]
fn the_bins_that_changed_most_come_first_by_name() {
    let values: Vec<f64> = (0..1000).map(f64::from).collect();
    let grid = Arc::new(Grid::from_sorted(&values).unwrap());
    let reference = summary(&grid, values.clone());
    let high = summary(&grid, values.iter().map(|value| if *value < 500.0 { 5_000.0 } else { *value }));
    let changes = numeric(&grid, &reference, &high).changes(&grid, (1_000.0, 1_000.0));
    let labels: Vec<_> = changes.iter().map(|bin| (bin.label.as_str(), bin.current)).collect();
    assert_eq!(labels, [("above 899", 0.601), ("99 to 199", 0.0), ("199 to 299", 0.0)]);
    // Tenths of a thousand values, to within one of them.
    assert_eq!(changes[0].reference, 0.101);
    // Few values: each by itself, and all others.
    let grid = Arc::new(Grid::from_sorted(&[0.0, 0.0, 1.0]).unwrap());
    let reference = summary(&grid, [0.0, 0.0, 1.0]);
    let changes = numeric(&grid, &reference, &summary(&grid, [0.5; 30])).changes(&grid, (3.0, 30.0));
    let labels: Vec<_> = changes.iter().map(|bin| bin.label.as_str()).collect();
    assert_eq!(labels, ["0", "other values", "1"]);
}

#[test]
fn categories_are_named_and_the_rest_is_pooled() {
    let categories = Arc::new(Categories::from_weights([("gold", 60.0), ("free", 40.0)]));
    let counted = |names: &[(&str, usize)]| {
        let mut summary = CategoricalSummary::new(Some(Arc::clone(&categories)));
        names.iter().for_each(|(name, times)| (0..*times).for_each(|_| summary.add(name, 1.0)));
        summary
    };
    let reference = counted(&[("gold", 60), ("free", 40)]);
    let bins = categorical(&categories, &reference, &counted(&[("gold", 10), ("free", 40), ("new", 50)]));
    let changes = bins.changes((100.0, 100.0));
    let labels: Vec<_> = changes.iter().map(|bin| (bin.label.as_str(), bin.reference, bin.current)).collect();
    assert_eq!(labels, [("rare and new values", 0.0, 0.5), ("gold", 0.6, 0.1)]);
}

/// The bin of each cell, cell by cell.
fn bin_of_each_cell(grid: &Grid, reference: &NumericSummary) -> Vec<usize> {
    let occupied: Vec<(usize, f64)> = reference.cells().iter().collect();
    if occupied.len() <= BINS && occupied.iter().all(|&(cell, _)| grid.is_single_value(cell)) {
        let mut bin_of = vec![occupied.len(); grid.cells()];
        occupied.iter().enumerate().for_each(|(bin, &(cell, _))| bin_of[cell] = bin);
        return bin_of;
    }
    let deciles = reference.quantile_bins(BINS).unwrap();
    let mut starts: Vec<bool> =
        std::iter::once(false).chain(deciles.windows(2).map(|pair| pair[0] != pair[1])).collect();
    let tenth = occupied.iter().map(|cell| cell.1).sum::<f64>() / BINS as f64;
    for &(cell, weight) in &occupied {
        if weight >= tenth && grid.is_single_value(cell) && cell < occupied[occupied.len() - 1].0 {
            starts[cell + 1] = true;
        }
    }
    let mut bin = 0;
    let counted = starts.into_iter().map(|starts| {
        bin += usize::from(starts);
        bin
    });
    counted.collect()
}

#[test]
fn runs_of_cells_are_the_bins_of_each_cell() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for round in 0..200 {
        // Up to eleven values, then many values, then many of which some are common.
        let (distinct, common) = if round % 3 == 0 { (1 + round / 3 % 11, 1) } else { (2_000, round % 3) };
        let mut values: Vec<f64> = (0..rng.random_range(1..1_500))
            .map(|_| {
                if common == 2 && rng.random() {
                    rng.random_range(0..9)
                } else {
                    rng.random_range(0..distinct)
                }
            })
            .map(f64::from)
            .collect();
        values.sort_by(f64::total_cmp);
        let grid = Arc::new(Grid::from_sorted(&values).unwrap());
        let reference = summary(&grid, values);
        let mut current = NumericSummary::new(Some(Arc::clone(&grid)));
        for _ in 0..rng.random_range(1..300) {
            let value = rng.random_range(-1.0..f64::from(distinct) + 1.0);
            let value = if rng.random() { f64::floor(value) } else { value };
            current.add(value, rng.random_range(0.1..3.0));
        }
        let bins = numeric(&grid, &reference, &current);
        let bin_of = bin_of_each_cell(&grid, &reference);
        for (side, sums) in [(&reference, &bins.binned.reference), (&current, &bins.binned.current)] {
            let mut expected = vec![0.0; bin_of.iter().max().unwrap() + 1];
            side.cells().iter().for_each(|(cell, weight)| expected[bin_of[cell]] += weight);
            assert_eq!(&expected, sums, "{round}");
        }
        for bin in 0..bins.binned.reference.len() {
            let first = bin_of.iter().position(|&own| own == bin).unwrap();
            let last = bin_of.iter().rposition(|&own| own == bin).unwrap();
            let expected = if first == last && grid.is_single_value(first) {
                Bin::Value(grid.bounds(first).0)
            } else if bin_of[first..=last].iter().any(|&own| own != bin) {
                Bin::Rest
            } else if first == 0 && grid.is_single_value(last) {
                Bin::UpTo(grid.bounds(last).0)
            } else {
                Bin::Range(grid.bounds(first).0, grid.bounds(last).1)
            };
            assert_eq!(bins.bin(&grid, bin), expected, "{round}: {bin}");
        }
    }
}
