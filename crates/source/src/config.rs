//! How much is taken in.

use std::num::NonZero;
use std::time::Duration;

use driftline_events::{Limits, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[ingest]` table of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IngestOptions {
    /// Bytes of a body as sent (default 16 MiB).
    pub max_body_bytes: usize,
    /// Bytes of a body after decompression (default 128 MiB).
    pub max_decompressed_bytes: usize,
    /// Bytes of all bodies and decoded batches that wait for the pipeline, together (default 512 MiB).
    pub max_bytes_in_flight: usize,
    /// Submissions that wait for the pipeline (default 64): enough to keep it busy while clients wait for their
    /// receipts; the bytes are bounded apart from it.
    pub queue_length: usize,
    /// How long a request waits for room in the memory or the queue before it is answered 503 (default 250ms: a
    /// short burst passes, and a client hears soon of a real jam).
    pub queue_wait: Span,
    /// How long a body may take to arrive (default 30s).
    pub body_timeout: Span,
    /// How far ahead of the clock an event may be (default 10m).
    pub max_future: Span,
    /// Rejected rows that `GET /v1/rejected` remembers (default 1,000).
    pub rejected_kept: usize,
}

impl Default for IngestOptions {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            max_body_bytes: limits.body_bytes,
            max_decompressed_bytes: limits.decompressed_bytes,
            max_bytes_in_flight: 512 << 20,
            queue_length: 64,
            queue_wait: Span::try_from("250ms".to_owned()).expect("250ms is a length of time"),
            body_timeout: Span::from_secs(30),
            max_future: Span::from_mins(10),
            rejected_kept: 1_000,
        }
    }
}

/// Checked [`IngestOptions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestSpec {
    pub(crate) limits: Limits,
    pub(crate) bytes_in_flight: usize,
    pub(crate) queue_length: NonZero<usize>,
    pub(crate) queue_wait: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) max_future: Duration,
    pub(crate) rejected_kept: usize,
}

/// Options that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IngestSpecError {
    /// A number that must be above zero.
    #[error("{key} is 0, it must be 1 at least")]
    Zero {
        /// Its key.
        key: &'static str,
    },
    /// A number below one that it must hold.
    #[error("{key} is {bytes}, less than {other} ({other_bytes}): a body that is allowed would never fit")]
    BelowOther {
        /// Its key.
        key: &'static str,
        /// Its value.
        bytes: usize,
        /// The other's key.
        other: &'static str,
        /// The other's value.
        other_bytes: usize,
    },
    /// More remembered rows than are good for the memory.
    #[error("rejected_kept is {kept}, it must be 100000 at most")]
    TooManyKept {
        /// Its value.
        kept: usize,
    },
}

impl IngestSpec {
    /// How many submissions may wait for the pipeline: the bound of the channel that [`crate::Ingest`] sends into.
    #[must_use]
    pub const fn queue_length(&self) -> usize {
        self.queue_length.get()
    }

    /// The limits on payloads.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How far ahead of the clock an event may be.
    #[must_use]
    pub const fn max_future(&self) -> Duration {
        self.max_future
    }
}

impl TryFrom<IngestOptions> for IngestSpec {
    type Error = Vec<IngestSpecError>;

    fn try_from(options: IngestOptions) -> Result<Self, Self::Error> {
        let mut errors = Vec::new();
        for (key, value) in [
            ("max_body_bytes", options.max_body_bytes),
            ("max_decompressed_bytes", options.max_decompressed_bytes),
        ] {
            if value == 0 {
                errors.push(IngestSpecError::Zero { key });
            }
            if options.max_bytes_in_flight < value {
                errors.push(IngestSpecError::BelowOther {
                    key: "max_bytes_in_flight",
                    bytes: options.max_bytes_in_flight,
                    other: key,
                    other_bytes: value,
                });
            }
        }
        if options.rejected_kept > 100_000 {
            errors.push(IngestSpecError::TooManyKept { kept: options.rejected_kept });
        }
        if options.body_timeout.duration().is_zero() {
            errors.push(IngestSpecError::Zero { key: "body_timeout" });
        }
        let Some(queue_length) = NonZero::new(options.queue_length) else {
            errors.push(IngestSpecError::Zero { key: "queue_length" });
            return Err(errors);
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut limits = Limits::default();
        limits.body_bytes = options.max_body_bytes;
        limits.decompressed_bytes = options.max_decompressed_bytes;
        Ok(Self {
            limits,
            bytes_in_flight: options.max_bytes_in_flight,
            queue_length,
            queue_wait: options.queue_wait.duration(),
            body_timeout: options.body_timeout.duration(),
            max_future: options.max_future.duration(),
            rejected_kept: options.rejected_kept,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold() {
        let options: IngestOptions = toml::from_str("").unwrap();
        let spec = IngestSpec::try_from(options).unwrap();
        assert_eq!(spec.limits, Limits::default());
        assert_eq!((spec.queue_length(), spec.queue_wait), (64, Duration::from_millis(250)));
    }

    #[test]
    fn every_fault_is_found() {
        let options = IngestOptions {
            max_body_bytes: 0,
            max_decompressed_bytes: 10,
            max_bytes_in_flight: 9,
            queue_length: 0,
            rejected_kept: 1_000_000,
            ..IngestOptions::default()
        };
        let errors = IngestSpec::try_from(options).unwrap_err();
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(toml::from_str::<IngestOptions>("max_body = 3").is_err());
    }
}
