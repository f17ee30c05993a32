//! How what must outlive the service is kept: journal, checkpoints, recovery.

use std::fmt;

use super::catalogue::{MetricDoc, MetricKind};
use super::writer::Writer;
use crate::snapshot::DurabilityFigures;

use MetricKind::{Counter, Gauge, Histogram};

const fn doc(name: &'static str, kind: MetricKind, help: &'static str) -> MetricDoc {
    MetricDoc { name, kind, labels: &[], help }
}

/// The metrics that [`write`] writes.
pub(crate) const DOCS: &[MetricDoc] = &[
    doc("driftline_storage_ok", Gauge, "1 while the state folder takes what must be kept, else 0"),
    doc(
        "driftline_recovered",
        Gauge,
        "1 once the journal of the time before the start has been replayed, else 0",
    ),
    doc("driftline_recovery_rows", Gauge, "Rows that were replayed from the journal at the start"),
    doc("driftline_recovery_duration_seconds", Gauge, "How long that took"),
    doc("driftline_journal_bytes", Gauge, "Bytes of the journal on disk"),
    doc(
        "driftline_journal_append_duration_seconds",
        Histogram,
        "How long batches took to become durable, those of one group together",
    ),
    doc(
        "driftline_journal_refused_total",
        Counter,
        "Submissions that were refused, for the journal could not be written",
    ),
    doc(
        "driftline_journal_cut_bytes",
        Gauge,
        "Bytes of a torn write that were cut off the journal at the start",
    ),
    doc("driftline_checkpoint_duration_seconds", Histogram, "How long checkpoints took to become durable"),
    doc("driftline_checkpoint_bytes", Gauge, "Bytes that the last checkpoint changed"),
    doc("driftline_checkpoint_last_timestamp_seconds", Gauge, "When the last checkpoint became durable"),
    doc(
        "driftline_checkpoint_failures_total",
        Counter,
        "Attempts at a checkpoint that failed and were made again",
    ),
];

pub(crate) fn write(writer: &mut Writer<'_, '_>, figures: &DurabilityFigures) -> fmt::Result {
    writer.gauge("driftline_storage_ok", f64::from(u8::from(figures.storage_ok)))?;
    writer.gauge("driftline_recovered", f64::from(u8::from(figures.recovered)))?;
    writer.gauge("driftline_recovery_rows", figures.recovery_rows as f64)?;
    writer.gauge("driftline_recovery_duration_seconds", figures.recovery_seconds)?;
    writer.gauge("driftline_journal_bytes", figures.journal_bytes as f64)?;
    let append = std::iter::once(([], &figures.journal_append));
    writer.histograms("driftline_journal_append_duration_seconds", append)?;
    writer.counter("driftline_journal_refused_total", figures.journal_refused as f64)?;
    writer.gauge("driftline_journal_cut_bytes", figures.journal_cut_bytes as f64)?;
    let checkpoint = std::iter::once(([], &figures.checkpoint));
    writer.histograms("driftline_checkpoint_duration_seconds", checkpoint)?;
    writer.gauge("driftline_checkpoint_bytes", figures.checkpoint_bytes as f64)?;
    writer.gauge("driftline_checkpoint_last_timestamp_seconds", figures.checkpoint_time)?;
    writer.counter("driftline_checkpoint_failures_total", figures.checkpoint_failures as f64)
}
