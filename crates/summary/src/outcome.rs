//! A prediction and what really happened, joined.

use std::sync::Arc;

/// Classes and their probabilities.
pub type ClassScores = Arc<[(Arc<str>, f64)]>;

/// What was predicted, as far as it was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predicted {
    /// The class.
    pub label: Option<Arc<str>>,
    /// The probability of the positive class.
    pub score: Option<f64>,
    /// The number.
    pub value: Option<f64>,
    /// A probability for each class, each class once.
    pub scores: Option<ClassScores>,
}

/// What really happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Actual {
    /// The class.
    Class(Arc<str>),
    /// The number.
    Value(f64),
}

/// A prediction joined with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What was predicted.
    pub predicted: Predicted,
    /// What really happened.
    pub actual: Actual,
    /// How many requests the prediction stands for.
    pub weight: f64,
    /// From prediction to label, in event time.
    pub delay_seconds: f64,
}
