//! The confusion matrix as proportions, and its figures' gradients.

use driftline_summary::Classification;
use ndarray::{Array1, Array2, Axis};

/// Predicted against actual class, as shares of all graded rows.
#[derive(Clone, Debug)]
pub(super) struct Confusion {
    pub(super) classes: Vec<String>,
    /// A row for each actual class, a column for each predicted one; sums to 1.
    pub(super) shares: Array2<f64>,
    /// Share of each class among the actual ones.
    pub(super) actual: Array1<f64>,
    /// Share of each class among the predicted ones.
    pub(super) predicted: Array1<f64>,
    /// The same as sums of weights.
    pub(super) weights: Array2<f64>,
    /// Effective rows.
    pub(super) rows: f64,
}

impl Confusion {
    /// The matrix of what was counted, the positive class last; none without a row that has both a predicted and an
    /// actual class.
    pub(super) fn of(counted: &Classification) -> Option<Self> {
        let mut classes: Vec<String> = counted.classes().iter().map(ToString::to_string).collect();
        let mut order: Vec<Option<usize>> = (0..classes.len()).map(Some).collect();
        if let Some(positive) = counted.positive() {
            // A positive class that did not occur has its (empty) row and column all the same.
            let at = classes.iter().position(|class| **class == **positive);
            let name = at.map_or_else(|| positive.to_string(), |at| classes.remove(at));
            let position = at.and_then(|at| order.remove(at));
            classes.push(name);
            order.push(position);
        }
        let weights = Array2::from_shape_fn((order.len(), order.len()), |(actual, predicted)| {
            order[actual]
                .zip(order[predicted])
                .map_or(0.0, |(actual, predicted)| counted.weight(actual, predicted))
        });
        Self::new(classes, weights, counted.graded.effective())
    }

    pub(super) fn new(classes: Vec<String>, weights: Array2<f64>, rows: f64) -> Option<Self> {
        let weight = weights.sum();
        if weight.is_nan() || weight <= 0.0 {
            return None;
        }
        let shares = &weights / weight;
        let (actual, predicted) = (shares.sum_axis(Axis(1)), shares.sum_axis(Axis(0)));
        Some(Self { classes, shares, actual, predicted, weights, rows })
    }

    /// Share of the rows that are of the class and were predicted as it.
    pub(super) fn hit(&self, class: usize) -> f64 {
        self.shares[[class, class]]
    }

    /// Standard error of a figure with this gradient: the multinomial delta method,
    /// `sqrt((sum p g^2 - (sum p g)^2) / n)`.
    ///
    /// # References
    /// Agresti (2013), "Categorical Data Analysis", 3rd ed., section 16.1.4.
    pub(super) fn standard_error(&self, gradient: &Gradient) -> f64 {
        let (mut mean, mut square) = (0.0, 0.0);
        for ((actual, predicted), share) in self.shares.indexed_iter() {
            let g = gradient.at(actual, predicted);
            mean += share * g;
            square += share * g * g;
        }
        ((square - mean * mean).max(0.0) / self.rows).sqrt()
    }
}

/// The derivatives of a figure with respect to each share of the matrix, less a constant, which the delta method
/// does not see: that of the cell (u, v) is `row[u] + column[v]`, plus `diagonal[u]` where u = v. All figures here
/// are of this form.
#[derive(Clone, Debug)]
pub(super) struct Gradient {
    pub(super) row: Array1<f64>,
    pub(super) column: Array1<f64>,
    pub(super) diagonal: Array1<f64>,
}

impl Gradient {
    pub(super) fn zero(classes: usize) -> Self {
        let zeros = Array1::zeros(classes);
        Self { row: zeros.clone(), column: zeros.clone(), diagonal: zeros }
    }

    fn at(&self, actual: usize, predicted: usize) -> f64 {
        let diagonal = if actual == predicted { self.diagonal[actual] } else { 0.0 };
        self.row[actual] + self.column[predicted] + diagonal
    }
}
