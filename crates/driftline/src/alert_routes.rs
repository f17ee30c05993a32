//! Routes of alerts: what fires, and what people say to it.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use driftline_evaluate::{AlertBookError, Incident, RuleCounts, RuleStatus};
use driftline_events::{EventTime, ModelId};
use driftline_http::{Json, Path, Problem};
use driftline_source::Clock;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::engine::AlertChangeError;
use crate::pipeline::{AlertChange, PipelineHandle, Stopped};

/// What the routes ask.
#[derive(Clone)]
struct Routes {
    handle: PipelineHandle,
    clock: Clock,
}

/// The alerts of one model.
#[derive(Clone, Debug, Serialize)]
pub struct ModelAlerts {
    /// The model.
    pub model: String,
    /// Its incidents: the open one, and those that were over lately.
    pub incidents: Vec<Incident>,
    /// Every rule on every version and segment, as it is now. A rule that cannot say anything of the latest window says
    /// why: that is not healthy.
    pub rules: Vec<RuleStatus>,
    /// How often things happened to each rule's alerts.
    pub counts: BTreeMap<String, RuleCounts>,
}

/// The answer of `GET /v1/alerts`.
#[derive(Serialize)]
struct Alerts {
    models: Vec<ModelAlerts>,
}

/// Somebody's word.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Word {
    /// Why.
    #[schema(example = "the new income source is known; Ana retrains on Monday")]
    reason: String,
    /// Until when, as RFC 3339; without it until the incident is over, or for a mute until it is taken back.
    #[schema(example = "2026-01-05T08:00:00Z")]
    until: Option<String>,
}

impl Word {
    fn until(&self) -> Result<Option<EventTime>, Problem> {
        let Some(text) = &self.until else { return Ok(None) };
        let time = EventTime::parse(text);
        time.map(Some)
            .ok_or_else(|| Problem::bad_parameter("until", text, "a time like 2026-01-05T08:00:00Z"))
    }
}

pub(crate) fn router(handle: PipelineHandle, clock: Clock) -> Router {
    Router::new()
        .route("/v1/alerts", get(list))
        .route("/v1/models/{model}/incidents/{incident}/acknowledge", post(acknowledge))
        .route("/v1/models/{model}/rules/{rule}/mute", post(mute).delete(unmute))
        .with_state(Routes { handle, clock })
}

pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(list, acknowledge, mute, unmute), components(schemas(Word, Problem)))]
    struct AlertApi;
    AlertApi::openapi()
}

/// What fires, of all models.
///
/// Each model's open incident, the state of each of its rules, and how often each fired. Incidents are as
/// `schemas/alert_event.v1.json` says.
#[utoipa::path(
    get, path = "/v1/alerts", tag = "alerts",
    responses((status = 200, description = "Incidents and rules by model.", body = Object))
)]
async fn list(State(routes): State<Routes>) -> Result<axum::Json<Alerts>, Problem> {
    let models = routes.handle.alerts().await.map_err(stopped)?;
    Ok(axum::Json(Alerts { models }))
}

/// Say that you look after an incident.
///
/// Its alerts go on being watched; who was told of it hears of your word.
#[utoipa::path(
    post, path = "/v1/models/{model}/incidents/{incident}/acknowledge", tag = "alerts",
    params(("model" = String, Path, description = "The model's name."), ("incident" = String, Path, description = "The incident's id.")),
    request_body = Word,
    responses(
        (status = 204, description = "Noted."),
        (status = 404, description = "There is no such model, or the incident is not open.", body = Problem),
        (status = 422, description = "No reason, or a time that has passed.", body = Problem)
    )
)]
async fn acknowledge(
    State(routes): State<Routes>,
    Path((model, incident)): Path<(String, String)>,
    Json(word): Json<Word>,
) -> Result<StatusCode, Problem> {
    let until = word.until()?;
    change(&routes, &model, AlertChange::Acknowledge { incident, reason: word.reason, until }).await
}

/// Tell nobody of a rule's alerts for a while.
#[utoipa::path(
    post, path = "/v1/models/{model}/rules/{rule}/mute", tag = "alerts",
    params(("model" = String, Path, description = "The model's name."), ("rule" = String, Path, description = "The rule's name.")),
    request_body = Word,
    responses(
        (status = 204, description = "Noted."),
        (status = 404, description = "There is no such model or rule.", body = Problem),
        (status = 422, description = "No reason, or a time that has passed.", body = Problem)
    )
)]
async fn mute(
    State(routes): State<Routes>,
    Path((model, rule)): Path<(String, String)>,
    Json(word): Json<Word>,
) -> Result<StatusCode, Problem> {
    let until = word.until()?;
    change(&routes, &model, AlertChange::Mute { rule, reason: word.reason, until }).await
}

/// Tell people of a rule's alerts again.
#[utoipa::path(
    delete, path = "/v1/models/{model}/rules/{rule}/mute", tag = "alerts",
    params(("model" = String, Path, description = "The model's name."), ("rule" = String, Path, description = "The rule's name.")),
    responses(
        (status = 204, description = "Noted."),
        (status = 404, description = "There is no such model or rule.", body = Problem)
    )
)]
async fn unmute(
    State(routes): State<Routes>,
    Path((model, rule)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    change(&routes, &model, AlertChange::Unmute { rule }).await
}

async fn change(routes: &Routes, model: &str, change: AlertChange) -> Result<StatusCode, Problem> {
    let model = ModelId::try_new(model)
        .map_err(|error| Problem::bad_parameter("model", model, &error.to_string()))?;
    let now = (routes.clock)();
    match routes.handle.change_alerts(model, change, now).await.map_err(stopped)? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(refused(&error)),
    }
}

fn refused(error: &AlertChangeError) -> Problem {
    let (status, name, title) = match error {
        AlertChangeError::NoModel { .. } => {
            (StatusCode::NOT_FOUND, "unknown_model", "There is no such model.")
        }
        AlertChangeError::Book(AlertBookError::NoIncident { .. }) => {
            (StatusCode::NOT_FOUND, "unknown_incident", "The incident is not open.")
        }
        AlertChangeError::Book(AlertBookError::NoRule { .. }) => {
            (StatusCode::NOT_FOUND, "unknown_rule", "There is no such rule.")
        }
        AlertChangeError::Book(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "unusable_word", "The change cannot be made.")
        }
    };
    Problem::new(status, name, title).detail(error.to_string())
}

fn stopped(error: Stopped) -> Problem {
    Problem::unavailable("stopping", error, 5)
}
