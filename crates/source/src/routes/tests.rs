use std::convert::Infallible;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::ipc::writer::StreamWriter;
use axum::body::{Body, Bytes};
use axum::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, Method, StatusCode};
use driftline_events::{
    EventTime, Feature, FeatureKind, ModelId, ModelRegistry, ModelSchema, RegisterError, Span, Task,
};
use driftline_http::{PROBLEM_JSON, Shell, Tokens};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::*;
use crate::config::{IngestOptions, IngestSpec};
use crate::stats::{IngestSnapshot, PayloadRejections, RequestCount, RowCounts, RowRejections};
use crate::submission::{Origin, Receipt, StorageFault, Submission, Taken};

/// Knows `churn`, and takes no other model.
struct Registry;

impl ModelRegistry for Registry {
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>> {
        (model == "churn").then(|| {
            let features = vec![Feature { name: "age".into(), kind: FeatureKind::Numeric }];
            let model = ModelId::try_new(model).unwrap();
            Arc::new(ModelSchema::new(model, Task::Binary, Some("yes".into()), features, Vec::new(), false))
        })
    }

    fn register(&self, _: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError> {
        Err(RegisterError::Off)
    }
}

pub(crate) struct Service {
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) submissions: mpsc::Receiver<Submission>,
}

pub(crate) fn service(options: IngestOptions) -> Service {
    let spec = IngestSpec::try_from(options).unwrap();
    let (pipeline, submissions) = mpsc::channel(spec.queue_length());
    let clock = Arc::new(|| EventTime::parse("2026-01-01T12:00:00Z").unwrap());
    Service { ingest: Arc::new(Ingest::new(spec, Arc::new(Registry), clock, pipeline)), submissions }
}

/// Options that make waiting short.
pub(crate) fn options() -> IngestOptions {
    let wait = Span::try_from("10ms".to_owned()).unwrap();
    IngestOptions { queue_wait: wait, ..IngestOptions::default() }
}

impl Service {
    /// A pipeline that says the same of each row; gives the ingest and what it took.
    fn running(mut self, taken: fn(u64) -> Taken) -> (Arc<Ingest>, Arc<Mutex<Vec<usize>>>) {
        let rows = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&rows);
        tokio::spawn(async move {
            while let Some(Submission { batches, reply, .. }) = self.submissions.recv().await {
                let count = |batch: &driftline_events::ModelBatch| batch.rows.num_rows();
                seen.lock().unwrap().extend(batches.iter().map(count));
                reply.send(Receipt::of(batches.iter().map(|batch| taken(count(batch) as u64)).collect()));
            }
        });
        (self.ingest, rows)
    }
}

fn all_accepted(rows: u64) -> Taken {
    Taken { accepted: rows, ..Taken::default() }
}

pub(crate) fn row(id: &str) -> String {
    format!(
        r#"{{"model":"churn","prediction_id":"{id}","features":{{"age":41}},"prediction":{{"score":0.8}}}}"#
    )
}

pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
    let mut request = Request::builder().method(Method::POST).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

