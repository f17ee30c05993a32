//! Grids and categories from a reference in memory.

use std::sync::Arc;

use arrow::array::{Array, Float64Array};
use arrow::record_batch::RecordBatch;
use driftline_events::{ModelSchema, Task, layout};
use rustc_hash::FxHashMap;

use crate::columns::{Columns, FoldError};
use crate::{Categories, Grid, Reducer, SpecParts};

pub(super) fn parts(schema: &ModelSchema, batches: &[RecordBatch]) -> Result<SpecParts, FoldError> {
    let mut parts = SpecParts::unlearned(schema);
    for feature in &mut parts.features {
        let column = layout::feature(&feature.name);
        match &mut feature.reducer {
            Reducer::Numeric(grid) => *grid = self::grid(batches, &column)?,
            Reducer::Categorical(categories) => *categories = self::categories(batches, &column)?,
        }
    }
    if parts.task == Task::Regression {
        parts.value = grid(batches, layout::PREDICTION_VALUE)?;
        parts.label_value = grid(batches, layout::VALUE)?;
    } else {
        parts.score = grid(batches, layout::PREDICTION_SCORE)?;
        parts.prediction = categories(batches, layout::PREDICTION_LABEL)?;
        parts.label = categories(batches, layout::LABEL)?;
    }
    Ok(parts)
}

fn grid(batches: &[RecordBatch], name: &str) -> Result<Option<Arc<Grid>>, FoldError> {
    let mut values = Vec::new();
    for batch in batches {
        if let Some(column) = Columns::of(batch).numbers(name)? {
            let retracted = Columns::of(batch).flags(layout::RETRACT)?;
            let kept = |row: usize| !retracted.is_some_and(|flags| flags.value(row));
            values.extend(finite(column).filter(|&(row, _)| kept(row)).map(|(_, value)| value));
        }
    }
    values.sort_unstable_by(f64::total_cmp);
    Ok(Grid::from_sorted(&values).ok().map(Arc::new))
}

fn finite(column: &Float64Array) -> impl Iterator<Item = (usize, f64)> + '_ {
    let present = column.values().iter().copied().enumerate().filter(|&(row, _)| column.is_valid(row));
    present.filter(|(_, value)| value.is_finite())
}

fn categories(batches: &[RecordBatch], name: &str) -> Result<Option<Arc<Categories>>, FoldError> {
    let mut weights: FxHashMap<&str, f64> = FxHashMap::default();
    for batch in batches {
        let mut columns = Columns::of(batch);
        if let Some(column) = columns.text(name, None)? {
            let mut rows = columns.weights()?;
            if let Some(retracted) = columns.flags(layout::RETRACT)? {
                let mut kept = rows.map_or_else(|| vec![1.0; batch.num_rows()], std::borrow::Cow::into_owned);
                (0..kept.len()).filter(|&row| retracted.value(row)).for_each(|row| kept[row] = 0.0);
                rows = Some(kept.into());
            }
            column.count(rows.as_deref(), |value, rows| {
                if rows.weight > 0.0 {
                    *weights.entry(value).or_default() += rows.weight;
                }
            });
        }
    }
    Ok((!weights.is_empty()).then(|| Arc::new(Categories::from_weights(weights))))
}
