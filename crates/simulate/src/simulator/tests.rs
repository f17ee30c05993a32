use std::collections::{BTreeMap, BTreeSet};

use driftline_events::{Class, FeatureKind, FeatureValue, Status, Timestamp};
use serde_json::Value;

use super::*;
use crate::fate::{ERROR_SHARE, LATENCY_MEDIAN_MS, TIMEOUT_SHARE};
use crate::inputs::{POSITIVE, churn_schema};
use crate::model::roc_auc;
use crate::options::SimulateOptions;

const START: EventTime = EventTime::from_millis(1_767_225_600_000);
const HOUR: Duration = Duration::from_secs(3600);

fn options() -> SimulateOptions {
    // 4 predictions a second of event time.
    SimulateOptions { rate_per_second: 240.0, ..SimulateOptions::default() }
}

fn simulator(options: SimulateOptions) -> Simulator {
    Simulator::try_new(&SimulateSpec::try_from(options).unwrap(), START).unwrap()
}

/// An hour of predictions, and all their labels.
fn hour(scenario: Option<Scenario>) -> Events {
    let mut simulator = simulator(options());
    if let Some(scenario) = scenario {
        simulator.set(scenario, true);
    }
    let mut events = simulator.advance(START.saturating_add(HOUR));
    while let Some(Reverse((time, number, left))) = simulator.due.pop() {
        events.labels.push(label(simulator.id(number), time, left));
    }
    events
}

fn id(prediction: &Prediction) -> &str {
    prediction.prediction_id.as_deref().unwrap()
}

fn millis(timestamp: &Option<Timestamp>) -> i64 {
    match timestamp {
        Some(Timestamp::Millis(millis)) => *millis,
        other => panic!("epoch milliseconds are sent, not {other:?}"),
    }
}

fn number(prediction: &Prediction, feature: &str) -> Option<f64> {
    match &prediction.features[feature] {
        FeatureValue::Number(number) => Some(*number),
        FeatureValue::Null => None,
        other => panic!("{feature} is a number, not {other:?}"),
    }
}

fn truths(events: &Events) -> BTreeMap<&str, bool> {
    let truth = |label: &Label| label.label == Some(Class::from(POSITIVE));
    events.labels.iter().map(|label| (label.prediction_id.as_str(), truth(label))).collect()
}

/// Rows that both have: (healthy, changed).
fn pairs<'a>(healthy: &'a Events, changed: &'a Events) -> Vec<(&'a Prediction, &'a Prediction)> {
    let by_id: BTreeMap<&str, &Prediction> = healthy.predictions.iter().map(|row| (id(row), row)).collect();
    changed.predictions.iter().map(|row| (by_id[id(row)], row)).collect()
}

