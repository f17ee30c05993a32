//! Alerts of the model that fire together: how they begin and end, and the events that tell of it.

use driftline_events::EventTime;

use super::stored::{Key, Live, Open};
use super::{AlertBook, Changes, Finding};
use crate::alert::causes::{self, Candidate};
use crate::alert::event::{
    ALERT_EVENT_SCHEMA, Alert, AlertEvent, AlertSeverity, AlertState, EventAction, Incident, IncidentState,
    Mute,
};
use crate::alert::id::id;
use crate::alert::metric::Metric;
use crate::alert::rule::Rule;
use crate::alert::sentence;
use crate::alert::series::{Phase, Series};
use crate::report::WindowSpan;

/// Incidents that are over and still remembered.
const CLOSED: usize = 16;
/// A version is a cause when it first answered at most so long before the incident (or a window, if that is longer).
const SHORTLY_MILLIS: i64 = 7_200_000;

pub(super) fn is_active(mute: &Mute, now: EventTime) -> bool {
    mute.until.is_none_or(|until| until > now)
}

impl AlertBook {
    fn fingerprint(&self, key: &Key) -> String {
        let segment = key.segment.iter().flat_map(|(tag, value)| [tag.as_str(), value.as_str()]);
        let parts: Vec<&str> =
            [self.state.model.as_str(), &key.rule, &key.version].into_iter().chain(segment).collect();
        id(&parts)
    }

    pub(super) fn mute_of(&self, rule: &str, now: EventTime) -> Option<Mute> {
        let of_config = || self.spec.rules.iter().find(|own| own.name == rule)?.mute.clone();
        let mute = self.state.mutes.get(rule).cloned().or_else(of_config);
        mute.filter(|mute| is_active(mute, now))
    }

    /// An alert begins.
    pub(super) fn fire(
        &mut self,
        rule: &Rule,
        key: &Key,
        span: &WindowSpan,
        phase: Phase,
        finding: &Finding,
        changes: &mut Changes,
    ) {
        let fingerprint = self.fingerprint(key);
        let mute = self.mute_of(&rule.name, span.end);
        let counts = self.state.counts.entry(rule.name.clone()).or_default();
        counts.fired += 1;
        counts.muted += u64::from(mute.is_some());
        let mut alert = Alert {
            fingerprint: fingerprint.clone(),
            rule: rule.name.clone(),
            severity: rule.severity,
            state: AlertState::Firing,
            version: key.version.clone(),
            segment: key.segment.clone(),
            window: span.clone(),
            started: phase.since.unwrap_or(span.start),
            ended: None,
            metric: finding.reading.title.clone(),
            value: None,
            interval: None,
            threshold: None,
            threshold_source: String::new(),
            summary: String::new(),
            description: String::new(),
            labels: rule.labels.clone(),
            links: rule.links.clone(),
            mute,
        };
        fill(&mut alert, span, finding);
        alert.description = sentence::documentation(rule, &self.state.model, &alert);
        let fired = phase.fired.unwrap_or(span.end);
        let live = Live { alert, key: key.clone(), fired, confirmed: false };
        let open = self.state.incident.get_or_insert_with(|| Open {
            // Made up when it is told of, by the gravest of those that open it.
            id: String::new(),
            started: live.alert.started,
            severity: rule.severity,
            alerts: Vec::new(),
            events: 0,
            acknowledged: None,
            told: None,
        });
        open.started = open.started.min(live.alert.started);
        if rule.severity > open.severity {
            open.severity = rule.severity;
        }
        // Who took care of something minor has not taken care of this.
        open.acknowledged = open.acknowledged.take().filter(|(_, severity)| rule.severity <= *severity);
        match open.alerts.iter_mut().find(|known| known.alert.fingerprint == fingerprint) {
            Some(known) => {
                let started = known.alert.started.min(live.alert.started);
                *known = live;
                known.alert.started = started;
            }
            None => open.alerts.push(live),
        }
        changes.fired.push(fingerprint);
    }

