//! The FastAPI example: its inference log reaches Driftline whatever happens.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use driftline_tests::api::Api;
use driftline_tests::census::project;
use driftline_tests::child::Child;
use driftline_tests::ports;
use driftline_tests::process::ServiceProcess;
use driftline_tests::python::python;
use serde_json::{Value, json};

fn folder() -> PathBuf {
    project().join("docs/examples/fastapi")
}

/// The example, run as its page says.
struct Example {
    api: Api,
    process: Child,
}

impl Example {
    async fn start(driftline: &ServiceProcess) -> Self {
        let port = ports::free();
        let mut command = Command::new(python(&folder().join("requirements.txt")));
        command
            .current_dir(folder())
            .env("DRIFTLINE_URL", &driftline.url)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command.args(["-m", "uvicorn", "app:app", "--port", &port.to_string()]);
        let process = Child::spawn("the example", command, &driftline.folder().join("example.log"));
        let mut example = Self { api: Api::new(format!("http://127.0.0.1:{port}")), process };
        let api = example.api.clone();
        api.wait_for("the example", || {
            assert!(!example.process.has_ended(), "the example ended by itself");
            let request = api.client.get(format!("{}/healthz", api.url)).send();
            async { request.await.ok().filter(|answer| answer.status().is_success()) }
        })
        .await;
        example
    }

    /// Asks for so many predictions, and gives their ids.
    async fn predict(&self, count: usize) -> Vec<String> {
        let mut ids = Vec::with_capacity(count);
        for number in 0..count {
            let customer = json!({
                "age": 20 + number % 60, "tenure_months": number % 70, "monthly_charges": 61.2,
                "support_calls": number % 5, "plan": if number % 3 == 0 { "gold" } else { "lead" },
            });
            let (status, answer) = self.api.post("/predict", "application/json", customer.to_string()).await;
            assert_eq!(status, 200, "{answer}");
            ids.push(answer["prediction_id"].as_str().unwrap().to_owned());
        }
        ids
    }

    async fn log(&self) -> Value {
        let (_, text) = self.api.get("/healthz").await;
        serde_json::from_str::<Value>(&text).unwrap()["log"].take()
    }
}

/// Predictions whose ids are kept: it outlives a restart, as counters do not.
async fn known(driftline: &ServiceProcess) -> f64 {
    driftline.metric("driftline_known_predictions", "churn-fastapi").await.unwrap_or_default()
}

#[tokio::test]
async fn every_prediction_is_counted_once_while_driftline_comes_and_goes() {
    let mut driftline = ServiceProcess::new("");
    driftline.start().await;
    let mut example = Example::start(&driftline).await;
    let ids = example.predict(300).await;
    driftline
        .wait_for("the first events", || async { (known(&driftline).await == 300.0).then_some(()) })
        .await;
    // The id that a caller was given is the one that its label is joined by.
    let label = json!({"model": "churn-fastapi", "prediction_id": ids[0], "label": "no"});
    let (status, answer) = driftline.post("/v1/labels", "application/json", label.to_string()).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(1)));
    driftline
        .wait_for("the label's prediction", || async {
            driftline
                .metric("driftline_labels_total", "outcome=\"joined\"")
                .await
                .filter(|&joined| joined == 1.0)
        })
        .await;

    driftline.kill();
    example.predict(200).await;
    let api = example.api.clone();
    let waited = api.wait_for("a retry", || async {
        let log = example.log().await;
        (log["retries"].as_u64() > Some(0)).then_some(log)
    });
    assert_eq!(waited.await["dropped"], 0);
    driftline.start().await;
    driftline
        .wait_for("the events that waited", || async { (example.log().await["sent"] == 500).then_some(()) })
        .await;

    // What came last is sent when the example ends.
    example.predict(100).await;
    assert!(example.process.stop(Duration::from_secs(60)).is_some(), "the example did not end");
    driftline
        .wait_for("the last events", || async { (known(&driftline).await == 600.0).then_some(()) })
        .await;
    driftline.stop();
}

#[tokio::test]
async fn what_cannot_be_sent_is_dropped_counted_and_told() {
    let mut driftline = ServiceProcess::new("");
    driftline.start().await;
    let mut example = Example::start(&driftline).await;
    driftline.kill();
    example.predict(20).await;
    let status = example.process.stop(Duration::from_secs(60));
    assert!(status.is_some(), "the example waits for ever for Driftline");
    let said = example.process.log_tail();
    assert!(said.contains("20 events dropped so far"), "{said}");
}
