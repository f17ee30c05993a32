//! `driftline alerts receive`: somebody to tell, without an account anywhere.

mod message;
mod page;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use driftline_http::{Problem, Shell, Tokens, check_exposure};
use serde::Serialize;
use tokio::net::TcpListener;

use self::message::{Message, MessageError};
use crate::cli::{asked_to_stop, log_warnings, runtime};

/// Receive alerts of Alertmanager and of Driftline, print them, and show them on a page.
///
/// Alertmanager's webhook posts to /alertmanager, a sink of the kind `webhook` to /driftline. Each message is a line of
/// standard output; the last 200 are at / for people and at /messages as JSON, until the process ends.
#[derive(Debug, Args)]
pub(super) struct Receive {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:8082")]
    listen: SocketAddr,
    /// Listen beyond loopback: whoever reaches the address may read and post messages.
    #[arg(long)]
    insecure: bool,
}

/// Messages that are kept; older ones are forgotten.
const KEPT: usize = 200;
/// More than Alertmanager sends for some hundred alerts.
const LARGEST_BODY_BYTES: usize = 2 << 20;
/// The page has nothing but its own text and style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The last messages, the newest first. Clones are the same inbox.
#[derive(Clone, Debug, Default)]
struct Inbox(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    messages: VecDeque<Message>,
    notifications: u64,
}

#[derive(Serialize)]
struct Messages<'a> {
    messages: &'a VecDeque<Message>,
}

impl Receive {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        log_warnings();
        // It has no tokens to ask for.
        check_exposure(self.listen, false, self.insecure)?;
        runtime()?.block_on(async {
            let listener = TcpListener::bind(self.listen)
                .await
                .with_context(|| format!("cannot listen on {}", self.listen))?;
            let address = listener.local_addr().context("the socket has no address")?;
            eprintln!(
                "Messages are at http://{address}/. Alertmanager posts to /alertmanager, Driftline's webhook to /driftline."
            );
            axum::serve(listener, router(Inbox::default())).with_graceful_shutdown(asked_to_stop()).await?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn router(inbox: Inbox) -> Router {
    let routes = Router::new()
        .route("/", get(show))
        .route("/messages", get(list))
        .route("/alertmanager", post(from_alertmanager))
        .route("/driftline", post(from_driftline))
        .route("/healthz", get(healthy))
        .route("/readyz", get(healthy))
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        .with_state(inbox);
    Shell::new(Tokens::default()).around(routes)
}

impl Inbox {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Messages are whole after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps and prints what came in one notification.
    fn take(&self, read: Result<Vec<Message>, MessageError>) -> Response {
        let messages = match read {
            Ok(messages) => messages,
            Err(error) => {
                let title = "There is no message in the body.";
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no_message", title);
                return problem.detail(error.to_string()).into_response();
            }
        };
        let mut kept = self.kept();
        kept.notifications += 1;
        let number = kept.notifications;
        let taken = messages.len();
        for mut message in messages {
            message.notification = number;
            println!("{message}");
            kept.messages.push_front(message);
        }
        kept.messages.truncate(KEPT);
        Json(serde_json::json!({ "taken": taken })).into_response()
    }
}

async fn from_alertmanager(State(inbox): State<Inbox>, body: Bytes) -> Response {
    inbox.take(Message::from_alertmanager(&body, driftline::now()))
}

async fn from_driftline(State(inbox): State<Inbox>, body: Bytes) -> Response {
    inbox.take(Message::from_driftline(&body, driftline::now()).map(|message| vec![message]))
}

async fn show(State(inbox): State<Inbox>) -> Response {
    let headers = [(CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-store")];
    (headers, Html(page::page(&inbox.kept().messages))).into_response()
}

async fn list(State(inbox): State<Inbox>) -> Response {
    Json(Messages { messages: &inbox.kept().messages }).into_response()
}

async fn healthy() -> &'static str {
    "ok\n"
}

#[cfg(test)]
mod tests;
