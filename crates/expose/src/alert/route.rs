//! Which alerts go where.

use std::collections::{BTreeMap, BTreeSet};

use driftline_evaluate::{Alert, AlertSeverity, Incident};
use glob::Pattern;

use super::fault::{NotifyFault, NotifySpecError};
use super::options::RouteOptions;

/// A checked [`RouteOptions`].
#[derive(Clone, Debug)]
pub(super) struct Route {
    models: Vec<Pattern>,
    severity: AlertSeverity,
    labels: BTreeMap<String, String>,
    sinks: Vec<String>,
    goes_on: bool,
}

impl Route {
    /// Checks an entry at `place`; `names` are those of the sinks.
    pub(super) fn try_new(
        options: RouteOptions,
        place: &str,
        names: &BTreeSet<String>,
    ) -> Result<Self, Vec<NotifyFault>> {
        let RouteOptions { models, severity, labels, sinks, goes_on } = options;
        let mut faults = Vec::new();
        let mut patterns = Vec::new();
        for (index, pattern) in models.iter().enumerate() {
            match Pattern::new(pattern) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => faults.push(NotifyFault {
                    place: format!("{place}.models[{index}]"),
                    error: NotifySpecError::BadPattern { pattern: pattern.clone(), reason: error.msg },
                }),
            }
        }
        for (index, name) in sinks.iter().enumerate().filter(|(_, name)| !names.contains(*name)) {
            faults.push(NotifyFault {
                place: format!("{place}.sinks[{index}]"),
                error: NotifySpecError::UnknownSink { name: name.clone() },
            });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            models: patterns,
            severity: severity.unwrap_or(AlertSeverity::Minor),
            labels,
            sinks,
            goes_on,
        })
    }

    fn fits(&self, incident: &Incident) -> bool {
        let has_labels = |alert: &Alert| {
            self.labels.iter().all(|(name, value)| alert.labels.get(name).is_some_and(|own| own == value))
        };
        (self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(&incident.model)))
            && incident.severity >= self.severity
            && (self.labels.is_empty() || incident.alerts.iter().any(has_labels))
    }
}

/// The sinks of the first route that fits, and of those after it as long as they go on.
pub(super) fn sinks_of<'a>(routes: &'a [Route], incident: &Incident) -> BTreeSet<&'a str> {
    let mut sinks = BTreeSet::new();
    for route in routes.iter().filter(|route| route.fits(incident)) {
        sinks.extend(route.sinks.iter().map(String::as_str));
        if !route.goes_on {
            break;
        }
    }
    sinks
}
