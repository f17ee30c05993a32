//! Many requests of one event at the same time share a write and a fold; each is still told of its own event, and each event
//! is counted once, also when the service is killed afterwards.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::sync::Arc;

use driftline_tests::api::Api;
use driftline_tests::process::ServiceProcess;
use serde_json::{Value, json};

/// Requests at the same time, and how many each of their senders makes.
const SENDERS: usize = 64;
const EACH: usize = 20;

/// Requests one after the other, before.
const ALONE: usize = 20;

/// No checkpoint comes, so that the journal keeps all.
const CONFIG: &str = r#"
[state]
checkpoint_every = "1h"

[[models]]
name = "m"
task = "binary"
positive = "1"
idle_timeout = "off"
retention = "1h"
label_horizon = "1h"
features = [{ name = "x", kind = "numeric" }]
windows = [{ name = "1h", length = "1h" }]
"#;

fn event(id: &str, time: &str) -> String {
    let event = json!({
        "model": "m", "prediction_id": id, "timestamp": time, "features": {"x": 1}, "prediction": {"label": "1"}
    });
    event.to_string()
}

/// What became of one event: accepted, seen before, too late.
fn fate(answer: &Value) -> [u64; 3] {
    ["accepted", "duplicates", "too_late"].map(|fate| answer[fate].as_u64().unwrap())
}

/// Every id is sent by two senders; now and then an event is sent that is older than the retention.
async fn send(api: Arc<Api>, sender: usize) -> Vec<(String, [u64; 3])> {
    let mut fates = Vec::new();
    for number in 0..EACH {
        let (id, time) = if number % 5 == 4 {
            (format!("old-{sender}-{number}"), "2026-01-01T07:00:00Z")
        } else {
            (format!("{}-{number}", sender / 2), "2026-01-01T10:30:00Z")
        };
        let (status, answer) = api.post("/v1/predictions", "application/json", event(&id, time)).await;
        // A request none of whose rows can be taken is refused.
        assert_eq!(status, if id.starts_with("old") { 422 } else { 200 }, "{answer}");
        fates.push((id, fate(&answer)));
    }
    fates
}

/// Rows of the open window.
async fn rows(service: &ServiceProcess) -> Option<f64> {
    service.metric("driftline_window_rows", r#"window="1h""#).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_small_requests_hears_of_its_own_event() {
    let mut service = ServiceProcess::new(CONFIG);
    service.start().await;
    let bytes = async || service.metric("driftline_journal_bytes", "").await.unwrap();
    // One after the other; from here on there is a time that is too late.
    let before = bytes().await;
    for number in 0..ALONE {
        let event = event(&format!("alone-{number}"), "2026-01-01T10:30:00Z");
        assert_eq!(service.post("/v1/predictions", "application/json", event).await.0, 200);
    }
    let between = bytes().await;

    let api = Arc::new(Api::new(service.url.clone()));
    let senders: Vec<_> = (0..SENDERS).map(|sender| tokio::spawn(send(Arc::clone(&api), sender))).collect();
    let mut fates = Vec::new();
    for sender in senders {
        fates.extend(sender.await.unwrap());
    }
    fates.sort();
    let (mut old, mut events) = (0, 0);
    for pair in fates.chunk_by(|one, other| one.0 == other.0) {
        if pair[0].0.starts_with("old") {
            old += 1;
            assert_eq!(pair[0].1, [0, 0, 1], "{pair:?}");
        } else {
            events += 1;
            assert_eq!(
                pair.iter().map(|(_, fate)| *fate).collect::<Vec<_>>(),
                [[0, 1, 0], [1, 0, 0]],
                "{pair:?}"
            );
        }
    }
    assert_eq!((old, events), (SENDERS * EACH / 5, SENDERS / 2 * EACH * 4 / 5));

    let alone = (between - before) / ALONE as f64;
    let together = (bytes().await - between) / (SENDERS * EACH) as f64;
    println!("an event takes {alone:.0} bytes of the journal alone, and {together:.0} in company");
    assert!(together < 0.9 * alone, "none were joined: {alone} and {together} bytes an event");

    let all = Some((events + ALONE) as f64);
    service
        .wait_for("all rows in the window", || async { (rows(&service).await == all).then_some(()) })
        .await;
    // The journal has them, joined: they are folded again, and once.
    service.kill();
    service.start().await;
    service.wait_for("all rows again", || async { (rows(&service).await == all).then_some(()) }).await;
    service.stop();
}
