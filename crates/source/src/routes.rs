//! The ingest routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use driftline_http::{Problem, Query, RequestId};
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use crate::answer::{IngestAnswer, RejectedRowAnswer};
use crate::ingest::{Entrance, Ingest};
use crate::rejected::{MessagePlace, RejectedEntry, RejectedPage};
use crate::submission::EventKind;

/// The header that names the model of events that name none, for senders that cannot set a query.
const X_DRIFTLINE_MODEL: HeaderName = HeaderName::from_static("x-driftline-model");

const PREDICTIONS: &str = "/v1/predictions";
const LABELS: &str = "/v1/labels";
const MOST_REJECTED: usize = 1_000;

/// The routes that take events, and the one that shows what was rejected.
pub fn ingest_router(ingest: Arc<Ingest>) -> Router {
    Router::new()
        .route(PREDICTIONS, post(predictions))
        .route(LABELS, post(labels))
        .route("/v1/rejected", get(rejected))
        .with_state(ingest)
}

/// The routes as OpenAPI describes them.
#[must_use]
pub fn ingest_openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        paths(predictions, labels, rejected),
        components(schemas(
            IngestAnswer,
            RejectedRowAnswer,
            RejectedPage,
            RejectedEntry,
            MessagePlace,
            EventKind,
            Problem
        ))
    )]
    struct Routes;
    Routes::openapi()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct IngestParameters {
    /// The model of events that name none; the header `x-driftline-model` says the same.
    #[param(example = "census")]
    model: Option<String>,
}

/// Send predictions.
///
/// The body is one event, a JSON array, NDJSON (told apart by content) or an Arrow IPC stream, plain or with
/// `content-encoding: gzip` or `zstd`. Rows that cannot be placed are rejected one by one; the others are taken.
#[utoipa::path(
    post, path = PREDICTIONS, tag = "ingest",
    params(
        IngestParameters,
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, in 1 to 255 visible characters: one that is sent again with the same key and payload is counted once. Keys are kept for 24 hours."),
    ),
    request_body(
        description = "Events as in schemas/prediction.v1.json",
        content((Object = "application/json", example = json!({
            "model": "census", "version": "3", "prediction_id": "req-17", "timestamp": "2026-01-01T10:00:00.123Z",
            "features": {"age": 41, "plan": "gold", "active": true, "income": null},
            "prediction": {"label": "yes", "score": 0.83}, "latency_ms": 12.4, "tags": {"country": "BE"}
        })), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.arrow.stream"))
    ),
    responses(
        (status = 200, description = "The pipeline has the rows", body = IngestAnswer),
        (status = 400, description = "The payload cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Larger than the limit", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Unknown content type or encoding", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No row was taken, or the idempotency key was used for another payload", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Full or stopping; send again after `retry-after`", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full; no row was taken", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn predictions(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    // On the heap once: the layers around move what they call.
    Box::pin(take(&ingest, EventKind::Prediction, PREDICTIONS, request)).await
}

/// Send labels.
///
/// A label may come before its prediction or weeks after; a second one for an id replaces the first, and
/// `"op": "retract"` takes it back.
#[utoipa::path(
    post, path = LABELS, tag = "ingest",
    params(
        IngestParameters,
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request, in 1 to 255 visible characters: one that is sent again with the same key and payload is counted once. Keys are kept for 24 hours."),
    ),
    request_body(
        description = "Events as in schemas/label.v1.json",
        content((Object = "application/json", example = json!({
            "model": "census", "prediction_id": "req-17", "label": "no", "timestamp": "2026-01-08T09:00:00Z"
        })), (String = "application/x-ndjson"), (Vec<u8> = "application/vnd.apache.arrow.stream"))
    ),
    responses(
        (status = 200, description = "The pipeline has the rows", body = IngestAnswer),
        (status = 400, description = "The payload cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Larger than the limit", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Unknown content type or encoding", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No row was taken, or the idempotency key was used for another payload", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Full or stopping; send again after `retry-after`", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full; no row was taken", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn labels(State(ingest): State<Arc<Ingest>>, request: Request) -> Response {
    Box::pin(take(&ingest, EventKind::Label, LABELS, request)).await
}

async fn take(ingest: &Arc<Ingest>, event: EventKind, route: &'static str, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let response = match default_model(&mut parts).await {
        Ok(default_model) => {
            let request_id = parts.extensions.get::<RequestId>().map(RequestId::as_str);
            let entrance = Entrance { event, route, headers: &parts.headers, default_model, request_id };
            ingest.take(entrance, body).await.into_response()
        }
        Err(problem) => problem.into_response(),
    };
    ingest.answered(event, response.status());
    response
}

async fn default_model(parts: &mut axum::http::request::Parts) -> Result<Option<String>, Problem> {
    use axum::extract::FromRequestParts;
    let Query(parameters) = Query::<IngestParameters>::from_request_parts(parts, &()).await?;
    let header =
        || parts.headers.get(X_DRIFTLINE_MODEL).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Ok(parameters.model.or_else(|| header().map(std::borrow::Cow::into_owned)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RejectedParameters {
    /// Only rows of this model.
    #[param(example = "census")]
    model: Option<String>,
    /// Only rows rejected for this reason.
    #[param(example = "bad_timestamp")]
    reason: Option<String>,
    /// At most this many rows, 1 to 1000 (default 100).
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// The last rejected rows, newest first.
///
/// A bounded number is remembered, in memory only: for finding the fault in a sender, not for an account.
#[utoipa::path(
    get, path = "/v1/rejected", tag = "ingest", params(RejectedParameters),
    responses(
        (status = 200, description = "Rows", body = RejectedPage),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn rejected(
    State(ingest): State<Arc<Ingest>>,
    Query(parameters): Query<RejectedParameters>,
) -> Result<axum::Json<RejectedPage>, Problem> {
    let limit = match parameters.limit.as_deref() {
        None => 100,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MOST_REJECTED).contains(limit))
            .ok_or_else(|| Problem::bad_parameter("limit", text, "a whole number from 1 to 1000"))?,
    };
    Ok(axum::Json(ingest.rejected(parameters.model.as_deref(), parameters.reason.as_deref(), limit)))
}

#[cfg(test)]
pub(crate) mod tests;
