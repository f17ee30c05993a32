//! Figures of regression errors.

use driftline_summary::Regression;

use super::intervals::{mean, normal};
use crate::Z_95;
use crate::figure::{Interval, Reason};

/// Root of the mean squared error; interval by the delta method, `se(MSE) / (2 RMSE)`.
pub(super) fn rmse(errors: &Regression, none: Reason) -> Result<Interval, Reason> {
    let squared = mean(&errors.squared, 0.0, none)?.value;
    let value = squared.sqrt();
    let standard_error = errors.squared.standard_error().unwrap_or(f64::NAN) / (2.0 * value);
    Ok(normal(value, standard_error, 0.0, f64::INFINITY))
}

/// Mean of `|error / actual|` over the rows whose actual value is not zero.
///
/// # Errors
/// [`Reason::ZeroActuals`] if there are none such.
pub(super) fn mape(errors: &Regression, none: Reason) -> Result<Interval, Reason> {
    if errors.graded().is_empty() {
        return Err(none);
    }
    mean(&errors.percentage, 0.0, Reason::ZeroActuals)
}

/// Coefficient of determination, `1 - sum e^2 / sum (y - mean y)^2`. The interval is Olkin and Finn's for one
/// predictor, `se^2 = 4 R^2 (1 - R^2)^2 (n - 2)^2 / ((n^2 - 1)(n + 3))`; none where R^2 is not above zero or there
/// are fewer than four rows.
///
/// # Errors
/// [`Reason::ConstantActual`] if the actual values do not vary.
///
/// # References
/// Olkin & Finn (1995), "Correlations redux", Psychol. Bull. 118; Cohen, Cohen, West & Aiken (2003), "Applied
/// Multiple Regression", 3rd ed., section 3.6.2.
pub(super) fn r2(errors: &Regression, none: Reason) -> Result<Interval, Reason> {
    let squared = mean(&errors.squared, 0.0, none)?.value;
    let variance = errors.actual.population_variance().unwrap_or(0.0);
    if variance <= 0.0 {
        return Err(Reason::ConstantActual);
    }
    let value = 1.0 - squared / variance;
    let n = errors.graded().effective();
    if value <= 0.0 || n < 4.0 {
        return Ok(Interval::bare(value));
    }
    let standard_error =
        (4.0 * value * ((1.0 - value) * (n - 2.0)).powi(2) / ((n * n - 1.0) * (n + 3.0))).sqrt();
    let half = Z_95 * standard_error;
    Ok(if half > 0.0 {
        Interval::new(value, value - half, (value + half).min(1.0))
    } else {
        Interval::bare(value)
    })
}
