//! How events are published.

use std::fmt;

use super::catalogue::{MetricDoc, MetricKind};
use super::writer::Writer;
use crate::snapshot::PublishFigures;

use MetricKind::{Counter, Gauge};

const fn doc(name: &'static str, kind: MetricKind, help: &'static str) -> MetricDoc {
    MetricDoc { name, kind, labels: &[], help }
}

/// The metrics that [`write`] writes, where there is a `[publish]` table.
pub(crate) const DOCS: &[MetricDoc] = &[
    doc("driftline_publish_connected", Gauge, "1 if the brokers took what was sent last, else 0"),
    doc("driftline_publish_waiting", Gauge, "Messages that wait to be published"),
    doc("driftline_publish_delivered_total", Counter, "Messages that the brokers have"),
    doc("driftline_publish_failures_total", Counter, "Attempts to publish that failed and were made again"),
    doc("driftline_publish_refused_total", Counter, "Messages that the brokers will never take"),
    doc("driftline_publish_dropped_total", Counter, "Messages that were left out since too many waited"),
];

pub(crate) fn write(writer: &mut Writer<'_, '_>, figures: &PublishFigures) -> fmt::Result {
    let connected = figures.connected.map(|connected| f64::from(u8::from(connected)));
    writer.gauge("driftline_publish_connected", connected)?;
    writer.gauge("driftline_publish_waiting", figures.waiting as f64)?;
    writer.counter("driftline_publish_delivered_total", figures.delivered as f64)?;
    writer.counter("driftline_publish_failures_total", figures.failures as f64)?;
    writer.counter("driftline_publish_refused_total", figures.refused as f64)?;
    writer.counter("driftline_publish_dropped_total", figures.dropped as f64)
}
