//! Payloads: how events are carried, and why a whole payload can be unusable.

/// The form of a payload's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Carrier {
    /// NDJSON, one JSON array, or one JSON object, told apart by content.
    Json,
    /// An Arrow IPC stream with flat columns.
    ArrowStream,
}

impl Carrier {
    /// The media type of an Arrow IPC stream.
    pub const ARROW_STREAM_MEDIA_TYPE: &str = "application/vnd.apache.arrow.stream";

    /// The carrier that a `Content-Type` names. JSON where there is none, and for the media types that
    /// clients send JSON by; `None` for any other.
    #[must_use]
    pub fn from_content_type(content_type: Option<&str>) -> Option<Self> {
        let Some(content_type) = content_type else { return Some(Self::Json) };
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            Self::ARROW_STREAM_MEDIA_TYPE => Some(Self::ArrowStream),
            // curl sends form-urlencoded and octet-stream unless it is told otherwise.
            ""
            | "application/json"
            | "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/json-lines"
            | "application/jsonlines"
            | "text/plain"
            | "application/x-www-form-urlencoded"
            | "application/octet-stream" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A payload that cannot be used at all. Faults of single rows are data: [`crate::RejectedRow`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// More bytes than [`crate::Limits::body_bytes`].
    #[error("the body has {bytes} bytes, at most {limit} are taken: send smaller batches")]
    BodyTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// More bytes after decompression than [`crate::Limits::decompressed_bytes`].
    #[error("the body has more than {limit} bytes when decompressed: send smaller batches")]
    DecompressedTooLarge {
        /// The limit.
        limit: usize,
    },
    /// Compressed data that is broken, cut short, or followed by something else.
    #[error("the body is not valid {encoding}")]
    Compression {
        /// `gzip` or `zstd`.
        encoding: &'static str,
        /// What the decompressor said.
        #[source]
        source: std::io::Error,
    },
    /// More rows than [`crate::Limits::rows`].
    #[error("the payload has more than {limit} rows: send smaller batches")]
    TooManyRows {
        /// The limit.
        limit: usize,
    },
    /// More rows times columns than [`crate::Limits::cells`].
    #[error("the payload decodes to more than {limit} cells (rows times columns): send smaller batches")]
    TooManyCells {
        /// The limit.
        limit: usize,
    },
    /// Bytes that are no Arrow IPC stream, or a broken one.
    #[error("the body is not a valid Arrow IPC stream")]
    Arrow(#[source] arrow::error::ArrowError),
    /// An Arrow column that cannot hold what its name says.
    #[error("column {column:?} should be {expected}, and is {found}")]
    ColumnType {
        /// The column's name.
        column: String,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// Two Arrow columns with the same meaning.
    #[error("column {column:?} is there twice")]
    ColumnTwice {
        /// The column's name.
        column: String,
    },
    /// An Arrow table without a column that is needed.
    #[error("column {column:?} is missing")]
    ColumnMissing {
        /// The column's name.
        column: &'static str,
    },
}

impl PayloadError {
    /// Value of the `reason` label of `driftline_payloads_rejected_total`: stable and few.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::BodyTooLarge { .. } | Self::DecompressedTooLarge { .. } => "too_large",
            Self::Compression { .. } => "bad_compression",
            Self::TooManyRows { .. } => "too_many_rows",
            Self::TooManyCells { .. } => "too_many_cells",
            Self::Arrow(_) => "bad_arrow",
            Self::ColumnType { .. } | Self::ColumnTwice { .. } | Self::ColumnMissing { .. } => "bad_columns",
        }
    }

    /// Whether a smaller batch could be taken (HTTP status 413).
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        matches!(
            self,
            Self::BodyTooLarge { .. }
                | Self::DecompressedTooLarge { .. }
                | Self::TooManyRows { .. }
                | Self::TooManyCells { .. }
        )
    }
}
