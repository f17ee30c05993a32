//! What people say to alerts, and what they see of them.

use std::collections::BTreeMap;

use driftline_events::EventTime;

use super::AlertBook;
use super::incident::is_active;
use crate::alert::event::{AlertEvent, AlertState, EventAction, Mute};
use crate::alert::series::Condition;
use crate::alert::status::{RuleCounts, RuleStatus};

/// What an alert book cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertBookError {
    /// The incident is not open.
    #[error("incident {id:?} is not open; list the open one first")]
    NoIncident {
        /// What was given.
        id: String,
    },
    /// No rule has the name.
    #[error("there is no rule {rule:?}; the rules are {known}")]
    NoRule {
        /// What was given.
        rule: String,
        /// What there is.
        known: String,
    },
    /// A word on an alert without a reason.
    #[error("a reason is needed: who reads it later must know why")]
    NoReason,
    /// A time that has passed.
    #[error("until {until} has passed, it is {now}")]
    Past {
        /// What was given.
        until: EventTime,
        /// The time.
        now: EventTime,
    },
    /// Bytes that are no encoded alert book.
    #[error("this is no state of alerts, or it is damaged")]
    NotABook(#[source] serde_json::Error),
    /// Written by a newer version.
    #[error(
        "the state of alerts has format {found} and the newest known here is {supported}: upgrade Driftline"
    )]
    Newer {
        /// Its format.
        found: u32,
        /// The newest that can be read.
        supported: u32,
    },
}

fn word(reason: &str, until: Option<EventTime>, now: EventTime) -> Result<Mute, AlertBookError> {
    if reason.trim().is_empty() {
        return Err(AlertBookError::NoReason);
    }
    if let Some(until) = until.filter(|until| *until <= now) {
        return Err(AlertBookError::Past { until, now });
    }
    Ok(Mute { reason: reason.to_owned(), until })
}

impl AlertBook {
    /// Notes that somebody looks after the open incident, until then or until it is over or becomes graver.
    ///
    /// # Errors
    /// [`AlertBookError`] if the incident is not open, the reason is empty or the time has passed.
    pub fn acknowledge(
        &mut self,
        incident: &str,
        reason: &str,
        until: Option<EventTime>,
        now: EventTime,
    ) -> Result<AlertEvent, AlertBookError> {
        let mute = word(reason, until, now)?;
        let open = self.state.incident.as_mut().filter(|open| open.id == incident);
        let open = open.ok_or_else(|| AlertBookError::NoIncident { id: incident.to_owned() })?;
        open.acknowledged = Some((mute, open.severity));
        for live in open.alerts.iter().filter(|live| live.alert.state == AlertState::Firing) {
            self.state.counts.entry(live.key.rule.clone()).or_default().acknowledged += 1;
        }
        Ok(self.tell(now, EventAction::Acknowledged))
    }

    /// Mutes a rule: its alerts go on, marked, and nobody is to be told of them. The event if it fires.
    ///
    /// # Errors
    /// [`AlertBookError`] if there is no such rule, the reason is empty or the time has passed.
    pub fn mute(
        &mut self,
        rule: &str,
        reason: &str,
        until: Option<EventTime>,
        now: EventTime,
    ) -> Result<Option<AlertEvent>, AlertBookError> {
        let mute = word(reason, until, now)?;
        self.check_rule(rule)?;
        self.state.mutes.insert(rule.to_owned(), mute.clone());
        Ok(self.mark(rule, Some(&mute), now))
    }

    /// Takes a mute back; one of the configuration stays. The event if the rule fires.
    ///
    /// # Errors
    /// [`AlertBookError::NoRule`] if there is no such rule.
    pub fn unmute(&mut self, rule: &str, now: EventTime) -> Result<Option<AlertEvent>, AlertBookError> {
        self.check_rule(rule)?;
        self.state.mutes.remove(rule);
        let mute = self.mute_of(rule, now);
        Ok(self.mark(rule, mute.as_ref(), now))
    }

    fn check_rule(&self, rule: &str) -> Result<(), AlertBookError> {
        if self.spec.rules().any(|known| known == rule) {
            return Ok(());
        }
        let known = self.spec.rules().collect::<Vec<_>>().join(", ");
        Err(AlertBookError::NoRule { rule: rule.to_owned(), known })
    }

    fn mark(&mut self, rule: &str, mute: Option<&Mute>, now: EventTime) -> Option<AlertEvent> {
        let open = self.state.incident.as_mut()?;
        let mut changed = 0;
        let firing = open.alerts.iter_mut().filter(|live| live.alert.state == AlertState::Firing);
        for live in firing.filter(|live| live.key.rule == rule && live.alert.mute.as_ref() != mute) {
            live.alert.mute = mute.cloned();
            changed += 1;
        }
        if changed == 0 {
            return None;
        }
        if mute.is_some() {
            self.state.counts.entry(rule.to_owned()).or_default().muted += changed;
        }
        Some(self.tell(now, EventAction::Updated))
    }

    /// Every rule on every version and segment, as it is now.
    #[must_use]
    pub fn states(&self) -> Vec<RuleStatus> {
        let now = self.state.through.values().max().copied().unwrap_or(EventTime::from_millis(0));
        let one = |(key, series): (&super::Key, &crate::alert::series::Series)| {
            let rule = self.spec.rules.iter().find(|rule| rule.name == key.rule)?;
            let state = match (series.phase.fired.is_some(), series.phase.is_pending()) {
                (true, _) => Some(AlertState::Firing),
                (false, true) => Some(AlertState::Pending),
                (false, false) => None,
            };
            let unknown = match series.condition {
                Condition::Known(_) => None,
                Condition::Unknown(unknown) => Some(unknown),
            };
            Some(RuleStatus {
                rule: key.rule.clone(),
                metric: rule.metric.title(),
                severity: rule.severity,
                version: key.version.clone(),
                segment: key.segment.clone(),
                window: rule.window.clone(),
                state,
                unknown,
                since: series.phase.since,
                through: series.through,
                mute: self.mute_of(&key.rule, now).filter(|mute| is_active(mute, now)),
            })
        };
        self.state.series.iter().filter_map(one).collect()
    }

    /// How often things happened, by rule, since the book began.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<String, RuleCounts> {
        &self.state.counts
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.state.model
    }
}
