//! More than there should be of everything: the service counts on, counts right, and keeps to its memory.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use driftline_tests::ledger::Ledger;
use driftline_tests::number_from;
use driftline_tests::process::ServiceProcess;
use driftline_tests::reports::assert_same;
use driftline_tests::sending::{assert_taken, attempt};
use driftline_tests::steady::{CONFIG, assert_counted, close_windows, prepare, settled};
use driftline_tests::traffic::{Sender, Style};
use serde_json::{Value, json};

const NDJSON: &str = "application/x-ndjson";
const MEBIBYTE: u64 = 1 << 20;

/// That the service never had more memory than it may.
fn assert_memory(what: &str, service: &ServiceProcess, cap_mebibytes: u64) {
    let most = service.memory("VmHWM") / MEBIBYTE;
    println!(
        "{what}: {most} MiB at most, {} MiB now, of {cap_mebibytes}",
        service.memory("VmRSS") / MEBIBYTE
    );
    assert!(most <= cap_mebibytes, "{what}: {most} MiB, more than {cap_mebibytes}");
}

async fn accepted(service: &ServiceProcess, path: &str, body: String) -> Value {
    loop {
        let (status, answer) = service.post(path, NDJSON, body.clone()).await;
        if status == 200 {
            return answer;
        }
        assert_eq!(status, 503, "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_sends_everything_twice_is_counted_once() {
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_108);
    println!("DRIFTLINE_TEST_SEED={seed}");
    let mut service = ServiceProcess::new(CONFIG);
    prepare(&mut service).await;
    let mut ledger = Ledger::default();
    let mut senders = [("served", "a", Style::Ids), ("learned", "b", Style::Ids), ("put", "c", Style::Keys)]
        .map(|(model, name, style)| Sender::new(model, name, style, seed));
    let steps = 300;
    for step in 0..=steps {
        for sender in &mut senders {
            let batches = if step < steps { sender.next(step) } else { sender.rest(step) };
            for batch in batches {
                let first = attempt(&service, &batch).await.unwrap();
                assert_eq!(assert_taken(&batch, &first), 0, "{first}");
                let again = attempt(&service, &batch).await.unwrap();
                let known = assert_taken(&batch, &again);
                // What has ids is known by them, what has a key gets its first answer again.
                if batch.key.is_some() {
                    assert_eq!(again, first);
                } else if !batch.rows.is_empty() {
                    assert_eq!(known, batch.len() as u64, "{again}");
                }
                ledger.add(batch);
            }
        }
    }
    close_windows(&service, steps).await;
    let reports = settled(&service).await;
    assert_counted(&ledger, &BTreeMap::new(), &reports);
    // And once more after a crash.
    service.kill();
    service.start().await;
    for batch in ledger.in_order().iter().filter(|batch| !batch.rows.is_empty()) {
        assert_taken(batch, &attempt(&service, batch).await.unwrap());
    }
    assert_same("after a crash and a third time", &reports, &settled(&service).await, 1e-9);
    service.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_predictions_that_nobody_made_are_bounded_counted_and_expire() {
    let config = r#"
        [state]
        checkpoint_every = "500ms"
        [[models]]
        name = "m"
        task = "binary"
        positive = "yes"
        idle_timeout = "off"
        label_horizon = "1d"
        retention = "2d"
        features = [{ name = "x", kind = "numeric" }]
        windows = [{ name = "1h", length = "1h" }]
    "#;
    let mut service = ServiceProcess::new(config);
    service.start().await;
    let prediction = |time: &str| {
        json!({"model": "m", "version": "1", "timestamp": time, "features": {"x": 1}, "prediction": {"label": "yes"}})
            .to_string()
    };
    accepted(&service, "/v1/predictions", prediction("2026-01-01T00:00:00Z")).await;
    let (batches, each) = (100, 2_000);
    for batch in 0..batches {
        let body = (0..each).fold(String::new(), |mut body, i| {
            let id = format!("nobody-{}", batch * each + i);
            let label = json!({"model": "m", "prediction_id": id, "label": "no", "timestamp": "2026-01-01T00:00:00Z"});
            writeln!(body, "{label}").unwrap();
            body
        });
        let answer = accepted(&service, "/v1/labels", body).await;
        assert_eq!(answer["accepted"].as_u64(), Some(each), "{answer}");
    }
    let sent = batches * each;
    let wait = |name: &'static str, labels: &'static str, wanted: f64| {
        let service = &*service;
        async move {
            let what = format!("{name}{{{labels}}} to be {wanted}");
            let is_so = || async { (service.metric(name, labels).await == Some(wanted)).then_some(()) };
            service.wait_for(&what, is_so).await;
        }
    };
    wait("driftline_waiting_labels", "", sent as f64).await;
    assert_memory("200,000 labels of nobody", &service, 400);
    // Once the watermark has passed their horizon they are gone, and counted.
    accepted(&service, "/v1/predictions", prediction("2026-01-03T12:00:00Z")).await;
    wait("driftline_waiting_labels", "", 0.0).await;
    wait("driftline_labels_total", "outcome=\"never_matched\"", sent as f64).await;
    service.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_segments_fit() {
    let config = |segments: usize| {
        format!(
            r#"
            [state]
            checkpoint_every = "1s"
            # Four hours of them all.
            reports_per_model = 40100
            [[models]]
            name = "m"
            task = "binary"
            positive = "yes"
            idle_timeout = "off"
            segments = ["shop"]
            max_segment_values = {segments}
            features = [{{ name = "x", kind = "numeric" }}, {{ name = "plan", kind = "categorical" }}]
            windows = [{{ name = "1h", length = "1h" }}]
            "#
        )
    };
    for (watched, cap) in [(10_000, 1_500), (100, 400)] {
        let mut service = ServiceProcess::new(&config(watched));
        service.start().await;
        let (segments, rounds) = (10_000_u64, 3);
        for round in 0..rounds {
            for chunk in (0..segments).collect::<Vec<_>>().chunks(1_000) {
                let body = chunk.iter().fold(String::new(), |mut body, shop| {
                    let event = json!({
                        "model": "m", "version": "1", "timestamp": format!("2026-01-01T0{round}:30:00Z"),
                        "features": {"x": shop % 97, "plan": if shop % 3 == 0 { "lead" } else { "gold" }},
                        "prediction": {"label": "yes", "score": 0.75}, "tags": {"shop": format!("shop-{shop}")}
                    });
                    writeln!(body, "{event}").unwrap();
                    body
                });
                let answer = accepted(&service, "/v1/predictions", body).await;
                assert_eq!(answer["accepted"].as_u64(), Some(1_000), "{answer}");
            }
        }
        let api = (*service).clone();
        let counted = |segment: &'static str| {
            let service = api.clone();
            async move {
                let path = format!("/v1/models/m/windows?window=1h&segment={segment}&limit=10");
                let (status, text) = service.get(&path).await;
                let answer: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(status, 200, "{text}");
                let windows = answer["windows"].as_array().unwrap();
                let first = windows.iter().find(|window| {
                    window["final"] == true && window["window"]["start"] == "2026-01-01T00:00:00Z"
                })?;
                first["rows"].as_u64()
            }
        };
        let all = service.wait_for("the first hour", || counted("")).await;
        assert_eq!(all, segments);
        // What is watched has a window of its own; what is too much is pooled, and nothing is left out.
        let (one, pooled) = (counted("shop%3Dshop-1").await, counted("shop%3D__other__").await);
        let expected =
            if watched >= 10_000 { (Some(1), None) } else { (Some(1), Some(segments - watched as u64)) };
        assert_eq!((one, pooled), expected);
        assert_memory(&format!("{segments} segments, {watched} of them watched"), &service, cap);
        service.kill();
        service.start().await;
        assert_eq!(counted("").await, Some(segments), "after a crash");
        assert_memory("the same after a crash", &service, cap);
        service.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_models_fit() {
    let mut service = ServiceProcess::new("[state]\ncheckpoint_every = \"1s\"\n");
    service.start().await;
    let now = driftline::now().as_millis();
    let (models, rounds) = (1_000, 20);
    for round in 0..rounds {
        for chunk in (0..models).collect::<Vec<u64>>().chunks(250) {
            let body = chunk.iter().fold(String::new(), |mut body, model| {
                for row in 0..4_u64 {
                    let event = json!({
                        "model": format!("model-{model}"), "version": "1", "prediction_id": format!("{round}-{row}"),
                        "timestamp": now - (rounds as i64 - round as i64) * 60_000,
                        "features": {"a": row, "b": model % 7, "c": "x", "d": true, "e": 0.5},
                        "prediction": {"label": if row % 2 == 0 { "no" } else { "yes" }, "score": 0.25}
                    });
                    writeln!(body, "{event}").unwrap();
                }
                body
            });
            let answer = accepted(&service, "/v1/predictions", body).await;
            assert_eq!(answer["accepted"].as_u64(), Some(1_000), "{answer}");
        }
    }
    let rows = (models * rounds * 4) as f64;
    assert_eq!(service.metric("driftline_models", "").await, Some(models as f64));
    assert_eq!(service.metric("driftline_events_accepted_total", "").await, Some(rows));
    assert_memory("1,000 models", &service, 1_200);
    service.kill();
    service.start().await;
    assert_eq!(service.metric("driftline_models", "").await, Some(models as f64), "after a crash");
    let known = service.metric("driftline_known_predictions", "").await;
    assert_eq!(known, Some(rows), "after a crash");
    assert_memory("1,000 models after a crash", &service, 1_200);
    service.stop();
}
