//! What the model server answers.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use driftline_events::Class;
use driftline_http::{Problem, Shell, Tokens};
use serde::Serialize;
use tokio_util::task::TaskTracker;

use super::asked::Asked;
use super::service::ModelService;

/// A customer takes some hundred bytes.
const LARGEST_BODY_BYTES: usize = 16 << 10;

#[derive(Clone)]
struct Served {
    service: Arc<ModelService>,
    requests: TaskTracker,
}

/// What a client of the model gets.
#[derive(Serialize)]
struct Predicted {
    prediction_id: Option<String>,
    label: Option<Class>,
    score: Option<f64>,
    version: String,
}

pub(super) fn router(service: Arc<ModelService>, requests: TaskTracker) -> Router {
    let routes = Router::new()
        .route("/predict", post(predict))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthy))
        // As Driftline has it, so that `driftline healthcheck` fits both.
        .route("/readyz", get(healthy))
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        .with_state(Served { service, requests });
    Shell::new(Tokens::default()).around(routes)
}

async fn predict(State(served): State<Served>, body: Bytes) -> Response {
    let asked = match Asked::parse(&body) {
        Ok(asked) => asked,
        Err(error) => {
            served.service.figures().refused();
            return Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad_features",
                "No customer can be made of the features.",
            )
            .detail(error.to_string())
            .into_response();
        }
    };
    let service = Arc::clone(&served.service);
    // In a task of its own: a client that goes away does not take its request out of the log.
    let handled = served.requests.spawn(async move {
        let request = service.outside(asked);
        service.handle(request).await
    });
    let Ok((code, answered)) = handled.await else { return Problem::internal().into_response() };
    match (code, answered.prediction) {
        (200, Some(answer)) => axum::Json(Predicted {
            prediction_id: answered.prediction_id,
            label: answer.label,
            score: answer.score,
            version: answered.version,
        })
        .into_response(),
        (503, _) => Problem::unavailable("overloaded", "all workers are busy, and too many requests wait", 1)
            .into_response(),
        (504, _) => {
            let title = "The model did not answer in time.";
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", title).into_response()
        }
        _ => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "model_failed",
            "The model failed on the request.",
        )
        .into_response(),
    }
}

async fn metrics(State(served): State<Served>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], served.service.figures().text()).into_response()
}

async fn healthy() -> &'static str {
    "ok\n"
}
