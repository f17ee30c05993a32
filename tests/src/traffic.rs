//! Traffic of which every event is known: random, but the same for a seed, with everything that can happen to a label.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// 2026-01-01T00:00:00Z: the first event's time.
pub const FIRST_MILLIS: i64 = 1_767_225_600_000;
/// Event time from one step to the next.
pub const STEP_MILLIS: i64 = 10_000;
/// The values of the tag `country`.
pub const COUNTRIES: [&str; 4] = ["BE", "NL", "LU", "FR"];

/// How a sender makes sure that what it sends again is not counted twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Its predictions have ids; and so they have labels.
    Ids,
    /// Its requests have an `Idempotency-Key`.
    Keys,
    /// Not at all: it sends nothing again.
    Once,
}

/// A prediction that is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its id, if its sender gives ids.
    pub id: Option<String>,
    /// Event time in milliseconds.
    pub time: i64,
    /// The place in [`COUNTRIES`] of its tag.
    pub country: usize,
    /// The feature `x`: hardly any two rows have the same, so that a sum tells which rows are in it.
    pub x: f64,
    /// The probability of `yes`, which is predicted from a half on.
    pub score: f64,
}

impl Row {
    /// The predicted class.
    #[must_use]
    pub fn predicted(&self) -> bool {
        self.score >= 0.5
    }

    fn json(&self, model: &str) -> Value {
        // Each seventh is missing, by a digit that nothing else depends on.
        let y = (self.x * 1_000.0) % 7.0;
        let plan = ["gold", "silver", "lead"][(self.x as usize) % 3];
        let mut event = json!({
            "model": model, "version": "1", "timestamp": self.time,
            "features": {
                "x": self.x, "y": if y < 1.0 { Value::Null } else { json!(y * self.score) },
                "plan": plan,
            },
            "prediction": {"label": class(self.predicted()), "score": self.score},
            "latency_ms": 5.0 + y, "tags": {"country": COUNTRIES[self.country]},
        });
        if let Some(id) = &self.id {
            event["prediction_id"] = json!(id);
        }
        event
    }
}

/// A label that is sent, or taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Of which prediction.
    pub id: String,
    /// When it is known, in milliseconds of event time.
    pub time: i64,
    /// The class; `None` takes the label back.
    pub truth: Option<bool>,
}

impl Label {
    fn json(&self, model: &str) -> Value {
        let mut event = json!({"model": model, "prediction_id": self.id, "timestamp": self.time});
        match self.truth {
            Some(truth) => event["label"] = json!(class(truth)),
            None => event["op"] = json!("retract"),
        }
        event
    }
}

fn class(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// What one request or a few messages carry: predictions or labels of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The model.
    pub model: &'static str,
    /// Where it stands in all traffic.
    pub step: u64,
    /// The `Idempotency-Key`.
    pub key: Option<String>,
    /// Predictions; empty if these are labels.
    pub rows: Vec<Row>,
    /// Labels; empty if these are predictions.
    pub labels: Vec<Label>,
    /// Lines among them that are no events, and so rejected.
    pub bad_lines: u64,
}

impl Batch {
    /// The route that takes it.
    #[must_use]
    pub fn path(&self) -> &'static str {
        if self.labels.is_empty() { "/v1/predictions" } else { "/v1/labels" }
    }

    /// Its good events, each as a line.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        let rows = self.rows.iter().map(|row| row.json(self.model).to_string());
        rows.chain(self.labels.iter().map(|label| label.json(self.model).to_string())).collect()
    }

    /// The body of a request.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn body(&self) -> String {
        let mut text = self.events().join("\n");
        for _ in 0..self.bad_lines {
            write!(text, "\n{{\"model\": ").expect("text takes all writes");
        }
        text
    }

    /// How many good events it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() + self.labels.len()
    }

    /// Whether it has no good event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One sender: its requests follow each other, so that a label's correction never overtakes the label.
#[derive(Debug)]
pub struct Sender {
    model: &'static str,
    name: String,
    style: Style,
    rng: ChaCha8Rng,
    count: u64,
    /// Labels that become known at a later step.
    later: BTreeMap<u64, Vec<(String, Option<bool>)>>,
}

impl Sender {
    /// A sender with a name of its own.
    #[must_use]
    pub fn new(model: &'static str, name: &str, style: Style, seed: u64) -> Self {
        let stream = name.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let rng = ChaCha8Rng::seed_from_u64(seed ^ stream);
        Self { model, name: name.to_owned(), style, rng, count: 0, later: BTreeMap::new() }
    }

