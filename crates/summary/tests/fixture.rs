//! What version 1 wrote is still read.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array};
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;
use driftline_events::{EventTime, Feature, FeatureKind, ModelId, ModelSchema, Task, layout};
use driftline_summary::{
    Actual, CellSummary, DecodeError, FeatureSummary, Outcome, Performance, Predicted, Reference, SummarySpec,
};

const FIXTURE: &[u8] = include_bytes!("fixtures/summary.v1.bin");

/// What the fixture was made of.
fn reference() -> Reference {
    let feature = |name: &str, kind| Feature { name: name.into(), kind };
    let schema = ModelSchema::new(
        ModelId::try_new("churn").unwrap(),
        Task::Binary,
        Some("yes".into()),
        vec![feature("age", FeatureKind::Numeric), feature("plan", FeatureKind::Categorical)],
        vec!["country".into()],
        false,
    );
    let text = |values: Vec<Option<&str>>| -> ArrayRef {
        Arc::new(values.into_iter().collect::<DictionaryArray<Int32Type>>())
    };
    let numbers = |values: Vec<Option<f64>>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    let batch = RecordBatch::try_from_iter_with_nullable([
        (layout::PREDICTION_LABEL, text(vec![Some("yes"), Some("no"), Some("no"), None]), true),
        (layout::PREDICTION_SCORE, numbers(vec![Some(0.75), Some(0.25), Some(1e-3), None]), true),
        (layout::LATENCY_MS, numbers(vec![Some(10.0), Some(20.0), None, Some(40.0)]), true),
        (layout::STATUS, text(vec![Some("ok"), Some("ok"), Some("ok"), Some("error")]), true),
        (layout::WEIGHT, numbers(vec![Some(1.0), Some(2.0), Some(0.5), Some(1.0)]), true),
        ("feature.age", numbers(vec![Some(20.0), Some(40.0), Some(f64::NAN), None]), true),
        ("feature.plan", text(vec![Some("gold"), Some("iron"), Some("gold"), None]), true),
        ("metric.basket", numbers(vec![Some(-3.0), None, Some(5.0), None]), true),
    ])
    .unwrap();
    let spec = SummarySpec::learn(&schema, std::slice::from_ref(&batch)).unwrap();
    let mut overall = CellSummary::new(Arc::clone(&spec));
    overall.fold(&batch).unwrap();
    overall.outcomes.add(&Outcome {
        predicted: Predicted { label: Some("yes".into()), score: Some(0.75), ..Predicted::default() },
        actual: Actual::Class("no".into()),
        weight: 1.0,
        delay_seconds: 3600.0,
    });
    let segments = [(("country".into(), "BE".into()), overall.clone())].into();
    let created = EventTime::from_millis(1_767_225_600_000);
    Reference { spec, rows: 4, overall, segments, source: "train.parquet".to_owned(), created }
}

#[test]
fn version_1_is_read() {
    let stored = Reference::decode(FIXTURE).unwrap();
    assert_eq!((stored.rows, &*stored.source, stored.segments.len()), (4, "train.parquet", 1));
    assert_eq!(stored.created.to_string(), "2026-01-01T00:00:00Z");
    let cell = &stored.overall;
    let FeatureSummary::Numeric(age) = &cell.features[0] else { panic!("{cell:?}") };
    assert_eq!(
        (age.moments.mean(), age.extremes.max(), age.quantile(0.5)),
        (Some(100.0 / 3.0), Some(40.0), Some(40.0))
    );
    assert_eq!((age.missing.rows, age.invalid.weight), (1, 0.5));
    assert_eq!(age.grid().unwrap().cuts(), [20.0, 20.0_f64.next_up(), 40.0, 40.0_f64.next_up()]);
    let FeatureSummary::Categorical(plan) = &cell.features[1] else { panic!("{cell:?}") };
    let kept: Vec<&str> = plan.categories().unwrap().kept().iter().map(|name| &**name).collect();
    assert_eq!((kept, plan.counts().to_dense()), (vec!["iron", "gold"], vec![2.0, 1.5]));
    assert_eq!((cell.traffic.total.rows, cell.traffic.status[1].rows), (4, 1));
    assert_eq!(cell.traffic.latency_seconds.sum(), 0.09);
    assert_eq!(cell.measures["basket"].extremes.min(), Some(-3.0));
    let Performance::Classification(classes) = &cell.outcomes.performance else { panic!("{cell:?}") };
    assert_eq!((classes.weight(0, 1), classes.correct, classes.brier.mean()), (1.0, 0.0, Some(0.5625)));
    assert_eq!(stored.segments[&("country".into(), "BE".into())], stored.overall);
}

#[test]
fn version_1_is_still_written() {
    assert_eq!(Reference::decode(FIXTURE).unwrap(), reference());
    // A changed layout needs a new version, and a fixture of its own.
    assert!(reference().encode() == FIXTURE, "the layout of format version 1 changed");
}

#[test]
fn a_spec_is_read_back_and_a_reference_is_no_spec() {
    let spec = reference().spec;
    let decoded = SummarySpec::decode(&spec.encode()).unwrap();
    assert_eq!((decoded.id(), &decoded), (spec.id(), &spec));
    let error = SummarySpec::decode(FIXTURE).unwrap_err();
    assert_eq!(error, DecodeError::Kind { expected: "summary spec", found: "reference" });
}
