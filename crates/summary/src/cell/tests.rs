use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, DictionaryArray, Float64Array};
use arrow::datatypes::Int32Type;
use driftline_events::{Feature, FeatureKind, ModelId, ModelSchema, Task, layout};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::alike::Alike;
use crate::{Actual, Outcome, Predicted, Status};

/// A row of the test model.
#[derive(Clone, Debug)]
struct Row {
    age: Option<f64>,
    plan: Option<&'static str>,
    plan_invalid: bool,
    score: Option<f64>,
    label: Option<&'static str>,
    latency_ms: f64,
    status: &'static str,
    weight: f64,
    basket: Option<f64>,
}

fn schema(task: Task) -> ModelSchema {
    let feature = |name: &str, kind| Feature { name: name.into(), kind };
    let features = vec![feature("age", FeatureKind::Numeric), feature("plan", FeatureKind::Categorical)];
    ModelSchema::new(ModelId::try_new("m").unwrap(), task, Some("yes".into()), features, Vec::new(), false)
}

fn text(values: impl Iterator<Item = Option<&'static str>>) -> ArrayRef {
    Arc::new(values.collect::<DictionaryArray<Int32Type>>())
}

fn batch(rows: &[Row]) -> RecordBatch {
    let numbers = |values: Vec<Option<f64>>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    let of = |value: fn(&Row) -> Option<f64>| numbers(rows.iter().map(value).collect());
    let invalid: Vec<bool> = rows.iter().map(|row| row.plan_invalid).collect();
    RecordBatch::try_from_iter_with_nullable([
        (layout::PREDICTION_LABEL, text(rows.iter().map(|row| row.label)), true),
        (layout::PREDICTION_SCORE, of(|row| row.score), true),
        (layout::PREDICTION_VALUE, of(|row| row.score.map(|score| score * 100.0)), true),
        (layout::LATENCY_MS, of(|row| Some(row.latency_ms)), true),
        (layout::STATUS, text(rows.iter().map(|row| Some(row.status))), true),
        (layout::WEIGHT, of(|row| Some(row.weight)), true),
        (layout::IN_FLIGHT, of(|row| Some((row.latency_ms / 10.0).floor())), true),
        ("feature.age", of(|row| row.age), true),
        ("feature.plan", text(rows.iter().map(|row| row.plan.filter(|_| !row.plan_invalid))), true),
        ("invalid.plan", Arc::new(BooleanArray::from(invalid)) as ArrayRef, true),
        ("metric.basket", of(|row| row.basket), true),
    ])
    .unwrap()
}

fn any_row() -> impl Strategy<Value = Row> {
    let age = prop_oneof![
        1 => Just(None),
        6 => (-100.0..100.0).prop_map(Some),
        3 => (-5_i32..5).prop_map(|age| Some(f64::from(age))),
        1 => prop_oneof![Just(f64::NAN), Just(-0.0), Just(f64::INFINITY)].prop_map(Some),
    ];
    let plan = prop_oneof![
        Just(None),
        prop_oneof![Just("gold"), Just("silver"), Just("iron"), Just("tin"), Just("")].prop_map(Some)
    ];
    let score = prop_oneof![1 => Just(None), 5 => (0.0..=1.0).prop_map(Some), 1 => Just(Some(1.0))];
    let label = prop_oneof![Just(None), Just(Some("yes")), Just(Some("no")), Just(Some("maybe"))];
    let status = prop_oneof![Just("ok"), Just("error"), Just("timeout"), Just("fallback"), Just("gone")];
    // Multiples of a quarter add up exactly.
    let weight = prop_oneof![2 => Just(1.0), 1 => (0_u32..40).prop_map(|quarters| f64::from(quarters) / 4.0)];
    let basket = prop_oneof![Just(None), (-50.0..50.0).prop_map(Some)];
    ((age, plan, any::<bool>(), score, label), (0.0..5e3, status, weight, basket)).prop_map(
        |((age, plan, plan_invalid, score, label), (latency_ms, status, weight, basket))| Row {
            age,
            plan,
            plan_invalid,
            score,
            label,
            latency_ms,
            status,
            weight,
            basket,
        },
    )
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let class = || prop_oneof![Just("no"), Just("yes"), Just("maybe")];
    let score = prop_oneof![Just(None), (0.0..=1.0).prop_map(Some)];
    (class(), prop_oneof![Just(None), class().prop_map(Some)], score, 0_u32..8, 0.0..1e6).prop_map(
        |(actual, label, score, quarters, delay_seconds)| {
            let scores = score
                .map(|score: f64| Arc::from([(Arc::from("yes"), score), (Arc::from("no"), 1.0 - score)]));
            let value = score.map(|score| score * 100.0 - 50.0);
            Outcome {
                predicted: Predicted { label: label.map(Arc::from), score, value, scores },
                actual: Actual::Class(actual.into()),
                weight: f64::from(quarters) / 4.0,
                delay_seconds,
            }
        },
    )
}

