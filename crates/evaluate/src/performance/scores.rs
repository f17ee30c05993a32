//! Figures of one class's scores.

use driftline_summary::ScoreCounts;

use super::intervals::normal;
use crate::Z_95;
use crate::figure::{Interval, Reason};

/// Whether there are scores, of rows of the class and of others.
fn both_classes(scores: &ScoreCounts) -> Result<(), Reason> {
    match (scores.positive.is_empty(), scores.negative.is_empty()) {
        (true, true) => Err(Reason::NoScores),
        (false, false) => Ok(()),
        _ => Err(Reason::OneClass),
    }
}

/// Weights per cell from the lowest score to the highest: of the class, and of the others.
fn cells(scores: &ScoreCounts) -> Vec<(f64, f64)> {
    let (mut positives, mut negatives) =
        (scores.positive_cells.iter().peekable(), scores.negative_cells.iter().peekable());
    let mut cells = Vec::new();
    loop {
        let at = match (positives.peek(), negatives.peek()) {
            (None, None) => return cells,
            (Some(p), Some(n)) => p.0.min(n.0),
            (Some(p), None) => p.0,
            (None, Some(n)) => n.0,
        };
        let positive = positives.next_if(|cell| cell.0 == at).map_or(0.0, |cell| cell.1);
        let negative = negatives.next_if(|cell| cell.0 == at).map_or(0.0, |cell| cell.1);
        cells.push((positive, negative));
    }
}

/// A figure with its standard error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Auc {
    pub(super) value: f64,
    pub(super) bound: f64,
    pub(super) standard_error: f64,
}

/// Area under the ROC curve: the chance that a row of the class scores higher than another, ties half. Scores of
/// one cell are taken as ties, so the raw scores' area is within `bound`, half the share of such pairs. The
/// standard error is DeLong's on the binned scores.
///
/// # Errors
/// [`Reason::NoScores`], [`Reason::OneClass`].
///
/// # References
/// DeLong, DeLong & Clarke-Pearson (1988), "Comparing the areas under two or more correlated receiver operating
/// characteristic curves", Biometrics 44; on ordinal categories: Hanley & McNeil (1982), Radiology 143.
pub(super) fn roc_auc(scores: &ScoreCounts) -> Result<Auc, Reason> {
    both_classes(scores)?;
    let cells = cells(scores);
    let (all_p, all_n) = cells.iter().fold((0.0, 0.0), |sum, cell| (sum.0 + cell.0, sum.1 + cell.1));
    let (mut value, mut tied) = (0.0, 0.0);
    // For each row its share of the other side that it is on the right side of: sums of squares, by side.
    let (mut square_p, mut square_n) = (0.0, 0.0);
    let (mut below_p, mut below_n) = (0.0, 0.0);
    for &(p, n) in &cells {
        let (p, n) = (p / all_p, n / all_n);
        let placed_p = below_n + 0.5 * n;
        let placed_n = 1.0 - below_p - 0.5 * p;
        value += p * placed_p;
        tied += p * n;
        square_p += p * placed_p * placed_p;
        square_n += n * placed_n * placed_n;
        (below_p, below_n) = (below_p + p, below_n + n);
    }
    let part = |square: f64, rows: f64| (square - value * value).max(0.0) / (rows - 1.0);
    let (rows_p, rows_n) = (scores.positive.effective(), scores.negative.effective());
    let variance = part(square_p, rows_p) + part(square_n, rows_n);
    let value = value.clamp(0.0, 1.0);
    // A single row of a class has no spread: no interval.
    let standard_error = if rows_p > 1.0 + 1e-9 && rows_n > 1.0 + 1e-9 { variance.sqrt() } else { f64::NAN };
    Ok(Auc { value, bound: 0.5 * tied, standard_error })
}

impl Auc {
    pub(super) fn interval(self) -> Interval {
        normal(self.value, self.standard_error, 0.0, 1.0).with_bound(self.bound)
    }

    /// The mean of several classes' areas. They are of the same rows and how they vary together is not known, so
    /// the standard error is what it is at most: their mean.
    pub(super) fn mean(areas: &[Self]) -> Option<Self> {
        let count = areas.len() as f64;
        let of = |part: fn(&Self) -> f64| areas.iter().map(part).sum::<f64>() / count;
        (!areas.is_empty()).then(|| Self {
            value: of(|area| area.value),
            bound: of(|area| area.bound),
            standard_error: of(|area| area.standard_error),
        })
    }
}

