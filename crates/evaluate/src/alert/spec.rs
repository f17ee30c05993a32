//! What alerts for a model, checked.

use std::time::Duration;

use super::defaults;
use super::options::{AlertOptions, RuleOptions};
use super::rule::Rule;

/// A window of the model, as far as alerts need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertWindow {
    /// Its name.
    pub name: String,
    /// Its length.
    pub length: Duration,
    /// How often it is evaluated.
    pub every: Duration,
}

/// What alerts for a model, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertSpec {
    pub(crate) rules: Vec<Rule>,
}

/// Alert options that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AlertSpecError {
    /// The options as a whole.
    #[error("{fault}")]
    Options {
        /// What is wrong.
        fault: String,
    },
    /// One rule.
    #[error("rule {rule:?}: {fault}")]
    Rule {
        /// Its name.
        rule: String,
        /// What is wrong.
        fault: String,
    },
}

impl AlertSpec {
    /// Checks a model's rules against its windows.
    ///
    /// # Errors
    /// Every fault that was found, in the order written.
    pub fn try_new(options: AlertOptions, windows: &[AlertWindow]) -> Result<Self, Vec<AlertSpecError>> {
        let mut faults = Vec::new();
        let whole = |fault: String| AlertSpecError::Options { fault };
        let names = || windows.iter().map(|window| window.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut find = |key: &str, name: Option<&String>, or: Option<&AlertWindow>| match name {
            None => or.cloned(),
            Some(name) => {
                let found = windows.iter().find(|window| window.name == *name).cloned();
                if found.is_none() {
                    faults.push(whole(format!("{key} = {name:?} is none of the model's: {}", names())));
                }
                found
            }
        };
        // Factors, not differences: half an hour is as far from an hour as two hours are.
        let hours = |window: &AlertWindow| (window.length.as_secs_f64().max(1e-3) / 3_600.0).ln().abs();
        let usual = windows.iter().min_by(|a, b| hours(a).total_cmp(&hours(b)));
        let shortest = windows.iter().min_by_key(|window| window.length);
        let main = find("window", options.window.as_ref(), usual);
        let fast = find("fast_window", options.fast_window.as_ref(), shortest);

        let mut rules: Vec<Rule> = Vec::new();
        for name in options.without.iter().filter(|name| !defaults::NAMES.contains(&name.as_str())) {
            let known = defaults::NAMES.join(", ");
            faults.push(whole(format!("without: {name:?} is no default rule; they are {known}")));
        }
        let own: Vec<&str> = options.rules.iter().map(|rule| rule.name.as_str()).collect();
        for (at, name) in own.iter().enumerate() {
            if own[..at].contains(name) {
                faults.push(AlertSpecError::Rule {
                    rule: (*name).to_owned(),
                    fault: "is there twice".to_owned(),
                });
            }
        }
        let mut add = |rule: RuleOptions, window: Option<&AlertWindow>| {
            let name = rule.name.clone();
            let fault = |fault| AlertSpecError::Rule { rule: name.clone(), fault };
            let window = match &rule.window {
                None => window,
                Some(named) => {
                    let found = windows.iter().find(|window| window.name == *named);
                    if found.is_none() {
                        faults.push(fault(format!("window = {named:?} is none of the model's: {}", names())));
                    }
                    found
                }
            };
            // Without a window there is a fault already, or the model has none; the rest is checked all the same.
            let nowhere = AlertWindow { name: String::new(), length: Duration::ZERO, every: Duration::ZERO };
            let mut found = Vec::new();
            let read = Rule::read(rule, window.unwrap_or(&nowhere), &mut found);
            faults.extend(found.into_iter().map(fault));
            rules.extend(read.filter(|_| window.is_some()));
        };
        if options.defaults {
            for (rule, fast_one) in defaults::rules() {
                if !own.contains(&rule.name.as_str()) && !options.without.contains(&rule.name) {
                    add(rule, if fast_one { fast.as_ref() } else { main.as_ref() });
                }
            }
        }
        for rule in options.rules.clone() {
            add(rule, main.as_ref());
        }
        let named = |name: &str| own.contains(&name) || options.without.iter().any(|without| without == name);
        if options.defaults && !named(defaults::EVALUATION_ERROR) {
            rules.push(defaults::evaluation_error());
        }
        if faults.is_empty() { Ok(Self { rules }) } else { Err(faults) }
    }

    /// The names of the rules.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }
}

#[cfg(test)]
mod tests;