fn reference_rows() -> Vec<Row> {
    (0..40)
        .map(|i| Row {
            age: Some(f64::from(i % 20) - 5.0),
            plan: Some(["gold", "silver", "iron"][i as usize % 3]),
            plan_invalid: false,
            score: Some(f64::from(i) / 40.0),
            label: Some(["yes", "no"][i as usize % 2]),
            latency_ms: 10.0,
            status: "ok",
            weight: 1.0,
            basket: None,
        })
        .collect()
}

fn spec(task: Task) -> Arc<SummarySpec> {
    SummarySpec::learn(&schema(task), &[batch(&reference_rows())]).unwrap()
}

fn folded(spec: &Arc<SummarySpec>, rows: &[Row], outcomes: &[Outcome]) -> CellSummary {
    let mut cell = CellSummary::new(Arc::clone(spec));
    cell.fold(&batch(rows)).unwrap();
    for outcome in outcomes {
        // The regression model's labels are numbers.
        let outcome = match spec.task() {
            Task::Regression => {
                Outcome { actual: Actual::Value(outcome.delay_seconds / 1e4), ..outcome.clone() }
            }
            _ => outcome.clone(),
        };
        cell.outcomes.add(&outcome);
        cell.arrivals.add(&outcome);
    }
    cell
}

fn any_task() -> impl Strategy<Value = Task> {
    prop_oneof![Just(Task::Binary), Just(Task::Multiclass), Just(Task::Regression)]
}

fn merged(left: &CellSummary, right: &CellSummary) -> CellSummary {
    let mut sum = left.clone();
    sum.merge(right).unwrap();
    sum
}

type Part = (Vec<Row>, Vec<Outcome>);

