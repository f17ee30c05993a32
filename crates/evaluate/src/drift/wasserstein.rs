//! Wasserstein-1 distance of two samples counted in cells.

use super::ks::totals;
use crate::figure::Reason;

/// One side: weights per cell, and what is known exactly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<'a> {
    pub(crate) cells: &'a [f64],
    pub(crate) mean: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// The distance in the values' unit, and how far the rows' exact distance can be from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wasserstein {
    pub(crate) value: f64,
    pub(crate) bound: f64,
}

/// What is between two cuts: the signed differences `F_r - F_c` at both ends and the masses.
struct Cell {
    width: f64,
    low: f64,
    high: f64,
    reference: f64,
    current: f64,
}

impl Cell {
    /// Integral of `max(0, sign * (F_r - F_c))` over the cell, with both masses spread evenly.
    fn part(&self, sign: f64) -> f64 {
        let (a, b) = (sign * self.low, sign * self.high);
        if a >= 0.0 && b >= 0.0 {
            return self.width * 0.5 * (a + b);
        }
        if a <= 0.0 && b <= 0.0 {
            return 0.0;
        }
        // The difference crosses zero: one triangle.
        let top = a.max(b);
        self.width * 0.5 * top * (top / (a - b).abs())
    }

    /// How far [`Cell::part`] can be from the truth: each distribution function is within its mass of the straight
    /// line, half of it on average. Nothing if the difference cannot have that sign anywhere in the cell.
    fn doubt(&self, sign: f64) -> f64 {
        // F_r can come early and F_c late, or the other way round.
        let most = if sign > 0.0 { self.low + self.reference } else { self.current - self.low };
        if most <= 0.0 { 0.0 } else { self.width * 0.5 * (self.reference + self.current) }
    }
}

/// Wasserstein-1 distance: the integral of `|F_r - F_c|`, as `scipy.stats.wasserstein_distance`.
///
/// The distribution functions are known at the cuts and taken as straight in between; the open cells at both ends
/// reach to the smallest and greatest value seen. Of three ways to sum it the one with the smallest bound is used:
/// directly, or with the means, which are exact: as `integral (F_r - F_c) = mean_c - mean_r`, the distance is also
/// `s (mean_c - mean_r) + 2 integral max(0, -s (F_r - F_c))` for `s` = 1 and -1. If one side is above the other
/// everywhere (a shift, outliers on one end) that leaves nothing to estimate.
///
/// # Errors
/// [`Reason::EmptyReference`], [`Reason::NoValues`], [`Reason::BinsDiffer`]; [`Reason::NotFinite`] if the range
/// of the values overflows.
///
/// # References
/// Vallender (1974), "Calculation of the Wasserstein Distance Between Probability Distributions on the Line",
/// Theory Probab. Appl. 18.
pub(crate) fn wasserstein(
    cuts: &[f64],
    reference: Side<'_>,
    current: Side<'_>,
) -> Result<Wasserstein, Reason> {
    if reference.cells.len() != current.cells.len() || reference.cells.len() != cuts.len() + 1 {
        return Err(Reason::BinsDiffer);
    }
    let (all_r, all_c) = totals(reference.cells, current.cells);
    if all_r <= 0.0 {
        return Err(Reason::EmptyReference);
    }
    if all_c <= 0.0 {
        return Err(Reason::NoValues);
    }
    let least = reference.min.min(current.min);
    let most = reference.max.max(current.max);
    let (mut direct, mut direct_bound) = (0.0, 0.0);
    let (mut above, mut above_bound, mut below, mut below_bound) = (0.0, 0.0, 0.0, 0.0);
    let (mut sum_r, mut sum_c, mut low) = (0.0, 0.0, 0.0);
    for (index, (&r, &c)) in reference.cells.iter().zip(current.cells).enumerate() {
        let start = if index == 0 { least } else { cuts[index - 1].max(least) };
        let end = cuts.get(index).map_or(most, |cut| cut.min(most));
        (sum_r, sum_c) = (sum_r + r, sum_c + c);
        let high = sum_r / all_r - sum_c / all_c;
        let cell =
            Cell { width: (end - start).max(0.0), low, high, reference: r / all_r, current: c / all_c };
        low = high;
        if cell.width == 0.0 {
            continue;
        }
        let parts = (cell.part(1.0), cell.part(-1.0));
        direct += parts.0 + parts.1;
        direct_bound += cell.width * 0.5 * (cell.reference + cell.current);
        above += parts.0;
        above_bound += cell.doubt(1.0);
        below += parts.1;
        below_bound += cell.doubt(-1.0);
    }
    let shift = current.mean - reference.mean;
    let ways = [
        (direct, direct_bound),
        (shift + 2.0 * below, 2.0 * below_bound),
        (-shift + 2.0 * above, 2.0 * above_bound),
    ];
    let (value, bound) =
        ways.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are three ways to sum it");
    if !(value.is_finite() && bound.is_finite()) {
        return Err(Reason::NotFinite);
    }
    // Sums over many rows round; the mean is no exception.
    let rounding = 1e-11 * (reference.mean.abs() + current.mean.abs() + value.abs());
    Ok(Wasserstein { value: value.max(0.0), bound: bound + rounding })
}

#[cfg(test)]
mod tests;
