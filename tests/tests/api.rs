//! The HTTP API as a client sees it: models and references that are put, events, figures, tokens, the description.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use driftline::config::Config;
use driftline::{Service, ServiceError};
use driftline_tests::service::TestService;
use reqwest::Method;
use serde_json::{Value, json};

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";

/// A model with a number `x` and windows of a minute, closed by event time alone.
fn model() -> Value {
    json!({
        "task": "binary", "positive": "1", "idle_timeout": "off", "allowed_lateness": "0s", "pane": "10s",
        "features": [{"name": "x", "kind": "numeric"}],
        "windows": [{"name": "1m", "length": "1m"}]
    })
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

/// A prediction of model `m` in the minute after ten o'clock, or later.
fn event(seconds: u64) -> String {
    let time = format!("2026-01-01T10:{:02}:{:02}Z", seconds / 60, seconds % 60);
    let event = json!({
        "model": "m", "timestamp": time, "features": {"x": seconds}, "prediction": {"label": "1", "score": 0.75}
    });
    format!("{event}\n")
}

fn csv(rows: u64) -> String {
    (0..rows).fold("x,prediction,score\n".to_owned(), |text, x| format!("{text}{x},1,0.5\n"))
}

fn ndjson(rows: u64) -> String {
    (0..rows).map(|x| format!("{}\n", json!({"x": x, "prediction": "0", "score": 0.25}))).collect()
}

async fn put_model(service: &TestService, name: &str, body: &Value) -> (u16, Value) {
    service.put(&format!("/v1/models/{name}"), JSON, body.to_string()).await
}

async fn get_json(service: &TestService, path: &str) -> (u16, Value) {
    let (status, text) = service.get(path).await;
    (status, serde_json::from_str(&text).expect("the answer is JSON"))
}

/// The places of a problem's faults.
fn places(problem: &Value) -> BTreeSet<&str> {
    let faults = problem["faults"].as_array().unwrap_or_else(|| panic!("{problem}"));
    faults.iter().filter_map(|fault| fault.as_str()?.split(": ").next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_model_answers_with_its_defaults_and_is_listed() {
    let service = TestService::start("").await;
    let (status, settings) = put_model(&service, "m", &model()).await;
    assert_eq!(status, 200, "{settings}");
    assert_eq!(settings["name"], "m");
    assert_eq!(settings["positive"], "1");
    assert_eq!(settings["max_segment_values"], 100);
    assert_eq!(settings["reference"], json!({"kind": "learned", "learn_rows": 10_000}));
    // What was answered can be put again, and says the same.
    assert_eq!(put_model(&service, "m", &settings).await, (200, settings));
    let (status, detail) = get_json(&service, "/v1/models/m").await;
    assert_eq!((status, &detail["origin"], &detail["features"]), (200, &json!("api"), &json!(1)), "{detail}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_do_not_hold_are_told_all_at_once() {
    let service = TestService::start("").await;
    let body = json!({
        "task": "binary", "max_segment_values": 0, "features": [{"name": "", "kind": "numeric"}],
        "reference": {"kind": "seasonal", "weeks": 0}, "windows": [{"name": "x", "length": "7s"}], "pane": "10s"
    });
    let (status, problem) = put_model(&service, "m", &body).await;
    assert_eq!(status, 422, "{problem}");
    let expected = ["features[0].name", "max_segment_values", "positive", "reference", "windows"];
    assert_eq!(places(&problem), BTreeSet::from(expected), "{problem}");
    let body = json!({
        "task": "binary", "colour": "blue", "max_segment_values": 0, "retention": "soon",
        "features": [{"name": "x", "kind": "number"}, {"name": "y", "kind": "numeric"}],
        "reference": {"kind": "file", "path": "/etc/passwd"}
    });
    let (status, problem) = put_model(&service, "m", &body).await;
    assert_eq!(status, 422, "{problem}");
    let expected =
        ["colour", "features[0].kind", "max_segment_values", "positive", "reference.path", "retention"];
    assert!(places(&problem).is_superset(&BTreeSet::from(expected)), "{problem}");
    assert!(!problem["detail"].as_str().unwrap().contains('\n'), "{problem}");
    let (status, problem) = put_model(&service, "m", &with(model(), "name", json!("n"))).await;
    assert_eq!((status, &problem["parameter"]), (400, &json!("name")), "{problem}");
    for body in [json!([1]), json!(7), json!({"task": null}), json!({"windows": [null]})] {
        let (status, problem) = put_model(&service, "m", &body).await;
        assert_eq!(status, 422, "{body}: {problem}");
        assert!(!places(&problem).is_empty(), "{body}: {problem}");
    }
    let (status, _) = service.get("/v1/models/m").await;
    assert_eq!(status, 404, "nothing was put");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_model_may_name_only_tables_of_the_services_folder() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside.csv");
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    for file in [&outside, &inside.join("reference.csv")] {
        std::fs::write(file, csv(10)).unwrap();
    }
    let service = TestService::start_in("", &inside).await;
    let file = |path: &str| with(model(), "reference", json!({"kind": "file", "path": path}));
    for path in
        [outside.to_str().unwrap(), "../outside.csv", "./../outside.csv", "*.csv", "~/x.csv", "file:///x.csv"]
    {
        let (status, problem) = put_model(&service, "m", &file(path)).await;
        assert_eq!(status, 422, "{path}: {problem}");
        assert_eq!(places(&problem), BTreeSet::from(["reference.path"]), "{path}: {problem}");
    }
    let several = with(file("../outside.csv"), "max_segment_values", json!(0));
    let (_, problem) = put_model(&service, "m", &several).await;
    assert_eq!(places(&problem), BTreeSet::from(["max_segment_values", "reference.path"]), "{problem}");
    let (status, answer) = put_model(&service, "m", &file("reference.csv")).await;
    assert_eq!(status, 200, "{answer}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_model_is_compared_with_the_reference_that_was_put_last() {
    let service = TestService::start("").await;
    let (status, answer) = put_model(&service, "m", &model()).await;
    assert_eq!(status, 200, "{answer}");
    for (content_type, table, rows) in [(CSV, csv(100), 100), (NDJSON, ndjson(50), 50)] {
        let (status, answer) = service.put("/v1/models/m/reference", content_type, table).await;
        let expected = json!({"model": "m", "rows": rows, "features": 1});
        assert_eq!((status, answer), (200, expected), "{content_type}");
    }
    let events: String = (0..60).chain([300]).map(event).collect();
    let (status, answer) = service.post("/v1/predictions", NDJSON, events).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(61)), "{answer}");

    let report = service
        .wait_for("the minute's report", || async {
            let path = "/v1/models/m/windows?window=1m&to=2026-01-01T10:01:00Z&limit=1";
            let (status, mut page) = get_json(&service, path).await;
            assert_eq!(status, 200, "{page}");
            page["windows"].as_array_mut().unwrap().pop().filter(|report| report["final"] == true)
        })
        .await;
    assert_eq!(report["rows"], 60, "{report}");
    assert_eq!(report["window"]["start"], "2026-01-01T10:00:00Z");
    assert_eq!(report["reference"]["rows"], 50, "{report}");
    assert_eq!(report["features"][0]["name"], "x");

    let (status, same) =
        get_json(&service, "/v1/models/m/compare?current=2026-01-01T10:00:00Z..2026-01-01T10:01:00Z").await;
    assert_eq!(status, 200, "{same}");
    assert_eq!((&same["rows"], &same["features"]), (&report["rows"], &report["features"]));
    let halves = "current=2026-01-01T10:00:30Z..2026-01-01T10:01:00Z&reference=2026-01-01T10:00:00Z..2026-01-01T10:00:30Z";
    let (status, halves) = get_json(&service, &format!("/v1/models/m/compare?{halves}")).await;
    assert_eq!(status, 200, "{halves}");
    assert_eq!((&halves["rows"], &halves["reference"]["rows"]), (&json!(30), &json!(30)), "{halves}");
    for (query, expected) in [
        ("current=2026-01-02T10:00:00Z..2026-01-02T10:01:00Z", 404),
        ("current=1y", 404),
        ("current=2026-01-02T10:00:00Z..2026-01-01T10:01:00Z", 400),
        ("", 400),
    ] {
        let (status, problem) = get_json(&service, &format!("/v1/models/m/compare?{query}")).await;
        assert_eq!(status, expected, "{query}: {problem}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_cannot_be_used_is_refused() {
    let service = TestService::start("").await;
    let put = [
        ("m", json!({"kind": "learned"})),
        ("trailing", json!({"kind": "trailing", "windows": 3})),
        ("seasonal", json!({"kind": "seasonal", "weeks": 2})),
        ("version", json!({"kind": "version", "version": "1"})),
    ];
    for (name, reference) in put {
        let (status, answer) = put_model(&service, name, &with(model(), "reference", reference)).await;
        assert_eq!(status, 200, "{answer}");
    }
    let cases = [
        ("nobody", CSV, csv(10), 404),
        ("a b", CSV, csv(10), 400),
        ("m", "image/png", csv(10), 415),
        ("m", CSV, "y\n1\n".to_owned(), 422),
        ("m", NDJSON, String::new(), 422),
        ("trailing", CSV, csv(10), 409),
        ("seasonal", CSV, csv(10), 409),
        ("version", CSV, csv(10), 409),
    ];
    for (name, content_type, table, expected) in cases {
        let path = format!("/v1/models/{}/reference", name.replace(' ', "%20"));
        let (status, problem) = service.put(&path, content_type, table).await;
        assert_eq!(status, expected, "{name} {content_type}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_reference_outlives_a_restart() {
    let config = r#"
        [[models]]
        name = "m"
        task = "binary"
        positive = "1"
        idle_timeout = "off"
        features = [{ name = "x", kind = "numeric" }]
        windows = [{ name = "1m", length = "1m" }]
    "#;
    let state = tempfile::tempdir().unwrap();
    let service = TestService::start_with(config, Path::new(""), state.path()).await;
    let (status, answer) = service.put("/v1/models/m/reference", CSV, csv(40)).await;
    assert_eq!(status, 200, "{answer}");
    service.stop().await;

    let service = TestService::start_with(config, Path::new(""), state.path()).await;
    let (status, answer) = service.post("/v1/predictions", NDJSON, event(0)).await;
    assert_eq!(status, 200, "{answer}");
    let (status, report) =
        get_json(&service, "/v1/models/m/compare?current=2026-01-01T10:00:00Z..2026-01-01T10:01:00Z").await;
    assert_eq!((status, &report["reference"]["rows"]), (200, &json!(40)), "{report}");
    service.stop().await;
    let id = driftline_events::ModelId::try_new("m").unwrap();
    let stored = driftline_store::ReferenceFolder::of(state.path()).load(&id).unwrap().unwrap();
    assert_eq!(stored.source, "PUT /v1/models/m/reference");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_model_is_registered_from_its_events_where_that_is_allowed() {
    let row = r#"{"model":"new","features":{"":7,"x":1},"prediction":{"label":"1","score":0.5}}"#;
    let service = TestService::start("").await;
    let (status, answer) = service.post("/v1/predictions", NDJSON, row).await;
    assert_eq!(
        (status, &answer["accepted"], &answer["ignored_fields"]),
        (200, &json!(1), &json!(1)),
        "{answer}"
    );
    let (_, detail) = get_json(&service, "/v1/models/new").await;
    assert_eq!((&detail["origin"], &detail["task"]), (&json!("events"), &json!("binary")), "{detail}");
    assert_eq!(detail["inputs"], json!([{"name": "x", "kind": "numeric"}]), "{detail}");
    service.stop().await;

    let service = TestService::start("[registration]\nenabled = false\n").await;
    let (status, answer) = service.post("/v1/predictions", NDJSON, row).await;
    assert_eq!((status, &answer["rejected"][0]["reason"]), (422, &json!("unknown_model")), "{answer}");
    let (status, _) = service.get("/v1/models/new").await;
    assert_eq!(status, 404);
    let (status, answer) = put_model(&service, "m", &model()).await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = service.post("/v1/predictions", NDJSON, format!("{row}\n{}", event(0))).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
    assert_eq!(answer["rejected"][0]["reason"], "unknown_model", "{answer}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_may_do_what_its_scopes_say() {
    let service = TestService::start(
        r#"
        [server]
        tokens = [
            { name = "sender", secret = "sender-sender-sender", scopes = ["ingest"] },
            { name = "reader", secret = "reader-reader-reader", scopes = ["read"] },
            { name = "admin", secret = "admin-admin-admin-admin", scopes = ["admin"] },
        ]
        "#,
    )
    .await;
    let secrets = [
        None,
        Some("nobody-nobody-nobody"),
        Some("sender-sender-sender"),
        Some("reader-reader-reader"),
        Some("admin-admin-admin-admin"),
    ];
    let cases = [
        (Method::PUT, "/v1/models/m", JSON, model().to_string(), [401, 401, 403, 403, 200]),
        (Method::PUT, "/v1/models/m/reference", CSV, csv(10), [401, 401, 403, 403, 200]),
        (Method::POST, "/v1/predictions", NDJSON, event(0), [401, 401, 200, 403, 200]),
        (Method::GET, "/v1/models", JSON, String::new(), [401, 401, 403, 200, 200]),
        (Method::GET, "/metrics", JSON, String::new(), [401, 401, 403, 200, 200]),
        (Method::GET, "/openapi.json", JSON, String::new(), [401, 401, 403, 200, 200]),
        (Method::GET, "/healthz", JSON, String::new(), [200; 5]),
    ];
    for (method, path, content_type, body, expected) in cases {
        for (secret, expected) in secrets.into_iter().zip(expected) {
            let mut request = service.client.request(method.clone(), format!("{}{path}", service.url));
            if let Some(secret) = secret {
                request = request.bearer_auth(secret);
            }
            let answer =
                request.header("content-type", content_type).body(body.clone()).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), expected, "{method} {path} with {secret:?}");
            assert_eq!(answer.headers().contains_key("www-authenticate"), expected == 401, "{method} {path}");
        }
    }
    service.stop().await;
}

/// Rows of the open window that `/metrics` shows.
async fn rows_shown(service: &TestService) -> Option<f64> {
    let (_, metrics) = service.get("/metrics").await;
    let line = metrics.lines().find(|line| line.starts_with("driftline_window_rows{"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_window_shows_its_events_within_seconds() {
    let service = TestService::start("").await;
    assert_eq!(put_model(&service, "m", &model()).await.0, 200);
    for sent in [1, 2] {
        assert_eq!(service.post("/v1/predictions", NDJSON, event(sent)).await.0, 200);
        let begun = Instant::now();
        while rows_shown(&service).await != Some(sent as f64) {
            assert!(begun.elapsed() < Duration::from_secs(8), "event {sent} is not shown");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("event {sent} was shown after {:?}", begun.elapsed());
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_does_not_open_itself_to_the_network_without_tokens() {
    let state = tempfile::tempdir().unwrap();
    let text = format!("[server]\nlisten = \"0.0.0.0:0\"\n[state]\npath = {:?}\n", state.path());
    let config = Config::parse(&text, "test", PathBuf::new(), std::iter::empty()).unwrap();
    let error = Service::start(config, false).await.unwrap_err();
    assert!(matches!(error, ServiceError::Exposure(_)), "{error:?}");
    assert!(error.to_string().contains("add a token"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_lists_every_route() {
    let service = TestService::start("").await;
    let (status, answer) = put_model(&service, "m", &model()).await;
    assert_eq!(status, 200, "{answer}");
    let (status, document) = get_json(&service, "/openapi.json").await;
    assert_eq!(status, 200);
    let listed: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let routes = [
        "DELETE /v1/models/{model}/rules/{rule}/mute",
        "GET /healthz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /readyz",
        "GET /v1/alerts",
        "GET /v1/models",
        "GET /v1/models/{model}",
        "GET /v1/models/{model}/compare",
        "GET /v1/models/{model}/windows",
        "GET /v1/rejected",
        "POST /v1/backups",
        "POST /v1/labels",
        "POST /v1/models/{model}/incidents/{incident}/acknowledge",
        "POST /v1/models/{model}/rules/{rule}/mute",
        "POST /v1/predictions",
        "PUT /v1/models/{model}",
        "PUT /v1/models/{model}/reference",
    ];
    assert_eq!(listed, routes.map(str::to_owned).into());
    for route in routes {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace("{model}", "m").replace("{rule}", "input_drift");
        let url = format!("{}{}", service.url, path.replace("{incident}", "none"));
        let answer = service.client.request(method.parse().unwrap(), url).send().await.unwrap();
        assert!(![404, 405, 500].contains(&answer.status().as_u16()), "{route}: {}", answer.status());
    }
    service.stop().await;
}
