//! The same events by every way in give the same final reports.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fmt::Write as _;
use std::path::Path;

use driftline::config::Config;
use driftline::reference_files::load_or_build;
use driftline::replay::{ReplayCounts, ReplayInput, ReplaySink, replay};
use driftline_evaluate::WindowReport;
use driftline_events::{EventTime, Label, Prediction};
use driftline_simulate::{Scenario, SimulateOptions, SimulateSpec, Simulator};
use driftline_store::ReferenceFolder;
use driftline_tables::{RowRejection, Table};
use driftline_tests::reports::{Reports, assert_same, by_key};
use driftline_tests::service::TestService;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

/// Two hours of traffic, some of it bad, with versions, segments, and labels by the hour.
struct Traffic {
    predictions: Vec<Prediction>,
    labels: Vec<Label>,
    reference: Vec<Prediction>,
}

fn traffic() -> Traffic {
    let options =
        SimulateOptions { rate_per_second: 30.0, speed: 60.0, seed: 7, ..SimulateOptions::default() };
    let spec = SimulateSpec::try_from(options).unwrap();
    let start = EventTime::parse("2026-01-01T00:00:00Z").unwrap();
    let mut simulator = Simulator::try_new(&spec, start).unwrap();
    let reference = simulator.reference_rows(3_000).predictions;
    let mut predictions = Vec::new();
    let mut labels = Vec::new();
    for minute in 1..=180 {
        simulator.set(Scenario::CovariateShift, (60..90).contains(&minute));
        simulator.set(Scenario::BrokenUpstream, (80..100).contains(&minute));
        simulator.set(Scenario::NewCategory, (90..110).contains(&minute));
        let events = simulator.advance(EventTime::from_millis(start.as_millis() + minute * 60_000));
        // The last hour is for labels alone.
        if minute <= 120 {
            predictions.extend(events.predictions);
        }
        labels.extend(events.labels);
    }
    let known: std::collections::BTreeSet<_> =
        predictions.iter().filter_map(|prediction| prediction.prediction_id.clone()).collect();
    labels.retain(|label| known.contains(&label.prediction_id));
    Traffic { predictions, labels, reference }
}

/// Predictions as a flat table: one JSON object a row.
fn flat(predictions: &[Prediction]) -> String {
    predictions.iter().fold(String::new(), |mut text, prediction| {
        let value = serde_json::to_value(prediction).unwrap();
        let mut row = Map::new();
        for (key, value) in value.as_object().unwrap() {
            match (key.as_str(), value) {
                ("features" | "tags", Value::Object(fields)) => row.extend(fields.clone()),
                ("prediction", Value::Object(answer)) => {
                    row.insert("predicted".to_owned(), answer.get("label").cloned().unwrap_or_default());
                    row.insert("score".to_owned(), answer.get("score").cloned().unwrap_or_default());
                }
                _ => drop(row.insert(key.clone(), value.clone())),
            }
        }
        writeln!(text, "{}", Value::Object(row)).unwrap();
        text
    })
}

fn ndjson<T: serde::Serialize>(rows: &[T]) -> String {
    rows.iter().fold(String::new(), |mut text, row| {
        writeln!(text, "{}", serde_json::to_string(row).unwrap()).unwrap();
        text
    })
}

fn config(idle_timeout: &str) -> String {
    let schema = driftline_simulate::churn_schema();
    let features: Vec<_> = schema
        .features()
        .iter()
        .map(|feature| {
            let kind = serde_json::to_value(feature.kind).unwrap();
            format!("{{ name = {:?}, kind = {kind} }}", &*feature.name)
        })
        .collect();
    format!(
        r#"
        [[models]]
        name = "churn"
        task = "binary"
        positive = "yes"
        segments = ["country"]
        idle_timeout = "{idle_timeout}"
        windows = [{{ name = "15m", length = "15m" }}, {{ name = "1h", length = "1h", every = "30m" }}]
        reference = {{ kind = "file", path = "reference.ndjson" }}
        columns = {{ prediction = "predicted" }}
        features = [{}]
        "#,
        features.join(", ")
    )
}

#[derive(Default)]
struct Collected(Vec<WindowReport>);

impl ReplaySink for Collected {
    fn report(&mut self, report: &WindowReport) -> std::io::Result<()> {
        self.0.push(report.clone());
        Ok(())
    }

    fn rejected(&mut self, what: &'static str, row: &RowRejection) {
        panic!("{what}: {row:?}");
    }

    fn progress(&mut self, _: &ReplayCounts) {}
}

