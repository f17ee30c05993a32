//! Rejected rows: why, and what was found.

use crate::RejectedRow;

/// Why a row cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    InvalidJson,
    InvalidUtf8,
    TooDeep,
    DuplicateKey,
    MissingModel,
    BadModel,
    UnknownModel,
    TooManyModels,
    BadPredictionId,
    MissingPredictionId,
    BadTimestamp,
    TooFarInFuture,
    BadVersion,
    BadFeatures,
    TooManyFeatures,
    TooManyTags,
    TooManyMetrics,
    TooManyClasses,
    BadPrediction,
    BadLabel,
    BadValue,
    MissingLabel,
    BadOp,
    ScoreOutOfRange,
    BadWeight,
    BadSampleRate,
}

/// Every value of [`RejectedRow::reason`].
pub const REJECT_REASONS: [&str; 26] = [
    "invalid_json",
    "invalid_utf8",
    "too_deep",
    "duplicate_key",
    "missing_model",
    "bad_model",
    "unknown_model",
    "too_many_models",
    "bad_prediction_id",
    "missing_prediction_id",
    "bad_timestamp",
    "too_far_in_future",
    "bad_version",
    "bad_features",
    "too_many_features",
    "too_many_tags",
    "too_many_metrics",
    "too_many_classes",
    "bad_prediction",
    "bad_label",
    "bad_value",
    "missing_label",
    "bad_op",
    "score_out_of_range",
    "bad_weight",
    "bad_sample_rate",
];

impl Reason {
    pub(crate) const fn as_str(self) -> &'static str {
        REJECT_REASONS[self as usize]
    }
}

/// A fault of one row.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// The rejected rows of one payload: all counted, the first ones kept.
#[derive(Debug)]
pub(crate) struct Rejections {
    rows: Vec<RejectedRow>,
    total: u64,
    limit: usize,
}

impl Rejections {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { rows: Vec::new(), total: 0, limit }
    }

    pub(crate) fn push(&mut self, row: u64, model: Option<&str>, fault: Fault) {
        self.total += 1;
        if self.rows.len() < self.limit {
            let detail = excerpt(&fault.detail, DETAIL_CHARS);
            let model = model.map(|model| excerpt(model, 128));
            self.rows.push(RejectedRow { row, model, reason: fault.reason.as_str(), detail });
        }
    }

    /// The kept rows by position, and how many there were.
    pub(crate) fn finish(mut self) -> (Vec<RejectedRow>, u64) {
        self.rows.sort_by_key(|rejected| rejected.row);
        (self.rows, self.total)
    }
}

/// A detail has a sentence and a value.
const DETAIL_CHARS: usize = 300;
/// Enough of a value to find it in the sender's log.
const VALUE_CHARS: usize = 200;

/// The start of a value, to be shown.
pub(crate) fn shown(value: &str) -> String {
    excerpt(value, VALUE_CHARS)
}

/// The start of a value that may not be text.
pub(crate) fn shown_bytes(value: &[u8]) -> String {
    // A character has at most 4 bytes: what is cut off here would be cut off below as well.
    let head = &value[..value.len().min(VALUE_CHARS * 4 + 4)];
    shown(&String::from_utf8_lossy(head))
}

fn excerpt(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
