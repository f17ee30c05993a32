//! Somebody who is told of alerts by HTTP, and does not always listen.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;

/// A receiver of webhooks. It refuses each third request, and answers each fifth with an error though it has read it.
#[derive(Debug)]
pub struct Receiver {
    /// Where it listens.
    pub url: String,
    told: Arc<Told>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Told {
    requests: Mutex<u64>,
    events: Mutex<Vec<Value>>,
}

async fn take(State(told): State<Arc<Told>>, axum::Json(event): axum::Json<Value>) -> StatusCode {
    let request = {
        let mut requests = told.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests += 1;
        *requests
    };
    if request.is_multiple_of(3) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    told.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    if request.is_multiple_of(5) { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}

impl Receiver {
    /// Starts it on a free port of loopback; it ends when it is dropped.
    ///
    /// # Panics
    /// If no port can be had.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("the listener has an address");
        let told = Arc::new(Told::default());
        let routes = axum::Router::new().route("/", post(take)).with_state(Arc::clone(&told));
        let server = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("serving goes on until the task is ended");
        });
        Self { url: format!("http://{address}/"), told, server }
    }

    /// What it has read, in order; some of it more than once.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.told.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}
