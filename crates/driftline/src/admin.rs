//! Routes that change what is watched: models and their references.

use std::path::Component;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use driftline_evaluate::ReferenceOptions;
use driftline_events::ModelId;
use driftline_expose::read_openapi;
use driftline_http::{Json, Path, Problem};
use driftline_source::ingest_openapi;
use driftline_store::ReferenceFolder;
use driftline_summary::Reference;
use serde::Serialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;
use tokio_stream::StreamExt;
use utoipa::{OpenApi, ToSchema};

use crate::backup::{Backup, BackupError};
use crate::config::{ConfigError, Fault, ModelConfig, ModelDefaults, ModelOptions};
use crate::durability::causes;
use crate::pipeline::{PipelineHandle, Stopped};
use crate::reference_files::{self, ReferenceFileError};
use crate::registry::Registry;

/// What the routes change.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) handle: PipelineHandle,
    pub(crate) registry: Arc<Registry>,
    pub(crate) references: ReferenceFolder,
    /// What models that are put do not say themselves.
    pub(crate) defaults: ModelDefaults,
    pub(crate) max_upload_bytes: usize,
    pub(crate) state: driftline_store::State,
}

/// The state of the routes.
#[derive(Clone)]
struct Routes {
    admin: Arc<Admin>,
    /// Held while a model or reference changes: what is stored is then what the engine took last, and a reference
    /// is of the settings it was built by.
    changing: Arc<Mutex<()>>,
}

/// A reference that was put.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct PutReference {
    /// The model.
    #[schema(example = "churn")]
    model: String,
    /// Rows in the reference.
    rows: u64,
    /// Its features.
    features: usize,
}

/// `PUT` routes, and the description of all routes.
pub(crate) fn router(admin: Admin) -> Router {
    Router::new()
        .route("/v1/models/{model}", put(put_model))
        .route("/v1/models/{model}/reference", put(put_reference))
        .route("/v1/backups", post(make_backup))
        .route("/openapi.json", get(openapi))
        .with_state(Routes { admin: Arc::new(admin), changing: Arc::default() })
}

/// Every route of the service as OpenAPI describes them.
#[must_use]
pub fn openapi_document() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(
            title = "Driftline",
            description = "Watches machine-learning models in production: drift, performance, latency, data quality.",
            license(name = "Apache-2.0")
        ),
        paths(put_model, put_reference, make_backup, openapi),
        components(schemas(PutReference, Backup, Problem))
    )]
    struct AdminApi;
    let mut document = AdminApi::openapi();
    document.merge(ingest_openapi());
    document.merge(read_openapi());
    document.merge(crate::alert_routes::openapi());
    document
}

/// Describe the routes.
#[utoipa::path(
    get, path = "/openapi.json", tag = "service",
    responses((status = 200, description = "This document", body = Object))
)]
async fn openapi() -> axum::Json<utoipa::openapi::OpenApi> {
    axum::Json(openapi_document())
}

/// Watches a model, or changes how: its windows start anew.
///
/// The body has the keys of a `[[models]]` table of the configuration; `name` may be left out.
#[utoipa::path(
    put, path = "/v1/models/{model}", tag = "models",
    params(("model" = String, Path, description = "The model's name.", example = "churn")),
    request_body(content = Object, example = json!({
        "task": "binary", "positive": "yes",
        "features": [{"name": "age", "kind": "numeric"}, {"name": "plan", "kind": "categorical"}],
        "windows": [{"name": "1h", "length": "1h"}]
    })),
    responses(
        (status = 200, description = "The model's settings, defaults included.", body = Object),
        (status = 422, description = "Settings that do not hold, with all faults.", body = Problem)
    )
)]
async fn put_model(
    State(Routes { admin, changing }): State<Routes>,
    Path(model): Path<String>,
    Json(mut body): Json<Value>,
) -> Result<Response, Problem> {
    if let Some(settings) = body.as_object_mut() {
        let named = settings.entry("name").or_insert_with(|| Value::from(model.as_str()));
        if named.as_str() != Some(model.as_str()) {
            return Err(Problem::bad_parameter(
                "name",
                &named.to_string(),
                &format!("{model:?}, as in the path"),
            ));
        }
    }
    let config = read_settings(body, &admin.defaults)?;
    let _turn = changing.lock().await;
    let references = admin.references.clone();
    let for_build = config.clone();
    let reference = tokio::task::spawn_blocking(move || {
        reference_files::load_or_build(&for_build, &references, crate::service::now())
    })
    .await
    .map_err(|_| Problem::internal())?
    .map_err(|error| unusable_reference(&error))?;
    let (schema, options) = (Arc::clone(&config.schema), config.options.clone());
    admin.handle.put_model(config, reference).await.map_err(stopped)?.map_err(|error| {
        Problem::new(StatusCode::CONFLICT, "model_refused", "The model cannot be watched.")
            .detail(error.to_string())
    })?;
    admin.registry.put(schema);
    Ok(axum::Json(options).into_response())
}

