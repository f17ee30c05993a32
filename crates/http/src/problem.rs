//! The one form of error that the API answers.

use std::borrow::Cow;
use std::fmt;

use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::RequestId;

/// The content type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong, as RFC 9457 writes it ("Problem Details for HTTP APIs", 2023).
///
/// `type` is stable and meant for programs, `detail` for people: it names the value and the limit.
///
/// # Examples
/// ```
/// use axum::http::StatusCode;
/// use driftline_http::Problem;
///
/// let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large.")
///     .detail("the body has more than 1048576 bytes")
///     .with("limit_bytes", 1_048_576);
/// assert_eq!(problem.status(), StatusCode::PAYLOAD_TOO_LARGE);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Members>);

/// Boxed, since problems are errors: a `Result` should not be larger than what it is when all is well.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "urn:problem-type:driftline:bad_parameter", "title": "A parameter cannot be used.", "status": 400,
    "detail": "parameter `limit` is \"many\"; accepted: a whole number from 1 to 1000",
    "instance": "7f4c1d2a90b3e655-1f", "parameter": "limit"
}))]
struct Members {
    /// A URI that identifies the kind of problem: `urn:problem-type:driftline:` and a stable name.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in one sentence.
    title: String,
    /// The HTTP status.
    #[serde(serialize_with = "status_number")]
    #[schema(value_type = u16)]
    status: StatusCode,
    /// What is wrong with this request.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    /// The id of the request, as in the header `x-request-id` and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// Further members, each by its own name.
    #[serde(flatten)]
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    extra: Map<String, Value>,
    #[serde(skip)]
    #[schema(ignore)]
    headers: HeaderMap,
}

/// The schema of what is inside, under the public name.
impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Members::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }
}

impl Problem {
    /// A problem of the kind `name` (snake case, stable), which `title` says in a sentence.
    #[must_use]
    pub fn new(status: StatusCode, name: &str, title: &str) -> Self {
        Self(Box::new(Members {
            kind: format!("urn:problem-type:driftline:{name}"),
            title: title.to_owned(),
            status,
            detail: String::new(),
            instance: None,
            extra: Map::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// 400: a path, query or header parameter that cannot be used.
    #[must_use]
    pub fn bad_parameter(name: &str, value: &str, accepted: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_parameter", "A parameter cannot be used.")
            .detail(format!("parameter `{name}` is {:?}; accepted: {accepted}", shortened(value)))
            .with("parameter", name)
            .with("accepted", accepted)
    }

    /// 404: `what` does not exist.
    #[must_use]
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing.").detail(what.to_string())
    }

    /// 503: the service cannot take the request now; it may be sent again after `retry_after_seconds`.
    #[must_use]
    pub fn unavailable(name: &str, detail: impl fmt::Display, retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, name, "The service cannot take the request now.")
            .detail(detail.to_string())
            .header(RETRY_AFTER, HeaderValue::from(retry_after_seconds))
    }

    /// 500: a fault of the service. What failed is for the log, not for the answer.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The service failed on the request.")
            .detail("the log says more under this request's id")
    }

    /// The problem that a bare status stands for, e.g. the router's own 404 and 405.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let (name, title) = match status {
            StatusCode::BAD_REQUEST => ("bad_request", "The request cannot be used."),
            StatusCode::NOT_FOUND => ("not_found", "There is no such thing."),
            StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "The route has no such method."),
            StatusCode::PAYLOAD_TOO_LARGE => ("body_too_large", "The body is too large."),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "The body is in a form that is not read here.")
            }
            StatusCode::UNPROCESSABLE_ENTITY => ("unprocessable", "The body's content cannot be used."),
            status => match status.canonical_reason() {
                Some(reason) => return Self::new(status, &snake_case(reason), reason),
                None => ("error", "The request failed."),
            },
        };
        Self::new(status, name, title)
    }

    /// Says what is wrong with this request.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Adds a member.
    ///
    /// # Panics
    /// If `name` is one of RFC 9457's own members.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        assert!(
            !["type", "title", "status", "detail", "instance"].contains(&name),
            "{name} has its own field"
        );
        self.0.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn in_request(mut self, id: &RequestId) -> Self {
        self.0.instance = Some(id.as_str().to_owned());
        self
    }
}

/// At most 200 characters of what was sent: an answer does not echo megabytes.
fn shortened(value: &str) -> String {
    match value.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

fn snake_case(reason: &str) -> String {
    reason.to_ascii_lowercase().replace([' ', '-'], "_").replace('\'', "")
}

fn status_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl IntoResponse for Problem {
    /// The answer. The problem itself goes along as an extension, so that [`Shell`](crate::Shell) can add the
    /// request's id.
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("a problem has only text, numbers and JSON values");
        let headers = self.0.headers.clone();
        let mut response =
            (self.0.status, headers, [(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON))], body)
                .into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_flat_and_the_status_a_number() {
        let problem = Problem::bad_parameter("limit", "many", "a whole number").with("row", 3);
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:problem-type:driftline:bad_parameter",
                "title": "A parameter cannot be used.",
                "status": 400,
                "detail": "parameter `limit` is \"many\"; accepted: a whole number",
                "parameter": "limit",
                "accepted": "a whole number",
                "row": 3,
            })
        );
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let problem = Problem::bad_parameter("window", &"é".repeat(5_000), "a window's name");
        assert!(problem.0.detail.len() < 600, "{}", problem.0.detail.len());
        assert!(problem.0.detail.contains('…'));
    }

    #[test]
    fn a_bare_status_gets_a_name() {
        let kind = |status| Problem::of_status(status).0.kind;
        assert_eq!(kind(StatusCode::METHOD_NOT_ALLOWED), "urn:problem-type:driftline:method_not_allowed");
        assert_eq!(kind(StatusCode::IM_A_TEAPOT), "urn:problem-type:driftline:im_a_teapot");
    }

    #[test]
    fn its_schema_is_an_object_that_may_have_more_members() {
        let schema = serde_json::to_value(Problem::schema()).unwrap();
        let text = schema.to_string();
        assert!(text.contains("\"type\"") && text.contains("additionalProperties"), "{text}");
        assert!(!text.contains("headers"), "{text}");
    }
}
