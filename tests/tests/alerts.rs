//! Alerts of a whole service: they fire, say why, end, and outlive kills, none told twice under another id.
//!
//! `DRIFTLINE_TEST_SEED` repeats a run's traffic and moments.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fmt::Write as _;
use std::time::Duration;

use driftline_tests::number_from;
use driftline_tests::process::ServiceProcess;
use driftline_tests::receiver::Receiver;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const CONFIG: &str = r#"
    [state]
    checkpoint_every = "300ms"
    [metrics]
    evaluate_every = "300ms"
    [[models]]
    name = "m"
    task = "binary"
    positive = "yes"
    idle_timeout = "off"
    segments = ["country"]
    features = [{ name = "income", kind = "numeric" }, { name = "plan", kind = "categorical" }]
    windows = [{ name = "10m", length = "10m" }]
    reference = { kind = "learned", learn_rows = 2000 }
"#;

/// 2026-01-01T00:00:00Z
const FIRST: i64 = 1_767_225_600_000;
const WINDOW: i64 = 600_000;
const ROWS: i64 = 600;

/// What is wrong in a window.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    None,
    Errors,
    Drift,
}

/// The traffic of one window.
fn window(number: i64, trouble: Trouble, seed: u64) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ number as u64);
    let mut body = String::new();
    for row in 0..ROWS {
        let shift = if trouble == Trouble::Drift { 40_000.0 } else { 0.0 };
        let income: f64 = rng.random_range(20_000.0..80_000.0) + shift;
        let plan = if rng.random_bool(0.3) { "gold" } else { "lead" };
        let status = if trouble == Trouble::Errors && rng.random_bool(0.3) { "error" } else { "ok" };
        let score: f64 = rng.random();
        let event = json!({
            "model": "m", "version": "1", "prediction_id": format!("{number}-{row}"),
            "timestamp": FIRST + number * WINDOW + row * WINDOW / ROWS,
            "features": {"income": income, "plan": plan}, "tags": {"country": if row % 2 == 0 { "BE" } else { "NL" }},
            "prediction": {"label": if score >= 0.5 { "yes" } else { "no" }, "score": score},
            "latency_ms": rng.random_range(5.0..20.0), "status": status,
        });
        writeln!(body, "{event}").unwrap();
    }
    body
}

/// Healthy, errors, healthy, drift, healthy.
fn troubles() -> Vec<Trouble> {
    let stretch = |trouble, windows| std::iter::repeat_n(trouble, windows);
    stretch(Trouble::None, 14)
        .chain(stretch(Trouble::Errors, 4))
        .chain(stretch(Trouble::None, 8))
        .chain(stretch(Trouble::Drift, 4))
        .chain(stretch(Trouble::None, 8))
        .collect()
}

/// The alert events in the file that they go to by default, each id once, in order.
fn told(service: &ServiceProcess) -> Vec<Value> {
    let text = std::fs::read_to_string(service.state().join("alerts.ndjson")).unwrap_or_default();
    once(text.lines().map(|line| serde_json::from_str(line).unwrap()))
}

/// Each id once, in order; what has one id must be the same.
fn once(told: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    for event in told {
        match events.iter().find(|known| known["id"] == event["id"]) {
            Some(known) => assert_eq!(known["data"], event["data"], "one id, two events"),
            None => events.push(event),
        }
    }
    events
}

/// What a receiver that is not always there is told; the service is killed now and then, if `kills`.
async fn run(seed: u64, kills: bool) -> (ServiceProcess, Vec<Value>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 1);
    let receiver = Receiver::start().await;
    let sink = format!("[[sinks]]\nname = \"hook\"\nkind = \"webhook\"\nurl = {:?}\n", receiver.url);
    let mut service = ServiceProcess::new(&format!("{CONFIG}\n{sink}"));
    service.start().await;
    let troubles = troubles();
    for (number, trouble) in troubles.iter().enumerate() {
        let body = window(number as i64, *trouble, seed);
        let (status, answer) = service.post("/v1/predictions", "application/x-ndjson", body).await;
        assert_eq!((status, answer["accepted"].as_i64()), (200, Some(ROWS)), "{answer}");
        // The window before has closed: it is looked at before the next one goes on.
        let end = number as i64 * WINDOW;
        service
            .wait_for("the window before to be evaluated", || async {
                let path = "/v1/models/m/windows?window=10m&limit=3";
                let (_, text) = service.get(path).await;
                let page: Value = serde_json::from_str(&text).unwrap();
                let windows = page["windows"].as_array().unwrap();
                let is_there = windows.iter().any(|window| {
                    window["final"] == true
                        && driftline_events::EventTime::parse(window["window"]["end"].as_str().unwrap())
                            .is_some_and(|time| time.as_millis() == FIRST + end)
                });
                (number == 0 || is_there).then_some(())
            })
            .await;
        if kills && rng.random_bool(0.5) {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..400))).await;
            service.kill();
            service.start().await;
        }
    }
    service
        .wait_for("all to be told", || async {
            let waiting = service.metric("driftline_alert_sink_waiting", "sink=\"hook\"").await;
            (waiting == Some(0.0)).then_some(())
        })
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let events = once(receiver.events());
    (service, events)
}

