use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn naive(cuts: &[f64], value: f64) -> usize {
    cuts.iter().filter(|&&cut| cut <= value).count()
}

/// All that tends to go wrong, and the neighbours of every cut.
fn probes(grid: &Grid) -> Vec<f64> {
    let mut probes = vec![
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        0.0,
        -0.0,
        f64::MIN_POSITIVE,
        -f64::MIN_POSITIVE,
        f64::from_bits(1),
        -f64::from_bits(1),
        f64::from_bits(0x000f_ffff_ffff_ffff),
    ];
    for &cut in grid.cuts() {
        probes.extend([cut, cut.next_up(), cut.next_down(), -cut, cut * 1.5]);
    }
    probes
}

fn check(grid: &Grid) {
    let probes = probes(grid);
    for &value in &probes {
        assert_eq!(grid.cell(value), naive(grid.cuts(), value), "{value:e} in {grid:?}");
    }
    let finite: Vec<f64> = probes.into_iter().filter(|value| value.is_finite()).collect();
    let mut seen = 0;
    grid.each_cell(&finite, |position, cell| {
        assert_eq!(position, seen);
        let value = finite[position];
        assert_eq!(cell, naive(grid.cuts(), value), "{value:e} in {grid:?}");
        seen += 1;
    });
    assert_eq!(seen, finite.len());
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// By the rule that `tables` follows: count the distinct values, then take them or the quantiles.
fn from_figures(values: &[f64]) -> Grid {
    let mut distinct = values.to_vec();
    distinct.dedup();
    if distinct.len() <= GRID_QUANTILES {
        Grid::from_distinct(&distinct).unwrap()
    } else {
        let at = |i| values[Grid::quantile_rank(i, values.len())];
        Grid::from_quantiles(&(0..=GRID_QUANTILES).map(at).collect::<Vec<_>>()).unwrap()
    }
}

fn any_finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e3..1e3,
        2 => (-20_i32..20).prop_map(f64::from),
        1 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
    ]
}

proptest! {
    #[test]
    fn lookup_equals_a_linear_scan(values in vec(any_finite(), 1..60), probe in any::<f64>()) {
        let grid = Grid::from_sorted(&sorted(values)).unwrap();
        check(&grid);
        prop_assert_eq!(grid.cell(probe), naive(grid.cuts(), probe));
    }

    #[test]
    fn lookup_in_quantile_cells_equals_a_linear_scan(
        values in vec(any_finite(), 1001..3000), probes in vec(any_finite(), 100)
    ) {
        let values = sorted(values);
        let grid = Grid::from_sorted(&values).unwrap();
        for probe in probes.iter().chain(&values) {
            prop_assert_eq!(grid.cell(*probe), naive(grid.cuts(), *probe));
        }
        prop_assert_eq!(&grid, &from_figures(&values));
    }

    #[test]
    fn every_reference_value_of_few_has_its_own_cell(values in vec(any_finite(), 1..60)) {
        let values = sorted(values);
        let grid = Grid::from_sorted(&values).unwrap();
        for &value in &values {
            let cell = grid.cell(value);
            prop_assert!(cell > 0 && cell < grid.cells() - 1 && grid.is_single_value(cell));
            prop_assert_eq!(grid.bounds(cell).0, value);
        }
    }
}

#[test]
fn one_value_gives_below_it_and_above() {
    for values in [vec![7.0], vec![7.0; 5000]] {
        let grid = Grid::from_sorted(&values).unwrap();
        assert_eq!(grid.cuts(), [7.0, 7.0_f64.next_up()]);
        assert_eq!([6.9, 7.0, 7.1].map(|value| grid.cell(value)), [0, 1, 2]);
        assert!(grid.is_single_value(1) && !grid.is_single_value(0) && !grid.is_single_value(2));
        check(&grid);
    }
}

#[test]
fn without_values_there_is_no_grid() {
    assert_eq!(Grid::from_sorted(&[]), Err(GridError::Empty));
    assert_eq!(Grid::from_sorted(&[f64::NEG_INFINITY, f64::INFINITY, f64::NAN]), Err(GridError::Empty));
    assert_eq!(Grid::new(Vec::new()), Err(GridError::Empty));
    assert_eq!(Grid::from_distinct(&[]), Err(GridError::Empty));
}

#[test]
fn what_is_not_ascending_or_finite_is_refused() {
    assert_eq!(Grid::from_sorted(&[2.0, 1.0]), Err(GridError::NotAscending { position: 1, value: 1.0 }));
    assert_eq!(Grid::new(vec![1.0, 1.0]), Err(GridError::NotAscending { position: 1, value: 1.0 }));
    assert!(matches!(Grid::new(vec![f64::NAN]), Err(GridError::NotFinite { position: 0, .. })));
    assert!(matches!(Grid::new(vec![f64::INFINITY]), Err(GridError::NotFinite { position: 0, .. })));
    assert_eq!(Grid::from_quantiles(&[1.0]), Err(GridError::QuantileCount { count: 1 }));
    assert_eq!(Grid::from_distinct(&vec![0.0; 1001]), Err(GridError::TooManyDistinct { count: 1001 }));
}

