//! Every metric that there is.

use std::fmt;
use std::fmt::Write as _;
use std::sync::LazyLock;

use super::{alert, durability, kafka, process, publish, service, statistic};

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

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        })
    }
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

/// Every metric that a scrape may show, window statistics first.
pub static METRICS: LazyLock<Vec<MetricDoc>> = LazyLock::new(|| {
    [
        statistic::docs(),
        service::DOCS.to_vec(),
        durability::DOCS.to_vec(),
        kafka::DOCS.to_vec(),
        publish::DOCS.to_vec(),
        alert::MODEL_DOCS.to_vec(),
        alert::DOCS.to_vec(),
        process::DOCS.to_vec(),
    ]
    .concat()
});

/// The catalogue as a Markdown table, as `docs/metrics.md` has it.
#[must_use]
pub fn metrics_table() -> String {
    let mut table = String::from("| Metric | Type | Labels | What it says |\n|---|---|---|---|\n");
    for MetricDoc { name, kind, labels, help } in METRICS.iter() {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(table, "| `{name}` | {kind} | {} | {help}. |", labels.join(", "))
            .expect("a string takes all that is written");
    }
    table
}
