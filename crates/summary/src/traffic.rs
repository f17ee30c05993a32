//! How much was asked of the model, and how it answered.

use serde::{Deserialize, Serialize};

use crate::{DdSketch, Tally, packed};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Answered.
    Ok,
    /// Failed.
    Error,
    /// Took too long.
    Timeout,
    /// Answered by something simpler.
    Fallback,
    /// A status that is none of these.
    Other,
}

impl Status {
    /// All, in the order of [`Traffic::status`].
    pub const ALL: [Self; 5] = [Self::Ok, Self::Error, Self::Timeout, Self::Fallback, Self::Other];

    /// The status of this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.as_str() == name).unwrap_or(Self::Other)
    }

    /// Its name, as events carry it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Fallback => "fallback",
            Self::Other => "other",
        }
    }
}

/// Requests by status, their latency, and how busy the service was. The default is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// All requests.
    pub total: Tally,
    /// Requests by status, in the order of [`Status::ALL`].
    pub status: [Tally; 5],
    /// Latency in seconds.
    pub latency_seconds: DdSketch,
    /// Requests being worked on at once.
    pub in_flight: Load,
    /// Requests that can be worked on at once.
    pub capacity: Load,
}

impl Traffic {
    /// Requests that ended with this status.
    #[must_use]
    pub fn with_status(&self, status: Status) -> Tally {
        self.status[status as usize]
    }

    /// Adds another's requests.
    pub fn merge(&mut self, other: &Self) {
        self.total.merge(&other.total);
        for (mine, theirs) in self.status.iter_mut().zip(&other.status) {
            mine.merge(theirs);
        }
        self.latency_seconds.merge(&other.latency_seconds);
        self.in_flight.merge(&other.in_flight);
        self.capacity.merge(&other.capacity);
    }
}

/// A level that was reported with some requests: its mean and its peak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Requests that reported it.
    pub tally: Tally,
    #[serde(with = "packed")]
    sum: f64,
    #[serde(with = "packed")]
    max: f64,
}

impl Load {
    /// Counts a level, which is at least zero.
    pub fn add(&mut self, level: f64, weight: f64) {
        self.tally.add(weight);
        self.sum += level * weight;
        self.max = self.max.max(level);
    }

    /// Adds another's levels.
    pub fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// The weighted mean; none if it was never reported.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (!self.tally.is_empty()).then(|| self.sum / self.tally.weight)
    }

    /// The greatest; none if it was never reported.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (self.tally.rows > 0).then_some(self.max)
    }
}
