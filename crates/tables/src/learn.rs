//! What a reference table gives a summary to count by: grids of its numbers, and its categories.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type};
use driftline_events::{EventTime, FeatureKind, ModelSchema, Task, layout};
use driftline_summary::{Categories, FeatureSpec, Grid, Reducer, SpecParts, SummarySpec};
use rustc_hash::FxHashMap;

use crate::ahead::Batches;
use crate::batches::{Reading, TableBatch};
use crate::columns::ColumnMap;
use crate::reference::{Progress, ReferenceError};
use crate::table::Table;

/// Numbers that are held at once to find quantiles: 256 MiB. A longer column is held alone.
const HELD_NUMBERS: u64 = 32 << 20;
/// Different values of a categorical column that are counted at once; beyond it the rarer half is forgotten,
/// so that ids taken for a category do not fill the memory.
const COUNTED_VALUES: usize = 1 << 20;

/// Learns what summaries of a model count by from its reference table: for each numeric column the grid of
/// its exact quantiles at i/1000, for each categorical one its categories by weight. Columns without a value
/// stay without.
///
/// Numeric columns are read a few at a time, as many as fit into 256 MiB and at least one, so 10 million rows
/// take 80 MB a column whatever the width of the table.
///
/// # Errors
/// [`ReferenceError`] if the table cannot be read, lacks columns or has no usable row.
pub fn learn_spec(
    table: &Table,
    schema: &ModelSchema,
    columns: &ColumnMap,
) -> Result<Arc<SummarySpec>, ReferenceError> {
    Ok(Learned::read(table, schema, columns, &mut |_| ())?.spec(schema))
}

/// What a first look at a reference table tells.
pub(crate) struct Learned {
    numbers: FxHashMap<String, Arc<Grid>>,
    categories: FxHashMap<String, Counts>,
}

/// The weight of each value of a column.
#[derive(Debug, Default)]
struct Counts(FxHashMap<String, f64>);

