//! A real Prometheus scrapes a running service.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use driftline_expose::{METRICS, MetricKind};
use driftline_tests::kafka::{Broker, Message};
use driftline_tests::service::TestService;
use serde_json::{Value, json};

/// A Prometheus that ends with the test.
struct Prometheus {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after this.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Prometheus {
    fn start(target: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n- job_name: driftline\n  static_configs:\n  - targets: [{target:?}]\n"
        );
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        // Free a moment ago: nothing else on this machine takes it in between.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is installed: scripts/setup --tests");
        Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder }
    }

    async fn get(&self, client: &reqwest::Client, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let query: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let url = format!("{}{path}?{}", self.url, query.join("&"));
        client.get(url).send().await.ok()?.json().await.ok()
    }
}

/// An hour of three models' events, a second apart, ending now; with labels for most.
fn events() -> (String, String) {
    let now = driftline::now().as_millis();
    let (mut predictions, mut labels) = (String::new(), String::new());
    for i in 0..3_600_i64 {
        let timestamp = now - (3_600 - i) * 1_000;
        let drifted = i > 1_800;
        let x = (i * 7_919 % 1_000) as f64 / 100.0 + if drifted { 5.0 } else { 0.0 };
        let plan = ["gold", "silver", "lead"][usize::from(i % 3 == 0) + usize::from(drifted && i % 5 == 0)];
        let score = (i * 104_729 % 1_000) as f64 / 1_000.0;
        let label = if score > 0.5 { "1" } else { "0" };
        predictions.push_str(&format!(
            "{}\n",
            json!({
                "model": "scored", "version": "3", "prediction_id": format!("p{i}"), "timestamp": timestamp,
                "features": {"x": x, "plan": plan}, "prediction": {"label": label, "score": score},
                "latency_ms": 5 + i % 20, "status": if i % 50 == 0 { "error" } else { "ok" },
                "in_flight": 3, "capacity": 16, "tags": {"country": if i % 4 == 0 { "BE" } else { "NL" }},
                "metrics": {"basket_value": x * 10.0}
            })
        ));
        predictions.push_str(&format!(
            "{}\n",
            json!({
                "model": "priced", "prediction_id": format!("q{i}"), "timestamp": timestamp,
                "features": {"x": x}, "prediction": {"value": x * 3.0}
            })
        ));
        let (class, other) = (["a", "b", "c"][i as usize % 3], ["a", "b", "c"][(i as usize + 1) % 3]);
        predictions.push_str(&format!(
            "{}\n",
            json!({
                "model": "sorted", "prediction_id": format!("r{i}"), "timestamp": timestamp, "features": {"x": x},
                "prediction": {"label": class, "scores": {"a": 0.2, "b": 0.2, "c": 0.2, class: 0.6}}
            })
        ));
        if i % 10 != 0 {
            let truth = if (score * 7.0) % 1.0 > 0.2 { label } else { "0" };
            labels.push_str(&format!(
                "{}\n{}\n{}\n",
                json!({"model": "scored", "prediction_id": format!("p{i}"), "label": truth, "timestamp": timestamp}),
                json!({"model": "priced", "prediction_id": format!("q{i}"), "value": x * 3.1 + score, "timestamp": timestamp}),
                json!({
                    "model": "sorted", "prediction_id": format!("r{i}"), "timestamp": timestamp,
                    "label": if i % 7 == 0 { other } else { class }
                }),
            ));
        }
    }
    (predictions, labels)
}

