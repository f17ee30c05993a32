//! What was sent, and what must be counted of it: the tests' own books, which know nothing of the service.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::traffic::{Batch, COUNTRIES};

/// Figures of one window and segment that can be told from the events alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Count {
    /// Predictions.
    pub rows: u64,
    /// The sum of the feature `x`.
    pub sum_x: f64,
    /// Predictions that have a label.
    pub labels: u64,
    /// By truth and then prediction, `no` before `yes`.
    pub confusion: [[u64; 2]; 2],
}

/// A window of a model: its start in milliseconds, and the segment's country, empty for all.
pub type Key = (&'static str, i64, &'static str);

/// The batches that are counted, in the order in which each sender sent them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    batches: Vec<Batch>,
}

impl Ledger {
    /// Notes a batch that must be counted.
    pub fn add(&mut self, batch: Batch) {
        self.batches.push(batch);
    }

    /// The batches in the order of their steps; those of one sender stay in its order.
    #[must_use]
    pub fn in_order(&self) -> Vec<Batch> {
        let mut batches = self.batches.clone();
        batches.sort_by_key(|batch| batch.step);
        batches
    }

    /// How many good predictions there are, and how many labels.
    #[must_use]
    pub fn events(&self) -> (usize, usize) {
        let rows = self.batches.iter().map(|batch| batch.rows.len()).sum();
        (rows, self.batches.iter().map(|batch| batch.labels.len()).sum())
    }

    /// What each tumbling window must show, with and without segments; `length_millis` says how long a model's are.
    #[must_use]
    pub fn counts(&self, length_millis: impl Fn(&str) -> i64) -> BTreeMap<Key, Count> {
        let mut truths: BTreeMap<(&str, &str), Option<bool>> = BTreeMap::new();
        for batch in &self.batches {
            for label in &batch.labels {
                truths.insert((batch.model, &label.id), label.truth);
            }
        }
        let mut counts: BTreeMap<Key, Count> = BTreeMap::new();
        for batch in &self.batches {
            let length_millis = length_millis(batch.model);
            for row in &batch.rows {
                let start = row.time - row.time.rem_euclid(length_millis);
                let truth =
                    row.id.as_ref().and_then(|id| truths.get(&(batch.model, id.as_str())).copied().flatten());
                for country in ["", COUNTRIES[row.country]] {
                    let count = counts.entry((batch.model, start, country)).or_default();
                    count.rows += 1;
                    count.sum_x += row.x;
                    if let Some(truth) = truth {
                        count.labels += 1;
                        count.confusion[usize::from(truth)][usize::from(row.predicted())] += 1;
                    }
                }
            }
        }
        counts
    }
}

/// What a report shows of the same figures.
///
/// # Panics
/// If it is no window report.
#[must_use]
pub fn shown(report: &Value) -> Count {
    let rows = report["rows"].as_u64().expect("a report has rows");
    let x = report["features"].as_array().and_then(|all| all.iter().find(|feature| feature["name"] == "x"));
    let mean = x.and_then(|x| x["mean"].as_f64()).unwrap_or_default();
    let confusion = &report["performance"]["confusion"];
    let classes: Vec<&str> = confusion["classes"]
        .as_array()
        .map_or_else(Vec::new, |classes| classes.iter().filter_map(Value::as_str).collect());
    let place = |class: &str| classes.iter().position(|&own| own == class);
    let cell = |truth: &str, predicted: &str| -> u64 {
        match (place(truth), place(predicted)) {
            (Some(truth), Some(predicted)) => {
                confusion["counts"][truth][predicted].as_f64().unwrap_or_default() as u64
            }
            _ => 0,
        }
    };
    Count {
        rows,
        sum_x: mean * rows as f64,
        labels: report["labels"]["count"].as_u64().unwrap_or_default(),
        confusion: [[cell("no", "no"), cell("no", "yes")], [cell("yes", "no"), cell("yes", "yes")]],
    }
}
