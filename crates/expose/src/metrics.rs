//! The metrics: what there is, and how a snapshot is written.

mod alert;
mod budget;
mod catalogue;
mod durability;
mod kafka;
mod process;
mod publish;
mod service;
mod statistic;
mod writer;

pub(crate) use budget::segment_label;
pub use catalogue::{METRICS, MetricDoc, MetricKind, metrics_table};
pub(crate) use statistic::{WINDOW_LABELS, figures_of, parts};

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use crate::config::ExposeSpec;
use crate::snapshot::Snapshot;
use budget::Shown;
use writer::Writer;

/// Gives the state to show; called once for each scrape, from a thread that may block shortly.
pub type SnapshotSource = Arc<dyn Fn() -> Arc<Snapshot> + Send + Sync>;

/// Writes `/metrics`.
pub struct Metrics {
    spec: ExposeSpec,
    source: SnapshotSource,
}

impl Metrics {
    /// Shows what `source` gives.
    #[must_use]
    pub const fn new(spec: ExposeSpec, source: SnapshotSource) -> Self {
        Self { spec, source }
    }

    /// One scrape, as OpenMetrics 1.0.0 text with its final `# EOF`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut registry = Registry::default();
        let scrape = Scrape { snapshot: (self.source)(), max_series: self.spec.max_series };
        registry.register_collector(Box::new(scrape));
        let mut written = String::with_capacity(1 << 16);
        text::encode(&mut written, &registry).expect("a string takes all that is written");
        written
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// A snapshot in the form that prometheus-client writes. It is made for one scrape: label sets whose report is
/// gone need no one to remove them.
#[derive(Debug)]
struct Scrape {
    snapshot: Arc<Snapshot>,
    max_series: usize,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer::new(&mut encoder);
        let shown = Shown::of(&self.snapshot.reports);
        let selection = budget::select(&shown, self.max_series);
        for (metric, series) in METRICS.iter().zip(&selection.families) {
            writer.gauges(metric, series.iter().map(|series| (series.labels(), series.value)))?;
        }
        writer.gauge("driftline_series", selection.kept as f64)?;
        writer.gauge("driftline_series_cut", selection.cut as f64)?;
        writer.gauge("driftline_series_limit", self.max_series as f64)?;
        service::write(&mut writer, &self.snapshot)?;
        process::write(&mut writer)
    }
}

#[cfg(test)]
mod tests;