fn read_settings(body: Value, defaults: &ModelDefaults) -> Result<ModelConfig, Problem> {
    let faulty = |faults: Vec<Fault>| {
        let told = |Fault { place, message }: &Fault| {
            // What reads TOML says the place once more in a line of its own.
            let message = message.lines().next().unwrap_or_default();
            if place.is_empty() { message.to_owned() } else { format!("{place}: {message}") }
        };
        let faults: Vec<String> = faults.iter().map(told).collect();
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "faulty_settings", "The model's settings do not hold.")
            .detail(faults.join("; "))
            .with("faults", faults)
    };
    let fault = |error: &dyn std::error::Error| Fault { place: String::new(), message: error.to_string() };
    // As in TOML, what is null is not there.
    let settings = toml::Value::try_from(without_nulls(body)).map_err(|error| faulty(vec![fault(&error)]))?;
    let (options, mut faults) = ModelOptions::read(settings);
    let Some(options) = options else { return Err(faulty(faults)) };
    faults.extend(foreign_path(&options.reference));
    match ModelConfig::try_new(&options, defaults) {
        Ok(config) if faults.is_empty() => return Ok(config),
        Ok(_) => {}
        Err(ConfigError::Faults { faults: more, .. }) => faults.extend(more),
        Err(other) => faults.push(fault(&other)),
    }
    Err(faulty(faults))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            members.map(|(name, value)| (name, without_nulls(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// Whoever may put a model may not read any file of the machine: only what lies in the configuration's folder, by
/// a plain path. `:` and `~` would start an address or a home folder for those who read tables.
fn foreign_path(reference: &ReferenceOptions) -> Option<Fault> {
    let ReferenceOptions::File { path } = reference else { return None };
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        && !path.to_string_lossy().contains(['*', '?', '[', ']', '{', '}', ':', '~', '\\']);
    (!is_plain).then(|| Fault {
        place: "reference.path".to_owned(),
        message: format!(
            "{:?} may not be named here; write a path in the configuration's folder, relative and without `..` and \
             patterns, or send the table itself with PUT /v1/models/{{model}}/reference",
            path.display().to_string()
        ),
    })
}

/// Compares a model with another reference from now on.
///
/// The body is a table, as `driftline reference --from` reads it: Parquet, CSV or NDJSON, its columns named as the
/// model's settings say. The reference is stored and outlives a restart, as long as it fits the model's settings.
#[utoipa::path(
    put, path = "/v1/models/{model}/reference", tag = "models",
    params(("model" = String, Path, description = "The model's name.", example = "churn")),
    request_body(
        content((Vec<u8> = "application/vnd.apache.parquet"), (String = "text/csv"), (String = "application/x-ndjson"))
    ),
    responses(
        (status = 200, description = "The reference is in use.", body = PutReference),
        (status = 404, description = "There is no such model.", body = Problem),
        (status = 409, description = "The model is compared with its own windows.", body = Problem),
        (status = 415, description = "Not a kind of table that is read here.", body = Problem),
        (status = 422, description = "A table that makes no reference.", body = Problem)
    )
)]
async fn put_reference(
    State(Routes { admin, changing }): State<Routes>,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<axum::Json<PutReference>, Problem> {
    let id = ModelId::try_new(&model)
        .map_err(|error| Problem::bad_parameter("model", &model, &error.to_string()))?;
    let extension = extension(&headers)?;
    // Nobody uploads a table for nothing; what counts is looked at again below.
    admin.model_of_tables(&id).await?;
    let upload = receive(body, extension, admin.max_upload_bytes).await?;
    let _turn = changing.lock().await;
    let config = admin.model_of_tables(&id).await?;
    let source = reference_files::source_by_request(&id);
    let reference = tokio::task::spawn_blocking(move || {
        let reference =
            reference_files::build(&config, &[upload.path()], crate::service::now(), &mut |_| {})?;
        Ok(Arc::new(Reference { source, ..reference }))
    })
    .await
    .map_err(|_| Problem::internal())?
    .map_err(|error: ReferenceFileError| unusable_reference(&error))?;
    let put = admin.handle.put_reference(id.clone(), Arc::clone(&reference)).await;
    put.map_err(stopped)?.map_err(Problem::not_found)?;
    let answer = PutReference { model, rows: reference.rows, features: reference.spec.features().len() };
    // Only what the engine took may outlive a restart.
    let references = admin.references.clone();
    tokio::task::spawn_blocking(move || references.save(&id, &reference))
        .await
        .map_err(|_| Problem::internal())?
        .map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, model = answer.model, "Failed to store a reference that is in use.");
            Problem::internal()
        })?;
    Ok(axum::Json(answer))
}

