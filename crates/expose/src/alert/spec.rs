//! Checked sinks and routes.

use std::collections::{BTreeMap, BTreeSet};

use driftline_evaluate::{Alert, AlertEvent, EventAction, Incident};

use super::fault::{NotifyFault, NotifySpecError};
use super::options::{NotifyOptions, SinkKind};
use super::route::{Route, sinks_of};
use super::sink::{Brokers, SinkSpec};

/// Checked [`NotifyOptions`]. Secrets have been read, and are not shown.
#[derive(Clone, Debug, Default)]
pub struct NotifySpec {
    pub(super) sinks: Vec<SinkSpec>,
    routes: Vec<Route>,
}

impl NotifySpec {
    /// Checks `options` and reads their secrets, those in the environment through `env`. `brokers` and `properties` are
    /// those of `[kafka]`.
    ///
    /// # Errors
    /// All faults, each with its place.
    pub fn try_new(
        options: NotifyOptions,
        brokers: &str,
        properties: &BTreeMap<String, String>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<NotifyFault>> {
        let (mut sinks, mut routes, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        let mut names = BTreeSet::new();
        let brokers = Brokers { addresses: brokers, properties };
        for (index, options) in options.sinks.into_iter().enumerate() {
            let place = format!("sinks[{index}]");
            let name = options.name.clone();
            if !is_name(&name) {
                faults.push(NotifyFault {
                    place: format!("{place}.name"),
                    error: NotifySpecError::BadName { name },
                });
            } else if !names.insert(name.clone()) {
                faults.push(NotifyFault {
                    place: format!("{place}.name"),
                    error: NotifySpecError::SameName { name },
                });
            }
            match SinkSpec::try_new(&options, &place, &brokers, env) {
                Ok(sink) => sinks.push(sink),
                Err(mut more) => faults.append(&mut more),
            }
        }
        for (index, options) in options.routes.into_iter().enumerate() {
            match Route::try_new(options, &format!("routes[{index}]"), &names) {
                Ok(route) => routes.push(route),
                Err(mut more) => faults.append(&mut more),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { sinks, routes })
    }

    /// Names and kinds of the sinks, as they were written.
    pub fn sinks(&self) -> impl Iterator<Item = (&str, SinkKind)> {
        self.sinks.iter().map(|sink| (sink.name.as_str(), sink.kind()))
    }

    /// The sinks that are to be told of an event. `told` are those that were told of its incident before: they hear how
    /// it goes on though its severity or labels have changed since.
    ///
    /// Nobody is told of an incident whose every alert is muted, but that it is over.
    #[must_use]
    pub fn route(&self, event: &AlertEvent, told: &BTreeSet<String>) -> Vec<&str> {
        let is_muted = |alert: &Alert| alert.mute.is_some();
        let alerts = &event.incident.alerts;
        if !alerts.is_empty() && alerts.iter().all(is_muted) {
            let is_over = matches!(event.action, EventAction::Resolved | EventAction::Retracted);
            return self.names(|name| is_over && told.contains(name));
        }
        self.sinks_of(&event.incident, told)
    }

    /// The same for an incident as it is.
    pub(super) fn sinks_of(&self, incident: &Incident, told: &BTreeSet<String>) -> Vec<&str> {
        if self.routes.is_empty() {
            return self.names(|_| true);
        }
        let routed = sinks_of(&self.routes, incident);
        self.names(|name| routed.contains(name) || told.contains(name))
    }

    fn names(&self, is_told: impl Fn(&str) -> bool) -> Vec<&str> {
        self.sinks.iter().map(|sink| sink.name.as_str()).filter(|name| is_told(name)).collect()
    }
}

/// Metrics have the name as a label.
fn is_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(is_legal)
}

#[cfg(test)]
mod tests;
