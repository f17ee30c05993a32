//! The simulated model service as a server: what it counts of itself is what Driftline counts of its log.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeMap;

use driftline_simulate::{KafkaTarget, SimulateOptions, SimulateSpec, SimulatorHandle, run, serve_model};
use driftline_tests::api::Api;
use driftline_tests::kafka::Broker;
use driftline_tests::service::TestService;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Some seconds of slow requests; labels come soon.
fn options() -> SimulateOptions {
    SimulateOptions {
        rate_per_second: 300.0,
        speed: 1.0,
        duration: "4s".parse().unwrap(),
        label_delay: "500ms".parse().unwrap(),
        schedule: "latency-regression@2s..".parse().unwrap(),
        ..SimulateOptions::default()
    }
}

/// Values by a label, of the series of one metric.
fn by_label(text: &str, name: &str, label: &str) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    for line in text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')))
    {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (_, from) = series.split_once(&format!("{label}=\"")).unwrap();
        let key = from.split('"').next().unwrap().to_owned();
        *values.entry(key).or_default() += value.parse::<f64>().unwrap();
    }
    values
}

/// Serves the model, lets its customers ask and asks from outside, and compares when the log has arrived.
async fn the_two_agree(service: &TestService, options: SimulateOptions) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let model = Api::new(format!("http://{}", listener.local_addr().unwrap()));
    let spec = SimulateSpec::try_from(options).unwrap();
    let shutdown = CancellationToken::new();
    let served =
        tokio::spawn(serve_model(spec, listener, driftline::now(), SimulatorHandle::new(), shutdown.clone()));
    let customer = json!({
        "age": 41, "plan": "plus", "contract": "monthly", "payment_method": "card", "device": "ios", "autopay": true
    });
    for _ in 0..20 {
        let (status, answer) = model.post("/predict", "application/json", customer.to_string()).await;
        assert!([200, 500, 504].contains(&status), "{status}: {answer}");
    }
    assert_eq!(model.post("/predict", "application/json", "{}").await.0, 422);

    let (codes, outside, inside) = service
        .wait_for("the log to arrive", || async {
            let (_, outside) = model.get("/metrics").await;
            let (_, inside) = service.get("/metrics").await;
            let mut codes = by_label(&outside, "model_server_requests_total", "code");
            // The model never saw those.
            assert_eq!(codes.remove("422"), Some(1.0));
            let logged = by_label(&inside, "driftline_predictions_total", "status");
            let busy = outside.contains("model_server_requests_in_flight{model=\"churn\",version=\"1\"} 0\n");
            let arrived = logged.values().sum::<f64>() == codes.values().sum::<f64>();
            // The customers ask for 4 seconds, 300 times a second.
            (busy && arrived && codes["200"] > 1_000.0).then_some((codes, outside, inside))
        })
        .await;
    let statuses = by_label(&inside, "driftline_predictions_total", "status");
    let status = |name: &str| statuses.get(name).copied().unwrap_or_default();
    assert_eq!((status("ok"), status("timeout")), (codes["200"], codes["504"]), "{codes:?} {statuses:?}");
    assert_eq!(status("error"), codes["500"] + codes["503"], "{codes:?} {statuses:?}");
    let buckets = |text: &str, name: &str| by_label(text, &format!("{name}_bucket"), "le");
    let measured = buckets(&outside, "model_server_request_duration_seconds");
    assert_eq!(measured, buckets(&inside, "driftline_prediction_latency_seconds"));
    assert!(measured["0.025"] > 0.0 && measured["0.25"] > measured["0.025"], "{measured:?}");
    let sum = |text: &str, name: &str| by_label(text, &format!("{name}_sum"), "model")["churn"];
    let difference = sum(&outside, "model_server_request_duration_seconds")
        - sum(&inside, "driftline_prediction_latency_seconds");
    assert!(difference.abs() < 1e-6, "{difference}");
    let labels = service.metric("driftline_labels_total", "").await.unwrap_or_default();
    assert!(labels > 0.0);

    shutdown.cancel();
    served.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_and_driftline_agree_over_http() {
    let service = TestService::start("").await;
    the_two_agree(&service, SimulateOptions { url: service.url.clone(), ..options() }).await;
    service.stop().await;
}

/// A service that reads from topics of its own, and where they are.
async fn with_kafka(broker: &Broker) -> (TestService, KafkaTarget) {
    let kafka = broker.client();
    let predictions_topic = kafka.create_topic("simulated-predictions", 3).await;
    let labels_topic = kafka.create_topic("simulated-labels", 3).await;
    let service = TestService::start(&format!(
        r#"
        [kafka]
        brokers = "{}"
        group = "group-of-{predictions_topic}"
        predictions = ["{predictions_topic}"]
        labels = ["{labels_topic}"]
        properties = {{ "broker.address.family" = "v4" }}
        "#,
        broker.address()
    ))
    .await;
    let properties = [("broker.address.family".to_owned(), "v4".to_owned())].into();
    (
        service,
        KafkaTarget { brokers: broker.address().to_owned(), predictions_topic, labels_topic, properties },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_and_driftline_agree_over_kafka() {
    let broker = Broker::shared().await;
    let (service, target) = with_kafka(&broker).await;
    the_two_agree(&service, SimulateOptions { kafka: Some(target), ..options() }).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_simulated_over_kafka_is_watched_once() {
    let broker = Broker::shared().await;
    let (service, target) = with_kafka(&broker).await;
    let options = SimulateOptions { kafka: Some(target), speed: 60.0, rate_per_second: 1_000.0, ..options() };
    let spec = SimulateSpec::try_from(options).unwrap();
    let progress =
        run(spec, driftline::now(), SimulatorHandle::new(), CancellationToken::new()).await.unwrap();
    assert!(progress.predictions.accepted > 3_000 && progress.labels.accepted > 0, "{progress:?}");
    let accepted = progress.predictions.accepted as f64;
    service
        .wait_for("all predictions", || async {
            let watched = service.metric("driftline_predictions_total", "").await.unwrap_or_default();
            assert!(watched <= accepted, "{watched} of {accepted}");
            (watched == accepted).then_some(())
        })
        .await;
    service.stop().await;
}
