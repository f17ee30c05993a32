//! The events that tell of an incident.

use driftline_events::EventTime;

use super::stored::{Live, Open};
use super::{AlertBook, Changes};
use crate::alert::causes::{self, Candidate};
use crate::alert::event::{
    ALERT_EVENT_SCHEMA, Alert, AlertEvent, AlertState, EventAction, Incident, IncidentState,
};
use crate::alert::id::id;
use crate::alert::metric::Metric;
use crate::alert::sentence;

/// Incidents that are over and still remembered.
const CLOSED: usize = 16;
/// A version is a cause when it first answered at most so long before the incident (or a window, if that is longer).
const SHORTLY_MILLIS: i64 = 7_200_000;

impl AlertBook {
    /// The event that the changes come to, if they come to any.
    pub(super) fn emit(&mut self, now: EventTime, window: &str, mut changes: Changes) -> Option<AlertEvent> {
        self.lapse(now, &mut changes);
        if self.state.incident.is_none() {
            return self.undo(now, &changes.undone?);
        }
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

    /// The event that an incident that is over was none, if the alert that late data undid was all there was to it.
    fn undo(&mut self, now: EventTime, (fingerprint, fired): &(String, EventTime)) -> Option<AlertEvent> {
        let was = |incident: &&mut Incident| {
            matches!(&incident.alerts[..], [alert] if alert.fingerprint == *fingerprint)
                && incident.started <= *fired
                && incident.ended.is_some_and(|ended| ended >= *fired)
        };
        let incident = self.state.closed.iter_mut().rev().find(was)?;
        let lasted = (incident.started, now);
        let (model, action) = (&self.state.model, EventAction::Retracted);
        incident.summary =
            sentence::of_incident(model, action, &incident.alerts, &incident.causes, lasted, false);
        let (id, incident) = (format!("{}-retracted", incident.id), incident.clone());
        Some(AlertEvent { schema: ALERT_EVENT_SCHEMA.to_owned(), id, action, time: now, incident })
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
            severity: open.severity,
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
