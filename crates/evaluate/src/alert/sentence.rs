//! What alerts and incidents say in one sentence.

use driftline_events::EventTime;

use super::event::{Alert, AlertState, Cause, CauseKind, EventAction};
use super::judge::Judged;
use super::metric::{Fault, Metric};
use super::reading::{Reading, figure};
use super::rule::Rule;
use super::silence::Silent;
use crate::words::{length, number};

/// One alert.
pub(crate) fn of_alert(metric: &Metric, reading: &Reading, judged: &Judged) -> String {
    let value = figure(metric, reading.value);
    let interval = reading.interval.map_or(String::new(), |(low, high)| {
        format!(" (95 % interval {} to {})", figure(metric, low), figure(metric, high))
    });
    // "static" is nothing a person needs to hear.
    let against = match (judged.threshold, judged.source.as_str()) {
        _ if judged.threshold.is_none() => String::new(),
        (Some(threshold), "static") => format!(", the limit is {}", figure(metric, threshold)),
        (_, "static") => String::new(),
        (_, source) => format!(", {source}"),
    };
    match metric {
        Metric::Inputs if reading.value == 1.0 => format!("1 input changed: {}", inner(&reading.title)),
        Metric::Inputs => format!("{value} inputs changed: {}", inner(&reading.title)),
        Metric::FeatureGone => format!("{} is gone: nearly no row has a valid value", inner(&reading.title)),
        Metric::Drift(_) | Metric::LabelDrift => {
            format!("{} drifted (excess PSI {value}{against})", inner(&reading.title))
        }
        Metric::OutputDrift(_) => {
            format!("the model's {} drifted (excess PSI {value}{against})", inner(&reading.title))
        }
        Metric::DriftShare => format!("{value} of the inputs drifted{against}"),
        Metric::Quality(fault, _) => {
            let what = match fault {
                Fault::Missing => "missing",
                Fault::Invalid => "invalid",
                Fault::Unseen => "values never seen before",
                Fault::OutOfRange => "out of the reference's range",
            };
            let then = reading.reference.map(|of| format!(", {} in the reference", figure(metric, of.value)));
            format!("{}: {value} {what}{}", inner(&reading.title), then.unwrap_or(against))
        }
        Metric::LabelCoverage => format!("{value} of the predictions have a label{interval}{against}"),
        Metric::Latency(at) => format!("latency at quantile {at} is {value}{against}"),
        Metric::ErrorRatio => format!("{value} of the requests fail{interval}{against}"),
        Metric::Traffic => format!("traffic is {value}{against}"),
        _ => format!("{} is {value}{interval}{against}", reading.title.replace('_', " ")),
    }
}

fn inner(title: &str) -> &str {
    title.split_once('(').map_or(title, |(_, rest)| rest.strip_suffix(')').unwrap_or(rest))
}

/// A silence.
pub(crate) fn of_silence(metric: &Metric, silent: Silent) -> String {
    let what = if *metric == Metric::NoLabels { "labels" } else { "requests" };
    let (seconds, expected) = (length(silent.seconds), number(silent.expected.round()));
    format!("no {what} for {seconds}, about {expected} used to come in that time")
}

/// An incident: its gravest alert, and the likeliest cause.
pub(crate) fn of_incident(
    model: &str,
    action: EventAction,
    alerts: &[Alert],
    causes: &[Cause],
    lasted: (EventTime, EventTime),
    is_performance: bool,
) -> String {
    let Some(gravest) = alerts.first() else { return format!("{model}: nothing is known of it") };
    let lasted = length(lasted.1.since(lasted.0).as_secs_f64());
    match action {
        EventAction::Resolved => {
            return format!("{model} is back to normal after {lasted}; it was: {}", gravest.summary);
        }
        EventAction::Retracted => {
            return format!(
                "{model}: late data show that nothing was wrong; it was taken for: {}",
                gravest.summary
            );
        }
        _ => {}
    }
    let others = alerts.iter().skip(1).filter(|alert| alert.state == AlertState::Firing).count();
    let more = match others {
        0 => String::new(),
        1 => " (and 1 more alert)".to_owned(),
        others => format!(" (and {others} more alerts)"),
    };
    let of_gravest = |cause: &&Cause| match cause.kind {
        CauseKind::Traffic => !gravest.metric.contains("traffic"),
        CauseKind::Latency => !gravest.metric.starts_with("latency"),
        CauseKind::Errors => gravest.metric != "error_ratio",
        CauseKind::Labels => !gravest.metric.contains("label"),
        CauseKind::Output => false,
        _ => true,
    };
    let cause = match causes.iter().find(of_gravest) {
        Some(cause) => format!("; most likely: {}", cause.text),
        None if is_performance => "; no input changed, so what they mean may have".to_owned(),
        None => String::new(),
    };
    format!("{model}: {}{cause}{more}", gravest.summary)
}

/// The rule's documentation with its placeholders filled.
pub(crate) fn documentation(rule: &Rule, model: &str, alert: &Alert) -> String {
    if rule.documentation.is_empty() {
        return String::new();
    }
    let text = |value: Option<f64>| value.map_or("none".to_owned(), |value| figure(&rule.metric, value));
    let segment: Vec<String> = alert.segment.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
    // One pass: what is filled in is no text to fill in again.
    let mut filled = String::with_capacity(rule.documentation.len());
    let mut rest = rule.documentation.as_str();
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find('}').map_or(1, |end| end + 1);
        match &rest[..end] {
            "{model}" => filled.push_str(model),
            "{version}" => filled.push_str(&alert.version),
            "{segment}" => filled.push_str(&segment.join(",")),
            "{rule}" => filled.push_str(&rule.name),
            "{metric}" => filled.push_str(&alert.metric),
            "{value}" => filled.push_str(&text(alert.value)),
            "{threshold}" => filled.push_str(&text(alert.threshold)),
            "{window}" => filled.push_str(&alert.window.name),
            other => filled.push_str(other),
        }
        rest = &rest[end..];
    }
    filled + rest
}
