//! The engine's state as others see it: what metrics show, and what the read API says of models.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_evaluate::{AlertBook, AlertState, WindowReport};
use driftline_events::EventTime;
use driftline_expose::{
    AlertFigures, Histogram, KafkaFigures, ModelDetail, ModelOverview, ModelSnapshot, PartitionFigures,
    PayloadCount, RejectedCount, RequestCount, RowCount, ServiceSnapshot, VersionTraffic,
};
use driftline_source::{IngestSnapshot, KafkaSnapshot};

use crate::alert_routes::ModelAlerts;
use crate::engine::{Engine, LabelCounts, Model};

/// What the pipeline publishes after every tick.
#[derive(Clone, Debug)]
pub struct Published {
    /// When.
    pub time: EventTime,
    /// The reports to show.
    pub reports: Vec<Arc<WindowReport>>,
    /// The models' counts.
    pub models: Vec<ModelSnapshot>,
    /// How long evaluation took, each time.
    pub evaluation: Histogram,
    /// Reports that went because there were too many.
    pub reports_dropped: u64,
    /// Rows that the engine refused, and evaluations that failed.
    pub faults: (u64, u64),
}

impl Default for Published {
    fn default() -> Self {
        Self {
            time: EventTime::from_millis(0),
            reports: Vec::new(),
            models: Vec::new(),
            evaluation: Histogram::default(),
            reports_dropped: 0,
            faults: (0, 0),
        }
    }
}

impl Published {
    pub(crate) fn of(engine: &Engine, time: EventTime, evaluation: &Histogram, faults: (u64, u64)) -> Self {
        Self {
            time,
            reports: engine.models().flat_map(Model::shown).collect(),
            models: engine.models().map(snapshot).collect(),
            evaluation: evaluation.clone(),
            reports_dropped: engine.reports_dropped(),
            faults,
        }
    }
}

/// The alerts of every model.
pub(crate) fn alerts(engine: &Engine) -> Vec<ModelAlerts> {
    let one = |model: &Model| {
        let book = model.alerts();
        ModelAlerts {
            model: book.model().to_owned(),
            incidents: book.incidents(),
            rules: book.states(),
            counts: book.counts().clone(),
        }
    };
    engine.models().map(one).collect()
}

fn snapshot(model: &Model) -> ModelSnapshot {
    let status = model.status();
    let versions = model.versions().iter().map(|(version, counters)| VersionTraffic {
        version: version.clone(),
        status: counters.status.iter().map(|(status, &weight)| (status.clone(), weight)).collect(),
        latency: counters.latency.clone(),
    });
    ModelSnapshot {
        model: model.schema().model().to_string(),
        watermark: status.watermark,
        last_arrival: model.last_arrival(),
        known_predictions: status.sizes.pending_predictions as u64,
        waiting_labels: status.sizes.waiting_labels as u64,
        labels: label_outcomes(model),
        late: model.late(),
        expired_early: model.labels().expired.early,
        owed_revisions: status.sizes.owed_revisions as u64,
        panes: status.sizes.panes as u64,
        learning: status.learning,
        reference_created: model.reference().map(|reference| reference.created),
        version_starts: model.alerts().versions().map(|(version, at)| (version.to_owned(), at)).collect(),
        versions: versions.collect(),
        alerts: alert_figures(model.alerts()),
    }
}

fn alert_figures(book: &AlertBook) -> AlertFigures {
    let mut figures = AlertFigures::default();
    let mut undecided: BTreeMap<String, u64> = BTreeMap::new();
    for rule in book.states() {
        if rule.state == Some(AlertState::Firing) {
            figures.firing[rule.severity as usize] += 1;
        }
        if let Some(unknown) = rule.unknown {
            let reason = serde_json::to_value(unknown).ok();
            let reason = reason.as_ref().and_then(|reason| reason.as_str()).unwrap_or_default().to_owned();
            *undecided.entry(reason).or_default() += 1;
        }
    }
    figures.undecided = undecided.into_iter().collect();
    for (rule, counts) in book.counts() {
        let all = [
            ("fired", counts.fired),
            ("resolved", counts.resolved),
            ("retracted", counts.retracted),
            ("confirmed", counts.confirmed),
            ("acknowledged", counts.acknowledged),
            ("muted", counts.muted),
        ];
        let happened = all.into_iter().filter(|(_, count)| *count > 0);
        figures.outcomes.extend(happened.map(|(outcome, count)| (rule.clone(), outcome, count)));
    }
    figures
}

