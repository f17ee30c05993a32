//! Kolmogorov–Smirnov distance of two samples counted in cells.

use super::kolmogorov::two_sided_sf;
use crate::figure::Reason;

/// The distance, and what it can be at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct KsDistance {
    /// Largest `|F_r - F_c|` at the cells' ends: at most the exact distance of the rows.
    pub(crate) d: f64,
    /// At least the exact distance.
    pub(crate) upper: f64,
}

/// Kolmogorov–Smirnov distance from weights per cell, in the order of the values.
///
/// Inside a cell `F_r - F_c` is at most `F_r` at the cell's end less `F_c` at its start, and the other way round;
/// where only one side has rows in the cell, or all its rows have one value (`is_single(cell)`), the largest
/// difference is at one of the ends. So `upper` is exact where every cell is of that sort, and else above `d` by
/// at most the mass of one cell.
///
/// # Errors
/// [`Reason::EmptyReference`], [`Reason::NoValues`], [`Reason::BinsDiffer`].
pub(crate) fn ks_distance(
    reference: &[f64],
    current: &[f64],
    is_single: impl Fn(usize) -> bool,
) -> Result<KsDistance, Reason> {
    if reference.len() != current.len() {
        return Err(Reason::BinsDiffer);
    }
    let (all_r, all_c) = totals(reference, current);
    if all_r <= 0.0 {
        return Err(Reason::EmptyReference);
    }
    if all_c <= 0.0 {
        return Err(Reason::NoValues);
    }
    let (mut sum_r, mut sum_c, mut low) = (0.0, 0.0, (0.0, 0.0));
    let (mut d, mut upper) = (0.0_f64, 0.0_f64);
    for (cell, (&r, &c)) in reference.iter().zip(current).enumerate() {
        (sum_r, sum_c) = (sum_r + r, sum_c + c);
        let high = (sum_r / all_r, sum_c / all_c);
        d = d.max((high.0 - high.1).abs());
        let most = (high.0 - low.1).max(high.1 - low.0);
        // The cell is looked at only where it matters, which is hardly ever.
        if most > upper && r > 0.0 && c > 0.0 && !is_single(cell) {
            upper = most;
        }
        low = high;
    }
    Ok(KsDistance { d: d.min(1.0), upper: upper.max(d).min(1.0) })
}

/// The sums of two sides that are of one length. Each is taken in its order, so that one waits for itself only, and not
/// for the other.
pub(super) fn totals(reference: &[f64], current: &[f64]) -> (f64, f64) {
    reference.iter().zip(current).fold((0.0, 0.0), |sums, (r, c)| (sums.0 + r, sums.1 + c))
}

/// Two-sided asymptotic p-value of a distance `d` between samples of `n_r` and `n_c` effective rows: Kolmogorov's
/// distribution for `n_r n_c / (n_r + n_c)` rows, rounded; scipy's `ks_2samp(method='asymp')`.
///
/// # Errors
/// [`Reason::TooFewRows`] if that rounds to no row.
pub(crate) fn ks_p_value(d: f64, n_r: f64, n_c: f64) -> Result<f64, Reason> {
    let rows = (n_r * n_c / (n_r + n_c)).round_ties_even();
    if rows.is_nan() || rows < 1.0 {
        return Err(Reason::TooFewRows);
    }
    Ok(two_sided_sf(rows as u64, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_values_are_exact() {
        // scipy 1.13.1: ks_2samp([1]*4 + [2]*3 + [3]*2 + [4], [1] + [2]*5 + [3]*3 + [4], method='asymp')
        // statistic 0.3, pvalue 0.6639999999999998
        let ks = ks_distance(&[4.0, 3.0, 2.0, 1.0], &[1.0, 5.0, 3.0, 1.0], |_| true).unwrap();
        assert!((ks.d - 0.3).abs() < 1e-15 && ks.upper == ks.d, "{ks:?}");
        assert!((ks_p_value(ks.d, 10.0, 10.0).unwrap() - 0.664).abs() < 1e-9);
    }

    #[test]
    fn the_exact_distance_is_between_d_and_upper() {
        // Cells [0, 10), [10, 20); reference 1, 2, 3, 12; current 7, 8, 9, 12: the exact distance is 3/4.
        let ks = ks_distance(&[3.0, 1.0], &[3.0, 1.0], |_| false).unwrap();
        assert_eq!(ks, KsDistance { d: 0.0, upper: 0.75 });
    }

    #[test]
    fn cells_with_one_side_only_are_exact() {
        let ks = ks_distance(&[2.0, 0.0, 2.0], &[0.0, 3.0, 0.0], |_| false).unwrap();
        assert_eq!((ks.d, ks.upper), (0.5, 0.5));
    }

    #[test]
    fn empty_sides_and_other_cells_have_reasons() {
        assert_eq!(ks_distance(&[0.0], &[1.0], |_| true), Err(Reason::EmptyReference));
        assert_eq!(ks_distance(&[1.0], &[0.0], |_| true), Err(Reason::NoValues));
        assert_eq!(ks_distance(&[1.0], &[1.0, 0.0], |_| true), Err(Reason::BinsDiffer));
        assert_eq!(ks_p_value(0.5, 1e9, 0.4), Err(Reason::TooFewRows));
    }
}
