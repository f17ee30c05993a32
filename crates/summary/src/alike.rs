//! Equality of summaries up to the rounding of sums, for tests.

use crate::{
    CategoricalSummary, CellSummary, Classification, DdSketch, FeatureSummary, Measure, Moments,
    NumericSummary, Outcomes, Performance, Regression, ScoreCounts,
};

pub(crate) trait Alike {
    /// Counts are equal, and sums of floats within 1e-9 of each other.
    fn alike(&self, other: &Self) -> bool;
}

pub(crate) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

impl Alike for Moments {
    fn alike(&self, other: &Self) -> bool {
        let mean = |moments: &Self| moments.mean().unwrap_or(0.0);
        // What is left of values that were taken back is rounding, in proportion to their squares: up to 1e8 here.
        let m2_rounding = 1e-6 + 1e-9 * mean(self).powi(2) * self.tally.weight;
        self.tally == other.tally
            && close(mean(self), mean(other))
            && (close(self.m2(), other.m2()) || (self.m2() - other.m2()).abs() <= m2_rounding)
    }
}

impl Alike for DdSketch {
    fn alike(&self, other: &Self) -> bool {
        let counts = |sketch: &Self| [0.0, 1e-3, 1.0, 1e18].map(|value| sketch.weight_at_most(value));
        self.tally == other.tally
            && close(self.sum(), other.sum())
            && counts(self) == counts(other)
            && (0..=20).all(|q| self.quantile(f64::from(q) / 20.0) == other.quantile(f64::from(q) / 20.0))
    }
}

impl Alike for Measure {
    fn alike(&self, other: &Self) -> bool {
        self.moments.alike(&other.moments)
            && self.extremes == other.extremes
            && (0..=20).all(|q| self.quantile(f64::from(q) / 20.0) == other.quantile(f64::from(q) / 20.0))
    }
}

impl Alike for NumericSummary {
    fn alike(&self, other: &Self) -> bool {
        self.cells() == other.cells()
            && self.moments.alike(&other.moments)
            && self.extremes == other.extremes
            && (&self.missing, &self.invalid) == (&other.missing, &other.invalid)
    }
}

impl Alike for FeatureSummary {
    fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Numeric(a), Self::Numeric(b)) => a.alike(b),
            (Self::Categorical(a), Self::Categorical(b)) => a == b,
            _ => false,
        }
    }
}

impl Alike for ScoreCounts {
    fn alike(&self, other: &Self) -> bool {
        let bins = self.calibration.iter().zip(&other.calibration);
        (self.positive, self.negative) == (other.positive, other.negative)
            && self.positive_cells == other.positive_cells
            && self.negative_cells == other.negative_cells
            && bins.into_iter().all(|(a, b)| {
                (a.tally, a.positive) == (b.tally, b.positive) && close(a.score_sum, b.score_sum)
            })
    }
}

impl Alike for Classification {
    fn alike(&self, other: &Self) -> bool {
        let matrix = |classes: &Self| {
            let size = classes.classes().len();
            (0..size * size).map(|at| classes.weight(at / size, at % size)).collect::<Vec<_>>()
        };
        self.classes() == other.classes()
            && matrix(self) == matrix(other)
            && (self.graded, self.correct) == (other.graded, other.correct)
            && self.scores.keys().eq(other.scores.keys())
            && self.scores.values().zip(other.scores.values()).all(|(a, b)| a.alike(b))
            && self.log_loss.alike(&other.log_loss)
            && self.brier.alike(&other.brier)
    }
}

impl Alike for Regression {
    fn alike(&self, other: &Self) -> bool {
        self.error.alike(&other.error)
            && self.absolute.alike(&other.absolute)
            && self.squared.alike(&other.squared)
            && self.percentage.alike(&other.percentage)
            && self.actual.alike(&other.actual)
            && self.absolute_sketch.alike(&other.absolute_sketch)
    }
}

impl Alike for Outcomes {
    fn alike(&self, other: &Self) -> bool {
        let label: &CategoricalSummary = &self.label;
        let performance = match (&self.performance, &other.performance) {
            (Performance::Classification(a), Performance::Classification(b)) => a.alike(b),
            (Performance::Regression(a), Performance::Regression(b)) => a.alike(b),
            _ => false,
        };
        performance
            && self.labels == other.labels
            && *label == other.label
            && self.label_value.alike(&other.label_value)
            && self.delay_seconds.alike(&other.delay_seconds)
    }
}

impl Alike for CellSummary {
    fn alike(&self, other: &Self) -> bool {
        let traffic = (&self.traffic, &other.traffic);
        self.spec().id() == other.spec().id()
            && (traffic.0.total, traffic.0.status) == (traffic.1.total, traffic.1.status)
            && traffic.0.latency_seconds.alike(&traffic.1.latency_seconds)
            && (traffic.0.in_flight, traffic.0.capacity) == (traffic.1.in_flight, traffic.1.capacity)
            && self.features.iter().zip(&other.features).all(|(a, b)| a.alike(b))
            && self.prediction == other.prediction
            && self.score.alike(&other.score)
            && self.value.alike(&other.value)
            && self.measures.keys().eq(other.measures.keys())
            && self.measures.values().zip(other.measures.values()).all(|(a, b)| a.alike(b))
            && self.outcomes.alike(&other.outcomes)
            && self.arrivals.alike(&other.arrivals)
    }
}
