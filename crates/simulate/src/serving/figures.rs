//! What the model server counts of itself: traffic, errors, latency, saturation.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::fate::CAPACITY;
use crate::inputs::{MODEL, VERSION};

/// Upper bounds of the buckets in seconds: those of `driftline_prediction_latency_seconds`, so that the two can be laid
/// over each other.
const BOUNDS_SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    model: &'static str,
    version: &'static str,
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Served {
    model: &'static str,
    version: &'static str,
}

/// What the server serves: one version of one model.
const SERVED: Served = Served { model: MODEL, version: VERSION };

/// What became of an event of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    /// Driftline or Kafka has it.
    Delivered,
    /// Driftline had it already.
    Duplicate,
    /// Driftline or Kafka will not take it.
    Refused,
    /// It was left out: too many waited, or the server stopped.
    Dropped,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Delivered, Self::Duplicate, Self::Refused, Self::Dropped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Logged {
    outcome: &'static str,
}

/// How a histogram of this server is made.
#[derive(Clone, Copy, Debug)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BOUNDS_SECONDS)
    }
}

/// The model server's metrics. Clones count together.
#[derive(Clone)]
pub(super) struct Figures {
    requests: Family<Answered, Counter>,
    durations: Family<Served, Histogram, Seconds>,
    /// Requests that wait for a worker or are worked on.
    pub(super) in_flight: Gauge,
    logged: Family<Logged, Counter>,
    registry: Arc<Registry>,
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figures").field("in_flight", &self.in_flight.get()).finish_non_exhaustive()
    }
}

impl Figures {
    pub(super) fn new() -> Self {
        let requests = Family::<Answered, Counter>::default();
        let durations = Family::<Served, Histogram, Seconds>::new_with_constructor(Seconds);
        let in_flight = Family::<Served, Gauge>::default();
        let workers = Family::<Served, Gauge>::default();
        let logged = Family::<Logged, Counter>::default();
        let mut registry = Registry::default();
        // The encoder adds `_total` and the full stop.
        registry.register("model_server_requests", "Requests by HTTP status", requests.clone());
        registry.register(
            "model_server_request_duration_seconds",
            "How long requests took whose input was understood, waiting included",
            durations.clone(),
        );
        registry.register(
            "model_server_requests_in_flight",
            "Requests that wait for a worker or are worked on",
            in_flight.clone(),
        );
        registry.register("model_server_workers", "Requests that can be worked on at once", workers.clone());
        registry.register(
            "model_server_log_events",
            "Predictions and labels of the inference log by what became of them",
            logged.clone(),
        );
        workers.get_or_create_owned(&SERVED).set(i64::from(CAPACITY));
        let in_flight = in_flight.get_or_create_owned(&SERVED);
        let figures = Self { requests, durations, in_flight, logged, registry: Arc::new(registry) };
        // There from the start, so that a first error is a rise from 0.
        for code in [200, 422, 500, 503, 504] {
            figures.requests(code);
        }
        for outcome in Outcome::ALL {
            figures.logged(outcome, 0);
        }
        figures
    }

    fn requests(&self, code: u16) -> Counter {
        self.requests.get_or_create_owned(&Answered { model: MODEL, version: VERSION, code })
    }

    /// Counts a request that was answered after `seconds`.
    pub(super) fn answered(&self, code: u16, seconds: f64) {
        self.requests(code).inc();
        self.durations.get_or_create_owned(&SERVED).observe(seconds);
    }

    /// Counts a request whose input was not understood: the model never saw it.
    pub(super) fn refused(&self) {
        self.requests(422).inc();
    }

    /// Counts events of the log.
    pub(super) fn logged(&self, outcome: Outcome, events: u64) {
        self.logged.get_or_create_owned(&Logged { outcome: outcome.as_str() }).inc_by(events);
    }

    /// One scrape, as OpenMetrics 1.0.0 text.
    pub(super) fn text(&self) -> String {
        let mut written = String::with_capacity(1 << 12);
        text::encode(&mut written, &self.registry).expect("a string takes all that is written");
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_those_that_dashboards_use() {
        let figures = Figures::new();
        figures.answered(200, 0.012);
        figures.answered(504, 1.0);
        figures.refused();
        figures.in_flight.inc();
        figures.logged(Outcome::Dropped, 3);
        let text = figures.text();
        for line in [
            "# HELP model_server_requests Requests by HTTP status.",
            "# TYPE model_server_requests counter",
            r#"model_server_requests_total{model="churn",version="1",code="200"} 1"#,
            r#"model_server_requests_total{model="churn",version="1",code="422"} 1"#,
            r#"model_server_requests_total{model="churn",version="1",code="500"} 0"#,
            "# TYPE model_server_request_duration_seconds histogram",
            r#"model_server_request_duration_seconds_bucket{le="0.025",model="churn",version="1"} 1"#,
            r#"model_server_request_duration_seconds_bucket{le="1.0",model="churn",version="1"} 2"#,
            r#"model_server_request_duration_seconds_count{model="churn",version="1"} 2"#,
            r#"model_server_requests_in_flight{model="churn",version="1"} 1"#,
            r#"model_server_workers{model="churn",version="1"} 64"#,
            r#"model_server_log_events_total{outcome="delivered"} 0"#,
            r#"model_server_log_events_total{outcome="dropped"} 3"#,
        ] {
            assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
