//! An incident for tests and for the samples in the documentation.

use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_evaluate::{
    ALERT_EVENT_SCHEMA, Alert, AlertEvent, AlertSeverity, AlertState, Cause, CauseKind, EventAction,
    Incident, IncidentState, Links, WindowSpan,
};
use driftline_events::EventTime;

/// An instant of 2026-01-05.
pub(super) fn at(time: &str) -> EventTime {
    EventTime::parse(&format!("2026-01-05T{time}:00Z")).expect("a fixture's time is right")
}

fn labels(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Accuracy in one segment fell.
pub(super) fn performance() -> Alert {
    Alert {
        fingerprint: "f1".to_owned(),
        rule: "performance-drop".to_owned(),
        severity: AlertSeverity::Critical,
        state: AlertState::Firing,
        version: "3".to_owned(),
        segment: labels(&[("country", "NL")]),
        window: WindowSpan::new("1h", at("09:00"), at("10:00")),
        started: at("09:00"),
        ended: None,
        metric: "accuracy".to_owned(),
        value: Some(0.8512),
        interval: Some((0.832, 0.868)),
        threshold: Some(0.88),
        threshold_source: "reference 0.90".to_owned(),
        summary: "Accuracy for country=NL is 0.85, below 0.88, with confidence.".to_owned(),
        description: "Ask the pricing team whether R&D changed <income>.".to_owned(),
        labels: labels(&[("team", "risk"), ("cost-centre", "7")]),
        links: Links {
            runbook: Some("https://wiki.example.com/runbooks/accuracy?a=1&b=2".to_owned()),
            dashboard: Some("https://grafana.example.com/d/driftline?var-model=churn".to_owned()),
        },
        mute: None,
    }
}

/// The inputs drifted.
pub(super) fn drift() -> Alert {
    Alert {
        fingerprint: "f2".to_owned(),
        rule: "feature_drift".to_owned(),
        severity: AlertSeverity::Minor,
        state: AlertState::Firing,
        version: "3".to_owned(),
        segment: BTreeMap::new(),
        window: WindowSpan::new("1h", at("09:00"), at("10:00")),
        started: at("08:00"),
        ended: None,
        metric: "drifted_features".to_owned(),
        value: Some(2.0),
        interval: None,
        threshold: Some(1.0),
        threshold_source: "static".to_owned(),
        summary: "2 of 16 features drifted: income, plan.".to_owned(),
        description: String::new(),
        labels: BTreeMap::new(),
        links: Links::default(),
        mute: None,
    }
}

/// Both, with their causes.
pub(super) fn incident() -> Incident {
    let cause = |kind, name: &str, share, text: &str| Cause {
        kind,
        name: name.to_owned(),
        share,
        text: text.to_owned(),
        since: at("08:00"),
    };
    Incident {
        id: "churn-20260105-0001".to_owned(),
        model: "churn".to_owned(),
        state: IncidentState::Firing,
        severity: AlertSeverity::Critical,
        started: at("08:00"),
        ended: None,
        summary: "Accuracy of churn fell from 0.90 to 0.85 for country=NL, most likely since income drifted."
            .to_owned(),
        alerts: vec![performance(), drift()],
        causes: vec![
            cause(CauseKind::Drift, "income", Some(0.62), "income: above 84,000: 10 % -> 2 %"),
            cause(CauseKind::Drift, "plan", Some(0.21), "plan: gold 12 % -> 31 %"),
            cause(CauseKind::Segment, "country=NL", None, "country=NL: accuracy 0.85, elsewhere 0.90"),
        ],
        acknowledged: None,
    }
}

/// What an event of the incident is, after `action` at `time`.
pub(super) fn event(action: EventAction, time: EventTime) -> AlertEvent {
    let mut incident = incident();
    if matches!(action, EventAction::Resolved | EventAction::Retracted) {
        incident.state = IncidentState::Resolved;
        incident.ended = Some(time);
        for alert in &mut incident.alerts {
            alert.state = AlertState::Resolved;
            alert.ended = Some(time);
        }
    }
    AlertEvent {
        schema: ALERT_EVENT_SCHEMA.to_owned(),
        id: format!("{}-{}", incident.id, time.as_millis() / 1_000 % 100_000),
        action,
        time,
        incident,
    }
}

/// The event that opens the incident.
pub(super) fn opened() -> Arc<AlertEvent> {
    Arc::new(event(EventAction::Opened, at("10:00")))
}

/// The event that ends it.
pub(super) fn resolved() -> Arc<AlertEvent> {
    Arc::new(event(EventAction::Resolved, at("12:30")))
}

/// An event of another incident.
pub(super) fn other(
    id: &str,
    action: EventAction,
    severity: AlertSeverity,
    time: EventTime,
) -> Arc<AlertEvent> {
    let mut event = event(action, time);
    event.id = format!("{id}-{action:?}-{}", time.as_millis());
    event.incident.id = id.to_owned();
    event.incident.severity = severity;
    Arc::new(event)
}
