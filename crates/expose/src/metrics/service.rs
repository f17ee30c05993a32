//! Traffic of the watched models, and the service's own health.

use std::fmt;

use super::catalogue::{MetricDoc, MetricKind};
use super::writer::Writer;
use super::{alert, durability, kafka, publish};
use crate::snapshot::{ModelSnapshot, RowCount, ServiceSnapshot, Snapshot, VersionTraffic};

use MetricKind::{Counter, Gauge, Histogram, Info};

const fn doc(
    name: &'static str,
    kind: MetricKind,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricDoc {
    MetricDoc { name, kind, labels, help }
}

const MODEL: &[&str] = &["model"];
const EVENT_MODEL: &[&str] = &["event", "model"];

/// The metrics that [`write`] writes.
pub(crate) const DOCS: &[MetricDoc] = &[
    doc("driftline_series", Gauge, &[], "Series of window statistics in this scrape"),
    doc(
        "driftline_series_cut",
        Gauge,
        &[],
        "Series of window statistics left out of this scrape by the budget",
    ),
    doc("driftline_series_limit", Gauge, &[], "Series of window statistics that a scrape has at most"),
    doc(
        "driftline_predictions_total",
        Counter,
        &["model", "version", "status"],
        "Requests of the watched model, by weight",
    ),
    doc(
        "driftline_prediction_latency_seconds",
        Histogram,
        &["model", "version"],
        "Latency of the watched model, one observation for each event that has it",
    ),
    doc("driftline_models", Gauge, &[], "Models that are watched"),
    doc("driftline_watermark_timestamp_seconds", Gauge, MODEL, "The model's watermark in event time"),
    doc("driftline_watermark_lag_seconds", Gauge, MODEL, "How far the model's watermark is behind the clock"),
    doc("driftline_last_arrival_timestamp_seconds", Gauge, MODEL, "When an event of the model last arrived"),
    doc(
        "driftline_known_predictions",
        Gauge,
        MODEL,
        "Predictions whose id is kept, for their label and to tell duplicates",
    ),
    doc("driftline_waiting_labels", Gauge, MODEL, "Labels whose prediction has not come"),
    doc(
        "driftline_owed_revisions",
        Gauge,
        MODEL,
        "Closed windows that changed and wait to be evaluated again",
    ),
    doc(
        "driftline_late_predictions_total",
        Counter,
        MODEL,
        "Predictions that came after the watermark had passed them",
    ),
    doc(
        "driftline_expired_early_total",
        Counter,
        MODEL,
        "Predictions and labels forgotten before their time, since there were too many to keep",
    ),
    doc("driftline_labels_total", Counter, &["model", "outcome"], "Labels by what became of them"),
    doc("driftline_panes", Gauge, MODEL, "Panes of the model that are held"),
    doc("driftline_reference_learned_rows", Gauge, MODEL, "Rows that the reference has learned so far"),
    doc("driftline_reference_learn_rows", Gauge, MODEL, "Rows that the reference is learned from"),
    doc(
        "driftline_reference_created_timestamp_seconds",
        Gauge,
        MODEL,
        "When the model's reference was built or learned, where it stands still",
    ),
    doc(
        "driftline_version_first_window_timestamp_seconds",
        Gauge,
        &["model", "version"],
        "Start, in event time, of the first window that the version answered in",
    ),
    doc("driftline_events_received_total", Counter, EVENT_MODEL, "Events decoded and handed to the pipeline"),
    doc("driftline_events_accepted_total", Counter, EVENT_MODEL, "Events that the pipeline took"),
    doc("driftline_events_duplicate_total", Counter, EVENT_MODEL, "Events whose id was seen before"),
    doc("driftline_events_too_late_total", Counter, EVENT_MODEL, "Events older than their model's retention"),
    doc(
        "driftline_events_rejected_total",
        Counter,
        &["event", "model", "reason"],
        "Events that could not be placed; the model is empty if it is not known",
    ),
    doc(
        "driftline_payloads_rejected_total",
        Counter,
        &["event", "reason"],
        "Payloads that could not be used at all",
    ),
    doc("driftline_ingest_requests_total", Counter, &["event", "code"], "Ingest requests by HTTP status"),
    doc("driftline_ingest_received_bytes_total", Counter, &[], "Bytes of ingest bodies as sent"),
    doc(
        "driftline_ingest_ignored_fields_total",
        Counter,
        &[],
        "Fields of accepted events that were not used",
    ),
    doc(
        "driftline_ingest_in_flight_bytes",
        Gauge,
        &[],
        "Bytes of bodies and batches that wait for the pipeline",
    ),
    doc("driftline_ingest_in_flight_limit_bytes", Gauge, &[], "Bytes of bodies and batches that may wait"),
    doc("driftline_queue_depth", Gauge, &[], "Submissions that wait for the pipeline"),
    doc("driftline_queue_capacity", Gauge, &[], "Submissions that may wait for the pipeline"),
    doc("driftline_evaluation_duration_seconds", Histogram, &[], "How long each round of evaluation took"),
    doc("driftline_evaluation_last_timestamp_seconds", Gauge, &[], "When the last round of evaluation ended"),
    doc(
        "driftline_reports_dropped_total",
        Counter,
        &[],
        "Window reports forgotten since there were too many to keep",
    ),
    doc(
        "driftline_refused_rows_total",
        Counter,
        &[],
        "Rows that the engine could not fold, a fault of the program",
    ),
    doc(
        "driftline_failed_evaluations_total",
        Counter,
        &[],
        "Evaluations that failed, a fault of the program",
    ),
    doc("driftline_uptime_seconds", Gauge, &[], "Time since the service started"),
    doc("driftline_build_info", Info, &["version", "commit"], "What the service was built from"),
];

type OfModel = (&'static str, fn(&Snapshot, &ModelSnapshot) -> Option<f64>);
type OfRows = (&'static str, fn(&RowCount) -> u64);

const MODEL_GAUGES: &[OfModel] = &[
    ("driftline_watermark_timestamp_seconds", |_, model| Some(model.watermark?.as_seconds())),
    ("driftline_watermark_lag_seconds", |snapshot, model| {
        Some(snapshot.time.as_seconds() - model.watermark?.as_seconds())
    }),
    ("driftline_last_arrival_timestamp_seconds", |_, model| Some(model.last_arrival?.as_seconds())),
    ("driftline_known_predictions", |_, model| Some(model.known_predictions as f64)),
    ("driftline_waiting_labels", |_, model| Some(model.waiting_labels as f64)),
    ("driftline_owed_revisions", |_, model| Some(model.owed_revisions as f64)),
    ("driftline_panes", |_, model| Some(model.panes as f64)),
    ("driftline_reference_learned_rows", |_, model| Some(model.learning?.0 as f64)),
    ("driftline_reference_learn_rows", |_, model| Some(model.learning?.1 as f64)),
    ("driftline_reference_created_timestamp_seconds", |_, model| Some(model.reference_created?.as_seconds())),
];

const ROW_COUNTERS: &[OfRows] = &[
    ("driftline_events_received_total", |rows| rows.received),
    ("driftline_events_accepted_total", |rows| rows.accepted),
    ("driftline_events_duplicate_total", |rows| rows.duplicates),
    ("driftline_events_too_late_total", |rows| rows.too_late),
];

/// Writes what is not a window statistic, but for the process's own figures.
pub(crate) fn write(writer: &mut Writer<'_, '_>, snapshot: &Snapshot) -> fmt::Result {
    write_models(writer, snapshot)?;
    write_ingest(writer, &snapshot.service)?;
    let service = &snapshot.service;
    durability::write(writer, &service.durability)?;
    if let Some(figures) = &service.kafka {
        kafka::write(writer, figures)?;
    }
    if let Some(figures) = &service.durability.publish {
        publish::write(writer, figures)?;
    }
    alert::write_models(writer, snapshot)?;
    alert::write(writer, &service.alert_sinks)?;
    writer.histograms("driftline_evaluation_duration_seconds", std::iter::once(([], &service.evaluation)))?;
    let last = service.last_evaluation.map(|time| time.as_seconds());
    writer.gauge("driftline_evaluation_last_timestamp_seconds", last)?;
    let uptime = service.started.map(|started| snapshot.time.since(started).as_secs_f64());
    writer.gauge("driftline_uptime_seconds", uptime)?;
    writer.counter("driftline_reports_dropped_total", service.reports_dropped as f64)?;
    writer.counter("driftline_refused_rows_total", service.refused_rows as f64)?;
    writer.counter("driftline_failed_evaluations_total", service.failed_evaluations as f64)?;
    writer.info("driftline_build_info", [&service.version, &service.commit])
}

fn write_models(writer: &mut Writer<'_, '_>, snapshot: &Snapshot) -> fmt::Result {
    let mut models: Vec<_> = snapshot.models.iter().collect();
    models.sort_by(|a, b| a.model.cmp(&b.model));
    let versions = || -> Vec<(&str, &VersionTraffic)> {
        models.iter().flat_map(|model| model.versions.iter().map(|of| (model.model.as_str(), of))).collect()
    };
    let statuses = versions().into_iter().flat_map(|(model, traffic)| {
        traffic
            .status
            .iter()
            .map(move |(status, weight)| ([model, traffic.version.as_str(), status.as_str()], *weight))
    });
    writer.counters("driftline_predictions_total", statuses)?;
    let latencies = versions()
        .into_iter()
        .filter(|(_, traffic)| traffic.latency.count() > 0)
        .map(|(model, traffic)| ([model, traffic.version.as_str()], &traffic.latency));
    writer.histograms("driftline_prediction_latency_seconds", latencies)?;
    writer.gauge("driftline_models", models.len() as f64)?;
    for (name, get) in MODEL_GAUGES {
        let samples = models.iter().filter_map(|model| Some(([model.model.as_str()], get(snapshot, model)?)));
        writer.labelled(name, samples)?;
    }
    let starts = models.iter().flat_map(|model| {
        let starts = model.version_starts.iter();
        starts.map(|(version, start)| ([model.model.as_str(), version.as_str()], start.as_seconds()))
    });
    writer.labelled("driftline_version_first_window_timestamp_seconds", starts)?;
    let late = models.iter().map(|model| ([model.model.as_str()], model.late as f64));
    writer.counters("driftline_late_predictions_total", late)?;
    let early = models.iter().map(|model| ([model.model.as_str()], model.expired_early as f64));
    writer.counters("driftline_expired_early_total", early)?;
    let labels = models.iter().flat_map(|model| {
        model.labels.iter().map(|&(outcome, count)| ([model.model.as_str(), outcome], count as f64))
    });
    writer.counters("driftline_labels_total", labels)
}

fn write_ingest(writer: &mut Writer<'_, '_>, service: &ServiceSnapshot) -> fmt::Result {
    for (name, get) in ROW_COUNTERS {
        let samples = service.rows.iter().map(|rows| ([rows.event, rows.model.as_str()], get(rows) as f64));
        writer.counters(name, samples)?;
    }
    let rejected =
        service.rejected.iter().map(|of| ([of.event, of.model.as_str(), of.reason], of.rows as f64));
    writer.counters("driftline_events_rejected_total", rejected)?;
    let payloads = service.payloads_rejected.iter().map(|of| ([of.event, of.reason], of.payloads as f64));
    writer.counters("driftline_payloads_rejected_total", payloads)?;
    let codes: Vec<_> = service.requests.iter().map(|of| (of.status.to_string(), of)).collect();
    let requests = codes.iter().map(|(code, of)| ([of.event, code.as_str()], of.requests as f64));
    writer.counters("driftline_ingest_requests_total", requests)?;
    writer.counter("driftline_ingest_received_bytes_total", service.received_bytes as f64)?;
    writer.counter("driftline_ingest_ignored_fields_total", service.ignored_fields as f64)?;
    writer.gauge("driftline_ingest_in_flight_bytes", service.in_flight_bytes.0 as f64)?;
    writer.gauge("driftline_ingest_in_flight_limit_bytes", service.in_flight_bytes.1 as f64)?;
    writer.gauge("driftline_queue_depth", service.queue.0 as f64)?;
    writer.gauge("driftline_queue_capacity", service.queue.1 as f64)
}