    /// What it sends at a step, in this order: labels that are due, some of them of predictions that only follow;
    /// then predictions.
    pub fn next(&mut self, step: u64) -> Vec<Batch> {
        let count = self.rng.random_range(5..25);
        let rows: Vec<Row> = (0..count).map(|_| self.row(step)).collect();
        let mut labels = self.due(step);
        for id in rows.iter().filter_map(|row| row.id.clone()) {
            let truth = self.rng.random_bool(0.4);
            let known_at = step + self.rng.random_range(1..300);
            match self.rng.random_range(0..100) {
                // Sooner than the prediction.
                0..10 => labels.push(self.label(step, id, Some(truth))),
                10..85 => self.promise(known_at, id, truth),
                _ => {}
            }
        }
        let bad_lines = u64::from(self.rng.random_bool(0.1));
        let key = (self.style == Style::Keys).then(|| format!("{}-{step}", self.name));
        let predictions = Batch { model: self.model, step, key, rows, labels: Vec::new(), bad_lines };
        let labels = Batch { rows: Vec::new(), labels, key: None, bad_lines: 0, ..predictions.clone() };
        [labels, predictions].into_iter().filter(|batch| !batch.is_empty()).collect()
    }

    /// All labels that it has not sent yet.
    pub fn rest(&mut self, step: u64) -> Vec<Batch> {
        let mut batches = Vec::new();
        while let Some(&next) = self.later.keys().next() {
            let labels = self.due(next.max(step));
            let batch = Batch { model: self.model, step, key: None, rows: Vec::new(), labels, bad_lines: 0 };
            batches.push(batch);
        }
        batches
    }

    /// Forgets the labels of predictions that were given up.
    pub fn forget(&mut self, rows: &[Row]) {
        for labels in self.later.values_mut() {
            labels.retain(|(id, _)| rows.iter().all(|row| row.id.as_ref() != Some(id)));
        }
        self.later.retain(|_, labels| !labels.is_empty());
    }

    fn row(&mut self, step: u64) -> Row {
        self.count += 1;
        let id = (self.style == Style::Ids).then(|| format!("{}-{}", self.name, self.count));
        let mut time = time(step) + self.rng.random_range(0..60_000);
        if self.rng.random_bool(0.03) {
            // Late, though not so late that the first are before the first window.
            let lag = (time - FIRST_MILLIS).min(6 * 3_600_000);
            time -= self.rng.random_range(0..=lag);
        }
        Row {
            id,
            time,
            country: self.rng.random_range(0..COUNTRIES.len()),
            x: f64::from(self.rng.random_range(0..1_000_000_u32)) / 1_000.0,
            score: f64::from(self.rng.random_range(0..=1_000_u32)) / 1_000.0,
        }
    }

    /// A label at a later step; now and then it is corrected or taken back after that.
    fn promise(&mut self, step: u64, id: String, truth: bool) {
        let change = match self.rng.random_range(0..100) {
            0..8 => Some(Some(!truth)),
            8..12 => Some(None),
            _ => None,
        };
        if let Some(change) = change {
            let step = step + self.rng.random_range(1..200);
            self.later.entry(step).or_default().push((id.clone(), change));
        }
        self.later.entry(step).or_default().push((id, Some(truth)));
    }

    fn due(&mut self, step: u64) -> Vec<Label> {
        let later = self.later.split_off(&(step + 1));
        let due = std::mem::replace(&mut self.later, later);
        due.into_values().flatten().map(|(id, truth)| self.label(step, id, truth)).collect()
    }

    fn label(&self, step: u64, id: String, truth: Option<bool>) -> Label {
        Label { id, time: time(step), truth }
    }
}

/// When a step begins.
#[must_use]
pub fn time(step: u64) -> i64 {
    FIRST_MILLIS + i64::try_from(step).expect("steps are few") * STEP_MILLIS
}

/// A table of reference rows: one JSON object a line.
#[must_use]
pub fn reference(rows: usize) -> String {
    let mut sender = Sender::new("reference", "reference", Style::Once, 1);
    let rows = (0..rows).map(|_| {
        let row = sender.row(0);
        let mut flat = row.json("reference")["features"].take();
        flat["prediction"] = json!(class(row.predicted()));
        flat["score"] = json!(row.score);
        format!("{flat}\n")
    });
    rows.collect()
}