pub(crate) async fn send(ingest: &Arc<Ingest>, request: Request) -> (StatusCode, HeaderMap, Value) {
    let app = Shell::new(Tokens::default()).around(ingest_router(Arc::clone(ingest)));
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    if parts.status != StatusCode::OK {
        assert_eq!(parts.headers[CONTENT_TYPE], PROBLEM_JSON, "{body}");
        assert_eq!(body["status"], parts.status.as_u16(), "{body}");
    }
    (parts.status, parts.headers, body)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn arrow_stream() -> Vec<u8> {
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let models: ArrayRef = Arc::new(StringArray::from(vec!["churn", "churn"]));
    let batch = RecordBatch::try_from_iter([("model", models), ("prediction_id", ids)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn every_carrier_and_encoding_arrives() {
    let (ingest, rows) = service(options()).running(all_accepted);
    let (one, two) = (row("a"), format!("{}\n{}\n", row("a"), row("b")));
    let array = format!("[{},{}]", row("a"), row("b"));
    let large = vec![row("a"); 2_000].join("\n");
    let zstd = |bytes: &str| zstd::encode_all(bytes.as_bytes(), 1).unwrap();
    type Sent<'a> = (&'a [(&'a str, &'a str)], Vec<u8>, u64);
    let sent: [Sent<'_>; 9] = [
        (&[("content-type", "application/json")], one.into(), 1),
        (&[("content-type", "application/x-ndjson; charset=utf-8")], two.clone().into(), 2),
        (&[("content-type", "application/json")], array.clone().into(), 2),
        (&[("content-type", "text/plain")], array.into(), 2),
        (&[], two.clone().into(), 2),
        (&[("content-encoding", "gzip")], gzip(two.as_bytes()), 2),
        (&[("content-encoding", "zstd")], zstd(&two), 2),
        (&[("content-type", "application/vnd.apache.arrow.stream")], arrow_stream(), 2),
        (&[("content-encoding", "identity")], large.into(), 2_000),
    ];
    let mut expected = 0;
    for (headers, body, count) in sent {
        let bytes = body.len();
        let (status, _, answer) = send(&ingest, post(PREDICTIONS, headers, body)).await;
        assert_eq!((status, &answer["accepted"]), (StatusCode::OK, &json!(count)), "{headers:?}: {answer}");
        assert!(bytes > 0 && answer["rejected"] == json!([]), "{answer}");
        expected += count as usize;
    }
    assert_eq!(rows.lock().unwrap().iter().sum::<usize>(), expected);
    let IngestSnapshot { rows, received_bytes, in_flight_bytes, queue_depth, .. } = ingest.snapshot();
    let accepted = expected as u64;
    let counts = RowCounts {
        event: EventKind::Prediction,
        model: "churn".into(),
        received: accepted,
        accepted,
        duplicates: 0,
        too_late: 0,
    };
    assert_eq!(rows, [counts]);
    assert!(received_bytes > 100_000, "{received_bytes}");
    assert_eq!((in_flight_bytes, queue_depth), (0, 0));
}

#[tokio::test]
async fn labels_are_labels() {
    let mut service = service(options());
    let ingest = Arc::clone(&service.ingest);
    let label = r#"{"model":"churn","prediction_id":"a","label":"no"}"#;
    let sent = tokio::spawn(async move { send(&ingest, post(LABELS, &[], label)).await });
    let submission = service.submissions.recv().await.unwrap();
    assert_eq!(submission.event, EventKind::Label);
    submission.reply.send(Receipt::of(vec![all_accepted(1)]));
    assert_eq!(sent.await.unwrap().0, StatusCode::OK);
    assert_eq!(service.ingest.snapshot().rows[0].event, EventKind::Label);
}

#[tokio::test]
async fn the_answer_waits_for_the_receipt_and_holds_its_memory() {
    let mut service = service(options());
    let ingest = Arc::clone(&service.ingest);
    let sent = tokio::spawn(async move { send(&ingest, post(PREDICTIONS, &[], row("a"))).await });
    let submission = service.submissions.recv().await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!sent.is_finished() && service.ingest.snapshot().in_flight_bytes > 0);
    let taken = Taken { accepted: 0, duplicates: 1, too_late: 0 };
    submission.reply.send(Receipt::of(vec![taken]));
    let (status, _, answer) = sent.await.unwrap();
    assert_eq!((status, &answer["accepted"], &answer["duplicates"]), (StatusCode::OK, &json!(0), &json!(1)));
    assert_eq!(service.ingest.snapshot().in_flight_bytes, 0);
}

#[tokio::test]
async fn a_sender_that_hangs_up_is_still_counted() {
    let mut service = service(options());
    let ingest = Arc::clone(&service.ingest);
    let sent = tokio::spawn(async move { send(&ingest, post(PREDICTIONS, &[], row("a"))).await });
    let submission = service.submissions.recv().await.unwrap();
    sent.abort();
    assert!(sent.await.unwrap_err().is_cancelled());
    assert!(service.ingest.snapshot().in_flight_bytes > 0);
    submission.reply.send(Receipt::of(vec![all_accepted(1)]));
    let snapshot = service.ingest.snapshot();
    assert_eq!((snapshot.rows[0].accepted, snapshot.in_flight_bytes), (1, 0));
}

#[tokio::test]
async fn rejected_rows_do_not_take_their_neighbours_along() {
    let (ingest, _) = service(options()).running(all_accepted);
    let unknown = r#"{"model":"other","prediction":{"score":0.5}}"#;
    let body = format!("{}\n{unknown}\n{{\"model\":\"churn\",\"prediction\":{{\"score\":7}}}}\n", row("a"));
    let request = post(PREDICTIONS, &[("x-request-id", "req-1")], body);
    let (status, _, answer) = send(&ingest, request).await;
    assert_eq!(
        (status, &answer["accepted"], &answer["rejected_total"]),
        (StatusCode::OK, &json!(1), &json!(2))
    );
    assert_eq!((&answer["rejected"][0]["row"], &answer["rejected"][1]["row"]), (&json!(1), &json!(2)));
    // The unknown model's name is no label of a metric.
    let reason = |row: usize| answer["rejected"][row]["reason"].as_str().unwrap();
    let rejected: Vec<_> = ingest.snapshot().rejected;
    let expected = |model: &str, row| (EventKind::Prediction, model.to_owned(), reason(row), 1);
    let found: Vec<_> = rejected
        .iter()
        .map(|RowRejections { event, model, reason, rows }| (*event, model.clone(), *reason, *rows))
        .collect();
    assert_eq!(found, [expected("", 0), expected("churn", 1)]);

    let get = |path: &str| Request::builder().uri(path).body(Body::empty()).unwrap();
    let (_, _, page) = send(&ingest, get("/v1/rejected")).await;
    assert_eq!((&page["total"], &page["kept"]), (&json!(2), &json!(2)));
    assert_eq!(
        (&page["rejected"][0]["row"], &page["rejected"][0]["request_id"]),
        (&json!(2), &json!("req-1"))
    );
    assert_eq!(page["rejected"][0]["time"], "2026-01-01T12:00:00Z");
    let (_, _, page) = send(&ingest, get("/v1/rejected?model=other&limit=1")).await;
    assert_eq!(page["rejected"].as_array().map(Vec::len), Some(1), "{page}");
    for (path, word) in [
        ("/v1/rejected?limit=0", "`limit`"),
        ("/v1/rejected?limit=x", "`limit`"),
        ("/v1/rejected?of=x", "`of`"),
    ] {
        let (status, _, problem) = send(&ingest, get(path)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
}

#[tokio::test]
async fn no_row_taken_is_422_with_the_same_members() {
    let (ingest, rows) = service(options()).running(|rows| Taken { too_late: rows, ..Taken::default() });
    let (status, _, problem) = send(&ingest, post(PREDICTIONS, &[], "{\"model\":\"churn\"\n{}")).await;
    assert_eq!((status, &problem["rejected_total"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(2)));
    assert_eq!((&problem["accepted"], problem["rejected"].as_array().map(Vec::len)), (&json!(0), Some(2)));
    assert_eq!(*rows.lock().unwrap(), [0; 0]);
    let (status, _, problem) = send(&ingest, post(PREDICTIONS, &[], row("a"))).await;
    assert_eq!((status, &problem["too_late"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(1)));
    assert_eq!(ingest.snapshot().rows[0].too_late, 1);
    // Nothing was sent, and nothing is wrong.
    let (status, _, answer) = send(&ingest, post(PREDICTIONS, &[], "[]")).await;
    assert_eq!((status, &answer["accepted"]), (StatusCode::OK, &json!(0)));
}

#[tokio::test]
async fn the_model_may_come_with_the_request() {
    let (ingest, rows) = service(options()).running(all_accepted);
    let nameless = r#"{"prediction":{"score":0.5}}"#;
    for (path, headers) in [
        ("/v1/predictions?model=churn", &[][..]),
        ("/v1/predictions", &[("x-driftline-model", "churn")]),
        ("/v1/predictions?model=churn", &[("x-driftline-model", "other")]),
    ] {
        assert_eq!(
            send(&ingest, post(path, headers, nameless)).await.0,
            StatusCode::OK,
            "{path} {headers:?}"
        );
    }
    assert_eq!(*rows.lock().unwrap(), [1, 1, 1]);
    assert_eq!(send(&ingest, post(PREDICTIONS, &[], nameless)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    for (path, word) in [("/v1/predictions?model=a%20b", "`model`"), ("/v1/predictions?modl=a", "`modl`")] {
        let (status, _, problem) = send(&ingest, post(path, &[], nameless)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
}

#[tokio::test]
async fn what_is_not_read_here_is_415() {
    let (ingest, _) = service(options()).running(all_accepted);
    let (status, headers, problem) =
        send(&ingest, post(PREDICTIONS, &[("content-type", "text/csv")], "a,b")).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(problem["accepted"].as_str().unwrap().contains("application/x-ndjson"), "{problem}");
    assert!(headers.contains_key("accept-post"));
    for encoding in ["br", "gzip, gzip", "\u{e9}"] {
        let (status, headers, problem) =
            send(&ingest, post(PREDICTIONS, &[("content-encoding", encoding)], "{}")).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding}");
        assert_eq!(
            (&headers[ACCEPT_ENCODING], &problem["accepted"]),
            (&"gzip, zstd, identity".parse().unwrap(), &json!("gzip, zstd, identity"))
        );
    }
    let request = Request::builder().uri(PREDICTIONS).body(Body::empty()).unwrap();
    let (status, headers, _) = send(&ingest, request).await;
    assert_eq!((status, &headers[ALLOW]), (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap()));
}

#[tokio::test]
async fn payloads_that_cannot_be_used_are_counted_and_harm_nothing() {
    let (ingest, rows) =
        service(IngestOptions { max_decompressed_bytes: 1 << 20, ..options() }).running(all_accepted);
    let truncated = gzip(row("a").as_bytes());
    let truncated = truncated[..truncated.len() - 9].to_vec();
    let bomb = gzip(&vec![b' '; 64 << 20]);
    let arrow: &[(&str, &str)] = &[("content-type", "application/vnd.apache.arrow.stream")];
    let gzipped: &[(&str, &str)] = &[("content-encoding", "gzip")];
    for (headers, body, status, reason) in [
        (gzipped, truncated, StatusCode::BAD_REQUEST, "bad_compression"),
        (gzipped, bomb, StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        (arrow, b"no arrow at all".to_vec(), StatusCode::BAD_REQUEST, "bad_arrow"),
    ] {
        let (answered, _, problem) = send(&ingest, post(PREDICTIONS, headers, body)).await;
        assert_eq!((answered, &problem["reason"]), (status, &json!(reason)), "{problem}");
    }
    assert_eq!(send(&ingest, post(PREDICTIONS, &[], row("a"))).await.0, StatusCode::OK);
    assert_eq!(*rows.lock().unwrap(), [1]);
    let snapshot = ingest.snapshot();
    let reasons: Vec<_> = snapshot
        .payloads_rejected
        .iter()
        .map(|PayloadRejections { reason, payloads, .. }| (*reason, *payloads))
        .collect();
    assert_eq!(reasons, [("bad_arrow", 1), ("bad_compression", 1), ("too_large", 1)]);
    let statuses: Vec<_> =
        snapshot.requests.iter().map(|RequestCount { status, requests, .. }| (*status, *requests)).collect();
    assert_eq!(statuses, [(200, 1), (400, 2), (413, 1)]);
    assert_eq!(snapshot.in_flight_bytes, 0);
}

/// A body that comes in pieces and does not say how long it is; `stays_open`: and that never ends.
fn pieces(count: usize, bytes: usize, stays_open: bool) -> Body {
    let (mut sender, channel) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        for _ in 0..count {
            if sender.send_data(Bytes::from(vec![b' '; bytes])).await.is_err() {
                return;
            }
        }
        if stays_open {
            std::future::pending::<()>().await;
        }
    });
    Body::new(channel)
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_at_once_or_while_it_comes() {
    let (ingest, _) = service(IngestOptions { max_body_bytes: 1_000, ..options() }).running(all_accepted);
    for body in [Body::from(vec![b' '; 1_001]), pieces(1_000, 100, false), pieces(11, 100, true)] {
        let (status, _, problem) = send(&ingest, post(PREDICTIONS, &[], body)).await;
        assert_eq!((status, &problem["limit_bytes"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!(1_000)));
    }
    for body in [Body::from(vec![b' '; 1_000]), pieces(10, 100, false)] {
        assert_eq!(send(&ingest, post(PREDICTIONS, &[], body)).await.0, StatusCode::OK);
    }
    assert_eq!(ingest.snapshot().in_flight_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_408() {
    let (ingest, _) = service(options()).running(all_accepted);
    let (status, _, problem) = send(&ingest, post(PREDICTIONS, &[], pieces(1, 10, true))).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert!(problem["detail"].as_str().unwrap().contains("30 seconds"), "{problem}");
    assert_eq!(ingest.snapshot().in_flight_bytes, 0);
}

/// Lets the other tasks run until it is so.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came to be so");
}

fn assert_unavailable((status, headers, problem): (StatusCode, HeaderMap, Value), word: &str) {
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert!(headers.contains_key(RETRY_AFTER), "{headers:?}");
    assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_503_and_counts_no_rows() {
    let service = service(IngestOptions { queue_length: 1, ..options() });
    let first = Arc::clone(&service.ingest);
    let first = tokio::spawn(async move { send(&first, post(PREDICTIONS, &[], row("a"))).await });
    until(|| service.ingest.snapshot().queue_depth > 0).await;
    assert_unavailable(send(&service.ingest, post(PREDICTIONS, &[], row("b"))).await, "queue");
    let snapshot = service.ingest.snapshot();
    assert_eq!((snapshot.rows.len(), snapshot.queue_depth, snapshot.queue_capacity), (0, 1, 1));
    drop(service.submissions);
    assert_unavailable(first.await.unwrap(), "stopped");
    assert_unavailable(send(&service.ingest, post(PREDICTIONS, &[], row("b"))).await, "stopped");
}

#[tokio::test(start_paused = true)]
async fn a_full_memory_is_503_before_the_body_is_read() {
    let options = IngestOptions {
        max_body_bytes: 64 << 10,
        max_decompressed_bytes: 64 << 10,
        max_bytes_in_flight: 64 << 10,
        ..options()
    };
    let service = service(options);
    let slow = Arc::clone(&service.ingest);
    let slow =
        tokio::spawn(async move { send(&slow, post(PREDICTIONS, &[], pieces(1, 60 << 10, true))).await });
    until(|| service.ingest.snapshot().in_flight_bytes > 0).await;
    assert_unavailable(send(&service.ingest, post(PREDICTIONS, &[], vec![b' '; 8 << 10])).await, "bytes");
    slow.abort();
    assert!(slow.await.unwrap_err().is_cancelled());
    assert_eq!(send(&service.ingest, post(PREDICTIONS, &[], vec![b' '; 8 << 10])).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_submission_that_is_dropped_is_503() {
    let mut service = service(options());
    let ingest = Arc::clone(&service.ingest);
    let sent = tokio::spawn(async move { send(&ingest, post(PREDICTIONS, &[], row("a"))).await });
    drop(service.submissions.recv().await.unwrap());
    assert_unavailable(sent.await.unwrap(), "before it took the rows");
}

#[tokio::test]
async fn rows_that_are_refused_are_not_counted_and_say_why() {
    let conflict = || Receipt::conflicting();
    let full = || Receipt::refused(StorageFault::Full);
    let failed = || Receipt::refused(StorageFault::Failed);
    type Refused = (fn() -> Receipt, u16, &'static str, &'static str);
    let refused: [Refused; 3] = [
        (conflict, 422, "idempotency_key_reused", "another Idempotency-Key"),
        (full, 507, "storage_full", "when there is space"),
        (failed, 503, "storage_failed", "cannot be made safe"),
    ];
    for (receipt, status, name, word) in refused {
        let mut service = service(options());
        let ingest = Arc::clone(&service.ingest);
        let body = format!("{}\n{{}}", row("a"));
        let sent = tokio::spawn(async move { send(&ingest, post(PREDICTIONS, &[], body)).await });
        service.submissions.recv().await.unwrap().reply.send(receipt());
        let (answered, headers, problem) = sent.await.unwrap();
        assert_eq!(answered.as_u16(), status, "{problem}");
        assert!(problem["type"].as_str().unwrap().ends_with(name), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
        assert_eq!(headers.contains_key(RETRY_AFTER), status != 422);
        let snapshot = service.ingest.snapshot();
        assert_eq!((snapshot.rows.len(), snapshot.rejected.len(), snapshot.in_flight_bytes), (0, 0, 0));
    }
}

#[tokio::test]
async fn the_idempotency_key_comes_along_with_what_tells_the_payload() {
    let mut service = service(options());
    let mut keys = Vec::new();
    let plain = row("a");
    let zipped = gzip(plain.as_bytes());
    type Sent<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<u8>);
    let sent: [Sent<'_>; 6] = [
        (PREDICTIONS, &[], plain.clone().into()),
        (PREDICTIONS, &[("idempotency-key", "k")], plain.clone().into()),
        (PREDICTIONS, &[("idempotency-key", "k"), ("content-encoding", "gzip")], zipped),
        (PREDICTIONS, &[("idempotency-key", "k")], row("b").into()),
        ("/v1/predictions?model=churn", &[("idempotency-key", "k")], plain.clone().into()),
        (PREDICTIONS, &[("idempotency-key", "l")], plain.into()),
    ];
    for (path, headers, body) in sent {
        let (ingest, request) = (Arc::clone(&service.ingest), post(path, headers, body));
        let sent = tokio::spawn(async move { send(&ingest, request).await });
        let Submission { origin, reply, .. } = service.submissions.recv().await.unwrap();
        let Origin::Http { arrival, idempotency } = origin else { panic!("{origin:?}") };
        assert_eq!(arrival.to_string(), "2026-01-01T12:00:00Z");
        reply.send(Receipt::of(vec![all_accepted(1)]));
        assert_eq!(sent.await.unwrap().0, StatusCode::OK);
        keys.push(idempotency);
    }
    let [none, Some(first), again, Some(other), Some(named), Some(next)] = &keys[..] else {
        panic!("{keys:?}")
    };
    assert_eq!((none.as_ref(), again.as_ref()), (None, Some(first)));
    assert!(other.key == first.key && other.payload != first.payload, "{keys:?}");
    assert!(named.key == first.key && named.payload != first.payload, "{keys:?}");
    assert!(next.key != first.key && next.payload == first.payload, "{keys:?}");
    let (status, _, problem) =
        send(&service.ingest, post(PREDICTIONS, &[("idempotency-key", "a b")], row("a"))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
}

#[test]
fn openapi_knows_every_route_and_type() {
    let description = serde_json::to_value(ingest_openapi()).unwrap();
    let paths: Vec<_> = description["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(paths, [LABELS, PREDICTIONS, "/v1/rejected"]);
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let text = description.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is not described");
    }
    let body = &description["paths"][PREDICTIONS]["post"]["requestBody"]["content"];
    assert_eq!(body["application/json"]["example"]["model"], "census");
}
