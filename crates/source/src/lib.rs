//! The ways in: HTTP routes that take events, decode them and hand them to the pipeline.
//!
//! ```text
//! body -> (memory) -> decode -> Submission -> queue -> pipeline
//!                                                         |
//! answer <------------------- Receipt --------------------+
//! ```
//!
//! Invariants:
//! - An answer of 200 comes only after the pipeline has sent its [`Receipt`]: what makes rows safe (a journal)
//!   stands before [`Reply::send`], and nothing here needs to know.
//! - Memory is bounded: bodies, and batches until their receipt, together stay within
//!   [`IngestOptions::max_bytes_in_flight`]; whoever comes when that is full, or when the queue is, gets 503.
//! - A row is counted once: a request that is answered 503 or 507 has counted no rows, and may be sent again.

mod answer;
mod body;
mod config;
mod idempotency;
mod ingest;
mod joined;
mod kafka;
mod memory;
mod positions;
mod rejected;
mod routes;
mod stats;
mod submission;
mod together;

pub use answer::{IngestAnswer, RejectedRowAnswer};
pub use config::{IngestOptions, IngestSpec, IngestSpecError};
pub use ingest::{Clock, Ingest};
pub use joined::join_small;
pub use kafka::{
    KafkaCounts, KafkaFault, KafkaOptions, KafkaProperties, KafkaSnapshot, KafkaSource, KafkaSpec,
    KafkaSpecError, KafkaStart, KafkaStartError, KafkaStatus, PartitionSnapshot,
};
pub use positions::{Position, Positions};
pub use rejected::{MessagePlace, RejectedEntry, RejectedPage};
pub use routes::{ingest_openapi, ingest_router};
pub use stats::{IngestSnapshot, PayloadRejections, RequestCount, RowCounts, RowRejections};
pub use submission::{EventKind, Idempotency, Origin, Receipt, Reply, StorageFault, Submission, Taken};
