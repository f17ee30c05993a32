//! What people are told of an incident, before it is put in a form that Slack, Discord, Teams or a mail reader shows.
//!
//! All text is plain, on one line each and not escaped.

use std::collections::BTreeSet;
use std::sync::Arc;

use driftline_evaluate::{Alert, AlertEvent, AlertSeverity, AlertState, Cause, EventAction, Incident};

use super::outlet::Bundle;
use super::words::{clip, duration, figure, one_line, time};

/// Longer sentences are cut.
const SENTENCE: usize = 600;

/// Longer names of incidents and events are cut.
const ID: usize = 100;

/// A link's address is cut off whole, not in the middle.
const ADDRESS: usize = 1_000;

/// What the colour of a message says; words say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Critical,
    Major,
    Minor,
    Good,
    Neutral,
}

/// An incident in words.
#[derive(Clone, Debug)]
pub(super) struct Rendered {
    pub(super) tone: Tone,
    /// State, severity and model. A symbol before it reads without.
    pub(super) title: String,
    pub(super) summary: String,
    /// What happened since the last message, where it is more than one thing.
    pub(super) note: Option<String>,
    /// Names and values: model, since when, until when, who looks after it.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The likeliest first.
    pub(super) causes: Vec<String>,
    /// The gravest first.
    pub(super) alerts: Vec<RenderedAlert>,
    /// Names and addresses.
    pub(super) links: Vec<(String, String)>,
    /// Which incident, and which event.
    pub(super) footer: String,
}

/// An alert in words.
#[derive(Clone, Debug)]
pub(super) struct RenderedAlert {
    /// Rule, severity, state, and of which part of the model.
    pub(super) head: String,
    /// What it looks at: value, interval and threshold.
    pub(super) figure: String,
    /// One sentence.
    pub(super) summary: String,
    /// What the rule's author wrote of it; may be empty.
    pub(super) description: String,
}

impl RenderedAlert {
    /// What is to be said of it below its head, in lines.
    pub(super) fn text(&self) -> String {
        let lines = [&self.summary, &self.figure, &self.description].map(String::as_str);
        lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

impl Rendered {
    pub(super) fn of(bundle: &Bundle) -> Self {
        let event = &*bundle.newest;
        let incident = &event.incident;
        let (tone, title) = title(event);
        Self {
            tone,
            title,
            summary: sentence(&incident.summary),
            note: note(bundle),
            facts: facts(incident),
            causes: incident.causes.iter().map(cause).collect(),
            alerts: incident.alerts.iter().map(alert).collect(),
            links: links(incident),
            footer: format!("Driftline · incident {} · event {}", id(&incident.id), id(&event.id)),
        }
    }
}

fn id(text: &str) -> String {
    clip(&one_line(text), ID)
}

fn sentence(text: &str) -> String {
    clip(&one_line(text), SENTENCE)
}

pub(super) const fn severity(severity: AlertSeverity) -> &'static str {
    match severity {
        AlertSeverity::Critical => "critical",
        AlertSeverity::Major => "major",
        AlertSeverity::Minor => "minor",
    }
}

fn title(event: &AlertEvent) -> (Tone, String) {
    let incident = &event.incident;
    let (tone, symbol, name) = match incident.severity {
        AlertSeverity::Critical => (Tone::Critical, "🔴", "Critical"),
        AlertSeverity::Major => (Tone::Major, "🟠", "Major"),
        AlertSeverity::Minor => (Tone::Minor, "🔵", "Minor"),
    };
    let was = severity(incident.severity);
    let model = one_line(&incident.model);
    match event.action {
        EventAction::Updated => (tone, format!("{symbol} {name} alert, updated: {model}")),
        EventAction::Confirmed => (tone, format!("{symbol} {name} alert, confirmed: {model}")),
        EventAction::Acknowledged => (tone, format!("👀 Acknowledged, {was}: {model}")),
        EventAction::Resolved => (Tone::Good, format!("✅ Resolved, was {was}: {model}")),
        EventAction::Retracted => (Tone::Good, format!("↩️ Retracted, was {was}: {model}")),
        EventAction::Test => (Tone::Neutral, format!("🧪 Test of a sink, no alert: {model}")),
        _ => (tone, format!("{symbol} {name} alert: {model}")),
    }
}

/// Several events in one message: what each was, so that an incident that came and went is seen to have come.
fn note(bundle: &Bundle) -> Option<String> {
    if bundle.earlier.is_empty() {
        return None;
    }
    let mut told: Vec<(&str, usize, String)> = Vec::new();
    let events = bundle.earlier.iter().chain(std::iter::once(&bundle.newest));
    for event in events.map(Arc::as_ref) {
        let action = match event.action {
            EventAction::Opened => "opened",
            EventAction::Confirmed => "confirmed",
            EventAction::Retracted => "retracted",
            EventAction::Acknowledged => "acknowledged",
            EventAction::Resolved => "resolved",
            _ => "updated",
        };
        match told.last_mut().filter(|(last, _, _)| *last == action) {
            Some((_, count, last)) => {
                *count += 1;
                *last = time(event.time);
            }
            None => told.push((action, 1, time(event.time))),
        }
    }
    let told: Vec<String> = told
        .into_iter()
        .map(|(action, count, time)| match count {
            1 => format!("{action} {time}"),
            _ => format!("{action} {count} times, last {time}"),
        })
        .collect();
    Some(format!("Since the last message: {}.", told.join(", then ")))
}

fn facts(incident: &Incident) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Model", one_line(&incident.model)),
        ("Severity", severity(incident.severity).to_owned()),
        ("Since", time(incident.started)),
    ];
    if let Some(ended) = incident.ended {
        let lasted = duration(ended.since(incident.started));
        facts.push(("Until", format!("{} ({lasted})", time(ended))));
    }
    if let Some(word) = &incident.acknowledged {
        let until = word.until.map(|until| format!(" (until {})", time(until))).unwrap_or_default();
        facts.push(("Acknowledged", format!("{}{until}", sentence(&word.reason))));
    }
    facts
}

