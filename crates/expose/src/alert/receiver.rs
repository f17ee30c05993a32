//! A receiver of POST requests for tests: it notes what comes, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::io::AsyncReadExt;

/// How a request is answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Status(u16),
    With(u16, &'static str, String),
    Slow(Duration),
    Hang,
    Page(u16, String),
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
    pub(super) at: Instant,
}

#[derive(Debug, Default)]
struct Notes {
    seen: Mutex<Vec<Seen>>,
    answers: Mutex<VecDeque<Answer>>,
}

/// It ends with the test.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) url: String,
    notes: Arc<Notes>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Answers 200 when it has been told no more.
    pub(super) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let notes = Arc::new(Notes::default());
        notes.answers.lock().unwrap().extend(answers);
        let router = Router::new().fallback(answer).with_state(Arc::clone(&notes));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, notes, task }
    }

    /// One that reads a little and closes the connection.
    pub(super) async fn closing() -> Self {
        let notes = Arc::new(Notes::default());
        let own = Arc::clone(&notes);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_exact(&mut [0; 8]).await.unwrap();
                let (headers, body) = (HeaderMap::new(), Value::Null);
                own.seen.lock().unwrap().push(Seen {
                    uri: Uri::default(),
                    headers,
                    body,
                    at: Instant::now(),
                });
            }
        });
        Self { url, notes, task }
    }

    pub(super) fn then(&self, answer: Answer) {
        self.notes.answers.lock().unwrap().push_back(answer);
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.notes.seen.lock().unwrap().clone()
    }

    pub(super) fn bodies(&self) -> Vec<Value> {
        self.seen().into_iter().map(|seen| seen.body).collect()
    }

    /// Waits until there were so many requests.
    #[track_caller]
    pub(super) fn requests(&self, count: usize) -> impl Future<Output = Vec<Seen>> {
        until(format!("{count} requests"), move || Some(self.seen()).filter(|seen| seen.len() >= count))
    }
}

async fn answer(State(notes): State<Arc<Notes>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    notes.seen.lock().unwrap().push(Seen { uri, headers, body, at: Instant::now() });
    let answer = notes.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(200));
    let status = |code: u16| StatusCode::from_u16(code).unwrap();
    match answer {
        Answer::Status(code) => status(code).into_response(),
        Answer::With(code, header, value) => (status(code), [(header, value)]).into_response(),
        Answer::Page(code, text) => (status(code), text).into_response(),
        Answer::Slow(pause) => {
            tokio::time::sleep(pause).await;
            StatusCode::OK.into_response()
        }
        Answer::Hang => std::future::pending().await,
    }
}

/// Waits until something is so.
#[track_caller]
pub(super) fn until<T>(what: impl ToString, mut is_so: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
    let (place, what) = (std::panic::Location::caller(), what.to_string());
    async move {
        let started = Instant::now();
        loop {
            if let Some(found) = is_so() {
                return found;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{place}: {what}: it never came to be so");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
