use std::collections::VecDeque;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::Uri;
use flate2::read::GzDecoder;

use super::*;
use crate::options::SimulateOptions;

type Reply = (StatusCode, [(&'static str, &'static str); 1], &'static str);

/// Path, headers and body.
type Request = (String, HeaderMap, Vec<u8>);

/// A service that answers as it was told, and keeps what it was sent.
#[derive(Clone, Default)]
struct Fake {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

const TAKEN: &str = r#"{"accepted": 2, "duplicates": 0, "rejected": []}"#;

fn reply(status: u16, body: &'static str) -> Reply {
    (StatusCode::from_u16(status).unwrap(), [("x-fake", "1")], body)
}

async fn answer(State(fake): State<Fake>, uri: Uri, headers: HeaderMap, body: bytes::Bytes) -> Reply {
    fake.requests.lock().unwrap().push((uri.path().to_owned(), headers, body.to_vec()));
    fake.replies.lock().unwrap().pop_front().expect("no more requests than replies")
}

impl Fake {
    async fn start(replies: impl IntoIterator<Item = Reply>) -> (Self, String) {
        let fake = Self { replies: Arc::new(Mutex::new(replies.into_iter().collect())), ..Self::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        fake.clone().listen(listener);
        (fake, url)
    }

    fn listen(self, listener: tokio::net::TcpListener) {
        let router = axum::Router::new().fallback(answer).with_state(self);
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
}

fn client(options: SimulateOptions) -> (Client, SimulatorHandle, CancellationToken) {
    let (handle, shutdown) = (SimulatorHandle::new(), CancellationToken::new());
    let spec = SimulateSpec::try_from(options).unwrap();
    (Client::try_new(&spec, handle.clone(), shutdown.clone()).unwrap(), handle, shutdown)
}

fn options(url: &str) -> SimulateOptions {
    SimulateOptions { url: url.to_owned(), ..SimulateOptions::default() }
}

fn rows() -> [Prediction; 2] {
    ["a", "b"].map(|id| Prediction { prediction_id: Some(id.to_owned()), ..Prediction::new("churn") })
}

fn accepted(accepted: u64) -> Receipt {
    Receipt { accepted, ..Receipt::default() }
}

#[tokio::test]
async fn a_busy_service_is_left_alone_as_long_as_it_asks() {
    let busy = (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")], "full");
    let (fake, url) = Fake::start([busy, reply(200, TAKEN)]).await;
    let (client, handle, _) = client(options(&url));
    let began = Instant::now();
    assert_eq!(client.send_predictions(&rows()).await.unwrap(), Some(accepted(2)));
    // Without Retry-After it would be 0.1 s.
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    let progress = handle.progress();
    assert_eq!((progress.retries, progress.waiting_for), (1, None));
    let requests = fake.requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].2, requests[1].2);
}

#[tokio::test]
async fn server_errors_are_tried_again() {
    let replies = [reply(500, ""), reply(429, ""), reply(507, "full disk"), reply(200, TAKEN)];
    let (_, url) = Fake::start(replies).await;
    let (client, handle, _) = client(options(&url));
    assert_eq!(client.send_predictions(&rows()).await.unwrap(), Some(accepted(2)));
    assert_eq!(handle.progress().retries, 3);
}

/// Reads a request to its end.
fn read_request(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !seen.ends_with(b"}\n") {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the client closed the connection");
        seen.extend_from_slice(&buffer[..read]);
    }
}

#[tokio::test]
async fn a_closed_connection_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = std::thread::spawn(move || {
        // The first connection ends without an answer, the second in the midst of one.
        for part in ["", "HTTP/1.1 200 OK\r\ncontent-length: 48\r\n\r\n{\"acc"] {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut stream);
            stream.write_all(part.as_bytes()).unwrap();
        }
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{TAKEN}", TAKEN.len());
        stream.write_all(head.as_bytes()).unwrap();
    });
    let (client, handle, _) = client(options(&url));
    assert_eq!(client.send_predictions(&rows()).await.unwrap(), Some(accepted(2)));
    assert_eq!(handle.progress().retries, 2);
    service.join().unwrap();
}

#[tokio::test]
async fn a_batch_of_bad_rows_is_answered_and_not_tried_again() {
    let counts = r#"{"status": 422, "accepted": 0, "rejected_total": 2,
        "rejected": [{"row": 0, "reason": "bad_timestamp", "detail": "\"x\" is no time"}]}"#;
    let (fake, url) = Fake::start([reply(422, counts), reply(422, "no row was taken")]).await;
    let (client, handle, _) = client(options(&url));
    for reason in ["row 0: bad_timestamp \"x\" is no time", "no row was taken"] {
        let expected = Receipt { rejected: 2, first_rejection: Some(reason.into()), ..Receipt::default() };
        assert_eq!(client.send_predictions(&rows()).await.unwrap(), Some(expected));
    }
    assert_eq!((handle.progress().retries, fake.requests.lock().unwrap().len()), (0, 2));
}