fn replayed(folder: &Path, traffic: &Traffic) -> Reports {
    std::fs::write(folder.join("predictions.ndjson"), flat(&traffic.predictions)).unwrap();
    std::fs::write(folder.join("labels.ndjson"), ndjson(&traffic.labels)).unwrap();
    let config = Config::parse(&config("off"), "test", folder.to_owned(), std::iter::empty()).unwrap();
    let model = &config.models[0];
    let reference =
        load_or_build(model, &ReferenceFolder::of(&folder.join("state")), driftline::now()).unwrap();
    let (predictions, labels) = (
        Table::open([folder.join("predictions.ndjson")]).unwrap(),
        Table::open([folder.join("labels.ndjson")]).unwrap(),
    );
    let input = ReplayInput {
        model,
        reference,
        predictions: &predictions,
        labels: Some(&labels),
        pending_predictions: 1_000_000,
    };
    let mut collected = Collected::default();
    let counts = replay(&input, &mut collected).unwrap();
    assert_eq!(counts.predictions, traffic.predictions.len() as u64, "{counts:?}");
    assert_eq!(counts.labels, traffic.labels.len() as u64, "{counts:?}");
    by_key(collected.0)
}

/// One request.
enum Post {
    Predictions(Vec<Prediction>),
    Labels(Vec<Label>),
}

async fn posted(folder: &Path, posts: Vec<Post>, expected: usize) -> Reports {
    let service = TestService::start_in(&config("3s"), folder).await;
    for post in posts {
        let (path, body, rows) = match post {
            Post::Predictions(rows) => ("/v1/predictions", ndjson(&rows), rows.len()),
            Post::Labels(rows) => ("/v1/labels", ndjson(&rows), rows.len()),
        };
        let (status, answer) = service.post(path, "application/x-ndjson", body).await;
        assert_eq!((status, answer["accepted"].as_u64()), (200, Some(rows as u64)), "{answer}");
    }
    // Once the model is idle the clock closes what is left.
    let reports = service
        .wait_for("all windows to close", || async {
            let reports = by_key(service.windows("churn").await);
            (reports.len() >= expected).then_some(reports)
        })
        .await;
    service.stop().await;
    reports
}

/// Predictions and labels in requests of `rows`, merged by time.
fn in_order(traffic: &Traffic, rows: usize) -> Vec<Post> {
    let mut posts: Vec<(i64, Post)> = Vec::new();
    for chunk in traffic.predictions.chunks(rows) {
        posts.push((millis(&chunk[0]), Post::Predictions(chunk.to_vec())));
    }
    for chunk in traffic.labels.chunks(rows) {
        posts.push((label_millis(&chunk[0]), Post::Labels(chunk.to_vec())));
    }
    posts.sort_by_key(|(time, _)| *time);
    posts.into_iter().map(|(_, post)| post).collect()
}

fn millis(prediction: &Prediction) -> i64 {
    time(&serde_json::to_value(&prediction.timestamp).unwrap())
}

fn label_millis(label: &Label) -> i64 {
    time(&serde_json::to_value(&label.timestamp).unwrap())
}

fn time(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| EventTime::parse(value.as_str().unwrap()).unwrap().as_millis())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_gives_the_same_final_reports() {
    let folder = tempfile::tempdir().unwrap();
    let traffic = traffic();
    std::fs::write(folder.path().join("reference.ndjson"), flat(&traffic.reference)).unwrap();
    let replayed = replayed(folder.path(), &traffic);
    assert!(replayed.len() > 60, "{} windows", replayed.len());
    let drifted =
        replayed.values().filter(|report| report["drift"]["drifted_features"].as_u64() > Some(0)).count();
    assert!(drifted > 5, "something to compare: {drifted} windows drifted");

    let ordered = posted(folder.path(), in_order(&traffic, 100), replayed.len()).await;
    assert_same("in order", &replayed, &ordered, 1e-12);

    // Within half a minute of event time, so within the allowed lateness.
    let seed = 20_260_101;
    println!("seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut shuffled =
        Traffic { predictions: Vec::new(), labels: traffic.labels.clone(), reference: Vec::new() };
    for chunk in traffic.predictions.chunk_by(|a, b| millis(a) / 30_000 == millis(b) / 30_000) {
        let mut chunk = chunk.to_vec();
        chunk.shuffle(&mut rng);
        shuffled.predictions.extend(chunk);
    }
    shuffled.labels.shuffle(&mut rng);
    let shuffled = posted(folder.path(), in_order(&shuffled, 37), replayed.len()).await;
    assert_same("shuffled", &replayed, &shuffled, 1e-12);

    let mut labels_first: Vec<Post> =
        traffic.labels.chunks(500).map(|chunk| Post::Labels(chunk.to_vec())).collect();
    labels_first.extend(traffic.predictions.chunks(500).map(|chunk| Post::Predictions(chunk.to_vec())));
    let labels_first = posted(folder.path(), labels_first, replayed.len()).await;
    assert_same("labels first", &replayed, &labels_first, 1e-12);
}
