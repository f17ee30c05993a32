//! A dashboard's variables, with the values that Grafana would give them when the dashboard is opened.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use super::prometheus::{self, Range};
use super::{Dashboard, text};
use crate::api::Api;

/// Values by name.
#[derive(Clone, Debug, Default)]
pub struct Variables(BTreeMap<String, String>);

/// `$name`, `${name}` and `${name:format}`.
static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))").expect("the pattern is one"));

impl Variables {
    /// The names of the variables that a text refers to.
    #[must_use]
    pub fn named_in(expr: &str) -> Vec<String> {
        let name =
            |found: Captures<'_>| found.get(1).or_else(|| found.get(2)).map(|name| name.as_str().to_owned());
        REFERENCE.captures_iter(expr).filter_map(name).collect()
    }

    /// The text with every variable replaced.
    ///
    /// # Errors
    /// The name of one that there is not.
    pub fn expand(&self, expr: &str) -> Result<String, String> {
        if let Some(unknown) = Self::named_in(expr).iter().find(|name| !self.0.contains_key(*name)) {
            return Err(format!("there is no variable ${unknown} in {expr}"));
        }
        let value = |found: &Captures<'_>| {
            let name = found.get(1).or_else(|| found.get(2)).map_or("", |name| name.as_str());
            self.0.get(name).cloned().unwrap_or_default()
        };
        Ok(REFERENCE.replace_all(expr, value).into_owned())
    }

    /// A variable's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Opens a dashboard: each variable in turn gets its first value, or all; `chosen` are chosen otherwise.
    pub(super) async fn of(
        dashboard: &Dashboard,
        chosen: &[(&str, &str)],
        rate_interval: &str,
        api: &Api,
        range: Range,
    ) -> Result<Self, String> {
        let mut known = Self::default();
        known.0.insert("__rate_interval".to_owned(), rate_interval.to_owned());
        known.0.insert("__range".to_owned(), format!("{}s", (range.end - range.start).round()));
        for variable in dashboard.variables() {
            let name = text(variable, "name");
            let value = match chosen.iter().find(|(of, _)| *of == name) {
                Some((_, value)) => (*value).to_owned(),
                None => {
                    known.default_of(variable, api, range).await.map_err(|why| format!("${name}: {why}"))?
                }
            };
            known.0.insert(name.to_owned(), value);
        }
        Ok(known)
    }

    async fn default_of(&self, variable: &Value, api: &Api, range: Range) -> Result<String, String> {
        if text(variable, "type") != "query" {
            return Ok(variable["current"]["value"].as_str().unwrap_or_default().to_owned());
        }
        let query = self.expand(text(variable, "definition"))?;
        let found = asked(&query, api, range).await?;
        let mut values = filtered(&found, text(variable, "regex"));
        // Grafana's numbers of orders: 0 as they come, 1 and 2 by name, 3 and 4 by number, up and down.
        match variable["sort"].as_u64() {
            Some(1 | 3) => values.sort(),
            Some(2 | 4) => values.sort_by(|a, b| b.cmp(a)),
            _ => {}
        }
        if values.is_empty() {
            return Err(format!("{query} gives no value"));
        }
        let all = variable["includeAll"] == true;
        Ok(if all { text(variable, "allValue").to_owned() } else { values.swap_remove(0) })
    }
}

/// The values that a variable's query gives, as Grafana's data source for Prometheus understands it.
async fn asked(query: &str, api: &Api, range: Range) -> Result<Vec<String>, String> {
    let inner = |function: &str| query.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(inner) = inner("label_values") {
        let (selector, label) = inner.rsplit_once(", ").ok_or_else(|| format!("{query} names no series"))?;
        return prometheus::label_values(api, selector, label, range).await;
    }
    if let Some(expr) = inner("query_result") {
        let series = prometheus::instant(api, expr, range).await?;
        let pair = |(label, value): (&String, &Value)| format!("{label}={value}");
        let shown =
            |labels: &Value| labels.as_object().into_iter().flatten().map(pair).collect::<Vec<_>>().join(",");
        return Ok(series.iter().map(|labels| format!("{{{}}}", shown(labels))).collect());
    }
    Err(format!("{query} is no query that is known here"))
}

/// What a variable's pattern, `/…/`, takes out of the values; each once.
fn filtered(found: &[String], pattern: &str) -> Vec<String> {
    let pattern = pattern.trim_matches('/');
    let pattern = Regex::new(pattern).expect("the variable's pattern is one");
    let mut values: Vec<String> = Vec::new();
    for text in found {
        let Some(captures) = pattern.captures(text) else { continue };
        let value = captures.get(1).map_or(text.as_str(), |group| group.as_str());
        if !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
        }
    }
    values
}