fn any_part() -> impl Strategy<Value = Part> {
    (vec(any_row(), 0..30), vec(any_outcome(), 0..10))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn merging_equals_one_pass_in_any_order(task in any_task(), a in any_part(), b in any_part(), c in any_part()) {
        let spec = spec(task);
        let cells = [&a, &b, &c].map(|(rows, outcomes)| folded(&spec, rows, outcomes));
        let rows = [&a.0[..], &b.0, &c.0].concat();
        let outcomes = [&a.1[..], &b.1, &c.1].concat();
        let whole = folded(&spec, &rows, &outcomes);
        let left = merged(&merged(&cells[0], &cells[1]), &cells[2]);
        let right = merged(&cells[0], &merged(&cells[1], &cells[2]));
        let turned = merged(&cells[2], &merged(&cells[1], &cells[0]));
        for sum in [&left, &right, &turned] {
            prop_assert!(sum.alike(&whole), "{sum:#?}\n{whole:#?}");
        }
        let backwards: Vec<Row> = rows.into_iter().rev().collect();
        let backwards = folded(&spec, &backwards, &outcomes.into_iter().rev().collect::<Vec<_>>());
        prop_assert!(backwards.alike(&whole));
    }

    #[test]
    fn an_empty_cell_changes_nothing(task in any_task(), part in any_part()) {
        let spec = spec(task);
        let cell = folded(&spec, &part.0, &part.1);
        prop_assert_eq!(&merged(&cell, &CellSummary::new(Arc::clone(&spec))), &cell);
        prop_assert_eq!(&merged(&CellSummary::new(spec), &cell), &cell);
    }

    #[test]
    fn encoding_keeps_everything(task in any_task(), part in any_part()) {
        let spec = spec(task);
        let cell = folded(&spec, &part.0, &part.1);
        prop_assert_eq!(CellSummary::decode(&cell.encode(), &spec).unwrap(), cell);
    }

    #[test]
    fn taking_outcomes_back_leaves_the_others(
        task in any_task(), kept in vec(any_outcome(), 0..10), taken in vec(any_outcome(), 0..10)
    ) {
        let spec = spec(task);
        let of = |outcomes: &[Outcome]| folded(&spec, &[], outcomes).outcomes;
        let mut rest = of(&[&kept[..], &taken].concat());
        for outcome in taken.iter().rev() {
            let outcome = match task {
                Task::Regression => {
                    Outcome { actual: Actual::Value(outcome.delay_seconds / 1e4), ..outcome.clone() }
                }
                _ => outcome.clone(),
            };
            rest.retract(&outcome);
        }
        let mut expected = of(&kept);
        // The extremes do not forget.
        expected.label_value.extremes = rest.label_value.extremes;
        prop_assert!(rest.alike(&expected), "{rest:#?}\n{expected:#?}");
    }

    #[test]
    fn a_batch_equals_its_rows_one_by_one(rows in vec(any_row(), 0..40)) {
        let spec = spec(Task::Binary);
        let mut one_by_one = CellSummary::new(Arc::clone(&spec));
        for row in &rows {
            let FeatureSummary::Numeric(age) = &mut one_by_one.features[0] else { panic!("age is numeric") };
            match row.age {
                Some(value) => age.add(value, row.weight),
                None => age.missing.add(row.weight),
            }
            let FeatureSummary::Categorical(plan) = &mut one_by_one.features[1] else { panic!("plan is not") };
            match row.plan {
                _ if row.plan_invalid => plan.invalid.add(row.weight),
                Some(value) => plan.add(value, row.weight),
                None => plan.missing.add(row.weight),
            }
        }
        let cell = folded(&spec, &rows, &[]);
        for (got, expected) in cell.features.iter().zip(&one_by_one.features) {
            prop_assert!(got.alike(expected), "{got:#?}\n{expected:#?}");
        }
        let weight: f64 = rows.iter().map(|row| row.weight).sum();
        prop_assert_eq!(cell.traffic.total.weight, weight);
        let gone = rows.iter().filter(|row| row.status == "gone").count() as u64;
        prop_assert_eq!(cell.traffic.with_status(Status::Other).rows, gone);
        prop_assert_eq!(cell.traffic.latency_seconds.tally, cell.traffic.total);
    }
}

#[test]
fn cells_without_labels_share_their_outcomes_until_one_has_some() {
    for task in [Task::Binary, Task::Multiclass, Task::Regression] {
        let spec = spec(task);
        let shared = |outcomes: &Shared<Outcomes>| outcomes.is(spec.no_outcomes());
        let mut cell = folded(&spec, &reference_rows(), &[]);
        cell.pack();
        let decoded = CellSummary::decode(&cell.encode(), &spec).unwrap();
        let mut sum = merged(&cell, &decoded);
        assert_eq!(
            [&cell, &decoded, &sum].map(|cell| shared(&cell.outcomes) && shared(&cell.arrivals)),
            [true; 3]
        );
        sum.outcomes.labels.add(1.0);
        assert_eq!((sum.outcomes.labels.rows, cell.outcomes.labels.rows), (1, 0));
        assert!(shared(&sum.arrivals) && !shared(&merged(&cell, &sum).outcomes));
    }
}