fn cause(cause: &Cause) -> String {
    let share = cause.share.filter(|share| share.is_finite());
    let share = share.map(|share| format!(" · {:.0} % of the change", share * 100.0)).unwrap_or_default();
    format!("{}{share} · since {}", sentence(&cause.text), time(cause.since))
}

/// Value, interval and threshold of an alert, such as `accuracy 0.85 (95 % interval 0.83 to 0.87), threshold 0.88
/// (reference 0.9)`.
pub(super) fn figures(alert: &Alert) -> String {
    let mut text = one_line(&alert.metric);
    match alert.value {
        Some(value) => text = format!("{text} {}", figure(value)),
        None => text.push_str(": no figure"),
    }
    if let Some((low, high)) = alert.interval {
        text = format!("{text} (95 % interval {} to {})", figure(low), figure(high));
    }
    let source = one_line(&alert.threshold_source);
    let source = if source.is_empty() { source } else { format!(" ({source})") };
    match alert.threshold {
        Some(threshold) => format!("{text}, threshold {}{source}", figure(threshold)),
        None => format!("{text}{source}"),
    }
}

fn alert(alert: &Alert) -> RenderedAlert {
    let state = match alert.state {
        AlertState::Pending => "pending",
        AlertState::Resolved => "resolved",
        _ => "firing",
    };
    let mut head = format!("{} · {} · {state}", one_line(&alert.rule), severity(alert.severity));
    if !alert.version.is_empty() {
        head = format!("{head} · version {}", one_line(&alert.version));
    }
    for (tag, value) in &alert.segment {
        head = format!("{head} · {}={}", one_line(tag), one_line(value));
    }
    if let Some(mute) = &alert.mute {
        head = format!("{head} · muted: {}", one_line(&mute.reason));
    }
    RenderedAlert {
        head: clip(&head, SENTENCE),
        figure: clip(
            &format!("{} · window {} to {}", figures(alert), alert.window.name, time(alert.window.end)),
            SENTENCE,
        ),
        summary: sentence(&alert.summary),
        description: sentence(&alert.description),
    }
}

/// Runbooks first, each address once; only what a browser opens.
fn links(incident: &Incident) -> Vec<(String, String)> {
    let of = |alert: &Alert, name: &str, address: &Option<String>| {
        let address = web_address(address.as_deref()?)?;
        Some((format!("{name}: {}", one_line(&alert.rule)), address))
    };
    let runbooks = incident.alerts.iter().filter_map(|alert| of(alert, "Runbook", &alert.links.runbook));
    let dashboards =
        incident.alerts.iter().filter_map(|alert| of(alert, "Dashboard", &alert.links.dashboard));
    let mut seen = BTreeSet::new();
    runbooks.chain(dashboards).filter(|(_, address)| seen.insert(address.clone())).collect()
}

/// An address of the web that needs no escape in any form of link.
pub(super) fn web_address(text: &str) -> Option<String> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    if !is_web || text.len() > ADDRESS || text.parse::<axum::http::Uri>().is_err() {
        return None;
    }
    let mut address = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '|' | '"' | '\'' | '(' | ')' | '[' | ']' | '\\' | '`' | '{' | '}' | '^' => {
                address.push_str(&format!("%{:02X}", character as u32));
            }
            _ => address.push(character),
        }
    }
    Some(address)
}

#[cfg(test)]
mod tests;