const CONFIG: &str = r#"
    [metrics]
    evaluate_every = "1s"
    [[models]]
    name = "scored"
    task = "binary"
    positive = "1"
    segments = ["country"]
    reference = { kind = "learned", learn_rows = 1000 }
    features = [{ name = "x", kind = "numeric" }, { name = "plan", kind = "categorical" }]
    [[models]]
    name = "priced"
    task = "regression"
    reference = { kind = "learned", learn_rows = 1000 }
    features = [{ name = "x", kind = "numeric" }]
    [[models]]
    name = "sorted"
    task = "multiclass"
    reference = { kind = "learned", learn_rows = 1000000 }
    features = [{ name = "x", kind = "numeric" }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_scraped_with_its_labels() {
    let broker = Broker::shared().await;
    let kafka = broker.client();
    let (read, reports) = (kafka.create_topic("scraped", 1).await, kafka.create_topic("reports", 1).await);
    kafka.send(&Message::new(&read, r#"{"model": "priced", "prediction": {"value": 3.0}}"#)).await;
    let service = TestService::start(&format!(
        r#"
        [kafka]
        brokers = "{}"
        group = "group-of-{read}"
        predictions = ["{read}"]
        properties = {{ "broker.address.family" = "v4" }}
        [publish]
        topic = "{reports}"
        {CONFIG}
        "#,
        broker.address()
    ))
    .await;
    let (predictions, labels) = events();
    let (status, answer) = service.post("/v1/predictions", "application/x-ndjson", predictions).await;
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(10_800)), "{answer}");
    let (status, _) = service.post("/v1/labels", "application/x-ndjson", labels).await;
    assert_eq!(status, 200);
    // So that what is counted only when it happens has happened.
    service.post("/v1/predictions", "application/x-ndjson", "nonsense\n").await;
    service.post("/v1/predictions", "application/vnd.apache.arrow.stream", "nonsense\n").await;

    let target = service.url.trim_start_matches("http://");
    let prometheus = Prometheus::start(target);
    let client = &service.client;
    let health = service
        .wait_for("Prometheus to scrape the service", || async {
            let targets = prometheus.get(client, "/api/v1/targets", &[]).await?;
            let target = targets["data"]["activeTargets"].get(0)?.clone();
            (target["health"] != "unknown").then_some(target)
        })
        .await;
    assert_eq!((&health["health"], &health["lastError"]), (&json!("up"), &json!("")), "{health}");

    let selector = "%7Bjob%3D%22driftline%22%7D";
    let mut missing: Vec<String> = Vec::new();
    for _ in 0..120 {
        let series = prometheus.get(client, "/api/v1/series", &[("match[]", selector)]).await.unwrap();
        let series: Vec<&serde_json::Map<String, Value>> =
            series["data"].as_array().unwrap().iter().filter_map(Value::as_object).collect();
        missing = METRICS
            .iter()
            .filter_map(|metric| {
                let name = match metric.kind {
                    MetricKind::Histogram => format!("{}_bucket", metric.name),
                    _ => metric.name.to_owned(),
                };
                let found: Vec<_> =
                    series.iter().filter(|labels| labels["__name__"] == name.as_str()).collect();
                let own = |labels: &serde_json::Map<String, Value>| -> BTreeSet<String> {
                    let given = ["__name__", "instance", "job", "le"];
                    labels.keys().filter(|label| !given.contains(&label.as_str())).cloned().collect()
                };
                let documented: BTreeSet<String> = metric.labels.iter().map(ToString::to_string).collect();
                if found.is_empty() {
                    return Some(format!("{name}: no series"));
                }
                // An empty label is no label to Prometheus.
                let odd = found.iter().find(|labels| !own(labels).is_subset(&documented))?;
                Some(format!("{name}: {:?} is not {documented:?}", own(odd)))
            })
            .collect();
        let documented: BTreeSet<String> = METRICS
            .iter()
            .flat_map(|metric| {
                ["", "_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", metric.name))
            })
            .collect();
        let scraped: BTreeSet<&str> =
            series.iter().filter_map(|labels| labels["__name__"].as_str()).collect();
        let unknown =
            scraped.iter().filter(|name| name.starts_with("driftline_") && !documented.contains(**name));
        missing.extend(unknown.map(|name| format!("{name}: not in the catalogue")));
        if missing.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert!(missing.is_empty(), "{missing:#?}");
    service.stop().await;
}
