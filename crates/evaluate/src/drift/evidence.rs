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
/// Of two p-values on the pooled bins, Yurdakul's for the PSI and Pearson's chi^2, the larger counts: the first
/// alone calls drift 2.5 to 5 times as often as it says at 30 to 200 rows, Pearson's alone up to 1.6 times (at the
/// tail where verdicts are made). They agree in the limit, so power on large windows is not touched.
///
/// Pooling hides what moves between pooled bins: a category that is renamed, a value that the reference never had.
/// So each bin that expects too few rows also gets Fisher's exact test against the rest, and the result is
/// Bonferroni's: `min(2 p, 2 m min p_i)` over the m such bins; without any it is `p`, and `m min p_i` where pooling
/// leaves one bin.
///
/// # Errors
/// [`Reason::SingleBin`] if all rows of both sides are in one bin.
pub(crate) fn evidence(counts: &Counts, pooling: Pooling) -> Result<f64, Reason> {
    if counts.bins() < 2 {
        return Err(Reason::SingleBin);
    }
    let needed = needed(counts);
    let (mut rare, mut least) = (0.0, 1.0_f64);
    for (r, c) in counts.pairs().filter(|(r, c)| r + c < needed) {
        rare += 1.0;
        least = least.min(fisher(r.round(), counts.n_reference.round(), c.round(), counts.n_current.round()));
    }
    let pooled = pooled(counts, pooling);
    if pooled.bins() < 2 {
        return Ok((rare * least).min(1.0));
    }
    let p = psi::p_value(&pooled)?.max(chi2(&pooled)?.p_value);
    Ok(if rare > 0.0 { (2.0 * p).min(2.0 * rare * least).min(1.0) } else { p })
}

/// Rows of both sides that a bin must have to expect enough on the smaller side.
fn needed(counts: &Counts) -> f64 {
    let rows = counts.n_reference + counts.n_current;
    FEWEST_EXPECTED * rows / counts.n_reference.min(counts.n_current)
}

fn pooled(counts: &Counts, pooling: Pooling) -> Counts {
    let needed = needed(counts);
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
    fn a_renamed_category_is_not_pooled_away() {
        // "b" becomes "B": pooled with the rarest, which is "b", nothing would have changed.
        let counts = Counts::of(&[6_000.0, 4_000.0, 0.0], &[60.0, 0.0, 40.0]);
        assert_eq!(pooled(&counts, Pooling::Rarest).bins(), 2);
        assert!(evidence(&counts, Pooling::Rarest).unwrap() < 1e-50);
    }

    #[test]
    fn a_category_that_takes_over_is_seen_in_thirty_rows() {
        let counts = Counts::of(&[10_000.0, 0.0], &[0.0, 30.0]);
        assert!(evidence(&counts, Pooling::Rarest).unwrap() < 1e-50);
        assert_eq!(evidence(&Counts::of(&[9.0], &[3.0]), Pooling::Rarest), Err(Reason::SingleBin));
    }
}
