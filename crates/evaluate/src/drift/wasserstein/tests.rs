use super::*;

/// Counts `values` in the cells of `cuts`.
fn cells(cuts: &[f64], values: &[f64]) -> Vec<f64> {
    let mut cells = vec![0.0; cuts.len() + 1];
    for value in values {
        cells[cuts.partition_point(|cut| cut <= value)] += 1.0;
    }
    cells
}

fn distance(cuts: &[f64], reference: &[f64], current: &[f64]) -> Wasserstein {
    let (r, c) = (cells(cuts, reference), cells(cuts, current));
    let side = |cells, values: &[f64]| Side {
        cells,
        mean: values.iter().sum::<f64>() / values.len() as f64,
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    };
    wasserstein(cuts, side(&r[..], reference), side(&c[..], current)).unwrap()
}

/// Exact distance of two samples of equal size: the mean difference of the sorted values.
fn exact(reference: &[f64], current: &[f64]) -> f64 {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let pairs = sorted(reference).into_iter().zip(sorted(current));
    pairs.map(|(r, c)| (r - c).abs()).sum::<f64>() / reference.len() as f64
}

/// Some numbers in [0, 1) without order.
fn scattered(seed: f64, count: usize) -> Vec<f64> {
    (1..=count).map(|i| (seed + i as f64 * 0.618_033_988_749_894_9).fract()).collect()
}

#[test]
fn single_values_are_exact() {
    let cuts: Vec<f64> = [0.0_f64, 1.0, 3.0].iter().flat_map(|v| [*v, v.next_up()]).collect();
    let got = distance(&cuts, &[0.0, 1.0, 3.0, 3.0], &[0.0, 0.0, 1.0, 3.0, 3.0]);
    // scipy 1.13.1: wasserstein_distance([0, 1, 3, 3], [0, 0, 1, 3, 3])
    assert!((got.value - 0.35).abs() < 1e-12 && got.bound < 1e-10, "{got:?}");
}

#[test]
fn the_exact_distance_is_within_the_bound() {
    let cuts: Vec<f64> = (0..=20).map(|i| f64::from(i) / 20.0).collect();
    for (seed, shift, scale) in [(0.1, 0.0, 1.0), (0.3, 0.2, 1.0), (0.7, -0.4, 2.0), (0.5, 0.02, 0.9)] {
        let reference = scattered(0.0, 500);
        let current: Vec<f64> =
            scattered(seed, 500).iter().map(|x| (x * x - 0.3) * scale + 0.3 + shift).collect();
        let (got, exact) = (distance(&cuts, &reference, &current), exact(&reference, &current));
        assert!((got.value - exact).abs() <= got.bound, "{got:?}, exact {exact}");
        assert!(got.bound < 0.06 * scale, "{got:?}");
    }
}

#[test]
fn a_pure_shift_and_an_outlier_leave_no_doubt() {
    let cuts: Vec<f64> = (0..=20).map(|i| f64::from(i) / 20.0).collect();
    let reference = scattered(0.0, 500);
    let mut current: Vec<f64> = reference.iter().map(|x| x + 0.3).collect();
    let got = distance(&cuts, &reference, &current);
    assert!((got.value - 0.3).abs() <= got.bound && got.bound < 1e-10, "{got:?}");
    current[7] = 1e6;
    let (got, exact) = (distance(&cuts, &reference, &current), exact(&reference, &current));
    assert!((got.value - exact).abs() <= got.bound && got.bound < 1e-6, "{got:?}, exact {exact}");
}

#[test]
fn a_difference_that_crosses_zero_inside_a_cell_is_two_triangles() {
    // Both spread evenly: F_r - F_c goes from 0 to -1 in the first cell and from -1 to 1 in the second.
    let cell = Cell { width: 2.0, low: -0.5, high: 1.0, reference: 1.0, current: 0.0 };
    assert!((cell.part(1.0) - 2.0 / 3.0).abs() < 1e-15 && (cell.part(-1.0) - 1.0 / 6.0).abs() < 1e-15);
}

#[test]
fn empty_constant_and_huge() {
    let side = |cells, value| Side { cells, mean: value, min: value, max: value };
    let cuts = [5.0, 5.0_f64.next_up()];
    let got = wasserstein(&cuts, side(&[0.0, 4.0, 0.0], 5.0), side(&[0.0, 0.0, 2.0], 7.0)).unwrap();
    assert!((got.value - 2.0).abs() < 1e-12 && got.bound < 1e-9, "{got:?}");
    let empty = side(&[0.0; 3], f64::NAN);
    assert_eq!(wasserstein(&cuts, empty, side(&[1.0; 3], 5.0)), Err(Reason::EmptyReference));
    assert_eq!(wasserstein(&cuts, side(&[1.0; 3], 5.0), empty), Err(Reason::NoValues));
    let huge = Side { cells: &[1.0, 0.0, 1.0], mean: 0.0, min: -1.7e308, max: 1.7e308 };
    let got = wasserstein(&cuts, side(&[0.0, 4.0, 0.0], 5.0), huge);
    assert!(matches!(got, Err(Reason::NotFinite)) || got.is_ok_and(|w| w.value.is_finite()), "{got:?}");
}
