//! A registry for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType};

use crate::{
    DecodeContext, Decoded, EventTime, Feature, FeatureKind, Limits, ModelId, ModelRegistry, ModelSchema,
    RegisterError, Task,
};

/// 2026-01-01T10:00:00Z.
pub(crate) const ARRIVAL: EventTime = EventTime::from_millis(1_767_261_600_000);

/// Knows the models it is given, and registers others unless it is closed.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) models: Mutex<BTreeMap<String, Arc<ModelSchema>>>,
    pub(crate) limit: Option<usize>,
    pub(crate) is_closed: bool,
}

impl Registry {
    /// Knows `churn` (binary; numeric age, categorical plan, boolean active; segment country) and `price`
    /// (regression, no features).
    pub(crate) fn new() -> Self {
        let registry = Self::default();
        let features = [
            ("age", FeatureKind::Numeric),
            ("plan", FeatureKind::Categorical),
            ("active", FeatureKind::Boolean),
        ];
        let features = features.map(|(name, kind)| Feature { name: name.into(), kind }).to_vec();
        registry.add("churn", Task::Binary, Some("yes"), features, &["country"]);
        registry.add("price", Task::Regression, None, Vec::new(), &[]);
        registry
    }

    pub(crate) fn add(
        &self,
        model: &str,
        task: Task,
        positive: Option<&str>,
        features: Vec<Feature>,
        segments: &[&str],
    ) {
        let id = ModelId::try_new(model).unwrap();
        let segments = segments.iter().map(|&segment| segment.into()).collect();
        let schema = ModelSchema::new(id, task, positive.map(Arc::from), features, segments, false);
        self.models.lock().unwrap().insert(model.to_owned(), Arc::new(schema));
    }
}

impl ModelRegistry for Registry {
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>> {
        self.models.lock().unwrap().get(model).cloned()
    }

    fn register(&self, inferred: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError> {
        if self.is_closed {
            return Err(RegisterError::Off);
        }
        let mut models = self.models.lock().unwrap();
        let name = inferred.model().as_str().to_owned();
        if let Some(limit) = self.limit
            && models.len() >= limit
            && !models.contains_key(&name)
        {
            return Err(RegisterError::Full { limit });
        }
        let schema = Arc::new(inferred);
        models.insert(name, Arc::clone(&schema));
        Ok(schema)
    }
}

pub(crate) fn context<'a>(registry: &'a Registry, limits: &'a Limits) -> DecodeContext<'a> {
    DecodeContext {
        registry,
        limits,
        arrival: ARRIVAL,
        max_future: Duration::from_secs(600),
        default_model: None,
    }
}

/// A cell as text, for comparing: `null`, `NaN`, a number or a text.
pub(crate) fn cell(rows: &RecordBatch, column: &str, row: usize) -> String {
    let Some(array) = rows.column_by_name(column) else { return "no column".to_owned() };
    if array.is_null(row) {
        return "null".to_owned();
    }
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let values = dictionary.values().as_string::<i32>();
        return values.value(dictionary.key(row).unwrap()).to_owned();
    }
    if let Some(texts) = array.as_string_opt::<i32>() {
        return texts.value(row).to_owned();
    }
    if let Some(flags) = array.as_boolean_opt() {
        return flags.value(row).to_string();
    }
    if let Some(times) = array.as_primitive_opt::<TimestampMillisecondType>() {
        return times.value(row).to_string();
    }
    array.as_primitive::<Float64Type>().value(row).to_string()
}

/// A column as text.
pub(crate) fn column(rows: &RecordBatch, name: &str) -> Vec<String> {
    (0..rows.num_rows()).map(|row| cell(rows, name, row)).collect()
}

/// The rejected rows as `(row, reason)`.
pub(crate) fn reasons(decoded: &Decoded) -> Vec<(u64, &'static str)> {
    decoded.rejected.iter().map(|rejected| (rejected.row, rejected.reason)).collect()
}
