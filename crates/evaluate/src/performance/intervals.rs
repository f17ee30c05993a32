//! Confidence intervals that several figures share.

use driftline_summary::Moments;

use crate::Z_95;
use crate::figure::{Interval, Reason};

/// A proportion `p` of `rows` effective rows with Wilson's score interval.
///
/// # References
/// Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22. With weights:
/// Kish's effective sample size for `n`.
pub(crate) fn wilson(p: f64, rows: f64) -> Interval {
    let z2 = Z_95 * Z_95;
    let middle = (p + z2 / (2.0 * rows)) / (1.0 + z2 / rows);
    let half = Z_95 / (1.0 + z2 / rows) * (p * (1.0 - p) / rows + z2 / (4.0 * rows * rows)).sqrt();
    // At the ends rounding must not push the interval off the figure.
    Interval::new(p, (middle - half).max(0.0).min(p), (middle + half).min(1.0).max(p))
}

/// A mean with its normal interval by the central limit theorem.
///
/// # Errors
/// `reason` without rows.
pub(super) fn mean(moments: &Moments, least: f64, reason: Reason) -> Result<Interval, Reason> {
    let value = moments.mean().ok_or(reason)?;
    Ok(normal(value, moments.standard_error().unwrap_or(f64::NAN), least, f64::INFINITY))
}

/// A normal interval; none where the standard error is zero, which says that the rows cannot tell rather than that
/// the figure is certain.
pub(super) fn normal(value: f64, standard_error: f64, least: f64, most: f64) -> Interval {
    // Squares that cancel leave about 1e-16 of what was there.
    if standard_error <= 1e-9 * value.abs() {
        return Interval::bare(value);
    }
    Interval::normal(value, standard_error, least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_is_scipys() {
        // scipy 1.13.1: binomtest(k, n).proportion_ci(method='wilson')
        for (k, n, low, high) in [
            (8.0, 10.0, 0.490_162_471_536_641_8, 0.943_317_848_545_624_8),
            (0.0, 20.0, 0.0, 0.161_125_158_052_819_35),
            (500.0, 500.0, 0.992_375_659_538_447_9, 1.0),
        ] {
            let got = wilson(k / n, n);
            assert!((got.low.unwrap() - low).abs() < 1e-9, "{got:?}");
            assert!((got.high.unwrap() - high).abs() < 1e-9, "{got:?}");
        }
    }

    #[test]
    fn one_row_has_a_mean_but_no_interval() {
        let mut one = Moments::default();
        one.add(0.3, 1.0);
        assert_eq!(mean(&one, 0.0, Reason::NoScores), Ok(Interval::bare(0.3)));
        assert_eq!(mean(&Moments::default(), 0.0, Reason::NoScores), Err(Reason::NoScores));
    }
}
