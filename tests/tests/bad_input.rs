//! What a service is sent by mistake or in malice: each gets its error, the good rows beside it count, and the
//! service stays up.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::io::Write as _;

use driftline_tests::service::TestService;
use serde_json::Value;

const CONFIG: &str = r#"
    [[models]]
    name = "m"
    task = "binary"
    positive = "1"
    features = [{ name = "x", kind = "numeric" }, { name = "plan", kind = "categorical" }]
"#;

const GOOD: &str = r#"{"model":"m","features":{"x":1,"plan":"gold"},"prediction":{"label":"1","score":0.5}}"#;

const NDJSON: &str = "application/x-ndjson";

/// A good row, the given one, and a good row.
fn between(row: &str) -> String {
    format!("{GOOD}\n{row}\n{GOOD}\n")
}

fn reasons(answer: &Value) -> Vec<&str> {
    answer["rejected"].as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap()).collect()
}

/// The metric's value for the rejected rows of a reason.
async fn counted(service: &TestService, reason: &str) -> f64 {
    let (_, text) = service.get("/metrics").await;
    text.lines()
        .filter(|line| {
            line.starts_with("driftline_events_rejected_total{")
                && line.contains(&format!("reason=\"{reason}\""))
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_is_rejected_with_its_place_and_its_neighbours_count() {
    let service = TestService::start(CONFIG).await;
    let deep =
        format!(r#"{{"model":"m","features":{{"x":{}1{}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let many: Vec<String> = (0..100_000).map(|i| format!("\"f{i}\":{i}")).collect();
    let many = format!(r#"{{"model":"m","features":{{{}}}}}"#, many.join(","));
    let cases = [
        (r#"{"model":"m","features":{"x":1"#.to_owned(), "invalid_json"),
        ("nonsense".to_owned(), "invalid_json"),
        (r#"{"features":{"x":1}}"#.to_owned(), "missing_model"),
        (r#"{"model":"a b"}"#.to_owned(), "bad_model"),
        (r#"{"model":"m","prediction_id":""}"#.to_owned(), "bad_prediction_id"),
        (r#"{"model":"m","timestamp":"yesterday"}"#.to_owned(), "bad_timestamp"),
        (r#"{"model":"m","timestamp":"2999-01-01T00:00:00Z"}"#.to_owned(), "too_far_in_future"),
        (r#"{"model":"m","prediction":{"score":1.5}}"#.to_owned(), "score_out_of_range"),
        (r#"{"model":"m","weight":-1}"#.to_owned(), "bad_weight"),
        (r#"{"model":"m","features":{"x":1,"x":2}}"#.to_owned(), "duplicate_key"),
        (deep, "too_deep"),
        (many, "too_many_features"),
    ];
    for (row, expected) in cases {
        let (status, answer) = service.post("/v1/predictions", NDJSON, between(&row)).await;
        let shown = &row[..row.len().min(60)];
        assert_eq!((status, answer["accepted"].as_u64()), (200, Some(2)), "{shown}: {answer}");
        assert_eq!(reasons(&answer), [expected], "{shown}: {answer}");
        assert_eq!(answer["rejected"][0]["row"], 1, "{shown}");
        let detail = answer["rejected"][0]["detail"].as_str().unwrap();
        assert!(!detail.is_empty() && detail.len() < 1_000, "{shown}: {detail}");
        assert!(counted(&service, expected).await >= 1.0, "{expected} is counted");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_utf8_spoils_its_own_line_only() {
    let service = TestService::start(CONFIG).await;
    let mut body = format!("{GOOD}\n").into_bytes();
    body.extend_from_slice(b"{\"model\":\"m\",\"version\":\"\xff\xfe\"}\n");
    body.extend_from_slice(GOOD.as_bytes());
    let (status, answer) = service.post("/v1/predictions", NDJSON, body).await;
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(2)), "{answer}");
    assert_eq!(answer["rejected_total"], 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_values_of_features_leave_the_row_in() {
    let service = TestService::start(CONFIG).await;
    let long = "g".repeat(10 << 20);
    let rows = [
        r#"{"model":"m","features":{"x":NaN,"plan":"gold"}}"#.to_owned(),
        r#"{"model":"m","features":{"x":1e400,"plan":"gold"}}"#.to_owned(),
        r#"{"model":"m","features":{"x":-Infinity,"plan":"gold"}}"#.to_owned(),
        r#"{"model":"m","features":{"x":"a text","plan":["gold"]}}"#.to_owned(),
        format!(r#"{{"model":"m","features":{{"x":1,"plan":"{long}"}}}}"#),
        r#"{"model":"m","features":{"x":1,"plan":"gold"},"timestamp":-1}"#.to_owned(),
    ];
    for row in rows {
        let (status, answer) = service.post("/v1/predictions", NDJSON, between(&row)).await;
        let shown = &row[..row.len().min(80)];
        assert_eq!((status, answer["rejected_total"].as_u64()), (200, Some(0)), "{shown}: {answer}");
        let taken = answer["accepted"].as_u64().unwrap() + answer["too_late"].as_u64().unwrap();
        assert_eq!(taken, 3, "{shown}: {answer}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_cannot_be_read_is_a_problem_and_nothing_else_breaks() {
    let service = TestService::start(CONFIG).await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let whole = gzip(GOOD.as_bytes());
    let bomb = gzip(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 1 << 20);
    let arrow = "application/vnd.apache.arrow.stream";
    let cases: [(&str, &str, Vec<u8>, u16); 7] = [
        (NDJSON, "gzip", whole[..whole.len() / 2].to_vec(), 400),
        (NDJSON, "gzip", GOOD.as_bytes().to_vec(), 400),
        (NDJSON, "zstd", whole.clone(), 400),
        (NDJSON, "gzip", bomb, 413),
        (NDJSON, "identity", vec![b' '; 17 << 20], 413),
        (arrow, "identity", GOOD.as_bytes().to_vec(), 400),
        ("image/png", "identity", GOOD.as_bytes().to_vec(), 415),
    ];
    for (content_type, encoding, body, expected) in cases {
        let length = body.len();
        let answer = service
            .client
            .post(format!("{}/v1/predictions", service.url))
            .header("content-type", content_type)
            .header("content-encoding", encoding)
            .body(body)
            .send()
            .await
            .unwrap();
        let place = format!("{content_type} {encoding} {length} bytes");
        assert_eq!(answer.status().as_u16(), expected, "{place}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{place}");
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{place}: {problem}");
    }
    let (status, answer) = service.post("/v1/predictions", NDJSON, GOOD).await;
    assert_eq!((status, answer["accepted"].as_u64()), (200, Some(1)));
    let (status, _) = service.get("/healthz").await;
    assert_eq!(status, 200);
    service.stop().await;
}
