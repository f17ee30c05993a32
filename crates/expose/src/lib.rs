//! The ways out: Prometheus metrics, the read API, events to Kafka, and alerts to whoever is to be told.
//!
//! All show what `evaluate` has worked out and the service has counted, and calculate no statistics of their own.
//! The binary gives a [`Snapshot`] for each scrape and implements [`ReadModel`] for the rest.
//!
//! Invariants:
//! - One scrape shows one consistent state; a series exists only while its report is in the snapshot.
//! - A figure that is absent from a report is absent from the metrics: never 0, NaN or the value before.
//! - The number of window-statistic series is bounded, and what was cut is counted.

mod alert;
mod config;
#[cfg(test)]
mod fixture;
mod histogram;
mod metrics;
mod publish;
mod read;
mod snapshot;

pub use alert::{
    ALERT_EVENT_TYPE, AlertClock, NotTaken, Notifier, NotifyError, NotifyFault, NotifyOptions, NotifySpec,
    NotifySpecError, OnAlertDelivery, QuietHoursOptions, RouteOptions, SecretError, SecretFromEnv,
    SecretFromFile, SecretOptions, SinkKind, SinkOptions, SinkSnapshot, SmtpOptions, SmtpTls, TestAnswer,
    TestError, alert_event_message, test_sink,
};
pub use config::{ExposeOptions, ExposeSpec, ExposeSpecError};
pub use histogram::Histogram;
pub use metrics::{METRICS, MetricDoc, MetricKind, Metrics, SnapshotSource, metrics_table};
pub use publish::{
    Delivery, Message, OnDelivery, PublishError, PublishOptions, PublishSnapshot, PublishSpec,
    PublishSpecError, Publisher, QueueFull, WINDOW_REPORT_TYPE, window_report_message,
};
pub use read::{
    BoxFuture, CompareQuery, Failure, ModelDetail, ModelOrigin, ModelOverview, Page, Period, ReadError,
    ReadModel, ReferencePeriod, SegmentFilter, WindowsQuery, read_openapi, read_router,
};
pub use snapshot::{
    AlertFigures, AlertSinkFigures, DurabilityFigures, KafkaFigures, ModelSnapshot, PartitionFigures,
    PayloadCount, PublishFigures, RejectedCount, RequestCount, RowCount, ServiceSnapshot, Snapshot,
    VersionTraffic,
};
