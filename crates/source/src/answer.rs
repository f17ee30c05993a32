//! What a sender is told.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use driftline_events::RejectedRow;
use driftline_http::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::submission::Taken;

/// What became of a payload's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "accepted": 499, "duplicates": 0, "too_late": 0, "ignored_fields": 0, "rejected_total": 1,
    "rejected": [{"row": 3, "model": "census", "reason": "bad_timestamp", "detail": "\"yesterday\" is no time"}]
}))]
pub struct IngestAnswer {
    /// Rows that were taken.
    pub accepted: u64,
    /// Rows whose `prediction_id` was seen before: counted once, so they are not taken again.
    pub duplicates: u64,
    /// Rows that are older than their model's retention.
    pub too_late: u64,
    /// Fields of taken rows that nothing uses.
    pub ignored_fields: u64,
    /// Rows that were rejected.
    pub rejected_total: u64,
    /// The first of them, by position.
    pub rejected: Vec<RejectedRowAnswer>,
}

/// A rejected row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedRowAnswer {
    /// Its position in the payload, from 0: blank lines are no rows.
    pub row: u64,
    /// Its model, where that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Why: stable and few.
    pub reason: Cow<'static, str>,
    /// What was found.
    pub detail: String,
}

impl IngestAnswer {
    /// The answer without what became of the rows that were not rejected.
    pub(crate) fn new(rejected: Vec<RejectedRow>, rejected_total: u64, ignored_fields: u64) -> Self {
        let rejected = rejected
            .into_iter()
            .map(|RejectedRow { row, model, reason, detail }| RejectedRowAnswer {
                row,
                model,
                reason: reason.into(),
                detail,
            })
            .collect();
        Self { ignored_fields, rejected_total, rejected, ..Self::default() }
    }

    /// The same with what became of the other rows.
    pub(crate) fn taken(self, taken: Taken) -> Self {
        let Taken { accepted, duplicates, too_late } = taken;
        Self { accepted, duplicates, too_late, ..self }
    }

    /// Its bytes, to be kept for a request that is sent again.
    pub(crate) fn encode(&self) -> Arc<[u8]> {
        serde_json::to_vec(self).expect("an answer has only text and numbers").into()
    }

    /// `None` if the bytes are no answer.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// 200; 422 if there were rows and none was taken or known already. An empty payload is no fault.
    pub(crate) const fn status(&self) -> StatusCode {
        if self.accepted + self.duplicates == 0 && self.rejected_total + self.too_late > 0 {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        }
    }
}

impl IntoResponse for IngestAnswer {
    /// The answer; with 422 as a problem that has the same members.
    fn into_response(self) -> Response {
        let status = self.status();
        if status == StatusCode::OK {
            return axum::Json(self).into_response();
        }
        let detail = match self.rejected.first() {
            Some(RejectedRowAnswer { row, reason, detail, .. }) => {
                format!("none of the rows was taken; row {row}: {reason}: {detail}")
            }
            None => "none of the rows was taken; they are older than their model's retention".to_owned(),
        };
        let rejected = serde_json::to_value(&self.rejected).expect("rows have only text and numbers");
        Problem::new(status, "no_row_taken", "No row of the payload was taken.")
            .detail(detail)
            .with("accepted", self.accepted)
            .with("duplicates", self.duplicates)
            .with("too_late", self.too_late)
            .with("ignored_fields", self.ignored_fields)
            .with("rejected_total", self.rejected_total)
            .with("rejected", rejected)
            .into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_payload_of_which_nothing_was_taken_is_422() {
        let status = |accepted, duplicates, too_late, rejected| {
            IngestAnswer::new(Vec::new(), rejected, 0)
                .taken(Taken { accepted, duplicates, too_late })
                .status()
                .as_u16()
        };
        assert_eq!(status(0, 0, 0, 0), 200);
        assert_eq!(status(1, 0, 0, 5), 200);
        assert_eq!(status(0, 1, 0, 5), 200);
        assert_eq!(status(0, 1, 1, 0), 200);
        assert_eq!(status(0, 0, 1, 0), 422);
        assert_eq!(status(0, 0, 0, 1), 422);
    }
}