/// The paths at which any row differs, and `label` if a label does.
fn differences(healthy: &Events, changed: &Events) -> BTreeSet<String> {
    fn walk(path: &str, a: &Value, b: &Value, found: &mut BTreeSet<String>) {
        match (a, b) {
            (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
                for (key, value) in a {
                    walk(&format!("{path}.{key}"), value, &b[key], found);
                }
            }
            _ if a != b => {
                found.insert(path.to_owned());
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for (healthy, changed) in pairs(healthy, changed) {
        let value = |row: &Prediction| serde_json::to_value(row).unwrap();
        walk("", &value(healthy), &value(changed), &mut found);
    }
    let before = truths(healthy);
    if truths(changed).iter().any(|(id, truth)| before.get(id) != Some(truth)) {
        found.insert("label".to_owned());
    }
    found
}

/// Asserts a share within four standard errors of what is expected.
fn assert_share(hits: usize, rows: usize, expected: f64) {
    let share = hits as f64 / rows as f64;
    let error = (expected * (1.0 - expected) / rows as f64).sqrt();
    assert!((share - expected).abs() < 4.0 * error, "{hits} of {rows} is not about {expected}");
}

fn auc(events: &Events) -> f64 {
    let truths = truths(events);
    let scored = events
        .predictions
        .iter()
        .filter_map(|row| Some((row.prediction.as_ref()?.score?, *truths.get(id(row))?)));
    roc_auc(scored.collect())
}

#[test]
fn the_same_seed_gives_the_same_bytes_however_time_is_cut() {
    let end = START.saturating_add(HOUR);
    let whole = simulator(options()).advance(end);
    let mut cut = simulator(options());
    let (mut predictions, mut labels) = (Vec::new(), Vec::new());
    for step in (0..).map(|step| START.saturating_add(Duration::from_millis(step * 77_777))) {
        let events = cut.advance(step.min(end));
        predictions.extend(events.predictions_ndjson());
        labels.extend(events.labels_ndjson());
        if step >= end {
            break;
        }
    }
    assert!(!whole.labels.is_empty());
    assert_eq!(predictions, whole.predictions_ndjson());
    assert_eq!(labels, whole.labels_ndjson());

    let other = simulator(SimulateOptions { seed: 2, ..options() }).advance(end);
    assert_ne!(other.predictions[0].features, whole.predictions[0].features);
}

#[test]
fn rows_are_as_the_schema_says() {
    let schema = churn_schema();
    let events = hour(None);
    for row in &events.predictions {
        let names: BTreeSet<&str> = row.features.keys().map(String::as_str).collect();
        assert_eq!(names, schema.features().iter().map(|feature| &*feature.name).collect());
        for feature in schema.features() {
            let value = &row.features[&*feature.name];
            let fits = matches!(
                (feature.kind, value),
                (FeatureKind::Numeric, FeatureValue::Number(_))
                    | (FeatureKind::Categorical, FeatureValue::Text(_))
                    | (FeatureKind::Boolean, FeatureValue::Bool(_))
            );
            assert!(
                fits || &*feature.name == "income" && *value == FeatureValue::Null,
                "{}: {value:?}",
                feature.name
            );
        }
        assert!(schema.segments().iter().all(|segment| row.tags.contains_key(&**segment)));
        assert_eq!(row.model, schema.model().as_str());
    }
    let unknown = events.predictions.iter().filter(|row| number(row, "income").is_none()).count();
    assert_share(unknown, events.predictions.len(), 0.03);
}

#[test]
fn healthy_traffic_has_the_rate_latency_and_failures_it_should() {
    let events = hour(None);
    let rows = events.predictions.len();
    // Poisson: four standard deviations of 14,400.
    assert!((rows as f64 - 14_400.0).abs() < 480.0, "{rows} rows");
    let status = |status| events.predictions.iter().filter(|row| row.status == Some(status)).count();
    assert_share(status(Status::Error), rows, ERROR_SHARE);
    assert_share(status(Status::Timeout), rows, TIMEOUT_SHARE);
    assert!(
        events.predictions.iter().all(|row| row.prediction.is_some() == (row.status == Some(Status::Ok)))
    );
    let fast = events.predictions.iter().filter(|row| row.latency_ms.unwrap() < LATENCY_MEDIAN_MS).count();
    assert_share(fast, rows, 0.5 * (1.0 - TIMEOUT_SHARE));
    let busy = events.predictions.iter().map(|row| row.in_flight.unwrap()).sum::<f64>() / rows as f64;
    assert!((busy - MEAN_IN_FLIGHT).abs() < 0.1, "{busy} in flight");
    assert!((0.80..0.90).contains(&auc(&events)), "AUC {}", auc(&events));
}

#[test]
fn labels_come_late_in_order_and_not_for_all() {
    let events = hour(None);
    assert!(events.predictions.is_sorted_by_key(|row| millis(&row.timestamp)));
    assert!(events.labels.is_sorted_by_key(|label| millis(&label.timestamp)));
    let asked: BTreeMap<&str, i64> =
        events.predictions.iter().map(|row| (id(row), millis(&row.timestamp))).collect();
    let delays: Vec<i64> = events
        .labels
        .iter()
        .map(|label| millis(&label.timestamp) - asked[label.prediction_id.as_str()])
        .collect();
    let within = |seconds: f64| delays.iter().filter(|&&delay| (delay as f64) < seconds * 1e3).count();
    assert_share(within(600.0), delays.len(), 0.5);
    // One sigma of the log-normal on either side.
    assert_share(within(600.0 * (-LABEL_DELAY_SIGMA).exp()), delays.len(), 0.158_655);
    assert_share(within(600.0 * LABEL_DELAY_SIGMA.exp()), delays.len(), 0.841_345);
    let answered = events.predictions.iter().filter(|row| row.prediction.is_some()).count();
    assert_share(delays.len(), answered, 0.95);

    let mut simulator = simulator(options());
    for step in 1..30 {
        let from = simulator.now().as_millis();
        let until = START.saturating_add(Duration::from_secs(step * 61));
        let events = simulator.advance(until);
        let times = events.labels.iter().map(|label| millis(&label.timestamp));
        let times: Vec<i64> =
            times.chain(events.predictions.iter().map(|row| millis(&row.timestamp))).collect();
        assert!(times.iter().all(|time| (from..until.as_millis()).contains(time)), "step {step}");
    }
}

#[test]
fn each_scenario_changes_just_what_it_says() {
    let answer = [".prediction.label", ".prediction.score"];
    let changes: [(Scenario, &[&str]); 8] = [
        (Scenario::CovariateShift, &[".features.monthly_charges", "label"]),
        (Scenario::BrokenUpstream, &[".features.data_gb"]),
        (Scenario::UnitChange, &[".features.income"]),
        (Scenario::NewCategory, &[".features.plan"]),
        (Scenario::ConceptDrift, &["label"]),
        (Scenario::LatencyRegression, &[".latency_ms", ".in_flight"]),
        (Scenario::TrafficDrop, &[".in_flight"]),
        (Scenario::BadSegment, &["label"]),
    ];
    let healthy = hour(None);
    for (scenario, expected) in changes {
        let changed = hour(Some(scenario));
        // A model answers differently to different features.
        let answers: &[&str] = if expected[0].starts_with(".features") { &answer } else { &[] };
        let expected = expected.iter().chain(answers).map(|&path| path.to_owned()).collect();
        assert_eq!(differences(&healthy, &changed), expected, "{scenario}");
        if scenario != Scenario::TrafficDrop {
            assert_eq!(changed.predictions.len(), healthy.predictions.len(), "{scenario}");
            assert_eq!(changed.labels.len(), healthy.labels.len(), "{scenario}");
        }
    }
}

#[test]
fn covariate_shift_is_one_standard_deviation() {
    let (healthy, changed) = (hour(None), hour(Some(Scenario::CovariateShift)));
    let charges: Vec<f64> =
        healthy.predictions.iter().map(|row| number(row, "monthly_charges").unwrap()).collect();
    let mean = charges.iter().sum::<f64>() / charges.len() as f64;
    let variance = charges.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / charges.len() as f64;
    for (healthy, changed) in pairs(&healthy, &changed) {
        let shift = number(changed, "monthly_charges").unwrap() - number(healthy, "monthly_charges").unwrap();
        // The deviation is that of the 4,000 training rows: known to about 1.5 %.
        assert!((shift / variance.sqrt() - 1.0).abs() < 0.06, "shift {shift}, deviation {}", variance.sqrt());
    }
}

#[test]
fn features_break_as_often_and_as_far_as_they_say() {
    let healthy = hour(None);
    let rows = healthy.predictions.len();
    let broken = hour(Some(Scenario::BrokenUpstream));
    let nulls = broken.predictions.iter().filter(|row| number(row, "data_gb").is_none()).count();
    assert_share(nulls, rows, 0.9);

    let scaled = hour(Some(Scenario::UnitChange));
    for (healthy, changed) in pairs(&healthy, &scaled) {
        assert_eq!(number(changed, "income"), number(healthy, "income").map(|income| income * 1000.0));
    }

    let new = hour(Some(Scenario::NewCategory));
    let platinum = FeatureValue::Text("platinum".to_owned());
    assert_share(new.predictions.iter().filter(|row| row.features["plan"] == platinum).count(), rows, 0.08);
    let kept = pairs(&healthy, &new);
    assert!(kept.iter().all(|(healthy, new)| {
        new.features["plan"] == platinum || new.features["plan"] == healthy.features["plan"]
    }));
}

#[test]
fn outcomes_turn_around_where_they_say() {
    let healthy = hour(None);
    let before = truths(&healthy);
    let drifted = hour(Some(Scenario::ConceptDrift));
    let turned = truths(&drifted).iter().filter(|(id, truth)| before[*id] != **truth).count();
    assert_share(turned, before.len(), 0.4);
    assert!(auc(&drifted) < 0.62, "AUC {}", auc(&drifted));

    let bad = hour(Some(Scenario::BadSegment));
    let after = truths(&bad);
    for row in &bad.predictions {
        if let Some(truth) = after.get(id(row)) {
            assert_eq!(before[id(row)] != *truth, row.tags["country"] == "BE", "{}", id(row));
        }
    }
}

#[test]
fn latency_is_five_times_as_long_but_timeouts_stay() {
    for (healthy, slow) in pairs(&hour(None), &hour(Some(Scenario::LatencyRegression))) {
        let factor = if healthy.status == Some(Status::Timeout) { 1.0 } else { 5.0 };
        let expected = factor * healthy.latency_ms.unwrap();
        // Both are rounded to microseconds.
        assert!((slow.latency_ms.unwrap() - expected).abs() < 0.004, "{healthy:?}\n{slow:?}");
        assert!(slow.in_flight >= healthy.in_flight);
    }
}

#[test]
fn traffic_drops_to_a_tenth() {
    let (healthy, dropped) = (hour(None), hour(Some(Scenario::TrafficDrop)));
    assert_share(dropped.predictions.len(), healthy.predictions.len(), 0.1);
}

#[test]
fn the_schedule_is_kept_in_wall_time_and_commands_win() {
    let schedule = "unit-change@60s..120s".parse().unwrap();
    let mut simulator = simulator(SimulateOptions { schedule, ..options() });
    let minutes = |minutes: u64| START.saturating_add(Duration::from_secs(minutes * 60));
    let incomes = |events: &Events| {
        let incomes: Vec<f64> = events.predictions.iter().filter_map(|row| number(row, "income")).collect();
        // No one earns a million, and no one's income times a thousand is less.
        (incomes.iter().any(|&income| income < 1e6), incomes.iter().any(|&income| income > 1e6))
    };
    // At a speed of 60, a second of wall time is a minute of event time.
    assert_eq!(incomes(&simulator.advance(minutes(60))), (true, false));
    assert_eq!(simulator.active(), [Scenario::UnitChange]);
    assert_eq!(incomes(&simulator.advance(minutes(90))), (false, true));
    simulator.set(Scenario::UnitChange, false);
    assert_eq!(incomes(&simulator.advance(minutes(100))), (true, false));
    simulator.set(Scenario::UnitChange, true);
    assert_eq!(incomes(&simulator.advance(minutes(130))), (false, true));
}

#[test]
fn a_day_has_a_busy_afternoon_and_a_quiet_night() {
    let mut simulator =
        simulator(SimulateOptions { daily_pattern: true, rate_per_second: 60.0, ..options() });
    // The start is at midnight.
    let hours: Vec<usize> =
        (1..=24).map(|hour| simulator.advance(START.saturating_add(HOUR * hour)).predictions.len()).collect();
    let (night, afternoon) = (hours[2] + hours[3], hours[14] + hours[15]);
    // 2 hours of 3,600 at the trough of 0.3 and the peak of 1.7; the mean over each hour is within 1 %.
    assert!((night as f64 / 2160.0 - 1.0).abs() < 0.12, "{hours:?}");
    assert!((afternoon as f64 / 12_240.0 - 1.0).abs() < 0.05, "{hours:?}");
    let all: usize = hours.iter().sum();
    assert!((all as f64 / 86_400.0 - 1.0).abs() < 0.02, "{all} in a day");
}

#[test]
fn the_reference_is_healthy_complete_and_before_the_start() {
    let simulator = simulator(SimulateOptions { schedule: "unit-change".parse().unwrap(), ..options() });
    let reference = simulator.reference_rows(5000);
    assert_eq!((reference.predictions.len(), reference.labels.len()), (5000, 5000));
    assert!(reference.predictions.iter().all(|row| millis(&row.timestamp) < START.as_millis()));
    assert!(
        reference.predictions.iter().all(|row| row.status == Some(Status::Ok) && row.prediction.is_some())
    );
    assert!(reference.predictions.iter().all(|row| number(row, "income").is_none_or(|income| income < 1e6)));
    let ids: BTreeSet<&str> = reference.predictions.iter().map(id).collect();
    assert_eq!(ids, truths(&reference).into_keys().collect());
    assert!((0.82..0.88).contains(&auc(&reference)), "AUC {}", auc(&reference));
    assert_eq!(simulator.reference_rows(5000), reference);
    assert_eq!(simulator.reference_rows(0), Events::default());
}

#[test]
fn poisson_quantiles_are_those_of_scipy() {
    // scipy 1.13.1: poisson.ppf([0.01, 0.25, 0.5, 0.99], 8) = 2, 6, 8, 15
    let quantiles = [0.01, 0.25, 0.5, 0.99].map(|uniform| poisson_quantile(uniform, 8.0));
    assert_eq!(quantiles, [2.0, 6.0, 8.0, 15.0]);
    assert_eq!(poisson_quantile(1.0, 40.0), f64::from(CAPACITY));
    assert_eq!(poisson_quantile(0.5, 0.0), 0.0);
}
