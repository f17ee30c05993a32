//! The demo's incidents, in words.

use std::collections::BTreeMap;

use driftline_evaluate::{AlertSeverity, Incident, IncidentState};

/// How an incident stands, in a word or two.
pub(super) const fn word(incident: &Incident) -> &'static str {
    match (incident.state, incident.severity) {
        (IncidentState::Resolved, _) => "RESOLVED",
        (_, AlertSeverity::Critical) => "ALERT, critical",
        (_, AlertSeverity::Major) => "ALERT, major",
        (_, AlertSeverity::Minor) => "ALERT, minor",
    }
}

/// What was told of incidents.
#[derive(Default)]
pub(super) struct Alarms(BTreeMap<String, (IncidentState, AlertSeverity)>);

impl Alarms {
    /// A line for each incident that is new, graver or over.
    pub(super) fn news(&mut self, incidents: &[Incident]) -> Vec<String> {
        let mut news = Vec::new();
        for incident in incidents.iter().rev() {
            let now = (incident.state, incident.severity);
            if self.0.insert(incident.id.clone(), now) != Some(now) {
                news.push(format!("{}: {}", word(incident), incident.summary));
                let causes = incident.causes.iter().take(3);
                news.extend(causes.map(|cause| format!("    {}", cause.text)));
            }
        }
        news
    }
}
