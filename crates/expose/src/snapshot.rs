//! What one scrape shows.

use std::sync::Arc;

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;

use crate::Histogram;
use crate::alert::SinkSnapshot;

/// The state of the service at one moment. Immutable: the next scrape gets another one.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken: lags and uptime are counted to here.
    pub time: EventTime,
    /// The newest report of each window, version and segment of each model. Of several with the same names the one
    /// that ends last is shown, and of those the highest revision.
    pub reports: Vec<Arc<WindowReport>>,
    /// What was counted of each model, in any order.
    pub models: Vec<ModelSnapshot>,
    /// What was counted of the service.
    pub service: ServiceSnapshot,
}

/// What was counted of one watched model since the start.
#[derive(Clone, Debug, Default)]
pub struct ModelSnapshot {
    /// Its name.
    pub model: String,
    /// Its watermark; `None` before its first event.
    pub watermark: Option<EventTime>,
    /// When an event of it last arrived.
    pub last_arrival: Option<EventTime>,
    /// Predictions that are known by their id, for labels and de-duplication.
    pub known_predictions: u64,
    /// Labels that wait for their prediction.
    pub waiting_labels: u64,
    /// Labels since the start, by what became of them.
    pub labels: Vec<(&'static str, u64)>,
    /// Predictions that came after the watermark had passed them.
    pub late: u64,
    /// Predictions and labels forgotten before their time, since there were too many.
    pub expired_early: u64,
    /// Closed windows that changed and wait to be evaluated again.
    pub owed_revisions: u64,
    /// Panes held.
    pub panes: u64,
    /// Rows that the reference has learned so far, and how many it needs; `None` when it is not learning.
    pub learning: Option<(u64, u64)>,
    /// When what it is compared with was built or learned, where that stands still.
    pub reference_created: Option<EventTime>,
    /// Each version that answered, with the start of its first window.
    pub version_starts: Vec<(String, EventTime)>,
    /// The traffic of each of its versions.
    pub versions: Vec<VersionTraffic>,
    /// Its alerts.
    pub alerts: AlertFigures,
}

/// A model's alerts in numbers.
#[derive(Clone, Debug, Default)]
pub struct AlertFigures {
    /// Alerts that fire: minor, major, critical.
    pub firing: [u64; 3],
    /// Rules on versions and segments that cannot say anything of the latest window, by reason.
    pub undecided: Vec<(String, u64)>,
    /// What happened to alerts, by rule and outcome; what never did is left out.
    pub outcomes: Vec<(String, &'static str, u64)>,
}

/// The traffic of one model version since the start.
#[derive(Clone, Debug, Default)]
pub struct VersionTraffic {
    /// The version; empty when none was sent.
    pub version: String,
    /// Requests by status: sums of weights, so that sampled events count for all that they stand for.
    pub status: Vec<(String, f64)>,
    /// Latency in seconds, one observation for each row that has one.
    pub latency: Histogram,
}

/// What was counted of the service since the start.
#[derive(Clone, Debug, Default)]
pub struct ServiceSnapshot {
    /// The package's version.
    pub version: String,
    /// The commit it was built from, if known.
    pub commit: String,
    /// When it started.
    pub started: Option<EventTime>,
    /// Rows by kind and model.
    pub rows: Vec<RowCount>,
    /// Rejected rows by kind, model and reason.
    pub rejected: Vec<RejectedCount>,
    /// Payloads that could not be used at all.
    pub payloads_rejected: Vec<PayloadCount>,
    /// Ingest requests by kind and status.
    pub requests: Vec<RequestCount>,
    /// Bytes of bodies as sent.
    pub received_bytes: u64,
    /// Fields of accepted events that were not used.
    pub ignored_fields: u64,
    /// Bytes held for requests now, and how many may be.
    pub in_flight_bytes: (u64, u64),
    /// Submissions that wait for the pipeline now, and how many may.
    pub queue: (u64, u64),
    /// How long each round of evaluation took.
    pub evaluation: Histogram,
    /// Window reports forgotten since there were too many.
    pub reports_dropped: u64,
    /// Rows that the engine refused: a fault of the program.
    pub refused_rows: u64,
    /// Evaluations that failed, likewise.
    pub failed_evaluations: u64,
    /// When the last one ended.
    pub last_evaluation: Option<EventTime>,
    /// How what must outlive the service is kept.
    pub durability: DurabilityFigures,
    /// How Kafka is read, where it is.
    pub kafka: Option<KafkaFigures>,
    /// How alerts are delivered, by sink.
    pub alert_sinks: Vec<AlertSinkFigures>,
}

/// How alerts are delivered to one sink.
#[derive(Clone, Debug, Default)]
pub struct AlertSinkFigures {
    /// Its name.
    pub sink: String,
    /// Its kind, such as `slack`.
    pub kind: &'static str,
    /// Whether the other side took what was sent last; `None` before that.
    pub connected: Option<bool>,
    /// Events that wait, in the state too.
    pub waiting: u64,
    /// Events that were delivered since the start.
    pub delivered: u64,
    /// Attempts that failed, and were or will be made again.
    pub failures: u64,
    /// Events that the other side will never take.
    pub refused: u64,
    /// Events that were left out: over before quiet hours were, or too many waited.
    pub dropped: u64,
}

impl From<SinkSnapshot> for AlertSinkFigures {
    fn from(snapshot: SinkSnapshot) -> Self {
        let SinkSnapshot { sink, kind, connected, waiting, delivered, failures, refused, dropped, .. } =
            snapshot;
        Self { sink, kind: kind.as_str(), connected, waiting, delivered, failures, refused, dropped }
    }
}

/// How events are published.
#[derive(Clone, Debug, Default)]
pub struct PublishFigures {
    /// Whether the brokers answered when something was last sent; `None` before that.
    pub connected: Option<bool>,
    /// Messages that wait, in the state.
    pub waiting: u64,
    /// Messages that were delivered since the start.
    pub delivered: u64,
    /// Attempts that failed, and were or will be made again.
    pub failures: u64,
    /// Messages that the brokers will never take.
    pub refused: u64,
    /// Messages that were left out since too many waited.
    pub dropped: u64,
}

/// How Kafka is read.
#[derive(Clone, Debug, Default)]
pub struct KafkaFigures {
    /// Whether a broker answers.
    pub connected: bool,
    /// Whether partitions are paused because the queue to the pipeline is full.
    pub paused: bool,
    /// The partitions that are read.
    pub partitions: Vec<PartitionFigures>,
    /// Messages, by what became of them.
    pub messages: Vec<(&'static str, u64)>,
    /// Other counts since the start, by the name of their metric.
    pub counts: Vec<(&'static str, u64)>,
}

/// A partition of a topic that is read.
#[derive(Clone, Debug, Default)]
pub struct PartitionFigures {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: String,
    /// The offset to read next.
    pub position: Option<i64>,
    /// Messages that wait.
    pub lag: Option<u64>,
    /// How long ago the last message that was handed on had been written.
    pub behind_seconds: Option<f64>,
}

/// How what must outlive the service is kept.
#[derive(Clone, Debug, Default)]
pub struct DurabilityFigures {
    /// Whether the state folder takes what must be kept.
    pub storage_ok: bool,
    /// Whether the journal has been replayed.
    pub recovered: bool,
    /// Rows that were replayed.
    pub recovery_rows: u64,
    /// How long that took.
    pub recovery_seconds: f64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Seconds that a group of batches took to become durable.
    pub journal_append: Histogram,
    /// Submissions that the journal refused.
    pub journal_refused: u64,
    /// Bytes that were cut off the journal's end at the start.
    pub journal_cut_bytes: u64,
    /// Seconds that a checkpoint took to become durable.
    pub checkpoint: Histogram,
    /// Attempts at a checkpoint that failed.
    pub checkpoint_failures: u64,
    /// Bytes that the last checkpoint changed.
    pub checkpoint_bytes: u64,
    /// When the last checkpoint became durable, in seconds since the epoch.
    pub checkpoint_time: Option<f64>,
    /// Alert events that were left out since too many waited, or their sink is no more.
    pub alerts_dropped: u64,
    /// How events are published, where they are.
    pub publish: Option<PublishFigures>,
}

/// Rows of one kind and model.
#[derive(Clone, Debug, Default)]
pub struct RowCount {
    /// `prediction` or `label`.
    pub event: &'static str,
    /// Their model.
    pub model: String,
    /// Decoded, and looked at by the pipeline.
    pub received: u64,
    /// Taken by it.
    pub accepted: u64,
    /// Seen before.
    pub duplicates: u64,
    /// Older than the retention.
    pub too_late: u64,
}

/// Rejected rows of one kind, model and reason.
#[derive(Clone, Debug, Default)]
pub struct RejectedCount {
    /// `prediction` or `label`.
    pub event: &'static str,
    /// Their model; empty if it is not known.
    pub model: String,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub rows: u64,
}

/// Payloads that could not be used, for one reason.
#[derive(Clone, Debug, Default)]
pub struct PayloadCount {
    /// `prediction` or `label`.
    pub event: &'static str,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub payloads: u64,
}

/// Ingest requests with one status.
#[derive(Clone, Debug, Default)]
pub struct RequestCount {
    /// `prediction` or `label`.
    pub event: &'static str,
    /// The status they were answered with.
    pub status: u16,
    /// How many.
    pub requests: u64,
}