#[tokio::test]
async fn rows_are_counted_by_what_became_of_them() {
    // One of two rows: too late, and so in no list.
    let (_, url) = Fake::start([
        reply(200, r#"{"accepted": 1, "too_late": 1, "rejected": []}"#),
        reply(200, r#"{"accepted": 0, "duplicates": 2, "new_member": true}"#),
    ])
    .await;
    let (client, ..) = client(options(&url));
    let expected = Receipt { accepted: 1, rejected: 1, ..Receipt::default() };
    assert_eq!(client.send_predictions(&rows()).await.unwrap(), Some(expected));
    let expected = Receipt { duplicates: 2, ..Receipt::default() };
    assert_eq!(client.send_predictions(&rows()).await.unwrap(), Some(expected));
    assert_eq!(client.send_predictions(&[]).await.unwrap(), Some(Receipt::default()));
}

#[tokio::test]
async fn a_refusal_or_a_strange_answer_is_final() {
    let (_, url) = Fake::start([reply(401, "bad token"), reply(200, "<html>")]).await;
    let (client, handle, _) = client(options(&url));
    let error = client.send_predictions(&rows()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{url}/v1/predictions answered 401 Unauthorized: bad token"));
    let error = client.send_labels(&[Label::default()]).await.unwrap_err();
    let expected = format!("{url}/v1/labels answered 200 with something else than counts of rows");
    assert_eq!(error.to_string(), expected);
    assert_eq!(handle.progress().retries, 0);
}

#[tokio::test]
async fn a_service_that_is_not_there_is_given_up_in_time() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = options(&format!("http://{address}"));
    let (client, ..) = client(SimulateOptions { give_up_after: "500ms".parse().unwrap(), ..options });
    let error = client.send_predictions(&rows()).await.unwrap_err();
    // Attempts at 0, 0.1 and 0.3 s; the next one would come at 0.7 s.
    assert!(matches!(error, ClientError::Unavailable { attempts: 3, .. }), "{error:?}");
    let message = error.to_string();
    assert!(
        message.starts_with(&format!("http://{address}/v1/predictions did not take events within 3")),
        "{message}"
    );
    assert!(message.contains("Connection refused"), "{message}");
}

#[tokio::test]
async fn a_service_that_starts_late_is_waited_for_and_it_is_said() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (client, handle, _) = client(options(&format!("http://{address}")));
    let sending = tokio::spawn(async move { client.send_predictions(&rows()).await });
    while handle.progress().retries < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let waiting = handle.progress().waiting_for.unwrap();
    assert!(
        waiting.starts_with(&format!("waiting for http://{address}/v1/predictions: Connection refused")),
        "{waiting}"
    );
    assert!(
        waiting.contains("; trying again in 0.2 s") || waiting.contains("; trying again in 0.4 s"),
        "{waiting}"
    );

    let fake = Fake { replies: Arc::new(Mutex::new([reply(200, TAKEN)].into())), ..Fake::default() };
    fake.listen(tokio::net::TcpListener::bind(address).await.unwrap());
    assert_eq!(sending.await.unwrap().unwrap(), Some(accepted(2)));
    assert_eq!(handle.progress().waiting_for, None);
}

#[tokio::test]
async fn the_request_is_what_the_service_expects() {
    let (fake, url) = Fake::start([reply(200, TAKEN), reply(200, r#"{"accepted": 1}"#)]).await;
    let token = Some("s3cret".to_owned().into());
    let (client, ..) =
        client(SimulateOptions { token, gzip: true, ..options(&format!("{url}/under/a/path/")) });
    client.send_predictions(&rows()).await.unwrap();
    client.send_labels(&[Label { prediction_id: "a".into(), ..Label::default() }]).await.unwrap();

    let requests = fake.requests.lock().unwrap();
    let (path, headers, body) = &requests[0];
    assert_eq!(
        (path.as_str(), requests[1].0.as_str()),
        ("/under/a/path/v1/predictions", "/under/a/path/v1/labels")
    );
    assert_eq!(headers["authorization"], "Bearer s3cret");
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert_eq!(headers["content-encoding"], "gzip");
    let mut text = String::new();
    GzDecoder::new(body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(
        text,
        "{\"model\":\"churn\",\"prediction_id\":\"a\"}\n{\"model\":\"churn\",\"prediction_id\":\"b\"}\n"
    );
}

#[tokio::test]
async fn shutting_down_ends_the_wait() {
    let busy = (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "20")], "");
    let (_, url) = Fake::start([busy]).await;
    let (client, handle, shutdown) = client(options(&url));
    let sending = tokio::spawn(async move { client.send_predictions(&rows()).await });
    while handle.progress().retries == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), sending).await.expect("it does not wait 20 s");
    assert_eq!(ended.unwrap().unwrap(), None);
}
