use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn summary_of(reference: &[f64], values: &[f64]) -> NumericSummary {
    let mut sorted = reference.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut summary = NumericSummary::new(Some(Arc::new(Grid::from_sorted(&sorted).unwrap())));
    summary.add_slice(values, None);
    summary
}

/// `sorted[⌈q n⌉ − 1]`.
fn inverted_cdf(sorted: &[f64], k: usize, of: usize) -> f64 {
    sorted[(k * sorted.len()).div_ceil(of).max(1) - 1]
}

proptest! {
    /// Bins are those that numpy's histogram makes of the deciles.
    #[test]
    fn bins_are_the_deciles(values in vec(prop_oneof![0.0..1.0, (0_u8..9).prop_map(f64::from)], 11..2500)) {
        let mut values = values;
        values.sort_by(f64::total_cmp);
        let summary = summary_of(&values, &values);
        let bins = summary.quantile_bins(10).unwrap();
        let mut distinct = values.clone();
        distinct.dedup();
        let mut edges: Vec<f64> = if distinct.len() <= 10 {
            distinct.clone()
        } else {
            (1..10).map(|k| inverted_cdf(&values, k, 10)).collect()
        };
        edges.retain(|&edge| edge > values[0]);
        edges.dedup();
        for value in values.iter().copied().chain([-1e9, 1e9]) {
            let expected = edges.iter().filter(|&&edge| edge <= value).count();
            prop_assert_eq!(bins[summary.grid().unwrap().cell(value)] as usize, expected);
        }
    }

    #[test]
    fn quantiles_of_few_values_are_exact(values in vec((-50_i32..50).prop_map(f64::from), 1..400), k in 1_usize..=100) {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let got = summary_of(&values, &values).quantile(k as f64 / 100.0);
        // k n / 100 in floating point may fall just beside the step.
        let near = [-1e-9, 1e-9].map(|d| {
            let rank = (k as f64 * values.len() as f64 / 100.0 + d).ceil().clamp(1.0, values.len() as f64);
            Some(sorted[rank as usize - 1])
        });
        prop_assert!(near.contains(&got), "{got:?} {near:?}");
    }

    /// Cell by cell, as it is defined; also with weights that are not whole, and to the last bit.
    #[test]
    fn quantiles_are_found_where_the_sum_reaches_them(
        reference in vec(prop_oneof![0.0..1.0, (0_u8..9).prop_map(f64::from)], 2..1500),
        values in vec((-0.5..9.5, prop_oneof![Just(1.0), 0.1..3.0]), 1..200),
        q in 0.0..=1.0,
    ) {
        let mut summary = summary_of(&reference, &[]);
        values.iter().for_each(|&(value, weight)| summary.add(value, weight));
        let (grid, cells) = (summary.grid().unwrap(), summary.cells());
        let (min, max) = (summary.extremes.min().unwrap(), summary.extremes.max().unwrap());
        for q in [q, 0.0, 0.25, 1.0] {
            let target = q * cells.total();
            let mut below = 0.0;
            let mut expected = max;
            for (cell, weight) in cells.iter() {
                if below + weight >= target {
                    let (start, end) = (grid.bounds(cell).0.max(min), grid.bounds(cell).1.min(max));
                    let share = ((target - below) / weight).clamp(0.0, 1.0);
                    let single = grid.is_single_value(cell) || end <= start;
                    expected = if single { start } else { start * (1.0 - share) + end * share };
                    break;
                }
                below += weight;
            }
            prop_assert_eq!(summary.quantile(q), Some(expected));
        }
    }

    #[test]
    fn subtracting_what_was_merged_leaves_the_rest(a in vec(-9.0..9.0, 0..50), b in vec(-9.0..9.0, 0..50)) {
        let reference = [-5.0, 0.0, 5.0];
        let mut sum = summary_of(&reference, &a);
        sum.merge(&summary_of(&reference, &b)).unwrap();
        sum.subtract(&summary_of(&reference, &b)).unwrap();
        let rest = summary_of(&reference, &a);
        prop_assert_eq!(sum.cells(), rest.cells());
        prop_assert_eq!(sum.present(), rest.present());
        let close = |a: Option<f64>, b: Option<f64>| (a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() < 1e-9;
        prop_assert!(close(sum.moments.mean(), rest.moments.mean()));
        prop_assert!(close(Some(sum.moments.m2()), Some(rest.moments.m2())));
    }
}

#[test]
fn quantiles_inside_a_cell_are_interpolated() {
    let reference: Vec<f64> = (0..=10_000).map(f64::from).collect();
    let summary = summary_of(&reference, &reference);
    for q in [0.0, 0.001, 0.123_45, 0.5, 0.999, 1.0] {
        let got = summary.quantile(q).unwrap();
        // A cell is 10 wide, and the rank at most one off.
        assert!((got - q * 10_000.0).abs() <= 1.5, "{q}: {got}");
    }
}

#[test]
fn beyond_the_grid_the_extremes_bound_the_quantile() {
    let summary = summary_of(&[0.0, 1.0], &[-10.0, -20.0, 30.0]);
    assert_eq!(summary.out_of_range(), 3.0);
    assert_eq!((summary.quantile(0.0), summary.quantile(1.0)), (Some(-20.0), Some(30.0)));
}

#[test]
fn without_grid_or_values_there_are_no_quantiles_or_bins() {
    let mut summary = NumericSummary::new(None);
    summary.add(1.0, 1.0);
    assert_eq!((summary.quantile(0.5), summary.quantile_bins(10), summary.out_of_range()), (None, None, 0.0));
    assert_eq!(summary.moments.mean(), Some(1.0));
    let empty = summary_of(&[1.0], &[]);
    assert_eq!((empty.quantile(0.5), empty.quantile_bins(10)), (None, None));
    assert_eq!(summary.merge(&empty), Err(GridsDiffer));
}

#[test]
fn what_is_not_finite_is_invalid_and_touches_nothing_else() {
    let mut summary = summary_of(&[1.0, 2.0], &[1.0, 2.0]);
    let before = summary.clone();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        summary.add(value, 2.0);
    }
    assert_eq!(summary.invalid, Tally { rows: 3, weight: 6.0, weight_sq: 12.0 });
    summary.invalid = Tally::default().into();
    assert_eq!(summary, before);
}
