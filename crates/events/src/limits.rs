//! The bounds that keep one payload from harming the service.

/// What a payload and its events may have at most.
///
/// Each limit is far above what honest clients send, and low enough that a hostile payload costs no more
/// memory or time than a large honest one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a payload as it arrives. 16 MiB: some 25,000 events of 650 bytes, a second of a busy client.
    pub body_bytes: usize,
    /// Bytes of a payload after decompression, and of a decoded Arrow stream. 128 MiB: events compress about
    /// eightfold, so this is a full body; a zip bomb reaches a thousandfold.
    pub decompressed_bytes: usize,
    /// Brackets open at once, the event's own included. 32: an event needs 3, unknown fields may go deeper.
    pub depth: usize,
    /// Bytes of a text value or a key. 1,024: categories are names, not documents.
    pub string_bytes: usize,
    /// Keys in an event's `features`, and features of an inferred model. 4,096: the widest public tables.
    pub features: usize,
    /// Keys in an event's `metrics`, and different ones in a batch. 64: each becomes Prometheus series.
    pub metrics: usize,
    /// Keys in an event's `tags`. 32: segment dimensions are few.
    pub tags: usize,
    /// Keys in an event's `scores`, and different ones in a batch. 1,024: ImageNet has 1,000 classes.
    pub classes: usize,
    /// Rows of a payload. 1,048,576: 128 MiB of the shortest useful events.
    pub rows: usize,
    /// Rows times columns of all batches of a payload. 64 Mi: half a gigabyte of decoded columns, so that
    /// many tiny events of a model with thousands of features cannot fill the memory.
    pub cells: usize,
    /// Rejected rows whose detail is kept; all are counted. 1,000: enough to find the fault in the sender.
    pub rejected_details: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            decompressed_bytes: 128 << 20,
            depth: 32,
            string_bytes: 1_024,
            features: 4_096,
            metrics: 64,
            tags: 32,
            classes: 1_024,
            rows: 1 << 20,
            cells: 64 << 20,
            rejected_details: 1_000,
        }
    }
}