/// Labels since the start, by what became of them.
fn label_outcomes(model: &Model) -> Vec<(&'static str, u64)> {
    let LabelCounts { labelled, expired } = model.labels();
    vec![
        ("joined", labelled.joined),
        ("corrected", labelled.corrected),
        ("retracted", labelled.retracted),
        ("waited", labelled.waiting),
        ("duplicate", labelled.duplicates),
        ("superseded", labelled.superseded),
        ("too_late", labelled.too_late),
        ("never_matched", expired.unmatched_labels),
    ]
}

/// Every model as the read API tells of it.
pub(crate) fn details(engine: &Engine) -> Vec<ModelDetail> {
    engine.models().map(detail).collect()
}

fn detail(model: &Model) -> ModelDetail {
    let schema = model.schema();
    let rows = model.versions().values().map(|counters| counters.rows).sum();
    let has_reference = model.reference().is_some() || model.status().learning.is_none();
    let mut latest = model.shown();
    latest.retain(|report| report.segment.is_empty());
    ModelDetail {
        overview: ModelOverview {
            model: schema.model().to_string(),
            task: schema.task(),
            origin: model.origin(),
            versions: model.versions().keys().cloned().collect(),
            windows: model.config().time.windows().iter().map(|window| window.name().to_string()).collect(),
            segments: schema.segments().iter().map(ToString::to_string).collect(),
            features: schema.features().len(),
            rows,
            watermark: model.status().watermark.map(|time| time.to_string()),
            reference: has_reference.then(|| kind(model)),
        },
        positive: schema.positive().map(ToString::to_string),
        inputs: schema.features().to_vec(),
        latest,
    }
}

/// The reference's kind as reports write it.
fn kind(model: &Model) -> String {
    serde_json::to_value(model.config().reference.kind())
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The source's counts as metrics show them.
pub(crate) fn service(counts: IngestSnapshot) -> ServiceSnapshot {
    ServiceSnapshot {
        rows: counts
            .rows
            .into_iter()
            .map(|rows| RowCount {
                event: rows.event.as_str(),
                model: rows.model,
                received: rows.received,
                accepted: rows.accepted,
                duplicates: rows.duplicates,
                too_late: rows.too_late,
            })
            .collect(),
        rejected: counts
            .rejected
            .into_iter()
            .map(|rows| RejectedCount {
                event: rows.event.as_str(),
                model: rows.model,
                reason: rows.reason,
                rows: rows.rows,
            })
            .collect(),
        payloads_rejected: counts
            .payloads_rejected
            .into_iter()
            .map(|payloads| PayloadCount {
                event: payloads.event.as_str(),
                reason: payloads.reason,
                payloads: payloads.payloads,
            })
            .collect(),
        requests: counts
            .requests
            .into_iter()
            .map(|requests| RequestCount {
                event: requests.event.as_str(),
                status: requests.status,
                requests: requests.requests,
            })
            .collect(),
        received_bytes: counts.received_bytes,
        ignored_fields: counts.ignored_fields,
        in_flight_bytes: (counts.in_flight_bytes, counts.in_flight_bytes_limit),
        queue: (counts.queue_depth, counts.queue_capacity),
        ..ServiceSnapshot::default()
    }
}

/// The Kafka source's state as metrics show it.
pub(crate) fn kafka(snapshot: KafkaSnapshot) -> KafkaFigures {
    let counts = snapshot.counts;
    let partitions = snapshot.partitions.into_iter().map(|of| PartitionFigures {
        topic: of.topic.to_string(),
        partition: of.partition.to_string(),
        position: of.position,
        lag: of.lag,
        behind_seconds: of.behind.map(|behind| behind.as_secs_f64()),
    });
    KafkaFigures {
        connected: snapshot.connected,
        paused: snapshot.paused,
        partitions: partitions.collect(),
        messages: vec![
            ("folded", counts.folded),
            ("rejected", counts.rejected),
            ("tombstone", counts.tombstones),
            ("dead_letter", counts.dead_letters),
        ],
        counts: vec![
            ("driftline_kafka_dead_letter_failures_total", counts.dead_letter_failures),
            ("driftline_kafka_rebalances_total", counts.rebalances),
            ("driftline_kafka_lost_partitions_total", counts.lost_partitions),
            ("driftline_kafka_unconfirmed_handovers_total", counts.unconfirmed_handovers),
            ("driftline_kafka_gap_messages_total", counts.gap_messages),
            ("driftline_kafka_resets_total", counts.resets),
            ("driftline_kafka_commits_total", counts.commits),
            ("driftline_kafka_commit_failures_total", counts.commit_failures),
        ],
    }
}
