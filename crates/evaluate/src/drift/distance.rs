//! Distances of two histograms' shares: 0 for equal shares, 1 (L-infinity: at most 1) for shares that do not overlap.

use super::counts::Counts;

/// Jensen–Shannon distance: the square root of the divergence in bits, as `scipy.spatial.distance.jensenshannon`
/// with base 2.
///
/// # References
/// Endres & Schindelin (2003), "A New Metric for Probability Distributions", IEEE Trans. Inf. Theory 49.
pub(crate) fn jensen_shannon(counts: &Counts) -> f64 {
    let part = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).log2() } else { 0.0 };
    let divergence: f64 = counts
        .shares()
        .map(|(r, c)| {
            let middle = 0.5 * (r + c);
            part(r, middle) + part(c, middle)
        })
        .sum();
    (0.5 * divergence).clamp(0.0, 1.0).sqrt()
}

/// Hellinger distance: `sqrt(sum (sqrt r - sqrt c)^2 / 2)`.
///
/// # References
/// Hellinger (1909), "Neue Begründung der Theorie quadratischer Formen …", J. reine angew. Math. 136.
pub(crate) fn hellinger(counts: &Counts) -> f64 {
    let sum: f64 = counts.shares().map(|(r, c)| (r.sqrt() - c.sqrt()).powi(2)).sum();
    (0.5 * sum).min(1.0).sqrt()
}

/// Total variation distance: half of `sum |r - c|`; the share of rows that would have to change bins.
pub(crate) fn total_variation(counts: &Counts) -> f64 {
    (0.5 * counts.shares().map(|(r, c)| (r - c).abs()).sum::<f64>()).min(1.0)
}

/// L-infinity distance: the largest `|r - c|`.
pub(crate) fn linf(counts: &Counts) -> f64 {
    counts.shares().map(|(r, c)| (r - c).abs()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_scipys_and_numpys() {
        let counts = Counts::of(&[40.0, 30.0, 20.0, 10.0], &[10.0, 25.0, 15.0, 0.0]);
        // scipy 1.13.1: jensenshannon([.4, .3, .2, .1], [.2, .5, .3, 0], base=2)
        assert!((jensen_shannon(&counts) - 0.316_227_766_016_838_05).abs() < 1e-14);
        // numpy 2.0.2: sqrt(((sqrt(r) - sqrt(c)) ** 2).sum() / 2)
        assert!((hellinger(&counts) - 0.291_393_168_461_996_6).abs() < 1e-14);
        assert!((total_variation(&counts) - 0.3).abs() < 1e-15);
        assert!((linf(&counts) - 0.2).abs() < 1e-15);
    }

    #[test]
    fn equal_is_zero_and_apart_is_one() {
        let (equal, apart) = (Counts::of(&[1.0, 3.0], &[100.0, 300.0]), Counts::of(&[7.0, 0.0], &[0.0, 3.0]));
        for distance in [jensen_shannon, hellinger, total_variation, linf] {
            assert_eq!((distance(&equal), distance(&apart)), (0.0, 1.0));
        }
    }
}
