//! The window report as JSON, and its parts that need no reference.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod model;

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_evaluate::{Figure, Reason, Verdict, WindowReport, window_report_schema};
use driftline_summary::{Actual, CellSummary, Outcome, Predicted, Status, Tally};
use model::{Law, laws, reference, report, window};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value as Json;

/// 200 predictions: three in four succeed and have a latency, half have a label.
fn served(against: &CellSummary, laws: &[Law], rng: &mut ChaCha8Rng) -> CellSummary {
    let mut summary = window(against, laws, 200, rng, |_, value| value);
    let traffic = &mut summary.traffic;
    for (status, rows) in [(Status::Ok, 150), (Status::Error, 30), (Status::Timeout, 20)] {
        traffic.status[status as usize] = Tally::of_rows(rows);
    }
    for millis in 1..=150 {
        traffic.latency_seconds.add(f64::from(millis) / 1000.0, 1.0);
    }
    for in_flight in [2.0, 4.0, 9.0] {
        traffic.in_flight.add(in_flight, 1.0);
        traffic.capacity.add(10.0, 1.0);
    }
    summary.measures.entry("queue_seconds".into()).or_default().add(0.25, 1.0);
    for row in 0..100 {
        let label = |positive: bool| if positive { "1".into() } else { "0".into() };
        let score = f64::from(row) / 100.0;
        let predicted = Predicted { label: Some(label(row >= 50)), score: Some(score), ..Default::default() };
        let actual = Actual::Class(label(row % 3 == 0));
        let outcome = Outcome { predicted, actual, weight: 1.0, delay_seconds: f64::from(row + 1) };
        summary.outcomes.add(&outcome);
    }
    summary
}

fn served_report() -> WindowReport {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let laws = laws();
    let against = reference(&laws, 1_000, &mut rng);
    report(&served(&against, &laws, &mut rng), &against)
}

/// Equal, but for the last digit of a number: it is written exactly, and serde_json reads it to within one.
fn same(place: &str, got: &Json, expected: &Json) {
    match (got, expected) {
        (Json::Object(got), Json::Object(expected)) => {
            assert!(got.keys().eq(expected.keys()), "{place}: {got:?}, expected {expected:?}");
            got.iter().for_each(|(key, part)| same(&format!("{place}.{key}"), part, &expected[key]));
        }
        (Json::Array(got), Json::Array(expected)) => {
            assert_eq!(got.len(), expected.len(), "{place}");
            got.iter().zip(expected).for_each(|(got, expected)| same(place, got, expected));
        }
        (Json::Number(got), Json::Number(expected)) if expected.is_f64() => {
            let number = |json: &serde_json::Number| json.as_f64().expect("a number");
            let (got, expected) = (number(got), number(expected));
            assert!(
                (got - expected).abs() <= f64::EPSILON * expected.abs(),
                "{place}: {got}, not {expected}"
            );
        }
        _ => assert_eq!(got, expected, "{place}"),
    }
}

