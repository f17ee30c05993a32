//! Shares of rows with a fault, against the reference's.

use driftline_summary::Tally;

use crate::drift::proportions::equal_proportions;
use crate::feature_report::QualityReport;
use crate::figure::{Figure, Reason};

/// A share that grew tenfold is a finding from this share on, even if it changed by less than the threshold: one
/// row in a hundred that used to be one in a thousand or none is worth a look; one in ten thousand is not.
const LEAST_RATIO: f64 = 0.01;
const GROWTH: f64 = 10.0;

/// Rows (and their weight) with a fault, and the rows they are among.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    weight: f64,
    rows: u64,
    of: Tally,
}

impl Faults {
    pub(super) const fn of_tally(faults: Tally, of: Tally) -> Self {
        Self { weight: faults.weight, rows: faults.rows, of }
    }

    /// Where only the weight is known; the rows are then in proportion, exact where all rows weigh the same.
    pub(super) fn of_weight(weight: f64, of: Tally) -> Self {
        let rows = if of.weight > 0.0 { (weight / of.weight * of.rows as f64).round() as u64 } else { 0 };
        Self { weight, rows, of }
    }

    /// More faults of this many rows that weigh as the others do on average.
    pub(super) fn plus_rows(self, rows: f64) -> Self {
        let each = if self.of.rows > 0 { self.of.weight / self.of.rows as f64 } else { 0.0 };
        Self { weight: (self.weight + rows * each).min(self.of.weight), ..self }
    }

    fn ratio(&self) -> Option<f64> {
        (!self.of.is_empty()).then(|| (self.weight / self.of.weight).clamp(0.0, 1.0))
    }

    /// Faults and rows, as effective rows.
    fn effective(&self) -> (f64, f64) {
        let rows = self.of.effective();
        (self.ratio().unwrap_or(0.0) * rows, rows)
    }
}

/// The share of faults and its test, `reference_test` being what the test takes the reference to have. The q-value
/// and the finding are left to the family.
pub(super) fn quality(
    current: Faults,
    reference: Option<Faults>,
    reference_test: Option<Faults>,
) -> QualityReport {
    let absent = Figure::absent;
    let reference_ratio = match reference {
        None => absent(Reason::NoReference),
        Some(reference) => reference.ratio().map_or(absent(Reason::EmptyReference), Figure::new),
    };
    let p_value = match reference_test {
        None => absent(Reason::NoReference),
        Some(reference) => equal_proportions(reference.effective(), current.effective()).into(),
    };
    QualityReport {
        count: current.rows,
        ratio: current.ratio().map_or(absent(Reason::NoRows), Figure::new),
        reference_ratio,
        p_value,
        q_value: p_value,
        finding: false,
        top: None,
    }
}

/// Whether a share changed enough to be a finding, apart from chance: by `difference` or more either way (nulls
/// that vanish tell of a change upstream too), or tenfold to at least 1 %.
pub(crate) fn changed(report: &QualityReport, difference: f64) -> bool {
    let (Some(now), Some(before)) = (report.ratio.value(), report.reference_ratio.value()) else {
        return false;
    };
    (now - before).abs() >= difference || (now >= LEAST_RATIO && now > before && now >= GROWTH * before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(now: (u64, u64), before: (u64, u64)) -> QualityReport {
        let faults = |(count, of)| Faults::of_tally(Tally::of_rows(count), Tally::of_rows(of));
        quality(faults(now), Some(faults(before)), Some(faults(before)))
    }

    #[test]
    fn a_share_must_change_by_enough() {
        assert!(changed(&report((90, 100), (0, 100)), 0.05));
        assert!(changed(&report((0, 100), (50, 100)), 0.05));
        assert!(changed(&report((20, 1000), (1, 1000)), 0.05));
        assert!(!changed(&report((20, 1000), (3, 1000)), 0.05));
        assert!(!changed(&report((1, 10_000), (0, 10_000)), 0.05));
        assert!(!changed(&report((0, 0), (0, 10_000)), 0.05));
    }

    #[test]
    fn ratio_and_test_are_of_the_rows() {
        let got = report((3, 200), (50, 10_000));
        assert_eq!(
            (got.count, got.ratio.value(), got.reference_ratio.value()),
            (3, Some(0.015), Some(0.005))
        );
        // scipy 1.13.1: fisher_exact([[3, 197], [50, 9950]]).pvalue
        assert!((got.p_value.value().unwrap() / 0.085_336_739_859_236_39 - 1.0).abs() < 1e-8);
    }

    #[test]
    fn without_rows_or_reference_there_is_a_reason() {
        let none = Faults::of_tally(Tally::default(), Tally::default());
        let got = quality(none, None, None);
        assert_eq!(got.ratio, Figure::absent(Reason::NoRows));
        assert_eq!((got.reference_ratio, got.p_value), (Figure::absent(Reason::NoReference), got.q_value));
        assert_eq!(quality(none, Some(none), Some(none)).p_value, Figure::absent(Reason::EmptyReference));
    }
}
