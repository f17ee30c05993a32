//! The p-value behind a drift verdict.

use super::chi2::chi2;
use super::counts::Counts;
use super::proportions::fisher;
use super::psi;
use crate::figure::Reason;

/// Fewest rows that each bin must expect on the smaller side (Cochran 1954, "Some methods for strengthening the
/// common chi^2 tests", Biometrics 10).
const FEWEST_EXPECTED: f64 = 5.0;

/// Which bins are pooled when they expect too few rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// Neighbours, for numbers.
    Neighbours,
    /// The rarest first, for categories.
    Rarest,
}

/// Chance of bins as different as these if both sides come from one distribution.
///
/// Bins are pooled until each expects at least 5 rows on the smaller side; the expectation is taken from both
/// sides together, so that the choice of bins is a function of the table's margins and does not favour a result.
/// Of two p-values on the pooled bins, Yurdakul's for the PSI and Pearson's chi^2, the larger counts. The first
/// alone fails: at the tail where a verdict is made its rate of false alarms is 2.5 to 5 times what it says at 30
/// to 200 rows; Pearson's alone is up to 1.6 times; the larger of both 0.2 to 0.9 times (docs/statistics.md).
/// They agree in the limit, so power on large windows is not touched. Where pooling leaves one bin, it is
/// Fisher's exact test of the most frequent bin against the rest.
///
/// # Errors
/// [`Reason::SingleBin`] if all rows of both sides are in one bin.
pub(crate) fn evidence(counts: &Counts, pooling: Pooling) -> Result<f64, Reason> {
    if counts.bins() < 2 {
        return Err(Reason::SingleBin);
    }
    let pooled = pooled(counts, pooling);
    if pooled.bins() >= 2 {
        return Ok(psi::p_value(&pooled)?.max(chi2(&pooled)?.p_value));
    }
    let (r, c) = counts
        .pairs()
        .max_by(|a, b| (a.0 + a.1).total_cmp(&(b.0 + b.1)))
        .expect("there are at least two bins");
    Ok(fisher(r.round(), counts.n_reference.round(), c.round(), counts.n_current.round()))
}

fn pooled(counts: &Counts, pooling: Pooling) -> Counts {
    let rows = counts.n_reference + counts.n_current;
    let needed = FEWEST_EXPECTED * rows / counts.n_reference.min(counts.n_current);
    let mut bins: Vec<(f64, f64)> = counts.pairs().collect();
    if pooling == Pooling::Rarest {
        bins.sort_by(|a, b| (a.0 + a.1).total_cmp(&(b.0 + b.1)));
    }
    let mut pooled: Vec<(f64, f64)> = Vec::with_capacity(bins.len());
    let mut open = (0.0, 0.0);
    for (r, c) in bins {
        open = (open.0 + r, open.1 + c);
        if open.0 + open.1 >= needed {
            pooled.push(open);
            open = (0.0, 0.0);
        }
    }
    if open.0 + open.1 > 0.0 {
        match pooled.last_mut() {
            Some(last) => *last = (last.0 + open.0, last.1 + open.1),
            None => pooled.push(open),
        }
    }
    counts.rebinned(pooled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_pooled_until_each_expects_five() {
        // 50 rows: a bin needs a tenth of all rows.
        let counts = Counts::of(&[50.0, 50.0, 300.0, 550.0, 50.0], &[2.0, 4.0, 14.0, 28.0, 2.0]);
        let pooled = pooled(&counts, Pooling::Neighbours);
        assert_eq!(pooled.reference, [100.0, 300.0, 600.0]);
        assert_eq!(pooled.current, [6.0, 14.0, 30.0]);
    }

    #[test]
    fn the_rarest_are_pooled_first() {
        let counts = Counts::of(&[600.0, 10.0, 340.0, 50.0], &[30.0, 1.0, 17.0, 2.0]);
        let pooled = pooled(&counts, Pooling::Rarest);
        assert_eq!(pooled.reference, [400.0, 600.0]);
    }

    #[test]
    fn the_larger_p_value_counts() {
        let counts = Counts::of(&[400.0, 300.0, 200.0, 100.0], &[10.0, 25.0, 15.0, 10.0]);
        let (psi, pearson) = (psi::p_value(&counts).unwrap(), chi2(&counts).unwrap().p_value);
        assert_ne!(psi, pearson);
        assert_eq!(evidence(&counts, Pooling::Neighbours), Ok(psi.max(pearson)));
    }

    #[test]
    fn a_category_that_takes_over_is_seen_in_thirty_rows() {
        let counts = Counts::of(&[10_000.0, 0.0], &[0.0, 30.0]);
        assert!(evidence(&counts, Pooling::Rarest).unwrap() < 1e-50);
        assert_eq!(evidence(&Counts::of(&[9.0], &[3.0]), Pooling::Rarest), Err(Reason::SingleBin));
    }
}
