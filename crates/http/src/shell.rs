//! What stands around all routes.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use crate::{Caller, Problem, RequestId, Tokens, X_REQUEST_ID, access_log, token};

/// How long a handler may take where nothing else is set: longer than any body of the default size needs on a
/// slow line, shorter than the 60 seconds after which proxies give up without a word.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(55);

/// An error text of a foreign layer that is longer than this is not repeated.
const LONGEST_FOREIGN_DETAIL_BYTES: usize = 4096;

/// Request ids, access log, problems for every error, panics caught, a timeout, tokens: put around all routes.
///
/// # Examples
/// ```
/// use axum::{Router, routing::get};
/// use driftline_http::{Shell, Tokens};
///
/// let routes = Router::new().route("/healthz", get(|| async { "ok" }));
/// let app: Router = Shell::new(Tokens::default()).around(routes);
/// ```
#[derive(Clone, Debug)]
pub struct Shell {
    tokens: Tokens,
    timeout: Duration,
}

impl Shell {
    /// A shell that asks for one of `tokens`, if there are any.
    #[must_use]
    pub const fn new(tokens: Tokens) -> Self {
        Self { tokens, timeout: DEFAULT_TIMEOUT }
    }

    /// Sets how long a request may take until it is answered 503 (default 55 seconds).
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The routes with the shell around them. Routes that are added later stand outside.
    pub fn around(self, routes: Router) -> Router {
        // One function, and not one for each of its parts: a layer costs every request some allocations.
        routes.layer(CatchPanicLayer::custom(panicked)).layer(middleware::from_fn_with_state(self, answer))
    }
}

async fn in_time(timeout: Duration, handled: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(timeout, handled).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("the request was not done after {} seconds", timeout.as_secs_f64());
            Problem::unavailable("timeout", detail, 1).into_response()
        }
    }
}

fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    tracing::error!(panic = message, "A handler panicked.");
    Problem::internal().into_response()
}

/// The outermost layer: id in, log line and problem with id out.
async fn answer(State(shell): State<Shell>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("request", request_id = %id);
    async move {
        let start = Instant::now();
        let handled = in_time(shell.timeout, token::check(&shell.tokens, request, next)).await;
        let mut response = problem_with_id(handled, &id).await;
        response.headers_mut().insert(X_REQUEST_ID, id.header_value());
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let caller = response.extensions().get::<Caller>();
        access_log::log(&method, &path, response.status(), start.elapsed(), caller);
        response
    }
    .instrument(span)
    .await
}

/// Gives a problem its request's id, and makes one of any other error: the router's 404 and 405, a foreign layer's
/// or extractor's text. Headers such as `allow` stay.
async fn problem_with_id(response: Response, id: &RequestId) -> Response {
    let (mut parts, body) = response.into_parts();
    let problem = match parts.extensions.remove::<Problem>() {
        Some(problem) => problem,
        None if parts.status.is_client_error() || parts.status.is_server_error() => {
            foreign_problem(parts.status, body).await
        }
        None => return Response::from_parts(parts, body),
    };
    let mut answered = problem.in_request(id).into_response();
    for (name, value) in &parts.headers {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            answered.headers_mut().insert(name, value.clone());
        }
    }
    answered.extensions_mut().extend(parts.extensions);
    answered
}

async fn foreign_problem(status: StatusCode, body: Body) -> Problem {
    let text = to_bytes(body, LONGEST_FOREIGN_DETAIL_BYTES).await.unwrap_or_default();
    let problem = Problem::of_status(status);
    match std::str::from_utf8(&text) {
        // What a foreign layer says of the service's own faults is not for the client.
        Ok(text) if status.is_client_error() && !text.is_empty() => problem.detail(text.trim()),
        _ if status == StatusCode::NOT_FOUND => problem.detail("there is no such route"),
        _ => problem,
    }
}

#[cfg(test)]
mod tests;
