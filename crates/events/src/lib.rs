//! The vocabulary of Driftline, and its one decoder: bytes in, checked Arrow batches out.
//!
//! Pure: no clock, file, socket, environment or log. Time of arrival comes in as an argument.

pub mod layout;
mod schema;
mod span;
mod time;

pub use schema::{Feature, FeatureKind, ModelId, ModelIdError, ModelSchema, Task};
pub use span::{Span, SpanError};
pub use time::EventTime;