/// Average precision: `sum (R_k - R_(k-1)) P_k` from the highest score down, as scikit-learn, scores of one cell
/// taken as ties. Inside a cell positives can stand first (the most there can be) or last (the least): that is
/// `bound`. Interval on the logit scale with `1 / sqrt(n_+ AP (1 - AP))`.
///
/// # Errors
/// [`Reason::NoScores`], [`Reason::OneClass`].
///
/// # References
/// Boyd, Eng & Page (2013), "Area under the Precision-Recall Curve: Point Estimates and Confidence Intervals",
/// ECML PKDD.
pub(super) fn average_precision(scores: &ScoreCounts) -> Result<Interval, Reason> {
    both_classes(scores)?;
    let cells = cells(scores);
    let all: f64 = cells.iter().map(|cell| cell.0).sum();
    let (mut hits, mut misses) = (0.0, 0.0);
    let (mut value, mut most, mut least) = (0.0, 0.0, 0.0);
    for &(p, n) in cells.iter().rev() {
        if p > 0.0 {
            value += p * (hits + p) / (hits + p + misses + n);
            most += p * (hits + p) / (hits + p + misses);
            // Every positive after all negatives: at least the integral of (h + t) / (h + t + m) over 0..p.
            let m = misses + n;
            least += if m > 0.0 { p - m * (p / (hits + m)).ln_1p() } else { p };
        }
        (hits, misses) = (hits + p, misses + n);
    }
    let (value, most, least) = (value / all, (most / all).min(1.0), least / all);
    let bound = (most - value).max(value - least).max(0.0);
    if !(value > 0.0 && value < 1.0) {
        return Ok(Interval::bare(value.min(1.0)).with_bound(bound));
    }
    let half = Z_95 / (scores.positive.effective() * value * (1.0 - value)).sqrt();
    let logit = (value / (1.0 - value)).ln();
    let expit = |x: f64| 1.0 / (1.0 + (-x).exp());
    Ok(Interval::new(value, expit(logit - half), expit(logit + half)).with_bound(bound))
}

/// Expected calibration error: over ten bins of equal width, `sum |sum of scores - positives| / rows`. The interval
/// takes the sign of each bin's gap as fixed, which makes the figure a mean: the central limit theorem applies. It
/// does not correct the figure's bias: on few rows a perfectly calibrated model has an error above zero, of about
/// `0.8 sqrt(B p (1 - p) / n)` over B occupied bins.
///
/// `squared_error` is the mean of `(score - y)^2` where it is known exactly (the Brier score); without it, scores
/// are taken at their bin's mean.
///
/// # Errors
/// [`Reason::NoScores`].
///
/// # References
/// Naeini, Cooper & Hauskrecht (2015), "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI.
pub(super) fn calibration_error(
    scores: &ScoreCounts,
    squared_error: Option<f64>,
) -> Result<Interval, Reason> {
    let bins = || scores.calibration.iter().filter(|bin| !bin.tally.is_empty());
    let weight: f64 = bins().map(|bin| bin.tally.weight).sum();
    if weight.is_nan() || weight <= 0.0 {
        return Err(Reason::NoScores);
    }
    let value = bins().map(|bin| (bin.score_sum - bin.positive).abs()).sum::<f64>() / weight;
    let squared_error = squared_error.unwrap_or_else(|| {
        let sum: f64 = bins()
            .map(|bin| {
                let score = bin.score_sum / bin.tally.weight;
                bin.positive * (1.0 - score).powi(2) + (bin.tally.weight - bin.positive) * score * score
            })
            .sum();
        sum / weight
    });
    let weight_sq: f64 = bins().map(|bin| bin.tally.weight_sq).sum();
    let rows = weight * weight / weight_sq;
    let standard_error =
        if rows > 1.0 { ((squared_error - value * value).max(0.0) / rows).sqrt() } else { f64::NAN };
    Ok(normal(value, standard_error, 0.0, 1.0))
}
