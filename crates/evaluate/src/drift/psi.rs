//! Population stability index.

use super::chi2::chi2_sf;
use super::counts::Counts;
use crate::figure::Reason;

/// Population stability index, in nats: `sum (c - r) ln(c / r)` over the bins' shares. Zero when they are equal,
/// never negative. An empty bin counts as half an effective row, without taking it from the other bins.
///
/// # References
/// Kullback & Leibler (1951), "On Information and Sufficiency", the divergence J(1, 2).
pub(crate) fn psi(counts: &Counts) -> f64 {
    let share = |count: f64, n: f64| if count > 0.0 { count / n } else { 0.5 / n };
    counts
        .pairs()
        .map(|(r, c)| (share(r, counts.n_reference), share(c, counts.n_current)))
        .map(|(r, c)| (c - r) * (c / r).ln())
        .sum()
}

/// The index's expected value when both sides come from one distribution: `(B - 1)(1/n_r + 1/n_c)`.
///
/// # References
/// B. Yurdakul (2018), "Statistical Properties of Population Stability Index", dissertation, Western Michigan
/// University.
pub(crate) fn noise_floor(counts: &Counts) -> f64 {
    (counts.bins() as f64 - 1.0) * (1.0 / counts.n_reference + 1.0 / counts.n_current)
}

/// Yurdakul's p-value: `PSI / (1/n_r + 1/n_c)` against chi^2 with `B - 1` degrees of freedom. Only to be trusted
/// together with Pearson's, see `evidence`: on counts below some 50 a bin it calls too much drift.
///
/// # Errors
/// [`Reason::SingleBin`] with fewer than two bins.
pub(crate) fn p_value(counts: &Counts) -> Result<f64, Reason> {
    let scale = 1.0 / counts.n_reference + 1.0 / counts.n_current;
    chi2_sf(psi(counts) / scale, counts.bins())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_numpy_sum() {
        let counts = Counts::of(&[40.0, 30.0, 20.0, 10.0], &[10.0, 25.0, 15.0, 0.0]);
        // numpy 2.0.2: r = [.4, .3, .2, .1]; c = [.2, .5, .3, .5/50]; ((c - r) * np.log(c / r)).sum()
        assert!((psi(&counts) - 0.488_573_730_045_467_8).abs() < 1e-15);
        assert!((noise_floor(&counts) - 0.09).abs() < 1e-15);
        // scipy 1.13.1: chi2.sf(0.4885737300454678 / 0.03, 3)
        assert!((p_value(&counts).unwrap() / 0.000_990_802_969_057_071 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn equal_shares_have_none() {
        let counts = Counts::of(&[10.0, 20.0, 70.0], &[1.0, 2.0, 7.0]);
        assert!(psi(&counts).abs() < 1e-15);
        assert!((p_value(&counts).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_bin_has_no_p_value() {
        let counts = Counts::of(&[10.0], &[3.0]);
        assert_eq!((psi(&counts), noise_floor(&counts)), (0.0, 0.0));
        assert_eq!(p_value(&counts), Err(Reason::SingleBin));
    }
}
