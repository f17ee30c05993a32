//! What `docker-compose.yml` says, as Compose reads it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::census::project;

/// A Compose file with its variables at their defaults.
#[derive(Clone, Debug)]
pub struct Stack {
    whole: Value,
    /// Variables with their defaults, by name.
    pub variables: BTreeMap<String, String>,
}

impl Stack {
    /// The project's own.
    ///
    /// # Panics
    /// If it cannot be read, is no YAML, or has a variable without a default.
    #[must_use]
    pub fn read() -> Self {
        Self::parse(&text("docker-compose.yml"))
    }

    fn parse(text: &str) -> Self {
        let mut whole: Value = serde_saphyr::from_str(text).expect("the Compose file is YAML");
        let mut variables = BTreeMap::new();
        interpolate(&mut whole, &mut variables);
        Self { whole, variables }
    }

    /// The services by name.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn services(&self) -> &Map<String, Value> {
        self.whole["services"].as_object().expect("a Compose file has services")
    }

    /// A top-level table, such as `volumes`, by name.
    ///
    /// # Panics
    /// If it is not there.
    #[must_use]
    pub fn table(&self, name: &str) -> &Map<String, Value> {
        self.whole[name].as_object().unwrap_or_else(|| panic!("there are no {name}"))
    }

    /// Names of the services that run together: those without a profile, or those of `profile`.
    #[must_use]
    pub fn running(&self, profile: Option<&str>) -> Vec<&str> {
        let runs = |service: &Value| match (service.get("profiles"), profile) {
            (None, None) => true,
            (Some(profiles), Some(profile)) => texts(profiles).contains(&profile.to_owned()),
            _ => false,
        };
        let found = self.services().iter().filter(|(_, service)| runs(service));
        found.map(|(name, _)| name.as_str()).collect()
    }
}

/// A file of the project.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn text(path: impl AsRef<Path>) -> String {
    let path = project().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The texts of a list; an entry of another kind as it is written in JSON.
///
/// # Panics
/// If it is no list.
#[must_use]
pub fn texts(list: &Value) -> Vec<String> {
    let entries = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    entries.iter().map(|entry| entry.as_str().map_or_else(|| entry.to_string(), str::to_owned)).collect()
}

/// Replaces `${NAME:-default}` by its default, and `$$` by `$`, in all texts.
fn interpolate(value: &mut Value, variables: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => *text = interpolated(text, variables),
        Value::Array(entries) => entries.iter_mut().for_each(|entry| interpolate(entry, variables)),
        Value::Object(members) => members.values_mut().for_each(|member| interpolate(member, variables)),
        _ => {}
    }
}

fn interpolated(text: &str, variables: &mut BTreeMap<String, String>) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        done.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            done.push('$');
            rest = after;
            continue;
        }
        let inner = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (inner, after) = inner.unwrap_or_else(|| panic!("{text}: a lone $ is a mistake"));
        let (name, default) =
            inner.split_once(":-").unwrap_or_else(|| panic!("{text}: ${{{inner}}} has no default"));
        let before = variables.insert(name.to_owned(), default.to_owned());
        assert!(before.is_none_or(|before| before == default), "{name} has two defaults");
        done.push_str(default);
        rest = after;
    }
    done + rest
}
