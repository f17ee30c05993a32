//! Alerts of the model that fire together: how they begin and end, and the events that tell of it.

use driftline_events::EventTime;

use super::stored::{Key, Live, Open};
use super::{AlertBook, Changes, Finding};
use crate::alert::event::{Alert, AlertState, Mute};
use crate::alert::id::id;
use crate::alert::rule::Rule;
use crate::alert::sentence;
use crate::alert::series::{Phase, Series};
use crate::report::WindowSpan;

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
        let (before, last) = (series.phase.fired, series.phase.last);
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
            (None, None) => {
                if let Some(fired) = last.filter(|fired| span.end <= *fired && after.last != Some(*fired)) {
                    self.state.counts.entry(rule.name.clone()).or_default().retracted += 1;
                    changes.undone = Some((self.fingerprint(key), fired));
                }
            }
            _ => {}
        }
    }

    /// Ends mutes and acknowledgements that ran out.
    pub(super) fn lapse(&mut self, now: EventTime, changes: &mut Changes) {
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
