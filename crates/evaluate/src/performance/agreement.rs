//! Agreement of predicted and actual classes beyond chance.

use super::confusion::{Confusion, Gradient};
use super::intervals::normal;
use crate::figure::{Interval, Reason};

/// Matthews correlation coefficient, for any number of classes:
/// `(sum p_kk - sum a_k b_k) / sqrt((1 - sum a_k^2)(1 - sum b_k^2))`, a and b being the shares of actual and
/// predicted classes. scikit-learn's `matthews_corrcoef`; interval by the delta method.
///
/// # Errors
/// [`Reason::OneClass`] or [`Reason::OnePredictedClass`] if there is only one.
///
/// # References
/// Gorodkin (2004), "Comparing two K-category assignments by a K-category correlation coefficient", Comput. Biol.
/// Chem. 28.
pub(super) fn mcc(confusion: &Confusion) -> Result<Interval, Reason> {
    let (actual, predicted) = (&confusion.actual, &confusion.predicted);
    let spread_actual = 1.0 - actual.dot(actual);
    let spread_predicted = 1.0 - predicted.dot(predicted);
    // One class leaves rounding only.
    if spread_actual < 1e-14 {
        return Err(Reason::OneClass);
    }
    if spread_predicted < 1e-14 {
        return Err(Reason::OnePredictedClass);
    }
    let root = (spread_actual * spread_predicted).sqrt();
    let value = (confusion.shares.diag().sum() - actual.dot(predicted)) / root;
    let gradient = Gradient {
        row: predicted / -root + actual * (value / spread_actual),
        column: actual / -root + predicted * (value / spread_predicted),
        diagonal: ndarray::Array1::from_elem(actual.len(), 1.0 / root),
    };
    Ok(normal(value, confusion.standard_error(&gradient), -1.0, 1.0))
}

/// Cohen's kappa: `(p_o - p_e) / (1 - p_e)`, observed against expected agreement. The delta method gives the
/// standard error of Fleiss, Cohen and Everitt.
///
/// # Errors
/// [`Reason::OneClass`] if actual and predicted are all of one class.
///
/// # References
/// Fleiss, Cohen & Everitt (1969), "Large sample standard errors of kappa and weighted kappa", Psychol. Bull. 72.
pub(super) fn kappa(confusion: &Confusion) -> Result<Interval, Reason> {
    let (actual, predicted) = (&confusion.actual, &confusion.predicted);
    let observed = confusion.shares.diag().sum();
    let rest = 1.0 - actual.dot(predicted);
    if rest < 1e-14 {
        return Err(Reason::OneClass);
    }
    let value = 1.0 - (1.0 - observed) / rest;
    // The derivative of p_e is predicted[u] + actual[v].
    let factor = -(1.0 - observed) / (rest * rest);
    let gradient = Gradient {
        row: predicted * factor,
        column: actual * factor,
        diagonal: ndarray::Array1::from_elem(actual.len(), 1.0 / rest),
    };
    Ok(normal(value, confusion.standard_error(&gradient), -1.0, 1.0))
}
