//! The read API's routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use driftline_evaluate::WindowReport;
use driftline_http::{Path, Problem, Query};
use serde::Serialize;
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

use crate::Metrics;
use crate::read::model::{ModelDetail, ModelOrigin, ModelOverview, ReadModel};
use crate::read::query::{CompareParameters, WindowsParameters, model_id};
use crate::read::table;

/// What Prometheus must see for it to read OpenMetrics: with any other type it would look for the older format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";
const PAGE: &str = include_str!("page.html");
/// Nothing from anywhere else; the page's own script and style are inline.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Clone)]
struct Read {
    model: Arc<dyn ReadModel>,
    metrics: Arc<Metrics>,
}

/// The routes that show figures: the read API, `/metrics`, health, and a page for people at `/`.
pub fn read_router(model: Arc<dyn ReadModel>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .route("/v1/models", get(models))
        .route("/v1/models/{model}", get(one_model))
        .route("/v1/models/{model}/windows", get(windows))
        .route("/v1/models/{model}/compare", get(compare))
        .with_state(Read { model, metrics })
}

/// The routes as OpenAPI describes them.
#[must_use]
pub fn read_openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        paths(healthz, readyz, metrics_text, models, one_model, windows, compare),
        components(schemas(Models, Windows, ModelOverview, ModelDetail, ModelOrigin, Problem))
    )]
    struct Routes;
    Routes::openapi()
}

/// A list of models.
#[derive(Debug, Serialize, ToSchema)]
struct Models {
    /// The models, by name.
    models: Vec<ModelOverview>,
}

/// A list of window reports.
#[derive(Debug, Serialize, ToSchema)]
struct Windows {
    /// Window reports as in schemas/window_report.v1.json, newest first.
    #[schema(value_type = Vec<Object>)]
    windows: Vec<Arc<WindowReport>>,
    /// The `cursor` of the reports after these; null after the last.
    next: Option<String>,
}

/// A page for people, without data of its own.
async fn page() -> Response {
    ([(CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(PAGE)).into_response()
}

/// Whether the service runs.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, description = "It runs")))]
async fn healthz() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

/// Whether the service can take and show events.
#[utoipa::path(
    get, path = "/readyz", tag = "service",
    responses(
        (status = 200, description = "It can"),
        (status = 503, description = "Not yet, or not any more", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn readyz(State(read): State<Read>) -> Result<Response, Problem> {
    match read.model.ready() {
        Ok(()) => Ok(axum::Json(json!({"status": "ready"})).into_response()),
        Err(why) => Err(Problem::unavailable("not_ready", why, 1)),
    }
}

/// All figures for Prometheus, as OpenMetrics text.
#[utoipa::path(
    get, path = "/metrics", tag = "service",
    responses((status = 200, description = "OpenMetrics 1.0.0", body = String, content_type = "application/openmetrics-text"))
)]
async fn metrics_text(State(read): State<Read>) -> Result<Response, Problem> {
    // Tens of thousands of series take milliseconds: too long for a runtime thread.
    match tokio::task::spawn_blocking(move || read.metrics.text()).await {
        Ok(text) => Ok(([(CONTENT_TYPE, OPENMETRICS), (CACHE_CONTROL, "no-store")], text).into_response()),
        Err(error) => {
            tracing::error!(%error, "Failed to write the metrics.");
            Err(Problem::internal())
        }
    }
}

/// List the models.
#[utoipa::path(
    get, path = "/v1/models", tag = "read",
    responses((status = 200, description = "All models", body = Models))
)]
async fn models(State(read): State<Read>) -> Result<Response, Problem> {
    let models = read.model.models().await?;
    Ok(axum::Json(Models { models }).into_response())
}

/// Show a model.
#[utoipa::path(
    get, path = "/v1/models/{model}", tag = "read", params(("model" = String, Path, example = "census")),
    responses(
        (status = 200, description = "The model and its newest reports", body = ModelDetail),
        (status = 404, description = "No such model", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn one_model(State(read): State<Read>, Path(model): Path<String>) -> Result<Response, Problem> {
    let model = read.model.model(model_id(&model)?).await?;
    Ok(axum::Json(model).into_response())
}

/// List a model's windows.
///
/// JSON, or with `accept: application/vnd.apache.arrow.stream` a flat Arrow table with one row for each figure;
/// its schema's metadata holds `next`.
#[utoipa::path(
    get, path = "/v1/models/{model}/windows", tag = "read",
    params(("model" = String, Path, example = "census"), WindowsParameters),
    responses(
        (status = 200, description = "Window reports", content((Windows = "application/json"), (Vec<u8> = "application/vnd.apache.arrow.stream"))),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such model", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "Neither JSON nor Arrow is accepted", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn windows(
    State(read): State<Read>,
    Path(model): Path<String>,
    Query(parameters): Query<WindowsParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let arrow = wants_arrow(&headers)?;
    let page = read.model.windows(parameters.query(&model)?).await?;
    let mut response = if arrow {
        arrow_answer(page.windows, page.next).await?
    } else {
        axum::Json(Windows { windows: page.windows, next: page.next }).into_response()
    };
    response.headers_mut().insert(VARY, axum::http::HeaderValue::from_static("accept"));
    Ok(response)
}

/// Compare a period with another, or with the model's reference.
#[utoipa::path(
    get, path = "/v1/models/{model}/compare", tag = "read",
    params(("model" = String, Path, example = "census"), CompareParameters),
    responses(
        (status = 200, description = "A window report as in schemas/window_report.v1.json", content((Object = "application/json"), (Vec<u8> = "application/vnd.apache.arrow.stream"))),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such model, or no rows", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The periods cannot be compared", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn compare(
    State(read): State<Read>,
    Path(model): Path<String>,
    Query(parameters): Query<CompareParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let arrow = wants_arrow(&headers)?;
    let report = read.model.compare(parameters.query(&model)?).await?;
    if arrow { arrow_answer(vec![report], None).await } else { Ok(axum::Json(report).into_response()) }
}

async fn arrow_answer(reports: Vec<Arc<WindowReport>>, next: Option<String>) -> Result<Response, Problem> {
    let written = tokio::task::spawn_blocking(move || table::stream(&reports, next.as_deref())).await;
    match written {
        Ok(Ok(bytes)) => Ok(([(CONTENT_TYPE, ARROW_STREAM)], bytes).into_response()),
        Ok(Err(error)) => {
            tracing::error!(%error, "Failed to write an Arrow table.");
            Err(Problem::internal())
        }
        Err(error) => {
            tracing::error!(%error, "Failed to write an Arrow table.");
            Err(Problem::internal())
        }
    }
}

/// Whether the first of the accepted types that is known is Arrow's. Weights (`q=`) other than 0 are not looked
/// at: clients that know Arrow name it first.
fn wants_arrow(headers: &HeaderMap) -> Result<bool, Problem> {
    let mut named = false;
    for range in
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','))
    {
        named = true;
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        if parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000")) {
            continue;
        }
        match media_type.as_str() {
            ARROW_STREAM => return Ok(true),
            "application/json" | "application/*" | "*/*" => return Ok(false),
            _ => {}
        }
    }
    if named {
        let accepted = format!("application/json, {ARROW_STREAM}");
        return Err(Problem::of_status(StatusCode::NOT_ACCEPTABLE)
            .detail(format!("there is {accepted}"))
            .with("accepted", accepted));
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