#[test]
fn a_report_survives_json() {
    let report = served_report();
    let json = serde_json::to_string(&report).unwrap();
    let read: WindowReport = serde_json::from_str(&json).unwrap();
    same("", &serde_json::to_value(&read).unwrap(), &serde_json::to_value(&report).unwrap());
    assert!(json.contains(r#""start":"1970-01-01T00:00:00"#) && json.contains(r#""final":true"#), "{json}");
}

/// Whether `value` has the shape that `schema` asks for, and no key that it does not know.
fn fits(root: &Json, schema: &Json, value: &Json) -> Result<(), String> {
    let Some(schema) = schema.as_object() else { return Ok(()) };
    let text = |json: &Json| json.as_str().expect("text in a schema").to_owned();
    let list = |json: &Json| json.as_array().cloned().unwrap_or_else(|| vec![json.clone()]);
    let fault = |what: &str| Err(format!("{what}: {value} does not fit {schema:?}"));
    for (keyword, asked) in schema {
        match keyword.as_str() {
            "$ref" => fits(root, root.pointer(&text(asked)[1..]).expect("a definition"), value)?,
            "anyOf" | "oneOf" => {
                if !list(asked).iter().any(|choice| fits(root, choice, value).is_ok()) {
                    return fault("none of the choices");
                }
            }
            "type" => {
                let is = |name: &Json| match &*text(name) {
                    "null" => value.is_null(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "number" => value.is_number(),
                    "string" => value.is_string(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("type {other}"),
                };
                if !list(asked).iter().any(is) {
                    return fault("type");
                }
            }
            "const" if asked != value => return fault("const"),
            "enum" if !list(asked).contains(value) => return fault("enum"),
            "minimum" if value.as_f64() < asked.as_f64() => return fault("minimum"),
            "items" => value.as_array().into_iter().flatten().try_for_each(|item| fits(root, asked, item))?,
            "required" => {
                let missing = |key: &&Json| value.is_object() && value.get(text(key)).is_none();
                if let Some(key) = list(asked).iter().find(missing) {
                    return fault(&format!("no {key}"));
                }
            }
            "properties" | "additionalProperties" => {
                for (key, part) in value.as_object().into_iter().flatten() {
                    let own = schema.get("properties").and_then(|properties| properties.get(key));
                    match own.or(schema.get("additionalProperties")) {
                        Some(asked) => fits(root, asked, part).map_err(|error| format!("{key}: {error}"))?,
                        None => return fault(&format!("unknown {key}")),
                    }
                }
            }
            "const" | "enum" | "minimum" | "maximum" | "format" | "$schema" | "$id" | "$defs" | "title"
            | "description" | "default" => {}
            other => panic!("the schema uses {other}, which this test does not know"),
        }
    }
    Ok(())
}

#[test]
fn the_schema_accepts_a_report_and_asks_for_its_parts() {
    let schema = window_report_schema();
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    let laws = laws();
    let against = reference(&laws, 100, &mut rng);
    let empty = report(&CellSummary::new(Arc::clone(against.spec())), &against);
    for report in [&served_report(), &empty] {
        let json = serde_json::to_value(report).unwrap();
        fits(&schema, &schema, &json).unwrap();
        for part in ["schema", "window", "final", "rows", "traffic", "features", "performance", "drift"] {
            let mut without = json.clone();
            without.as_object_mut().unwrap().remove(part);
            assert!(fits(&schema, &schema, &without).is_err(), "without {part}");
        }
    }
}

fn near(figure: &Figure, expected: f64, relative: f64) {
    let got = figure.value().expect("a figure");
    assert!((got - expected).abs() <= relative * expected.abs(), "{got}, expected {expected}");
}

#[test]
fn traffic_latency_and_measures_are_of_the_rows() {
    let report = served_report();
    // 200 rows in an hour, 50 of them failed.
    near(&report.traffic.rate_per_second, 200.0 / 3600.0, 1e-15);
    assert_eq!(report.traffic.error_ratio, Figure::new(0.25));
    let status = [("error", 30), ("ok", 150), ("timeout", 20)];
    assert_eq!(report.traffic.status, BTreeMap::from(status.map(|(name, rows)| (name.to_owned(), rows))));
    let saturation = report.traffic.saturation.unwrap();
    assert_eq!((saturation.in_flight_mean, saturation.in_flight_max), (Figure::new(5.0), Figure::new(9.0)));
    assert_eq!((saturation.capacity, saturation.ratio), (Figure::new(10.0), Figure::new(0.5)));
    assert_eq!(report.latency.count, 150);
    near(&report.latency.mean_seconds, 0.0755, 1e-12);
    for (quantile, expected) in
        [("0.5", 0.075), ("0.9", 0.135), ("0.95", 0.143), ("0.99", 0.149), ("0.999", 0.15)]
    {
        near(&report.latency.quantiles[quantile], expected, 0.0101);
    }
    let measure = &report.measures["queue_seconds"];
    assert_eq!((measure.count, measure.mean, measure.max), (1, Figure::new(0.25), Figure::new(0.25)));
    assert_eq!(measure.variance, Figure::absent(Reason::TooFewRows));
}

#[test]
fn labels_have_coverage_and_delay() {
    let labels = served_report().labels;
    // 100 of 200 have a label, and 0.8 is asked for.
    assert_eq!((labels.count, labels.coverage, labels.mature), (100, Figure::new(0.5), false));
    near(&labels.delay_seconds["0.5"], 50.0, 0.0101);
    near(&labels.delay_seconds["0.99"], 99.0, 0.0101);

    let mut rng = ChaCha8Rng::seed_from_u64(23);
    let against = reference(&[Law::Normal], 100, &mut rng);
    let mut current = served(&against, &[Law::Normal], &mut rng);
    current.traffic.total = Tally::of_rows(125);
    let enough = report(&current, &against);
    assert_eq!((enough.labels.coverage, enough.labels.mature), (Figure::new(0.8), true));
    assert!(enough.performance.mature && !enough.performance_by_label_time.mature);
    current.traffic.total = Tally::of_rows(126);
    assert!(!report(&current, &against).labels.mature);
}

#[test]
fn an_empty_window_has_reasons_and_no_numbers() {
    let mut rng = ChaCha8Rng::seed_from_u64(24);
    let against = reference(&laws(), 100, &mut rng);
    let report = report(&CellSummary::new(Arc::clone(against.spec())), &against);
    assert_eq!(report.traffic.rate_per_second, Figure::new(0.0));
    assert_eq!(report.traffic.error_ratio, Figure::absent(Reason::NoRows));
    assert!(report.traffic.status.is_empty() && report.traffic.saturation.is_none());
    assert_eq!(report.latency.mean_seconds, Figure::absent(Reason::NoValues));
    assert_eq!((report.labels.coverage, report.labels.mature), (Figure::absent(Reason::NoRows), false));
    assert_eq!(report.labels.delay_seconds["0.5"], Figure::absent(Reason::NoLabels));
    assert_eq!(report.drift.share, Figure::absent(Reason::NotWatched));
    for feature in &report.features {
        assert_eq!(
            (feature.verdict, feature.psi.value),
            (Verdict::NoValues, Figure::absent(Reason::NoValues))
        );
        assert_eq!(feature.missing.ratio, Figure::absent(Reason::NoRows));
    }
}