/// Copy the state while the service goes on.
///
/// Takes a checkpoint and copies it, with the references, into a new folder under `backups` in the state folder. The
/// copy is a state folder itself: to go back to it, stop the service and put it in the place of the other.
#[utoipa::path(
    post, path = "/v1/backups", tag = "service",
    responses(
        (status = 200, description = "The copy.", body = Backup),
        (status = 507, description = "The disk is full.", body = Problem)
    )
)]
async fn make_backup(
    State(Routes { admin, changing }): State<Routes>,
) -> Result<axum::Json<Backup>, Problem> {
    let _turn = changing.lock().await;
    admin.handle.checkpoint().await.map_err(stopped)?;
    let name = crate::service::now().to_string().replace(':', "-");
    let target = admin.state.folder().join("backups").join(name);
    let state = admin.state.clone();
    let made = tokio::task::spawn_blocking(move || crate::backup::backup(&state, &target)).await;
    made.map_err(|_| Problem::internal())?.map(axum::Json).map_err(|error| {
        let cause = crate::durability::causes(&error);
        tracing::error!(cause, "Failed to make a backup.");
        match error {
            BackupError::State(error) if error.is_full() => {
                Problem::of_status(StatusCode::INSUFFICIENT_STORAGE).detail(cause)
            }
            _ => Problem::internal(),
        }
    })
}

impl Admin {
    /// The settings of a model that may be compared with a table.
    async fn model_of_tables(&self, id: &ModelId) -> Result<Box<ModelConfig>, Problem> {
        let settings = self.handle.settings(id.clone()).await.map_err(stopped)?;
        let config =
            settings.ok_or_else(|| Problem::not_found(format!("there is no model {:?}", id.as_str())))?;
        reference_files::check_takes_table(&config).map_err(|error| {
            Problem::new(
                StatusCode::CONFLICT,
                "reference_of_own_windows",
                "The model is compared with its own windows.",
            )
            .detail(error.to_string())
        })?;
        Ok(config)
    }
}

fn extension(headers: &HeaderMap) -> Result<&'static str, Problem> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match sent.split(';').next().unwrap_or_default().trim() {
        "application/vnd.apache.parquet" | "application/x-parquet" => Ok(".parquet"),
        "text/csv" => Ok(".csv"),
        "application/x-ndjson" | "application/json" => Ok(".ndjson"),
        _ => Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail(format!("content type {sent:?} is no table that is read here"))
            .with("accepted", "application/vnd.apache.parquet, text/csv, application/x-ndjson")),
    }
}

/// Writes a body into a temporary file, which goes when it is dropped.
async fn receive(body: Body, extension: &str, max_bytes: usize) -> Result<tempfile::NamedTempFile, Problem> {
    let failed = |error: std::io::Error| {
        tracing::error!(%error, "Failed to store an upload.");
        Problem::internal()
    };
    let file = tempfile::Builder::new().suffix(extension).tempfile().map_err(failed)?;
    let mut writer = tokio::fs::File::from_std(file.reopen().map_err(failed)?);
    let mut chunks = body.into_data_stream();
    let mut bytes = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::of_status(StatusCode::BAD_REQUEST).detail(format!("the body broke off: {error}"))
        })?;
        bytes += chunk.len();
        if bytes > max_bytes {
            return Err(Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE).detail(format!(
                "the table is larger than {max_bytes} bytes; build the reference with `driftline reference` instead"
            )));
        }
        writer.write_all(&chunk).await.map_err(failed)?;
    }
    writer.flush().await.map_err(failed)?;
    Ok(file)
}

fn unusable_reference(error: &ReferenceFileError) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unusable_reference", "The table makes no reference.")
        .detail(causes(error))
}

fn stopped(error: Stopped) -> Problem {
    Problem::unavailable("stopping", error, 5)
}
