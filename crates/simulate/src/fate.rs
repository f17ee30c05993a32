//! How the model service fares with a request: whether it answers, and how long it takes.

use driftline_events::{Answer, Status};

use crate::inputs::{Inputs, NEGATIVE, POSITIVE};
use crate::model::ChurnModel;
use crate::scenario::{Active, Scenario};

pub(crate) const LATENCY_MEDIAN_MS: f64 = 12.0;
const LATENCY_SIGMA: f64 = 0.45;
const TIMEOUT_MS: f64 = 1000.0;
pub(crate) const ERROR_SHARE: f64 = 0.002;
pub(crate) const TIMEOUT_SHARE: f64 = 0.001;
/// Requests that the service works on at once.
pub(crate) const CAPACITY: u32 = 64;

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fate {
    pub(crate) status: Status,
    pub(crate) latency_ms: f64,
}

impl Fate {
    /// The fate that a uniform draw and a standard normal one stand for.
    pub(crate) fn of(uniform: f64, normal: f64, active: Active) -> Self {
        let status = match uniform {
            draw if draw < TIMEOUT_SHARE => Status::Timeout,
            draw if draw < TIMEOUT_SHARE + ERROR_SHARE => Status::Error,
            _ => Status::Ok,
        };
        let latency_ms = match status {
            Status::Timeout => TIMEOUT_MS,
            _ => LATENCY_MEDIAN_MS * (LATENCY_SIGMA * normal).exp() * slowness(active),
        };
        Self { status, latency_ms: rounded(latency_ms, 1e3) }
    }

    /// The model's answer, if the request gets one.
    pub(crate) fn answer(self, model: &ChurnModel, inputs: &Inputs) -> Option<Answer> {
        (self.status == Status::Ok).then(|| {
            let score = model.score(inputs);
            Answer {
                label: Some(class(score >= 0.5).into()),
                score: Some(rounded(score, 1e6)),
                ..Answer::default()
            }
        })
    }
}

/// How many times as long everything takes.
pub(crate) fn slowness(active: Active) -> f64 {
    if active.has(Scenario::LatencyRegression) { 5.0 } else { 1.0 }
}

pub(crate) const fn class(positive: bool) -> &'static str {
    if positive { POSITIVE } else { NEGATIVE }
}

/// To `per_unit` parts of the unit.
pub(crate) fn rounded(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit
}
