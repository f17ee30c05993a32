//! A service that the tests disturb in every way: its configuration, and what must hold in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use driftline_events::EventTime;
use serde_json::json;

use crate::api::Api;
use crate::ledger::{Key, Ledger, shown};
use crate::process::ServiceProcess;
use crate::reports::{Reports, all_differences, by_key};
use crate::traffic::{reference, time};

/// The models; `put` is put through the API.
pub const MODELS: [&str; 3] = ["served", "learned", "put"];

/// The tumbling window of a model that is held against the ledger: its name and length.
#[must_use]
pub fn window(model: &str) -> (&'static str, i64) {
    if model == "learned" { ("1h", 60 * 60_000) } else { ("15m", 15 * 60_000) }
}

/// The length of that window.
#[must_use]
pub fn window_millis(model: &str) -> i64 {
    window(model).1
}

/// Short panes, and everything that happens now and then happening all the time.
pub const CONFIG: &str = r#"
[state]
reports_per_model = 100000
checkpoint_every = "200ms"
[journal]
segment_bytes = 65536
[metrics]
evaluate_every = "500ms"
[log]
level = "info"
[[models]]
name = "served"
task = "binary"
positive = "yes"
segments = ["country"]
idle_timeout = "off"
features = [{ name = "x", kind = "numeric" }, { name = "y", kind = "numeric" }, { name = "plan", kind = "categorical" }]
windows = [{ name = "15m", length = "15m" }, { name = "1h", length = "1h", every = "15m" }, { name = "1d", length = "1d" }]
reference = { kind = "file", path = "reference.ndjson" }
[[models]]
name = "learned"
task = "binary"
positive = "yes"
segments = ["country"]
idle_timeout = "off"
features = [{ name = "x", kind = "numeric" }, { name = "plan", kind = "categorical" }]
# Of whole hours: panes of minutes are rolled up into hours as they age.
pane = "1m"
windows = [{ name = "1h", length = "1h" }, { name = "1d", length = "1d" }]
reference = { kind = "learned", learn_rows = 200 }
"#;

/// Starts a service with [`CONFIG`] (or more) and puts the model that is put.
///
/// # Panics
/// If it does not start or refuses the model.
pub async fn prepare(service: &mut ServiceProcess) {
    write_reference(service.folder());
    service.start().await;
    put_model(service).await;
}

/// Writes the reference that [`CONFIG`] names.
///
/// # Panics
/// If the folder cannot be written.
pub fn write_reference(folder: &Path) {
    std::fs::write(folder.join("reference.ndjson"), reference(2_000)).expect("the folder can be written");
}

/// Puts the model that is put.
///
/// # Panics
/// If it is refused.
pub async fn put_model(api: &Api) {
    let model = json!({
        "task": "binary", "positive": "yes", "segments": ["country"], "idle_timeout": "off",
        "features": [{"name": "x", "kind": "numeric"}, {"name": "y", "kind": "numeric"}],
        "windows": [{"name": "15m", "length": "15m"}], "reference": {"kind": "learned", "learn_rows": 100_000_000},
    });
    let (status, answer) = api.put("/v1/models/put", "application/json", model.to_string()).await;
    assert_eq!(status, 200, "{answer}");
}

/// Closes all windows by an event two days after the last step.
///
/// # Panics
/// If it is not taken.
pub async fn close_windows(api: &Api, steps: u64) {
    for model in MODELS {
        let event = json!({
            "model": model, "version": "1", "prediction_id": "closing", "timestamp": closing_time(steps),
            "features": {"x": 0.0}, "prediction": {"label": "no", "score": 0.0}
        });
        let (status, answer) = api.post("/v1/predictions", "application/json", event.to_string()).await;
        assert_eq!((status, answer["accepted"].as_u64()), (200, Some(1)), "{answer}");
    }
}

fn closing_time(steps: u64) -> i64 {
    time(steps) + 2 * 86_400_000
}

/// All final reports, once nothing changes them any more.
///
/// # Panics
/// If they go on changing for two minutes.
pub async fn settled(api: &Api) -> Reports {
    let started = Instant::now();
    let mut last = Reports::new();
    while started.elapsed() < Duration::from_secs(120) {
        let owed = api.metric("driftline_owed_revisions", "").await;
        let mut reports = Reports::new();
        for model in MODELS {
            reports.extend(by_key(api.windows(model).await));
        }
        if owed == Some(0.0) && !reports.is_empty() && all_differences(&last, &reports, 0.0).is_empty() {
            return reports;
        }
        last = reports;
        // Longer than `evaluate_every`.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    panic!("the reports still change after two minutes");
}

/// What [`by_key`] calls the tumbling window that starts at `start`, of all rows or of a country.
#[must_use]
pub fn key(model: &str, start: i64, country: &str) -> String {
    let (name, length) = window(model);
    let end = EventTime::from_millis(start + length).to_string();
    let segment = if country.is_empty() { json!({}) } else { json!({"country": country}) };
    json!([model, name, end, "1", segment]).to_string()
}

/// That the tumbling windows show exactly what the ledger says; of rows that are `optional`, any number.
///
/// # Panics
/// With every window that does not.
pub fn assert_counted(ledger: &Ledger, optional: &BTreeMap<Key, u64>, reports: &Reports) {
    let mut expected = ledger.counts(window_millis);
    for key in optional.keys() {
        expected.entry(*key).or_default();
    }
    let mut wrong = Vec::new();
    let mut compared = BTreeSet::new();
    for ((model, start, country), count) in &expected {
        let key = key(model, *start, country);
        let optional = optional.get(&(*model, *start, *country)).copied().unwrap_or_default();
        let Some(report) = reports.get(&key) else {
            if count.rows > 0 {
                wrong.push(format!("{key}: no report, but {count:?}"));
            }
            continue;
        };
        compared.insert(key.clone());
        let shown = shown(report);
        let same = if optional > 0 {
            (count.rows..=count.rows + optional).contains(&shown.rows)
        } else {
            let close = (shown.sum_x - count.sum_x).abs() <= 1e-9 * count.sum_x.abs();
            close
                && (shown.rows, shown.labels, shown.confusion) == (count.rows, count.labels, count.confusion)
        };
        if !same {
            wrong.push(format!("{key}: shown {shown:?}, sent {count:?}, and {optional} rows that may be"));
        }
    }
    let own = reports.iter().filter(|(key, report)| {
        let name = report["model"].as_str().map(|model| window(model).0);
        report["window"]["name"].as_str() == name
            && report["rows"].as_u64() > Some(0)
            && !key.contains("__other__")
    });
    // The closing event has a window of its own, and no country.
    let unexpected: Vec<_> = own.map(|(key, _)| key).filter(|key| !compared.contains(*key)).collect();
    assert!(unexpected.len() <= MODELS.len(), "windows of which nothing was sent: {unexpected:?}");
    let some = &wrong[..wrong.len().min(10)];
    assert!(wrong.is_empty(), "{} of {} windows are wrong, such as {some:#?}", wrong.len(), expected.len());
}
