//! How alerts are delivered.

use std::fmt;

use super::catalogue::{MetricDoc, MetricKind};
use super::writer::Writer;
use crate::snapshot::AlertSinkFigures;

use MetricKind::{Counter, Gauge};

const fn doc(name: &'static str, kind: MetricKind, help: &'static str) -> MetricDoc {
    MetricDoc { name, kind, labels: &["sink"], help }
}

/// The metrics that [`write`] writes, where there are sinks.
pub(crate) const DOCS: &[MetricDoc] = &[
    doc("driftline_alert_sink_connected", Gauge, "1 if the sink took what was sent last, else 0"),
    doc("driftline_alert_sink_waiting", Gauge, "Alert events that wait to be delivered"),
    doc("driftline_alert_sink_delivered_total", Counter, "Alert events that the sink has"),
    doc(
        "driftline_alert_sink_failures_total",
        Counter,
        "Attempts to deliver that failed and were made again",
    ),
    doc("driftline_alert_sink_refused_total", Counter, "Alert events that the sink will never take"),
    doc(
        "driftline_alert_sink_dropped_total",
        Counter,
        "Alert events that were left out: over before quiet hours were, or too many waited",
    ),
];

type OfSink = (&'static str, fn(&AlertSinkFigures) -> u64);

const COUNTERS: &[OfSink] = &[
    ("driftline_alert_sink_delivered_total", |of| of.delivered),
    ("driftline_alert_sink_failures_total", |of| of.failures),
    ("driftline_alert_sink_refused_total", |of| of.refused),
    ("driftline_alert_sink_dropped_total", |of| of.dropped),
];

pub(crate) fn write(writer: &mut Writer<'_, '_>, sinks: &[AlertSinkFigures]) -> fmt::Result {
    let connected = |of: &AlertSinkFigures| of.connected.map(|connected| f64::from(u8::from(connected)));
    let samples = sinks.iter().filter_map(|of| Some(([of.sink.as_str()], connected(of)?)));
    writer.labelled("driftline_alert_sink_connected", samples)?;
    let samples = sinks.iter().map(|of| ([of.sink.as_str()], of.waiting as f64));
    writer.labelled("driftline_alert_sink_waiting", samples)?;
    for (name, get) in COUNTERS {
        writer.counters(name, sinks.iter().map(|of| ([of.sink.as_str()], get(of) as f64)))?;
    }
    Ok(())
}
