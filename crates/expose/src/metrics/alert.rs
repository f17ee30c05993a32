//! How alerts are delivered.

use std::fmt;

use super::catalogue::{MetricDoc, MetricKind};
use super::writer::Writer;
use crate::snapshot::{AlertSinkFigures, Snapshot};

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

/// The metrics that [`write_models`] writes.
pub(crate) const MODEL_DOCS: &[MetricDoc] = &[
    MetricDoc {
        name: "driftline_firing_alerts",
        kind: Gauge,
        labels: &["model", "severity"],
        help: "Alerts of the model that fire",
    },
    MetricDoc {
        name: "driftline_undecided_rules",
        kind: Gauge,
        labels: &["model", "reason"],
        help: "Rules, by version and segment, that cannot say anything of the latest window",
    },
    MetricDoc {
        name: "driftline_alert_outcomes_total",
        kind: Counter,
        labels: &["model", "rule", "outcome"],
        help: "What happened to the rule's alerts: fired, resolved, retracted, confirmed, acknowledged, muted",
    },
    MetricDoc {
        name: "driftline_alerts_dropped_total",
        kind: Counter,
        labels: &[],
        help: "Alert events that were left out before any sink had them: too many waited, or their sink is no more",
    },
];

/// Writes how many alerts there are.
pub(crate) fn write_models(writer: &mut Writer<'_, '_>, snapshot: &Snapshot) -> fmt::Result {
    const SEVERITIES: [&str; 3] = ["minor", "major", "critical"];
    let firing = snapshot.models.iter().flat_map(|model| {
        let counts = SEVERITIES.into_iter().zip(model.alerts.firing);
        counts.map(|(severity, count)| ([model.model.as_str(), severity], count as f64))
    });
    writer.labelled("driftline_firing_alerts", firing)?;
    let undecided = snapshot.models.iter().flat_map(|model| {
        let counts = model.alerts.undecided.iter();
        counts.map(|(reason, count)| ([model.model.as_str(), reason.as_str()], *count as f64))
    });
    writer.labelled("driftline_undecided_rules", undecided)?;
    let outcomes = snapshot.models.iter().flat_map(|model| {
        let counts = model.alerts.outcomes.iter();
        counts.map(|(rule, outcome, count)| ([model.model.as_str(), rule, outcome], *count as f64))
    });
    writer.counters("driftline_alert_outcomes_total", outcomes)?;
    writer.counter("driftline_alerts_dropped_total", snapshot.service.durability.alerts_dropped as f64)
}

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