#[tokio::test(flavor = "multi_thread")]
async fn incidents_are_told_once_and_end_though_the_service_is_killed() {
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_112);
    println!("DRIFTLINE_TEST_SEED={seed}");
    let (mut undisturbed, expected) = run(seed, false).await;
    for event in &expected {
        let incident = &event["data"]["incident"];
        println!(
            "{} {} {}: {}",
            event["time"], event["data"]["action"], incident["severity"], incident["summary"]
        );
    }
    let opened: Vec<&Value> = expected.iter().filter(|event| event["data"]["action"] == "opened").collect();
    let resolved = expected.iter().filter(|event| event["data"]["action"] == "resolved").count();
    assert_eq!((opened.len(), resolved), (2, 2), "the errors and the drift, and nothing else");
    let cause = |event: &Value| event["data"]["incident"]["causes"][0].clone();
    assert_eq!(opened[0]["data"]["incident"]["severity"], "critical");
    assert_eq!(cause(opened[0])["kind"], "errors");
    assert_eq!(cause(opened[1])["name"], "income");

    let (status, text) = undisturbed.get("/v1/alerts").await;
    assert_eq!(status, 200, "{text}");
    let alerts: Value = serde_json::from_str(&text).unwrap();
    let incidents = alerts["models"][0]["incidents"].as_array().unwrap();
    assert!(incidents.iter().all(|incident| incident["state"] == "resolved"), "{incidents:#?}");
    assert!(alerts["models"][0]["rules"].as_array().unwrap().len() > 3);
    undisturbed.stop();

    let (mut killed, events) = run(seed, true).await;
    let said = |events: &[Value]| -> Vec<(Value, Value)> {
        events.iter().map(|event| (event["id"].clone(), event["data"].clone())).collect()
    };
    assert_eq!(said(&events), said(&expected), "the same events with the same ids");
    killed.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_ends_for_who_was_told_though_the_model_is_put_anew() {
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_113);
    println!("DRIFTLINE_TEST_SEED={seed}");
    let mut service = ServiceProcess::new(CONFIG);
    service.start().await;
    let send = async |numbers: std::ops::Range<i64>, trouble| {
        for number in numbers {
            let body = window(number, trouble, seed);
            let (status, answer) = service.post("/v1/predictions", "application/x-ndjson", body).await;
            assert_eq!((status, answer["accepted"].as_i64()), (200, Some(ROWS)), "{answer}");
        }
    };
    let wait_for = async |action: &str| -> String {
        service
            .wait_for(action, || async {
                let events = told(&service);
                let event = events.iter().find(|event| event["data"]["action"] == action)?;
                Some(event["data"]["incident"]["id"].as_str().unwrap().to_owned())
            })
            .await
    };
    send(0..14, Trouble::None).await;
    send(14..17, Trouble::Errors).await;
    let opened = wait_for("opened").await;
    let model = json!({
        "task": "binary", "positive": "yes", "idle_timeout": "off", "segments": ["country"],
        "features": [{"name": "income", "kind": "numeric"}, {"name": "plan", "kind": "categorical"}],
        "windows": [{"name": "10m", "length": "10m"}], "reference": {"kind": "learned", "learn_rows": 2000},
    });
    let (status, answer) = service.put("/v1/models/m", "application/json", model.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    send(18..28, Trouble::None).await;
    assert_eq!(wait_for("resolved").await, opened);
    service.stop();
}
