//! Windows of many models that close at once: what their reports take in memory is bounded.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use driftline::Surroundings;
use driftline_store::{CommitStep, StateFaults};
use driftline_tests::service::TestService;
use serde_json::json;

const MODELS: usize = 8;

/// Holds commits up while it is closed.
#[derive(Debug, Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, closed: bool) {
        *self.closed.lock().unwrap() = closed;
        self.opened.notify_all();
    }
}

impl StateFaults for Gate {
    fn at(&self, _: CommitStep) -> io::Result<()> {
        drop(self.opened.wait_while(self.closed.lock().unwrap(), |closed| *closed).unwrap());
        Ok(())
    }
}

fn model(number: usize) -> String {
    let settings = r#"
task = "binary"
positive = "1"
idle_timeout = "off"
features = [{ name = "x", kind = "numeric" }]
windows = [{ name = "5m", length = "5m" }]
"#;
    format!("[[models]]\nname = \"m{number}\"{settings}")
}

async fn send(service: &TestService, time: &str) {
    for number in 0..MODELS {
        let event = json!({
            "model": format!("m{number}"), "prediction_id": time, "timestamp": time,
            "features": {"x": 1}, "prediction": {"label": "1"}
        });
        let (status, answer) = service.post("/v1/predictions", "application/json", event.to_string()).await;
        assert_eq!(status, 200, "{answer}");
    }
}

/// Windows of all models that were evaluated for good.
async fn closed(service: &TestService) -> usize {
    let mut closed = 0;
    for number in 0..MODELS {
        let reports = service.windows(&format!("m{number}")).await;
        closed += reports.iter().filter(|report| report.is_final).count();
    }
    closed
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_close_wait_for_a_checkpoint_while_much_waits_for_the_next() {
    let gate = Arc::new(Gate::default());
    let state = tempfile::tempdir().unwrap();
    let config =
        "[state]\ncheckpoint_every = \"200ms\"\n".to_owned() + &(0..MODELS).map(model).collect::<String>();
    // Any byte is much: one model's windows are enough.
    let surroundings = Surroundings {
        state_faults: Some(Arc::clone(&gate) as _),
        checkpoint_bytes: 1,
        ..Surroundings::default()
    };
    let service =
        TestService::start_among(&config, state.path(), &state.path().join("state"), surroundings).await;
    send(&service, "2026-01-01T10:01:00Z").await;
    gate.set(true);
    send(&service, "2026-01-01T11:01:00Z").await;
    // Some ticks, in which the windows of the first hour close.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let held_up = closed(&service).await;
    assert!(held_up <= 1, "{held_up} of {MODELS} were evaluated though the disk is behind");
    // It still takes rows meanwhile.
    send(&service, "2026-01-01T11:02:00Z").await;
    gate.set(false);
    let all = || async { (closed(&service).await == MODELS).then_some(()) };
    service.wait_for("the first hour's windows of all models", all).await;
    service.stop().await;
}
