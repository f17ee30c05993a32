//! The reference pages of the documentation, generated from the types.

mod configuration;
mod declared;
mod words;

/// What the page of metrics says before its table.
const METRICS: &str = include_str!("documents/metrics.md");

/// File name and text of every page.
#[must_use]
pub fn all() -> Vec<(&'static str, String)> {
    vec![("configuration.md", configuration::page()), ("metrics.md", metrics())]
}

fn metrics() -> String {
    format!("{METRICS}\n{}", driftline_expose::metrics_table())
}
