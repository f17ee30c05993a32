//! One log line for each request.

use std::time::Duration;

use axum::http::{Method, StatusCode};

use crate::Caller;

/// Logs an answered request: probes and scrapes, which come every few seconds, and batches that were taken, which
/// come by the thousand and are counted, at debug level; the service's own
/// faults at error level; a full service, which asks for attention but recovers by itself, at warn level.
pub(crate) fn log(method: &Method, path: &str, status: StatusCode, taken: Duration, caller: Option<&Caller>) {
    let status_code = status.as_u16();
    let seconds = taken.as_secs_f64();
    let caller = caller.map(|caller| caller.0.as_str());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::warn!(%method, path, status_code, seconds, caller, "Answered.");
    } else if status.is_server_error() {
        tracing::error!(%method, path, status_code, seconds, caller, "Answered.");
    } else if status.is_success()
        && matches!(path, "/healthz" | "/readyz" | "/metrics" | "/v1/predictions" | "/v1/labels")
    {
        tracing::debug!(%method, path, status_code, seconds, caller, "Answered.");
    } else {
        tracing::info!(%method, path, status_code, seconds, caller, "Answered.");
    }
}
