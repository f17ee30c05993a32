//! Who is told: takes whatever is posted to it, anywhere.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::State;
use axum::http::Uri;
use serde_json::Value;

/// Something that was posted.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where to.
    pub path: String,
    /// When it came.
    pub at: Instant,
    /// Its body.
    pub body: Value,
}

impl Message {
    /// The alerts of a message of Alertmanager's webhook.
    pub fn alerts(&self) -> impl Iterator<Item = &Value> {
        self.body["alerts"].as_array().into_iter().flatten()
    }
}

/// A server that keeps what it is told.
#[derive(Debug)]
pub struct Inbox {
    /// Where it listens.
    pub address: SocketAddr,
    messages: Arc<Mutex<Vec<Message>>>,
    server: tokio::task::JoinHandle<()>,
}

type Messages = Arc<Mutex<Vec<Message>>>;

async fn take(State(messages): State<Messages>, uri: Uri, axum::Json(body): axum::Json<Value>) {
    let message = Message { path: uri.path().to_owned(), at: Instant::now(), body };
    messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
}

impl Inbox {
    /// Starts it on a free port of loopback; it ends when it is dropped.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("the listener has an address");
        let messages = Messages::default();
        let routes = axum::Router::new().fallback(take).with_state(Arc::clone(&messages));
        let server = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("serving goes on until the task is ended");
        });
        Self { address, messages, server }
    }

    /// What it has been told, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}
