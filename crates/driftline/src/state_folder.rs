//! What is in a state folder, for those who look into it.

use std::ops::ControlFlow;

use driftline_evaluate::WindowReport;
use driftline_source::Position;
use driftline_store::{State, StateError, Table};
use driftline_tables::{Figure, FiguresError, FiguresWriter};
use serde_json::Value;

use crate::engine::stored::{self, StoredModelError};
use crate::pipeline;

/// Where the sources go on.
#[derive(Clone, Debug)]
pub struct SourcePositions {
    /// The journal's last entry that the checkpoint has.
    pub journal: u64,
    /// Kafka's partitions.
    pub kafka: Vec<Position>,
}

/// The positions of the last checkpoint; those that are damaged are shown as none.
///
/// # Errors
/// [`StateError`] if they cannot be read.
pub fn positions(state: &State) -> Result<SourcePositions, StateError> {
    let start = pipeline::start(state)?.unwrap_or_default();
    Ok(SourcePositions { journal: start.journal, kafka: start.positions.iter().collect() })
}

/// A model in a state folder.
#[derive(Clone, Debug)]
pub struct StoredModel {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: u32,
    /// How it came to be watched.
    pub origin: String,
    /// Its features.
    pub features: usize,
    /// Its pane summaries.
    pub panes: u64,
}

/// Every model of a state folder.
///
/// # Errors
/// [`StoredModelError`] if they cannot be read.
pub fn stored_models(state: &State) -> Result<Vec<StoredModel>, StoredModelError> {
    let mut models = Vec::new();
    for (number, settings) in stored::models(state)? {
        let mut panes = 0;
        state.scan(Table::Panes, &number.to_be_bytes(), false, &mut |_, _| {
            panes += 1;
            ControlFlow::Continue(())
        })?;
        let name = settings.options.name.clone();
        let origin = format!("{:?}", settings.origin).to_lowercase();
        models.push(StoredModel { name, number, origin, features: settings.features(), panes });
    }
    Ok(models)
}

/// Adds every number of a report to a table, under the names of its members.
///
/// # Errors
/// [`FiguresError`] if the table cannot be written.
pub fn push_figures(report: &WindowReport, into: &mut FiguresWriter) -> Result<(), FiguresError> {
    let segment: Vec<String> = report.segment.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
    let segment = segment.join(",");
    let mut document = serde_json::to_value(report).unwrap_or_default();
    let features = document.as_object_mut().and_then(|members| members.remove("features"));
    let mut found = Vec::new();
    numbers(&document, String::new(), None, &mut found);
    for feature in features.iter().filter_map(Value::as_array).flatten() {
        let name = feature.get("name").and_then(Value::as_str);
        numbers(feature, String::new(), name, &mut found);
    }
    for (feature, figure, value) in &found {
        into.push(&Figure {
            model: &report.model,
            version: &report.version,
            segment: &segment,
            window: &report.window.name,
            start: report.window.start,
            end: report.window.end,
            revision: report.revision,
            feature: *feature,
            figure,
            value: *value,
        })?;
    }
    Ok(())
}

fn numbers<'a>(
    value: &Value,
    path: String,
    feature: Option<&'a str>,
    found: &mut Vec<(Option<&'a str>, String, f64)>,
) {
    let member = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Number(number) => found.extend(number.as_f64().map(|number| (feature, path, number))),
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| numbers(value, member(name), feature, found));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(place, value)| numbers(value, member(&place.to_string()), feature, found));
        }
        _ => {}
    }
}
