//! The vocabulary of Driftline, and its one decoder: bytes in, checked Arrow batches out.
//!
//! Pure: no clock, file, socket, environment or log. Time of arrival comes in as an argument.

mod column;
mod decode;
mod encoding;
mod event;
mod feature_column;
mod flat;
mod infer;
mod json;
mod json_schema;
mod label;
mod label_batch;
mod label_sink;
pub mod layout;
mod limits;
mod payload;
mod prediction;
mod prediction_batch;
mod prediction_sink;
mod registry;
mod reject;
mod scalar;
mod schema;
mod span;
mod time;

pub use decode::{
    DecodeContext, Decoded, DecodedMessages, JsonMessage, MessagePart, ModelBatch, RejectedRow,
    decode_labels, decode_predictions, labels_from_arrow, labels_from_messages, predictions_from_arrow,
    predictions_from_messages,
};
pub use encoding::{Encoding, decompress};
pub use json_schema::{label_schema, prediction_schema};
pub use label::{Label, LabelOp};
pub use limits::Limits;
pub use payload::{Carrier, PayloadError};
pub use prediction::{Answer, Class, FeatureValue, Prediction, Status, Timestamp, Variant};
pub use registry::{ModelRegistry, RegisterError};
pub use reject::REJECT_REASONS;
pub use schema::{Feature, FeatureKind, ModelId, ModelIdError, ModelSchema, Task};
pub use span::{Span, SpanError};
pub use time::EventTime;