    /// A firing alert's latest figures.
    pub(super) fn show(&mut self, key: &Key, span: &WindowSpan, finding: &Finding) {
        let live = self.state.incident.iter_mut().flat_map(|open| &mut open.alerts);
        if let Some(live) = live.into_iter().find(|live| live.key == *key)
            // What recovers still tells what was wrong.
            && finding.judged.vote != crate::alert::series::Vote::Clear
        {
            fill(&mut live.alert, span, finding);
        }
    }

    pub(super) fn end_alert(&mut self, rule: &Rule, key: &Key, end: EventTime, changes: &mut Changes) {
        debug_assert_eq!(rule.name, key.rule);
        self.end_alert_of(key, end, changes);
    }

    pub(super) fn end_alert_of(&mut self, key: &Key, end: EventTime, changes: &mut Changes) {
        self.state.counts.entry(key.rule.clone()).or_default().resolved += 1;
        let live = self.state.incident.iter_mut().flat_map(|open| &mut open.alerts);
        for live in live.filter(|live| live.key == *key && live.alert.state == AlertState::Firing) {
            live.alert.state = AlertState::Resolved;
            live.alert.ended = Some(end);
        }
        changes.ended = true;
    }

    /// A revised window votes anew, and what follows from it.
    pub(super) fn revote(
        &mut self,
        rule: &Rule,
        key: &Key,
        span: &WindowSpan,
        finding: Option<&Finding>,
        vote: impl FnOnce(&mut Series),
        changes: &mut Changes,
    ) {
        let Some(series) = self.state.series.get_mut(key) else { return };
        let before = series.phase.fired;
        vote(series);
        let (after, through) = (series.phase, series.through);
        match (before, after.fired) {
            (Some(fired), None) => {
                self.end_alert(rule, key, through, changes);
                if span.end <= fired {
                    self.state.counts.entry(rule.name.clone()).or_default().retracted += 1;
                    changes.retracted = true;
                }
            }
            (Some(fired), Some(_)) if span.end == fired => {
                let live = self.state.incident.iter_mut().flat_map(|open| &mut open.alerts);
                let live = live.into_iter().find(|live| live.key == *key && !live.confirmed);
                if let Some(live) = live {
                    live.confirmed = true;
                    changes.confirmed = true;
                    self.state.counts.entry(rule.name.clone()).or_default().confirmed += 1;
                }
            }
            (None, Some(_)) => {
                if let Some(finding) = finding {
                    self.fire(rule, key, span, after, finding, changes);
                }
            }
            _ => {}
        }
    }

    /// Ends mutes and acknowledgements that ran out.
    fn lapse(&mut self, now: EventTime, changes: &mut Changes) {
        let Some(open) = &mut self.state.incident else { return };
        for live in open.alerts.iter_mut().filter(|live| live.alert.state == AlertState::Firing) {
            if live.alert.mute.as_ref().is_some_and(|mute| !is_active(mute, now)) {
                live.alert.mute = None;
                changes.told = true;
            }
        }
        if open.acknowledged.as_ref().is_some_and(|(mute, _)| !is_active(mute, now)) {
            open.acknowledged = None;
            changes.told = true;
        }
        self.state.mutes.retain(|_, mute| is_active(mute, now));
    }

    /// The event that the changes come to, if they come to any.
    pub(super) fn emit(&mut self, now: EventTime, window: &str, mut changes: Changes) -> Option<AlertEvent> {
        self.lapse(now, &mut changes);
        let open = self.state.incident.as_mut()?;
        let firing = open.alerts.iter().any(|live| live.alert.state == AlertState::Firing);
        open.alerts.sort_by(|a, b| {
            let order = |live: &Live| {
                (live.alert.state == AlertState::Resolved, std::cmp::Reverse(live.alert.severity))
            };
            order(a).cmp(&order(b)).then_with(|| a.key.cmp(&b.key))
        });
        let action = if open.id.is_empty() {
            let first = open.alerts.iter().find(|live| changes.fired.contains(&live.alert.fingerprint))?;
            let at = first.fired.as_millis().to_string();
            open.id = id(&[&self.state.model, window, &at, &first.alert.fingerprint]);
            EventAction::Opened
        } else if !firing {
            if changes.retracted { EventAction::Retracted } else { EventAction::Resolved }
        } else if !changes.fired.is_empty() || changes.ended || changes.retracted || changes.told {
            EventAction::Updated
        } else if changes.confirmed {
            EventAction::Confirmed
        } else {
            return None;
        };
        Some(self.tell(now, action))
    }

