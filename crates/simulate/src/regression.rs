//! Logistic regression, fitted by Newton's method.

use ndarray::{Array1, Array2, Axis, concatenate};

use crate::customer::sigmoid;

/// A fitted binary logistic regression: the probability of the positive class is
/// `1 / (1 + exp(-(intercept + coefficients · x)))`.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticRegression {
    intercept: f64,
    coefficients: Vec<f64>,
}

/// Data that no regression can be fitted to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// Not one target for each row.
    #[error("{rows} rows but {targets} targets")]
    Lengths {
        /// Rows of inputs.
        rows: usize,
        /// Targets.
        targets: usize,
    },
    /// Only one class, or no rows: without a second one the intercept is infinite.
    #[error("all {rows} rows are of one class")]
    OneClass {
        /// Rows of inputs.
        rows: usize,
    },
    /// A penalty that is negative or no number.
    #[error("ridge {ridge} is not a number of at least 0")]
    Ridge {
        /// The penalty.
        ridge: f64,
    },
    /// The Hessian cannot be inverted: collinear columns without ridge, or a NaN in the data.
    #[error("columns are collinear, or a value is not finite")]
    Singular,
    /// A hyperplane separates the classes and there is no ridge: coefficients grow without bound.
    #[error("the classes are separable and there is no ridge")]
    Separable,
    /// Newton's method did not settle.
    #[error("no convergence after {steps} steps")]
    NoConvergence {
        /// Steps taken.
        steps: usize,
    },
}

/// Newton's method doubles the right digits at each step; from zero it needs five to ten.
const STEPS: usize = 50;
/// A step whose Newton decrement, twice the loss that is left to gain, is below this is the last.
const DECREMENT: f64 = 1e-16;
/// Relative rounding error of the objective: next to the minimum a good step may seem to raise it by this much.
const ROUNDING: f64 = 1e-12;
/// A penalised loss of (nearly) nothing: every row is foretold with certainty.
const SEPARABLE_LOSS: f64 = 1e-9;

impl LogisticRegression {
    /// Fits `targets` (true: positive class) to the rows of `inputs` by minimising
    /// `Σ log(1 + exp(-±z)) + ridge / 2 · ‖coefficients‖²`; the intercept is not penalised. It is scikit-learn's
    /// objective with `C = 1 / ridge`.
    ///
    /// Newton's method (iteratively reweighted least squares), with the step halved while it raises the
    /// objective.
    ///
    /// # Errors
    /// [`FitError`] where there is no single finite solution.
    ///
    /// # References
    /// T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2nd ed., section 4.4.1.
    pub fn fit(inputs: &Array2<f64>, targets: &[bool], ridge: f64) -> Result<Self, FitError> {
        let rows = inputs.nrows();
        if rows != targets.len() {
            return Err(FitError::Lengths { rows, targets: targets.len() });
        }
        if !(ridge >= 0.0 && ridge.is_finite()) {
            return Err(FitError::Ridge { ridge });
        }
        let positives = targets.iter().filter(|&&target| target).count();
        if positives == 0 || positives == rows {
            return Err(FitError::OneClass { rows });
        }
        // The intercept is the last column, of ones.
        let ones = Array2::ones((rows, 1));
        let design = concatenate(Axis(1), &[inputs.view(), ones.view()]).expect("both have as many rows");
        let targets: Array1<f64> = targets.iter().map(|&target| f64::from(u8::from(target))).collect();
        let penalty =
            Array1::from_shape_fn(design.ncols(), |j| if j == inputs.ncols() { 0.0 } else { ridge });

        let mut beta = Array1::zeros(design.ncols());
        let mut loss = objective(&design, &targets, &penalty, &beta);
        for _ in 0..STEPS {
            let probabilities = design.dot(&beta).mapv_into(sigmoid);
            let gradient = design.t().dot(&(&targets - &probabilities)) - &penalty * &beta;
            let weights = probabilities.mapv(|p| p * (1.0 - p));
            let weighted = &design * &weights.insert_axis(Axis(1));
            let mut hessian = design.t().dot(&weighted);
            hessian.diag_mut().zip_mut_with(&penalty, |entry, &p| *entry += p);
            let mut step = solve(hessian, &gradient).ok_or(FitError::Singular)?;
            if gradient.dot(&step) < DECREMENT * rows as f64 {
                if loss < SEPARABLE_LOSS {
                    return Err(FitError::Separable);
                }
                let mut coefficients = (beta + step).to_vec();
                let intercept = coefficients.pop().expect("the last column is the intercept's");
                return Ok(Self { intercept, coefficients });
            }
            loop {
                let next = &beta + &step;
                let next_loss = objective(&design, &targets, &penalty, &next);
                if next_loss <= loss * (1.0 + ROUNDING) {
                    (beta, loss) = (next, next_loss);
                    break;
                }
                if step.iter().all(|s: &f64| s.abs() < f64::EPSILON) {
                    return Err(FitError::NoConvergence { steps: STEPS });
                }
                step /= 2.0;
            }
        }
        Err(FitError::NoConvergence { steps: STEPS })
    }

    /// The logit where every input is zero.
    #[must_use]
    pub const fn intercept(&self) -> f64 {
        self.intercept
    }

    /// The change of the logit for one more of each input.
    #[must_use]
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// The probability of the positive class.
    ///
    /// # Panics
    /// If `x` has not one value for each coefficient.
    #[must_use]
    pub fn probability(&self, x: &[f64]) -> f64 {
        assert_eq!(x.len(), self.coefficients.len(), "one value for each coefficient");
        sigmoid(self.intercept + self.coefficients.iter().zip(x).map(|(c, x)| c * x).sum::<f64>())
    }
}

/// The penalised loss at `beta`; NaN if the data has one.
fn objective(design: &Array2<f64>, targets: &Array1<f64>, penalty: &Array1<f64>, beta: &Array1<f64>) -> f64 {
    let logits = design.dot(beta);
    let loss: f64 = logits
        .iter()
        .zip(targets)
        // log(1 + e^z) - y z, without overflow.
        .map(|(&z, &y)| z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z)
        .sum();
    loss + 0.5 * penalty.iter().zip(beta).map(|(p, b)| p * b * b).sum::<f64>()
}

/// The solution of `matrix · x = right` for a symmetric positive definite matrix, by its Cholesky factor; `None`
/// if it is not positive definite in floating point.
fn solve(mut matrix: Array2<f64>, right: &Array1<f64>) -> Option<Array1<f64>> {
    let n = right.len();
    let scale = matrix.diag().iter().copied().fold(0.0, f64::max);
    for j in 0..n {
        for k in 0..j {
            for i in j..n {
                matrix[[i, j]] -= matrix[[i, k]] * matrix[[j, k]];
            }
        }
        let pivot = matrix[[j, j]];
        if pivot.is_nan() || pivot <= scale * 1e-13 {
            return None;
        }
        let root = pivot.sqrt();
        for i in j..n {
            matrix[[i, j]] /= root;
        }
    }
    let mut x = right.clone();
    for i in 0..n {
        for k in 0..i {
            x[i] -= matrix[[i, k]] * x[k];
        }
        x[i] /= matrix[[i, i]];
    }
    for i in (0..n).rev() {
        for k in i + 1..n {
            x[i] -= matrix[[k, i]] * x[k];
        }
        x[i] /= matrix[[i, i]];
    }
    Some(x)
}

#[cfg(test)]
mod tests;
