//! Reports go to a real Kafka: each is there, in order and with its own id, though the service and the broker are
//! killed.
//!
//! `DRIFTLINE_TEST_SEED` repeats a run's traffic.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driftline_tests::kafka::Broker;
use driftline_tests::number_from;
use driftline_tests::process::ServiceProcess;
use driftline_tests::reports::by_key;
use driftline_tests::sending::attempt;
use driftline_tests::steady::{CONFIG, MODELS, close_windows, prepare, settled};
use driftline_tests::traffic::{Sender, Style};
use serde_json::Value;

/// Sends some steps of traffic, each until it is taken.
async fn send(service: &ServiceProcess, senders: &mut [Sender], steps: std::ops::Range<u64>) {
    for step in steps {
        for batch in senders.iter_mut().flat_map(|sender| sender.next(step)) {
            while attempt(service, &batch).await.is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_of_a_closed_window_is_published() {
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_110);
    println!("DRIFTLINE_TEST_SEED={seed}");
    let mut broker = Broker::start().await;
    let client = broker.client();
    let topic = client.create_topic("reports", 3).await;
    let config = format!(
        r#"{CONFIG}
        [kafka]
        brokers = "{}"
        properties = {{ "reconnect.backoff.max.ms" = 500, "broker.address.family" = "v4" }}
        [publish]
        topic = "{topic}"
        "#,
        broker.address()
    );
    let mut service = ServiceProcess::new(&config);
    prepare(&mut service).await;
    let mut senders = [("served", "a"), ("learned", "b"), ("put", "c")]
        .map(|(model, name)| Sender::new(model, name, Style::Ids, seed));
    let mut step = 0;
    for round in 0..6 {
        send(&service, &mut senders, step..step + 100).await;
        step += 100;
        match round {
            1 => broker.kill(),
            3 => broker.restart().await,
            _ => {
                service.kill();
                service.start().await;
            }
        }
    }
    close_windows(&service, step).await;
    let shown = settled(&service).await;
    service
        .wait_for("all reports to be published", || async {
            (service.metric("driftline_publish_waiting", "").await == Some(0.0)).then_some(())
        })
        .await;
    assert_eq!(service.metric("driftline_publish_dropped_total", "").await, Some(0.0));
    service.stop();

    let records = client.read(&topic).await;
    let mut ids = BTreeMap::new();
    let mut partitions: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    let mut published = BTreeMap::new();
    for record in &records {
        let report: Value = serde_json::from_slice(&record.payload).unwrap();
        let model = report["model"].as_str().unwrap();
        assert_eq!(record.key.as_deref(), Some(model.as_bytes()));
        assert_eq!(record.header("ce_type").as_deref(), Some("io.driftline.window_report.v1"));
        assert_eq!(record.header("ce_specversion").as_deref(), Some("1.0"));
        assert_eq!(record.header("content-type").as_deref(), Some("application/json"));
        partitions.entry(model.to_owned()).or_default().insert(record.partition);
        // Sent again after a crash, an event has the id that it had, and says the same.
        let id = record.header("ce_id").unwrap();
        let known = ids.entry(id).or_insert_with(|| report.clone());
        assert_eq!(*known, report, "one id, two reports");
        let typed = serde_json::from_value(report.clone()).unwrap();
        published.extend(by_key(vec![typed]));
    }
    println!(
        "{} records, {} reports with {} of the last revision",
        records.len(),
        ids.len(),
        published.len()
    );
    assert!(
        partitions.len() == MODELS.len() && partitions.values().all(|all| all.len() == 1),
        "{partitions:?}"
    );
    let missing: Vec<_> = shown.keys().filter(|key| published.get(*key) != shown.get(*key)).collect();
    assert!(
        missing.is_empty(),
        "{} of {} are not published as shown: {missing:?}",
        missing.len(),
        shown.len()
    );
}