#[test]
fn a_thousand_values_get_a_cell_each_and_one_more_gives_quantiles() {
    let thousand: Vec<f64> = (0..1000).map(f64::from).collect();
    let grid = Grid::from_sorted(&thousand).unwrap();
    assert_eq!(grid.cuts().len(), 2000);
    check(&grid);
    assert_eq!(grid, from_figures(&thousand));

    let more: Vec<f64> = (0..=1000).map(f64::from).collect();
    let grid = Grid::from_sorted(&more).unwrap();
    assert_eq!(grid, from_figures(&more));
    check(&grid);
    // Ranks ⌈1001 i / 1000⌉ − 1 are 0, 1, 2, …: i = 0 is rank 0, i = 1 rank 1 and so on; no value is hit twice.
    assert_eq!(grid.cuts().len(), 1002);
    assert_eq!(grid.cuts()[1001], 1000.0_f64.next_up());
}

#[test]
fn a_value_that_is_several_quantiles_has_a_cell_of_its_own() {
    // Half zeros, the rest 2,000 different values.
    let mut values = vec![0.0; 2000];
    values.extend((1..=2000).map(f64::from));
    let grid = Grid::from_sorted(&values).unwrap();
    assert_eq!(&grid.cuts()[..2], [0.0, 0.0_f64.next_up()]);
    assert!(grid.is_single_value(grid.cell(0.0)));
    assert_eq!(grid.cell(-0.0), grid.cell(0.0));
    assert!(!grid.is_single_value(grid.cell(3.0)));
    assert_eq!(grid, from_figures(&values));
    check(&grid);
}

#[test]
fn ranks_are_those_of_the_inverted_cdf() {
    // numpy 2.0.2: [int(np.quantile(np.arange(n), i / 1000, method="inverted_cdf")) for n, i in ranks]
    let ranks = [(7, 0), (7, 499), (7, 500), (7, 1000), (68_785, 1), (68_785, 500), (68_785, 999), (1000, 7)];
    let got = ranks.map(|(n, i)| Grid::quantile_rank(i, n));
    assert_eq!(got, [0, 3, 3, 6, 68, 34_392, 68_716, 6]);
}

#[test]
fn the_ends_of_the_number_range_have_cells() {
    let grid = Grid::from_sorted(&[f64::MIN, -f64::from_bits(1), 0.0, f64::MAX]).unwrap();
    check(&grid);
    assert_eq!(grid.cuts().last(), Some(&f64::INFINITY));
    assert!(grid.is_single_value(grid.cell(f64::MAX)));
}

#[test]
fn an_outlier_does_not_slow_or_break_the_lookup() {
    let mut values: Vec<f64> = (0..5000).map(|i| f64::from(i) / 5000.0).collect();
    values.push(1e300);
    let grid = Grid::from_sorted(&values).unwrap();
    check(&grid);
    assert!(grid.lookup.steps() <= 2, "{} steps", grid.lookup.steps());
}

/// Quantiles of laws with tails on one side or both, near zero and far from it.
#[test]
fn far_tails_take_few_steps() {
    type Law = fn(f64) -> f64;
    let shares = (0..20_000).map(|i| (f64::from(i) + 0.5) / 20_000.0);
    let laws: [(&str, Law); 8] = [
        ("uniform", |p| p),
        ("logistic", |p| (p / (1.0 - p)).ln()),
        ("exponential", |p| -(1.0 - p).ln()),
        ("exponential, negative and far off", |p| (1.0 - p).ln() - 1e6),
        ("Pareto 2/3", |p| (1.0 - p).powf(-1.5)),
        ("log-logistic over 20 octaves", |p| (p / (1.0 - p)).powf(1.4)),
        ("Cauchy", |p| (std::f64::consts::PI * (p - 0.5)).tan()),
        ("Cauchy far off", |p| 1e4 + (std::f64::consts::PI * (p - 0.5)).tan()),
    ];
    for (name, law) in laws {
        let grid = Grid::from_sorted(&sorted(shares.clone().map(law).collect())).unwrap();
        check(&grid);
        // Two, since the greatest value and the next number above it are in one bucket.
        assert_eq!(grid.lookup.steps(), 2, "{name}");
    }
}

#[test]
fn ids_tell_grids_apart_and_stay() {
    let grid = Grid::from_sorted(&[1.0, 2.0]).unwrap();
    assert_eq!(grid.id(), Grid::from_distinct(&[1.0, 2.0]).unwrap().id());
    assert_ne!(grid.id(), Grid::from_sorted(&[1.0, 3.0]).unwrap().id());
}
