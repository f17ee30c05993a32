//! What Alertmanagers are to be told: all that fires, and what ended a short while ago.

use std::collections::BTreeMap;
use std::time::Duration;

use driftline_evaluate::{AlertState, Incident};
use driftline_events::EventTime;
use serde_json::{Value, json};

use super::labels::{annotations, generator, labels};

/// A firing alert is said to end this long from now, unless it is told again: if nobody is left to tell it, it goes.
const FIRES_FOR: Duration = Duration::from_secs(4 * 60);

/// What has ended is told for so long, so that an instance that was away hears of it.
const RESOLVED_FOR: Duration = Duration::from_secs(15 * 60);

/// An alert's labels, which are what Alertmanager knows it by.
type Labels = BTreeMap<String, String>;

/// Alerts by their labels.
#[derive(Debug, Default)]
pub(super) struct ActiveSet {
    alerts: BTreeMap<Labels, Active>,
}

#[derive(Debug)]
struct Active {
    incident: String,
    starts: EventTime,
    /// When it was heard to have ended.
    ended: Option<EventTime>,
    annotations: BTreeMap<&'static str, String>,
    generator: Option<String>,
}

impl ActiveSet {
    /// Takes an incident as it is now: what fires in it, and that the rest of it has ended.
    pub(super) fn apply(&mut self, incident: &Incident, now: EventTime) {
        for active in self.alerts.values_mut().filter(|active| active.incident == incident.id) {
            active.ended.get_or_insert(now);
        }
        for alert in incident.alerts.iter().filter(|alert| alert.state != AlertState::Pending) {
            let fires = alert.state == AlertState::Firing && alert.mute.is_none();
            let labels = labels(incident, alert);
            // What was never told to fire, or long ago, need not be told to have ended, but for what ended just now:
            // that may have been told before a restart.
            let ended_long_ago = alert.ended.is_some_and(|ended| now.since(ended) > RESOLVED_FOR);
            let ended = match (fires, self.alerts.get(&labels)) {
                (true, _) => None,
                (false, Some(known)) if known.incident == incident.id => known.ended.or(Some(now)),
                // It fires in another incident.
                (false, Some(_)) => continue,
                (false, None) if ended_long_ago => continue,
                (false, None) => Some(now),
            };
            let active = Active {
                incident: incident.id.clone(),
                starts: alert.started.min(now),
                ended,
                annotations: annotations(incident, alert),
                generator: generator(alert),
            };
            self.alerts.insert(labels, active);
        }
    }

    /// What is to be sent now, the alerts of the API. What ended too long ago is forgotten.
    pub(super) fn alerts(&mut self, now: EventTime) -> Vec<Value> {
        self.alerts.retain(|_, active| active.ended.is_none_or(|ended| now.since(ended) <= RESOLVED_FOR));
        self.alerts
            .iter()
            .map(|(labels, active)| {
                let ends = active.ended.unwrap_or_else(|| now.saturating_add(FIRES_FOR));
                let mut alert = json!({
                    "labels": labels,
                    "annotations": active.annotations,
                    "startsAt": active.starts.min(ends).to_string(),
                    "endsAt": ends.to_string(),
                });
                if let Some(generator) = &active.generator {
                    alert["generatorURL"] = generator.as_str().into();
                }
                alert
            })
            .collect()
    }
}
