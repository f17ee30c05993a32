//! Labels and annotations of an alert, as Alertmanager has them.

use std::collections::BTreeMap;
use std::time::Duration;

use driftline_evaluate::{Alert, AlertSeverity, Incident};
use driftline_events::EventTime;
use serde_json::{Value, json};

use super::super::rendered::{figures, web_address};
use super::super::words::{clip, one_line};

/// Longer values are cut: they are shown on one line.
const VALUE: usize = 256;

/// Longer annotations are cut.
const ANNOTATION: usize = 2_000;

/// The labels that an alert is known by: nothing that changes while it fires.
pub(super) fn labels(incident: &Incident, alert: &Alert) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut put = |name: String, value: &str| {
        let value = clip(&one_line(value), VALUE);
        // An empty label is none to Alertmanager; and a rule's label does not replace one of ours.
        if !value.is_empty() {
            labels.entry(name).or_insert(value);
        }
    };
    put("alertname".to_owned(), &alert_name(&alert.rule));
    put("model".to_owned(), &incident.model);
    put("version".to_owned(), &alert.version);
    put("severity".to_owned(), severity(alert.severity));
    alert.segment.iter().for_each(|(tag, value)| put(label_name(&format!("segment_{tag}")), value));
    alert.labels.iter().for_each(|(name, value)| put(label_name(name), value));
    labels
}

/// `feature-drift` as `DriftlineFeatureDrift`.
pub(in super::super) fn alert_name(rule: &str) -> String {
    let mut name = String::from("Driftline");
    for word in rule.split(|character: char| !character.is_alphanumeric()) {
        let mut letters = word.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    name
}

/// A name that Prometheus takes: letters, digits and underscores, no digit first, and not its own two underscores.
fn label_name(name: &str) -> String {
    let legal = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    let name: String = name.chars().map(legal).collect();
    let name = name.trim_start_matches('_');
    match name.chars().next() {
        None => "label".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name.to_owned(),
    }
}

/// Severities as Prometheus' users write them.
const fn severity(severity: AlertSeverity) -> &'static str {
    match severity {
        AlertSeverity::Critical => "critical",
        AlertSeverity::Major => "warning",
        AlertSeverity::Minor => "info",
    }
}

/// What is told with it, and may change.
pub(super) fn annotations(incident: &Incident, alert: &Alert) -> BTreeMap<&'static str, String> {
    let causes: Vec<_> = incident.causes.iter().map(|cause| one_line(&cause.text)).collect();
    let description = match alert.description.is_empty() {
        true => figures(alert),
        false => format!("{} — {}", figures(alert), one_line(&alert.description)),
    };
    let address = |link: &Option<String>| link.as_deref().and_then(web_address).unwrap_or_default();
    let annotations = [
        ("summary", one_line(&alert.summary)),
        ("description", description),
        ("causes", causes.join("; ")),
        ("incident", one_line(&incident.id)),
        ("runbook_url", address(&alert.links.runbook)),
        ("dashboard_url", address(&alert.links.dashboard)),
    ];
    let is_there = |(_, text): &(&str, String)| !text.is_empty();
    annotations.into_iter().filter(is_there).map(|(name, text)| (name, clip(&text, ANNOTATION))).collect()
}

/// Where the alert comes from; Alertmanager refuses a request with anything but an address.
pub(super) fn generator(alert: &Alert) -> Option<String> {
    alert.links.dashboard.as_deref().and_then(web_address)
}

/// An alert that says that it is none, and ends by itself in a minute.
pub(in super::super) fn test_alert(sink: &str, now: EventTime) -> Value {
    json!([{
        "labels": {"alertname": alert_name("sink-test"), "severity": "info", "sink": sink},
        "annotations": {"summary": "A test of this sink by Driftline: nothing happened."},
        "startsAt": now.to_string(),
        "endsAt": now.saturating_add(Duration::from_secs(60)).to_string(),
    }])
}