    /// The event on the open incident as it is now.
    pub(super) fn tell(&mut self, now: EventTime, action: EventAction) -> AlertEvent {
        let over = matches!(action, EventAction::Resolved | EventAction::Retracted);
        let incident =
            self.incident_now(now, action).expect("an incident is open when something is told of it");
        let open = self.state.incident.as_mut().expect("as above");
        open.events += 1;
        let event = AlertEvent {
            schema: ALERT_EVENT_SCHEMA.to_owned(),
            id: format!("{}-{}", open.id, open.events),
            action,
            time: now,
            incident: incident.clone(),
        };
        if over {
            self.state.incident = None;
            self.state.closed.push_back(incident);
            while self.state.closed.len() > CLOSED {
                self.state.closed.pop_front();
            }
        } else {
            open.told = Some(incident);
        }
        event
    }

    fn incident_now(&self, now: EventTime, action: EventAction) -> Option<Incident> {
        let open = self.state.incident.as_ref()?;
        let over = matches!(action, EventAction::Resolved | EventAction::Retracted);
        let alerts: Vec<Alert> = open.alerts.iter().map(|live| live.alert.clone()).collect();
        let versions = self.version_causes(open);
        let mut causes = causes::rank(self.state.candidates.values().flatten().chain(&versions));
        // When it is over, what it came from is no longer to be seen.
        if let Some(told) = open.told.as_ref().filter(|_| over) {
            causes.clone_from(&told.causes);
        }
        let gravest = open
            .alerts
            .first()
            .and_then(|live| self.spec.rules.iter().find(|rule| rule.name == live.key.rule));
        let is_performance = gravest.is_some_and(|rule| matches!(rule.metric, Metric::Performance { .. }));
        let lasted = (open.started, now);
        let summary =
            sentence::of_incident(&self.state.model, action, &alerts, &causes, lasted, is_performance);
        Some(Incident {
            id: open.id.clone(),
            model: self.state.model.clone(),
            state: match (over, &open.acknowledged) {
                (true, _) => IncidentState::Resolved,
                (false, Some(_)) => IncidentState::Acknowledged,
                (false, None) => IncidentState::Firing,
            },
            severity: open.severity.max(AlertSeverity::Minor),
            started: open.started,
            ended: over.then_some(now),
            summary,
            alerts,
            causes,
            acknowledged: open.acknowledged.as_ref().map(|(mute, _)| mute.clone()),
        })
    }

    /// Versions that first answered shortly before, of a model that had others.
    fn version_causes(&self, open: &Open) -> Vec<Candidate> {
        let Some(first) = self.state.versions.values().min() else { return Vec::new() };
        let window = open.alerts.iter().map(|live| live.alert.window.length_seconds).fold(0.0, f64::max);
        let shortly = SHORTLY_MILLIS.max((window * 1e3) as i64);
        let since = open.started.as_millis() - shortly;
        let concerns = |version: &String| {
            let of = |live: &Live| live.key.version.is_empty() || live.key.version == *version;
            open.alerts.iter().any(of)
        };
        let versions = self.state.versions.iter();
        versions
            .filter(|(version, at)| *at > first && at.as_millis() >= since && concerns(version))
            .map(|(version, at)| causes::of_version(version, *at))
            .collect()
    }

    /// The open incident, as it is now, and those that are over, the latest first.
    #[must_use]
    pub fn incidents(&self) -> Vec<Incident> {
        let now = self.state.through.values().max().copied().unwrap_or(EventTime::from_millis(0));
        let open = self.incident_now(now, EventAction::Updated);
        open.into_iter().chain(self.state.closed.iter().rev().cloned()).collect()
    }
}

fn fill(alert: &mut Alert, span: &WindowSpan, finding: &Finding) {
    let (reading, judged) = (&finding.reading, &finding.judged);
    alert.window = span.clone();
    alert.metric.clone_from(&reading.title);
    alert.value = Some(reading.value);
    alert.interval = reading.interval;
    alert.threshold = judged.threshold;
    alert.threshold_source.clone_from(&judged.source);
    alert.summary.clone_from(&finding.summary);
}
