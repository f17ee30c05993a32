//! Final reports of two runs, held against each other.

use std::collections::BTreeMap;

use driftline_evaluate::WindowReport;
use serde_json::{Value, json};

use crate::compare::differences;

/// Reports by what they are of.
pub type Reports = BTreeMap<String, Value>;

/// Final reports by what they are of, without how often they were revised; those of empty windows are left out.
///
/// # Panics
/// If a report cannot be written as JSON.
#[must_use]
pub fn by_key(reports: Vec<WindowReport>) -> Reports {
    reports
        .into_iter()
        .filter(|report| report.is_final && (report.rows > 0 || report.performance_by_label_time.rows > 0))
        .map(|report| {
            let key = json!([
                report.model,
                report.window.name,
                report.window.end.to_string(),
                report.version,
                report.segment
            ]);
            let mut value = serde_json::to_value(report).expect("a report is plain data");
            value.as_object_mut().expect("a report is an object").remove("revision");
            (key.to_string(), value)
        })
        .collect()
}

/// That two runs gave the same reports; numbers may differ by `relative`. `way` names the other run.
///
/// # Panics
/// With every place where they differ.
pub fn assert_same(way: &str, reports: &Reports, other: &Reports, relative: f64) {
    let found = all_differences(reports, other, relative);
    assert!(
        found.is_empty(),
        "{way}: {} windows differ, such as {:#?}",
        found.len(),
        &found[..found.len().min(5)]
    );
}

/// Where two runs gave different reports: for each window, the places.
#[must_use]
pub fn all_differences(reports: &Reports, other: &Reports, relative: f64) -> Vec<(String, Vec<String>)> {
    let keys = reports.keys().chain(other.keys().filter(|key| !reports.contains_key(*key)));
    keys.filter_map(|key| {
        let found = match (reports.get(key), other.get(key)) {
            (Some(own), Some(other)) => differences(own, other, relative),
            (own, _) => vec![format!("only in the {} run", if own.is_some() { "first" } else { "second" })],
        };
        (!found.is_empty()).then(|| (key.clone(), found))
    })
    .collect()
}
