//! A cell's stored form: without its spec, of which it has the id.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    CategoricalSummary, CellSummary, DecodeError, FeatureSummary, Measure, NumericSummary, Outcomes,
    Performance, Reducer, Shared, SummarySpec, Task, Traffic,
};

#[derive(Serialize)]
pub(crate) struct StoredCellRef<'a> {
    spec: u64,
    traffic: &'a Traffic,
    features: &'a [FeatureSummary],
    prediction: &'a CategoricalSummary,
    score: &'a NumericSummary,
    value: &'a NumericSummary,
    measures: &'a BTreeMap<Arc<str>, Measure>,
    outcomes: &'a Outcomes,
    arrivals: &'a Outcomes,
}

#[derive(Deserialize)]
pub(crate) struct StoredCell {
    spec: u64,
    traffic: Traffic,
    features: Vec<FeatureSummary>,
    prediction: CategoricalSummary,
    score: NumericSummary,
    value: NumericSummary,
    measures: BTreeMap<Arc<str>, Measure>,
    outcomes: Shared<Outcomes>,
    arrivals: Shared<Outcomes>,
}

impl<'a> StoredCellRef<'a> {
    pub(crate) fn of(cell: &'a CellSummary) -> Self {
        Self {
            spec: cell.spec.id(),
            traffic: &cell.traffic,
            features: &cell.features,
            prediction: &cell.prediction,
            score: &cell.score,
            value: &cell.value,
            measures: &cell.measures,
            outcomes: &cell.outcomes,
            arrivals: &cell.arrivals,
        }
    }
}

impl StoredCell {
    /// Gives the parts their grids and categories, and checks that they fit.
    pub(crate) fn attach(mut self, spec: &Arc<SummarySpec>) -> Result<CellSummary, DecodeError> {
        if self.spec != spec.id() {
            return Err(DecodeError::SpecDiffers { expected: spec.id(), found: self.spec });
        }
        let mut fits = self.features.len() == spec.features().len();
        for (summary, feature) in self.features.iter_mut().zip(spec.features()) {
            fits &= match (summary, &feature.reducer) {
                (FeatureSummary::Numeric(summary), Reducer::Numeric(grid)) => summary.attach(grid.clone()),
                (FeatureSummary::Categorical(summary), Reducer::Categorical(categories)) => {
                    summary.attach(categories.clone())
                }
                _ => false,
            };
        }
        fits &= self.prediction.attach(spec.prediction().cloned())
            & self.score.attach(spec.score().cloned())
            & self.value.attach(spec.value().cloned())
            & self.traffic.latency_seconds.is_whole()
            & self.measures.values().all(Measure::is_whole)
            & attach_outcomes(&mut self.outcomes, spec)
            & attach_outcomes(&mut self.arrivals, spec);
        if !fits {
            return Err(DecodeError::invalid("the summary does not fit its spec"));
        }
        Ok(CellSummary {
            spec: Arc::clone(spec),
            traffic: self.traffic,
            features: self.features,
            prediction: self.prediction,
            score: self.score,
            value: self.value,
            measures: self.measures,
            outcomes: self.outcomes,
            arrivals: self.arrivals,
        })
    }
}

fn attach_outcomes(outcomes: &mut Shared<Outcomes>, spec: &SummarySpec) -> bool {
    let performance = match &outcomes.performance {
        Performance::Classification(classes) => spec.task() != Task::Regression && classes.is_whole(),
        Performance::Regression(errors) => {
            spec.task() == Task::Regression && errors.absolute_sketch.is_whole()
        }
    };
    let fits = performance
        & outcomes.label.attach(spec.label().cloned())
        & outcomes.label_value.attach(spec.label_value().cloned())
        & outcomes.delay_seconds.is_whole();
    if outcomes == spec.no_outcomes() {
        outcomes.clone_from(spec.no_outcomes());
    }
    fits
}
