//! Every metric that there is.

use std::sync::LazyLock;

/// What Prometheus takes a metric for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets.
    Histogram,
    /// Facts that do not change.
    Info,
}

/// What is to be known of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricDoc {
    /// Its name as a scrape shows it; a histogram's without `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    /// What Prometheus takes it for.
    pub kind: MetricKind,
    /// Its labels, in order; a histogram's without `le`.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence without a full stop.
    pub help: &'static str,
}

/// Every metric that a scrape may show, in the order it shows them.
pub static METRICS: LazyLock<Vec<MetricDoc>> = LazyLock::new(Vec::new);

/// The catalogue as a Markdown table, as the README has it.
#[must_use]
pub fn metrics_table() -> String {
    String::new()
}
