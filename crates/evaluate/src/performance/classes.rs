//! Figures of single classes, and their averages.

use super::confusion::{Confusion, Gradient};
use super::intervals::{normal, wilson};
use crate::figure::{Interval, Reason};

/// A figure of one class against the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClassFigure {
    /// Share of the rows predicted as the class that are of it.
    Precision,
    /// Share of the rows of the class that were predicted as it.
    Recall,
    /// Harmonic mean of precision and recall.
    F1,
    /// Share of the other classes' rows that were not predicted as the class.
    Specificity,
}

impl ClassFigure {
    pub(super) const ALL: [Self; 4] = [Self::Precision, Self::Recall, Self::F1, Self::Specificity];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "f1",
            Self::Specificity => "specificity",
        }
    }

    /// The figure as `hits / of`, both shares of all rows. F1 is `2J / (1 + J)` of the Jaccard index `J`, whose
    /// parts are given.
    fn proportion(self, confusion: &Confusion, class: usize) -> Result<(f64, f64), Reason> {
        let (hit, actual, predicted) =
            (confusion.hit(class), confusion.actual[class], confusion.predicted[class]);
        let (hits, of, reason) = match self {
            Self::Precision => (hit, predicted, Reason::NoPredictedPositives),
            Self::Recall => (hit, actual, Reason::NoActualPositives),
            Self::F1 => (hit, actual + predicted - hit, Reason::ClassAbsent),
            Self::Specificity => (1.0 - actual - predicted + hit, 1.0 - actual, Reason::NoActualNegatives),
        };
        // Shares are quotients of sums: what is left of equal sums is rounding.
        if of > 1e-14 { Ok((hits.clamp(0.0, of), of)) } else { Err(reason) }
    }

    fn value(self, confusion: &Confusion, class: usize) -> Result<f64, Reason> {
        let (hits, of) = self.proportion(confusion, class)?;
        Ok(if self == Self::F1 { 2.0 * hits / (of + hits) } else { hits / of })
    }

    /// The figure with its interval: Wilson's on the rows it is a share of. For F1 it is that of the Jaccard index
    /// `tp / (tp + fp + fn)`, a plain proportion, carried over by `2J / (1 + J)`, which never falls: on many rows
    /// the same as the delta method, and still an interval where F1 is 0 or 1.
    pub(super) fn interval(self, confusion: &Confusion, class: usize) -> Result<Interval, Reason> {
        let (hits, of) = self.proportion(confusion, class)?;
        let interval = wilson(hits / of, confusion.rows * of);
        if self != Self::F1 {
            return Ok(interval);
        }
        let f1 = |jaccard: f64| 2.0 * jaccard / (1.0 + jaccard);
        Ok(Interval {
            value: f1(interval.value),
            low: interval.low.map(f1),
            high: interval.high.map(f1),
            bound: None,
        })
    }

    /// Adds `factor` times the gradient of the class's figure.
    fn add_gradient(self, confusion: &Confusion, class: usize, factor: f64, sum: &mut Gradient) {
        let Ok(value) = self.value(confusion, class) else { return };
        let (actual, predicted) = (confusion.actual[class], confusion.predicted[class]);
        let (row, column, diagonal) = match self {
            Self::Precision => (0.0, -value / predicted, 1.0 / predicted),
            Self::Recall => (-value / actual, 0.0, 1.0 / actual),
            Self::F1 => {
                let both = actual + predicted;
                (-value / both, -value / both, 2.0 / both)
            }
            Self::Specificity => {
                let rest = 1.0 - actual;
                (-(1.0 - value) / rest, -1.0 / rest, 1.0 / rest)
            }
        };
        sum.row[class] += factor * row;
        sum.column[class] += factor * column;
        sum.diagonal[class] += factor * diagonal;
    }
}

/// How the classes' figures are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Average {
    /// Every class counts the same.
    Macro,
    /// Every class counts as often as it occurred.
    Weighted,
}

/// The average over the classes that have the figure, as scikit-learn with `zero_division=np.nan`; interval by the
/// delta method.
///
/// # Errors
/// The first class's reason if no class has it.
pub(super) fn average(
    figure: ClassFigure,
    average: Average,
    confusion: &Confusion,
) -> Result<Interval, Reason> {
    let classes = confusion.classes.len();
    let weight = |class: usize| match average {
        Average::Macro => 1.0,
        Average::Weighted => confusion.actual[class],
    };
    let values: Vec<Result<f64, Reason>> = (0..classes).map(|class| figure.value(confusion, class)).collect();
    let some = || values.iter().enumerate().filter_map(|(class, value)| Some((class, (*value).ok()?)));
    let total: f64 = some().map(|(class, _)| weight(class)).sum();
    if total.is_nan() || total <= 0.0 {
        return Err(values.iter().find_map(|value| value.err()).unwrap_or(Reason::NoActualPositives));
    }
    let value = some().map(|(class, value)| weight(class) * value).sum::<f64>() / total;
    let mut gradient = Gradient::zero(classes);
    for (class, own) in some() {
        figure.add_gradient(confusion, class, weight(class) / total, &mut gradient);
        if average == Average::Weighted {
            gradient.row[class] += (own - value) / total;
        }
    }
    Ok(normal(value, confusion.standard_error(&gradient), 0.0, 1.0))
}

/// Balanced accuracy: the mean recall of the classes that occurred.
///
/// # Errors
/// [`Reason::OneClass`] if only one did.
pub(super) fn balanced_accuracy(confusion: &Confusion) -> Result<Interval, Reason> {
    if confusion.actual.iter().filter(|&&share| share > 0.0).count() < 2 {
        return Err(Reason::OneClass);
    }
    average(ClassFigure::Recall, Average::Macro, confusion)
}
