//! A model with numeric and categorical features whose reference is drawn at random, for tests and benches.

use std::sync::Arc;

use driftline_evaluate::{
    DriftSpec, Evaluation, PerformanceSpec, ReferenceKind, ReferenceSummary, WindowReport, WindowSpan,
    evaluate,
};
use driftline_events::{EventTime, FeatureKind, Task};
use driftline_summary::{
    Categories, CellSummary, FeatureSpec, FeatureSummary, Grid, Reducer, SpecParts, SummarySpec, Tally,
};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, StandardNormal};

/// How a feature is distributed.
#[derive(Clone, Debug)]
pub(crate) enum Law {
    Normal,
    /// Exponential: a long tail on one side.
    Exponential,
    /// Whole numbers from 0, one more than another half as likely: many ties.
    Counts,
    /// Nine in ten zero, the others exponential.
    MostlyZero,
    /// Categories with these shares.
    Categories(&'static [f64]),
}

/// A row's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Category(usize),
}

impl Law {
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> Value {
        match self {
            Self::Normal => Value::Number(StandardNormal.sample(rng)),
            Self::Exponential => Value::Number(Exp1.sample(rng)),
            Self::Counts => {
                let tail: f64 = Exp1.sample(rng);
                Value::Number((tail / std::f64::consts::LN_2).floor())
            }
            Self::MostlyZero => {
                let other: f64 = Exp1.sample(rng);
                Value::Number(if rng.random::<f64>() < 0.9 { 0.0 } else { other })
            }
            Self::Categories(shares) => {
                let mut left: f64 = rng.random();
                let category = shares.iter().position(|share| {
                    left -= share;
                    left < 0.0
                });
                Value::Category(category.unwrap_or(0))
            }
        }
    }

    fn kind(&self) -> FeatureKind {
        if matches!(self, Self::Categories(_)) { FeatureKind::Categorical } else { FeatureKind::Numeric }
    }
}

/// 20 numeric and 5 categorical features.
pub(crate) fn laws() -> Vec<Law> {
    let numbers = [Law::Normal, Law::Exponential, Law::Counts, Law::MostlyZero];
    let mut laws: Vec<Law> = numbers.iter().cycle().take(20).cloned().collect();
    laws.extend([
        Law::Categories(&[0.5, 0.5]),
        Law::Categories(&[0.97, 0.03]),
        Law::Categories(&[0.9, 0.07, 0.02, 0.006, 0.003, 0.001]),
        Law::Categories(&[0.05; 20]),
        Law::Categories(&[0.4, 0.3, 0.2, 0.05, 0.03, 0.01, 0.005, 0.003, 0.001, 0.0005, 0.0005]),
    ]);
    laws
}

pub(crate) fn category(index: usize) -> String {
    format!("category {index}")
}

/// A reference of `rows` rows, and the spec that it gives.
pub(crate) fn reference(laws: &[Law], rows: usize, rng: &mut impl Rng) -> CellSummary {
    let columns: Vec<Vec<Value>> =
        laws.iter().map(|law| (0..rows).map(|_| law.draw(rng)).collect()).collect();
    let features = laws.iter().zip(&columns).enumerate().map(|(position, (law, column))| FeatureSpec {
        name: format!("feature {position}").into(),
        kind: law.kind(),
        reducer: reducer(column),
    });
    let spec = SummarySpec::new(SpecParts {
        task: Task::Binary,
        positive: Some("1".into()),
        features: features.collect(),
        score: None,
        value: None,
        prediction: None,
        label: None,
        label_value: None,
    });
    let mut summary = CellSummary::new(spec);
    for (feature, column) in summary.features.iter_mut().zip(&columns) {
        column.iter().for_each(|value| add(feature, *value));
    }
    summary.traffic.total = Tally::of_rows(rows as u64);
    summary
}

fn reducer(column: &[Value]) -> Reducer {
    let mut numbers: Vec<f64> = column.iter().filter_map(|value| number(*value)).collect();
    if numbers.is_empty() {
        let names = column.iter().filter_map(|value| match value {
            Value::Category(index) => Some((category(*index), 1.0)),
            Value::Number(_) => None,
        });
        let mut weights = std::collections::BTreeMap::new();
        names.for_each(|(name, weight)| *weights.entry(name).or_insert(0.0) += weight);
        return Reducer::Categorical(Some(Arc::new(Categories::from_weights(weights))));
    }
    numbers.sort_by(f64::total_cmp);
    Reducer::Numeric(Some(Arc::new(Grid::from_sorted(&numbers).expect("sorted numbers"))))
}

pub(crate) fn number(value: Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(number),
        Value::Category(_) => None,
    }
}

pub(crate) fn add(feature: &mut FeatureSummary, value: Value) {
    match (feature, value) {
        (FeatureSummary::Numeric(summary), Value::Number(number)) => summary.add(number, 1.0),
        (FeatureSummary::Categorical(summary), Value::Category(index)) => summary.add(&category(index), 1.0),
        (feature, value) => panic!("{value:?} is no value of {feature:?}"),
    }
}

/// A window of `rows` rows, drawn as the reference was, each value then changed.
pub(crate) fn window(
    reference: &CellSummary,
    laws: &[Law],
    rows: usize,
    rng: &mut impl Rng,
    mut change: impl FnMut(usize, Value) -> Value,
) -> CellSummary {
    let mut summary = CellSummary::new(Arc::clone(reference.spec()));
    for (position, (feature, law)) in summary.features.iter_mut().zip(laws).enumerate() {
        (0..rows).for_each(|_| add(feature, change(position, law.draw(rng))));
    }
    summary.traffic.total = Tally::of_rows(rows as u64);
    summary
}

pub(crate) fn report(current: &CellSummary, reference: &CellSummary) -> WindowReport {
    report_of(&[], current, reference)
}

/// Of the segment that these tags name.
pub(crate) fn report_of(
    segment: &[(&str, &str)],
    current: &CellSummary,
    reference: &CellSummary,
) -> WindowReport {
    let hour = EventTime::from_millis(3_600_000);
    evaluate(&Evaluation {
        model: "model",
        version: "",
        segment: segment.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect(),
        window: WindowSpan::new("1h", EventTime::from_millis(0), hour),
        covered_seconds: 3600.0,
        revision: 0,
        is_final: true,
        current,
        reference: Some(ReferenceSummary {
            kind: ReferenceKind::File,
            version: None,
            period: None,
            summary: reference,
        }),
        drift: &DriftSpec::default(),
        performance: &PerformanceSpec::default(),
    })
}