impl Learned {
    pub(crate) fn read(
        table: &Table,
        schema: &ModelSchema,
        columns: &ColumnMap,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, ReferenceError> {
        let (names, texts) = columns_of(schema);
        let mut learned = Self { numbers: FxHashMap::default(), categories: FxHashMap::default() };
        let mut rows = 0;
        for batch in some_columns(table, schema, columns, &texts)? {
            let batch = batch?;
            rows += batch.read;
            learned.count(&texts, &batch);
            progress(Progress { step: "categories", rows, total: table.rows() });
        }
        let held = usize::try_from(HELD_NUMBERS / rows.max(1)).unwrap_or(usize::MAX).max(1);
        let groups = names.len().div_ceil(held) as u64;
        let mut done = 0;
        for group in names.chunks(held) {
            let capacity = usize::try_from(rows).unwrap_or_default();
            let mut values: Vec<Vec<f64>> = group.iter().map(|_| Vec::with_capacity(capacity)).collect();
            for batch in some_columns(table, schema, columns, group)? {
                let batch = batch?;
                for (name, values) in group.iter().zip(&mut values) {
                    values.extend(numbers(&batch, name));
                }
                done += batch.read;
                progress(Progress { step: "quantiles", rows: done, total: Some(rows * groups) });
            }
            for (name, mut values) in group.iter().zip(values) {
                values.sort_unstable_by(f64::total_cmp);
                if !values.is_empty() {
                    let grid = Grid::from_sorted(&values).map_err(ReferenceError::Grid)?;
                    learned.numbers.insert(name.clone(), Arc::new(grid));
                }
            }
        }
        Ok(learned)
    }

    fn count(&mut self, texts: &[String], batch: &TableBatch) {
        let Some(rows) = &batch.rows else { return };
        let weights = rows.column_by_name(layout::WEIGHT).and_then(|column| column.as_primitive_opt());
        for name in texts {
            if let Some(column) = column(batch, rows, name) {
                self.categories.entry(name.clone()).or_default().add(column, weights);
            }
        }
    }

    /// The values of a segment tag, the heaviest first.
    pub(crate) fn heaviest(&self, tag: &str, count: usize) -> Vec<Arc<str>> {
        let Some(counts) = self.categories.get(&layout::tag(tag)) else { return Vec::new() };
        let mut values: Vec<(&String, f64)> =
            counts.0.iter().map(|(value, &weight)| (value, weight)).collect();
        values.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        values.truncate(count);
        values.into_iter().map(|(value, _)| Arc::from(value.as_str())).collect()
    }

    pub(crate) fn spec(&self, schema: &ModelSchema) -> Arc<SummarySpec> {
        let grid = |name: &str| self.numbers.get(name).map(Arc::clone);
        let categories = |name: &str| {
            let counts = self.categories.get(name).filter(|counts| !counts.0.is_empty())?;
            Some(Arc::new(Categories::from_weights(counts.0.iter().map(|(value, &weight)| (value, weight)))))
        };
        let features = schema.features().iter().map(|feature| {
            let name = layout::feature(&feature.name);
            let reducer = match feature.kind {
                FeatureKind::Numeric => Reducer::Numeric(grid(&name)),
                FeatureKind::Categorical | FeatureKind::Boolean => Reducer::Categorical(categories(&name)),
            };
            FeatureSpec { name: Arc::clone(&feature.name), kind: feature.kind, reducer }
        });
        SummarySpec::new(SpecParts {
            task: schema.task(),
            positive: schema.positive().cloned(),
            features: features.collect(),
            score: grid(layout::PREDICTION_SCORE),
            value: grid(layout::PREDICTION_VALUE),
            prediction: categories(layout::PREDICTION_LABEL),
            label: categories(layout::LABEL),
            label_value: grid(layout::VALUE),
        })
    }
}

impl Counts {
    fn add(&mut self, column: &ArrayRef, weights: Option<&Float64Array>) {
        let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() else { return };
        let values = dictionary.values().as_string::<i32>();
        let mut batch = vec![0.0; values.len()];
        for (row, key) in dictionary.keys().iter().enumerate() {
            if let Some(key) = key {
                batch[key as usize] += weights.map_or(1.0, |weights| weights.value(row));
            }
        }
        let Self(counts) = self;
        for (value, weight) in values.iter().zip(batch) {
            let Some(value) = value.filter(|_| weight > 0.0) else { continue };
            match counts.get_mut(value) {
                Some(sum) => *sum += weight,
                None => {
                    counts.insert(value.to_owned(), weight);
                }
            }
        }
        if counts.len() > COUNTED_VALUES {
            let mut weights: Vec<f64> = counts.values().copied().collect();
            let (_, &mut median, _) = weights.select_nth_unstable_by(COUNTED_VALUES / 2, f64::total_cmp);
            counts.retain(|_, weight| *weight > median);
        }
    }
}

/// The numeric and the categorical columns of a reference, as an event table calls them.
fn columns_of(schema: &ModelSchema) -> (Vec<String>, Vec<String>) {
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    for feature in schema.features() {
        let name = layout::feature(&feature.name);
        match feature.kind {
            FeatureKind::Numeric => numbers.push(name),
            FeatureKind::Categorical | FeatureKind::Boolean => texts.push(name),
        }
    }
    numbers.extend([layout::PREDICTION_SCORE.to_owned(), layout::PREDICTION_VALUE.to_owned()]);
    match schema.task() {
        Task::Regression => numbers.push(layout::VALUE.to_owned()),
        Task::Binary | Task::Multiclass => {
            texts.extend([layout::PREDICTION_LABEL.to_owned(), layout::LABEL.to_owned()]);
        }
    }
    texts.extend(schema.segments().iter().map(|tag| layout::tag(tag)));
    (numbers, texts)
}

/// The rows of a reference with some of its columns, and those that decide whether a row counts.
fn some_columns(
    table: &Table,
    schema: &ModelSchema,
    columns: &ColumnMap,
    wanted: &[String],
) -> Result<Batches, ReferenceError> {
    let wanted = |name: &str| wanted.iter().any(|wanted| wanted == name);
    let features = schema.features().iter().filter(|feature| wanted(&layout::feature(&feature.name)));
    let narrow = ModelSchema::new(
        schema.model().clone(),
        schema.task(),
        schema.positive().cloned(),
        features.cloned().collect(),
        schema.segments().iter().filter(|tag| wanted(&layout::tag(tag))).cloned().collect(),
        false,
    );
    let mut jobs = table.reference_jobs(schema, columns)?;
    for job in &mut jobs {
        job.mapping.inputs.retain(|input| {
            wanted(&input.name) || !(input.name.starts_with("feature.") || input.name.starts_with("tag."))
        });
        job.label = job.label.take().filter(|label| wanted(&label.name));
    }
    Ok(Batches::new(Reading::reference(jobs, Arc::new(narrow), EventTime::from_millis(0))))
}

/// A column of a batch; the label is beside the rows.
fn column<'a>(batch: &'a TableBatch, rows: &'a RecordBatch, name: &str) -> Option<&'a ArrayRef> {
    if name == layout::LABEL || name == layout::VALUE {
        batch.actual.as_ref()
    } else {
        rows.column_by_name(name)
    }
}

/// The finite numbers of a column.
fn numbers(batch: &TableBatch, name: &str) -> Vec<f64> {
    let column = batch.rows.as_ref().and_then(|rows| column(batch, rows, name));
    let numbers = column.and_then(|column| column.as_primitive_opt::<Float64Type>());
    numbers.map_or_else(Vec::new, |numbers| {
        numbers.iter().flatten().filter(|number| number.is_finite()).collect()
    })
}
