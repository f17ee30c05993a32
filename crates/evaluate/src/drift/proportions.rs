//! Test that two proportions are equal.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::gamma::ln_gamma;

use crate::figure::Reason;

/// Expected counts below this make the normal approximation call findings out of single rows.
const FEWEST_EXPECTED: f64 = 5.0;

/// Two-sided p-value that `count / rows` is the same on both sides (effective rows): the two-proportion z test
/// with the pooled share; where a cell of the table expects fewer than 5 rows, Fisher's exact test of the
/// rounded counts instead.
///
/// # Errors
/// [`Reason::EmptyReference`] or [`Reason::NoRows`] if a side has no rows.
///
/// # References
/// Fleiss, Levin & Paik (2003), "Statistical Methods for Rates and Proportions", 3rd ed., sections 3.1 and 3.3.
pub(crate) fn equal_proportions(reference: (f64, f64), current: (f64, f64)) -> Result<f64, Reason> {
    let ((count_r, rows_r), (count_c, rows_c)) = (reference, current);
    if rows_r.is_nan() || rows_r <= 0.0 {
        return Err(Reason::EmptyReference);
    }
    if rows_c.is_nan() || rows_c <= 0.0 {
        return Err(Reason::NoRows);
    }
    let rows = rows_r + rows_c;
    let pooled = (count_r + count_c) / rows;
    let rarer = pooled.min(1.0 - pooled);
    if rarer <= 0.0 {
        return Ok(1.0);
    }
    if rarer * rows_r.min(rows_c) < FEWEST_EXPECTED {
        return Ok(fisher(count_r.round(), rows_r.round(), count_c.round(), rows_c.round()));
    }
    let difference = count_c / rows_c - count_r / rows_r;
    let z = difference / (pooled * (1.0 - pooled) * (1.0 / rows_r + 1.0 / rows_c)).sqrt();
    Ok((2.0 * Normal::standard().sf(z.abs())).min(1.0))
}

/// Fisher's exact test, two-sided: the sum of the probabilities of all tables with these margins that are no more
/// likely than this one (scipy's `fisher_exact`). The sums stop where terms no longer count, so the work is
/// bounded by the distance from the expected table.
pub(crate) fn fisher(count_r: f64, rows_r: f64, count_c: f64, rows_c: f64) -> f64 {
    // Count the rarer outcome: the sums are then short.
    let (total, rows) = (count_r + count_c, rows_r + rows_c);
    let (hits, x) = if 2.0 * total <= rows { (total, count_c) } else { (rows - total, rows_c - count_c) };
    let (low, high) = ((hits - rows_r).max(0.0), hits.min(rows_c));
    if high <= low {
        return 1.0;
    }
    let (ln_rows_c, ln_rows_r) = (ln_gamma(rows_c + 1.0), ln_gamma(rows_r + 1.0));
    let ln_choose = |ln_n: f64, n: f64, k: f64| ln_n - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    let ln_all = ln_choose(ln_gamma(rows + 1.0), rows, hits);
    let pmf =
        |k: f64| (ln_choose(ln_rows_c, rows_c, k) + ln_choose(ln_rows_r, rows_r, hits - k) - ln_all).exp();
    // The probability of k + 1 over that of k.
    let ratio = |k: f64| (rows_c - k) / (k + 1.0) * ((hits - k) / (rows_r - hits + k + 1.0));
    let mode = ((hits + 1.0) * (rows_c + 1.0) / (rows + 2.0)).floor().clamp(low, high);
    // As likely as the observed table, but for rounding.
    let limit = pmf(x) * (1.0 + 1e-7);
    let mut sum = 0.0;
    for upwards in [true, false] {
        let (mut k, end) = if upwards { (mode.max(x), high) } else { ((mode - 1.0).min(x), low) };
        if upwards && x < mode || !upwards && x >= mode {
            // The other side of the mode: skip the tables that are more likely than the observed one.
            k = if upwards { mode } else { mode - 1.0 };
            while (if upwards { k <= end } else { k >= end }) && pmf(k) > limit {
                k += if upwards { 1.0 } else { -1.0 };
            }
        }
        if if upwards { k > end } else { k < end } {
            continue;
        }
        let mut term = pmf(k);
        while term > sum * 1e-17 {
            sum += term;
            if k == end {
                break;
            }
            if upwards {
                term *= ratio(k);
                k += 1.0;
            } else {
                k -= 1.0;
                term /= ratio(k);
            }
        }
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_counts_are_a_z_test() {
        // scipy 1.13.1: the square root of chi2_contingency is |z|:
        // chi2_contingency([[900, 100], [60, 40]], correction=False).pvalue
        let p = equal_proportions((100.0, 1000.0), (40.0, 100.0)).unwrap();
        assert!((p / 9.276_693_520_312_692e-18 - 1.0).abs() < 1e-9, "{p}");
    }

    #[test]
    fn small_counts_are_fishers_test() {
        // scipy 1.13.1: fisher_exact([[k_c, n_c - k_c], [k_r, n_r - k_r]]).pvalue
        for ((k_r, n_r), (k_c, n_c), expected) in [
            ((0.0, 10_000.0), (1.0, 30.0), 0.002_991_026_919_242_273),
            ((50.0, 10_000.0), (3.0, 200.0), 0.085_336_739_859_236_39),
            ((9_990.0, 10_000.0), (25.0, 30.0), 4.959_780_318_059_816e-10),
            ((3.0, 10.0), (1.0, 12.0), 0.293_233_082_706_766_9),
            ((1.0, 1_000_000.0), (0.0, 1_000_000.0), 1.0),
        ] {
            let p = equal_proportions((k_r, n_r), (k_c, n_c)).unwrap();
            assert!((p / expected - 1.0).abs() < 1e-8, "{k_r}/{n_r} {k_c}/{n_c}: {p}");
        }
    }

    #[test]
    fn one_row_in_ten_thousand_is_no_evidence_and_ninety_percent_is() {
        assert!(equal_proportions((0.0, 10_000.0), (1.0, 10_000.0)).unwrap() > 0.5);
        assert_eq!(equal_proportions((0.0, 10_000.0), (9_000.0, 10_000.0)), Ok(0.0));
        assert!(equal_proportions((0.0, 1e9), (20.0, 30.0)).unwrap() < 1e-100);
    }

    #[test]
    fn no_rows_and_no_hits() {
        assert_eq!(equal_proportions((0.0, 0.0), (1.0, 2.0)), Err(Reason::EmptyReference));
        assert_eq!(equal_proportions((0.0, 5.0), (0.0, 0.0)), Err(Reason::NoRows));
        assert_eq!(equal_proportions((0.0, 5.0), (0.0, 7.0)), Ok(1.0));
        assert_eq!(equal_proportions((5.0, 5.0), (7.0, 7.0)), Ok(1.0));
    }
}
