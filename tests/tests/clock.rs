//! The system's clock jumps by hours, back and forward; events are counted in the hour that they say.
//!
//! `DRIFTLINE_TEST_SEED` repeats a run.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use driftline::Surroundings;
use driftline_events::EventTime;
use driftline_tests::number_from;
use driftline_tests::service::TestService;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;
/// 2026-01-10T12:00:00Z
const NOON: i64 = 1_768_046_400_000;

const CONFIG: &str = r#"
    [state]
    checkpoint_every = "100ms"
    [journal]
    segment_bytes = 16384
    [metrics]
    evaluate_every = "100ms"
    [[models]]
    name = "m"
    task = "binary"
    positive = "yes"
    features = [{ name = "x", kind = "numeric" }]
    windows = [{ name = "1h", length = "1h" }]
"#;

async fn start(state: &Path, clock: &Arc<AtomicI64>) -> TestService {
    let clock = Arc::clone(clock);
    let clock = Arc::new(move || EventTime::from_millis(clock.load(Ordering::Relaxed)));
    let surroundings = Surroundings { clock, ..Surroundings::default() };
    TestService::start_among(CONFIG, Path::new(""), state, surroundings).await
}

/// Posts rows, some with an id, with the time that they are made or none at all.
async fn post(service: &TestService, key: &str, body: &[Value]) -> Value {
    let lines: String = body.iter().map(|event| format!("{event}\n")).collect();
    let request =
        service.client.post(format!("{}/v1/predictions", service.url)).header("idempotency-key", key);
    let answer = request.body(lines).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted_in_their_hour_though_the_clock_jumps() {
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_109);
    println!("DRIFTLINE_TEST_SEED={seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let state = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicI64::new(NOON));
    let mut service = start(state.path(), &clock).await;
    let mut expected: BTreeMap<i64, u64> = BTreeMap::new();
    let mut sent: Vec<(String, Vec<Value>, Value)> = Vec::new();
    for round in 0..60 {
        let now = clock.load(Ordering::Relaxed);
        let rows = rng.random_range(1..20);
        let mut body = Vec::new();
        for row in 0..rows {
            let mut event = json!({
                "model": "m", "version": "1", "features": {"x": row}, "prediction": {"label": "yes", "score": 0.5}
            });
            // Arrival is the time of those that have none.
            let time = if row % 2 == 0 { now } else { now - rng.random_range(0..3 * HOUR) };
            if time != now {
                event["timestamp"] = json!(time);
            }
            if row % 3 == 0 {
                event["prediction_id"] = json!(format!("{round}-{row}"));
            }
            *expected.entry(time - time.rem_euclid(HOUR)).or_default() += 1;
            body.push(event);
        }
        // What was fine before the clock went back is hours ahead of it now.
        let ahead = json!({"model": "m", "timestamp": now + HOUR, "features": {"x": 1}});
        body.push(ahead);
        let key = format!("round-{round}");
        let answer = post(&service, &key, &body).await;
        assert_eq!((&answer["accepted"], &answer["rejected_total"]), (&json!(rows), &json!(1)), "{answer}");
        sent.push((key, body, answer));
        // A retry of any request of the last hours gets its answer again.
        let (key, body, answer) = &sent[rng.random_range(0..sent.len())];
        assert_eq!(post(&service, key, body).await, *answer, "sent again");
        if rng.random_bool(0.3) {
            service.stop().await;
            service = start(state.path(), &clock).await;
        }
        // Not further back than events may be late, nor so far ahead that keys are forgotten.
        let jumped = now + rng.random_range(-5 * HOUR..5 * HOUR) + rng.random_range(0..60_000);
        clock.store(jumped.clamp(NOON - 9 * HOUR, NOON + 9 * HOUR), Ordering::Relaxed);
    }
    // With no traffic for a while, the clock closes the last windows.
    clock.store(NOON + 48 * HOUR, Ordering::Relaxed);
    let total: u64 = expected.values().sum();
    let reports = service
        .wait_for("all windows to close", || async {
            let reports: Vec<_> =
                service.windows("m").await.into_iter().filter(|report| report.is_final).collect();
            let rows: u64 = reports.iter().map(|report| report.rows).sum();
            assert!(rows <= total, "{rows} rows are counted of {total}");
            (rows == total).then_some(reports)
        })
        .await;
    let shown: BTreeMap<i64, u64> = reports
        .iter()
        .filter(|report| report.rows > 0)
        .map(|report| (report.window.start.as_millis(), report.rows))
        .collect();
    assert_eq!(shown, expected);
    service.stop().await;
}
