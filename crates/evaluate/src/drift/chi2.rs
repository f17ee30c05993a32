//! Pearson's chi-squared test of two samples.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::counts::Counts;
use crate::figure::Reason;

/// A chi-squared test's result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chi2 {
    pub(crate) value: f64,
    pub(crate) dof: f64,
    pub(crate) p_value: f64,
}

/// Pearson's chi-squared test that both sides have the same shares: `sum (O - E)^2 / E` over both rows of the
/// table, without Yates' correction, bins that are empty on both sides left out. `B - 1` degrees of freedom.
/// scipy's `chi2_contingency(table, correction=False)`.
///
/// # Errors
/// [`Reason::SingleBin`] with fewer than two bins.
///
/// # References
/// Pearson (1900), "On the criterion that a given system of deviations …", Phil. Mag. 50.
pub(crate) fn chi2(counts: &Counts) -> Result<Chi2, Reason> {
    let rows = counts.n_reference + counts.n_current;
    let value = counts
        .pairs()
        .map(|(r, c)| {
            let (expected_r, expected_c) =
                ((r + c) * (counts.n_reference / rows), (r + c) * (counts.n_current / rows));
            // Both rows of a column deviate by the same number.
            (c - expected_c).powi(2) * (1.0 / expected_r + 1.0 / expected_c)
        })
        .sum();
    let p_value = chi2_sf(value, counts.bins())?;
    Ok(Chi2 { value, dof: counts.bins() as f64 - 1.0, p_value })
}

/// Chance that chi^2 with `bins - 1` degrees of freedom is at least `value`.
pub(crate) fn chi2_sf(value: f64, bins: usize) -> Result<f64, Reason> {
    if bins < 2 {
        return Err(Reason::SingleBin);
    }
    let distribution = ChiSquared::new(bins as f64 - 1.0).expect("at least one degree of freedom");
    Ok(distribution.sf(value).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_scipys() {
        // scipy 1.13.1: chi2_contingency([[40, 30, 20, 10], [10, 25, 15, 0]], correction=False)
        let got = chi2(&Counts::of(&[40.0, 30.0, 0.0, 20.0, 10.0], &[10.0, 25.0, 0.0, 15.0, 0.0])).unwrap();
        assert!((got.value - 14.064_935_064_935_064).abs() < 1e-12, "{got:?}");
        assert!((got.p_value / 0.002_818_084_282_973_289 - 1.0).abs() < 1e-9, "{got:?}");
        assert_eq!(got.dof, 3.0);
        // scipy 1.13.1: chi2_contingency([[900, 100], [60, 40]], correction=False)
        let got = chi2(&Counts::of(&[900.0, 100.0], &[60.0, 40.0])).unwrap();
        assert!((got.value - 73.660_714_285_714_28).abs() < 1e-11, "{got:?}");
        assert!((got.p_value / 9.276_693_520_312_692e-18 - 1.0).abs() < 1e-9, "{got:?}");
    }

    #[test]
    fn far_tails_do_not_vanish_early_or_fail() {
        // scipy 1.13.1: chi2.sf([0, 100, 1400, 5000], [1, 9, 999, 3])
        assert_eq!(chi2_sf(0.0, 2), Ok(1.0));
        assert!((chi2_sf(100.0, 10).unwrap() / 1.573_517_630_375_387_6e-17 - 1.0).abs() < 1e-9);
        assert!((chi2_sf(1400.0, 1000).unwrap() / 5.924_458_565_936_921e-16 - 1.0).abs() < 1e-8);
        assert_eq!(chi2_sf(5000.0, 4), Ok(0.0));
        assert_eq!(chi2_sf(1.0, 1), Err(Reason::SingleBin));
    }
}