#[test]
fn cells_of_different_references_do_not_merge() {
    let mut other_rows = reference_rows();
    other_rows[3].age = Some(1e3);
    let other = SummarySpec::learn(&schema(Task::Binary), &[batch(&other_rows)]).unwrap();
    let mut cell = CellSummary::new(spec(Task::Binary));
    let before = cell.clone();
    let error = cell.merge(&CellSummary::new(Arc::clone(&other))).unwrap_err();
    assert_eq!(error, MergeError::GridsDiffer { feature: "age".into() });
    let error = cell.merge(&CellSummary::new(SummarySpec::unlearned(&schema(Task::Binary)))).unwrap_err();
    assert_eq!(error, MergeError::GridsDiffer { feature: "age".into() });
    assert_eq!(cell.merge(&CellSummary::new(spec(Task::Regression))).unwrap_err(), MergeError::TasksDiffer);
    assert_eq!(cell, before);
    let decoded = CellSummary::decode(&cell.encode(), &other).unwrap_err();
    assert!(matches!(decoded, DecodeError::SpecDiffers { .. }), "{decoded:?}");
}

#[test]
fn a_cell_takes_on_features_that_came_later() {
    let narrow = SummarySpec::unlearned(&schema(Task::Binary));
    let mut parts = narrow.parts().clone();
    parts.features.push(crate::FeatureSpec::unlearned("new".into(), FeatureKind::Numeric));
    let wide = SummarySpec::new(parts);
    let cells = [folded(&narrow, &reference_rows(), &[]), folded(&wide, &reference_rows(), &[])];
    for sum in [merged(&cells[0], &cells[1]), merged(&cells[1], &cells[0])] {
        assert_eq!((sum.spec().id(), sum.features.len()), (wide.id(), 3));
        assert_eq!(sum.traffic.total.rows, 80);
        let FeatureSummary::Numeric(new) = &sum.features[2] else { panic!("{sum:?}") };
        // The wide cell's rows lacked it; the narrow one knows nothing of it.
        assert_eq!(new.missing.rows, 40);
    }
}

#[test]
fn rebasing_keeps_traffic_and_performance_and_folding_again_gives_the_rest() {
    let schema = schema(Task::Binary);
    let outcome = Outcome {
        predicted: Predicted { label: Some("yes".into()), ..Predicted::default() },
        actual: Actual::Class("no".into()),
        weight: 1.0,
        delay_seconds: 5.0,
    };
    let learned = spec(Task::Binary);
    let mut cell =
        folded(&SummarySpec::unlearned(&schema), &reference_rows(), std::slice::from_ref(&outcome));
    cell.rebase(Arc::clone(&learned));
    cell.fold_features(&batch(&reference_rows())).unwrap();
    cell.outcomes.add_label(&outcome);
    cell.arrivals.add_label(&outcome);
    assert!(cell.alike(&folded(&learned, &reference_rows(), &[outcome])));
}

#[test]
fn a_column_of_another_type_is_an_error_and_an_absent_one_is_missing() {
    let spec = spec(Task::Binary);
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    let wrong = RecordBatch::try_from_iter([("feature.age", text([Some("x")].into_iter()))]).unwrap();
    let mut cell = CellSummary::new(Arc::clone(&spec));
    let error = cell.fold(&wrong).unwrap_err();
    assert!(error.to_string().starts_with("column \"feature.age\" is Dictionary"), "{error}");
    assert_eq!(cell, CellSummary::new(spec));

    let absent = RecordBatch::try_from_iter([("feature.age", numbers)]).unwrap();
    cell.fold(&absent).unwrap();
    let FeatureSummary::Categorical(plan) = &cell.features[1] else { panic!("{cell:?}") };
    assert_eq!((plan.missing.rows, plan.present.rows), (2, 0));
    assert_eq!((cell.score.missing.rows, cell.traffic.with_status(Status::Ok).rows), (2, 2));
}
