//! Window reports as a flat Arrow table: one row for each figure that exists.
//!
//! Long rather than wide, since features, classes and measures have different figures and a wide table would be
//! mostly nulls. Names are those of the metrics without `driftline_`, and the columns are their labels, so a
//! pandas user writes
//!
//! ```python
//! table[table.statistic == "feature_psi"].pivot(index="end", columns="feature", values="value")
//! ```
//!
//! | column | type | null |
//! |---|---|---|
//! | `model`, `version`, `window`, `segment` | dictionary of text | never; empty text for all rows together |
//! | `start`, `end` | timestamp, milliseconds, UTC | never |
//! | `revision` | unsigned 32-bit integer | never |
//! | `final` | boolean | never |
//! | `feature`, `output`, `class`, `basis`, `measure`, `quantile`, `bin` | dictionary of text | where the figure has no such label |
//! | `statistic` | dictionary of text | never |
//! | `value` | float 64 | never |
//!
//! The schema's metadata has `next`, the cursor of the following rows, if there are any.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, RecordBatch, StringDictionaryBuilder,
    TimestampMillisecondBuilder, UInt32Builder,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use driftline_evaluate::WindowReport;

use crate::METRICS;
use crate::metrics::{WINDOW_LABELS, figures_of, parts, segment_label};

/// The labels that only some figures have.
const EXTRA: [&str; 7] = ["feature", "output", "class", "basis", "measure", "quantile", "bin"];

#[derive(Default)]
struct Columns {
    window: [StringDictionaryBuilder<Int32Type>; WINDOW_LABELS.len()],
    start: TimestampMillisecondBuilder,
    end: TimestampMillisecondBuilder,
    revision: UInt32Builder,
    is_final: BooleanBuilder,
    extra: [StringDictionaryBuilder<Int32Type>; EXTRA.len()],
    statistic: StringDictionaryBuilder<Int32Type>,
    value: Float64Builder,
}

impl Columns {
    fn add(&mut self, report: &WindowReport) {
        let segment = segment_label(&report.segment);
        let labels = [&report.model, &report.version, &report.window.name, &segment];
        for part in parts(report) {
            figures_of(report, part, &mut |figure| {
                let metric = &METRICS[figure.metric];
                for (column, label) in self.window.iter_mut().zip(labels) {
                    column.append_value(label);
                }
                self.start.append_value(report.window.start.as_millis());
                self.end.append_value(report.window.end.as_millis());
                self.revision.append_value(report.revision);
                self.is_final.append_value(report.is_final);
                for (column, name) in self.extra.iter_mut().zip(EXTRA) {
                    let own = metric.labels[WINDOW_LABELS.len()..].iter().position(|label| *label == name);
                    // The class of a figure over all classes is none, which metrics write as an empty label.
                    column.append_option(own.map(|own| figure.extra[own]).filter(|value| !value.is_empty()));
                }
                self.statistic.append_value(metric.name.trim_start_matches("driftline_"));
                self.value.append_value(figure.value);
            });
        }
    }

    fn finish(mut self) -> Vec<(&'static str, bool, ArrayRef)> {
        let mut columns: Vec<(&'static str, bool, ArrayRef)> = Vec::new();
        for (column, name) in self.window.iter_mut().zip(WINDOW_LABELS) {
            columns.push((name, false, Arc::new(column.finish())));
        }
        columns.push(("start", false, Arc::new(self.start.finish().with_timezone("UTC"))));
        columns.push(("end", false, Arc::new(self.end.finish().with_timezone("UTC"))));
        columns.push(("revision", false, Arc::new(self.revision.finish())));
        columns.push(("final", false, Arc::new(self.is_final.finish())));
        for (column, name) in self.extra.iter_mut().zip(EXTRA) {
            columns.push((name, true, Arc::new(column.finish())));
        }
        columns.push(("statistic", false, Arc::new(self.statistic.finish())));
        columns.push(("value", false, Arc::new(self.value.finish())));
        columns
    }
}

/// The table as an Arrow IPC stream; without reports, a stream of no rows.
pub(crate) fn stream(reports: &[Arc<WindowReport>], next: Option<&str>) -> Result<Vec<u8>, ArrowError> {
    let mut columns = Columns::default();
    for report in reports {
        columns.add(report);
    }
    let columns = columns.finish();
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, nullable, column)| Field::new(*name, column.data_type().clone(), *nullable))
        .collect();
    let metadata: HashMap<_, _> = next.map(|next| ("next".to_owned(), next.to_owned())).into_iter().collect();
    let schema = Arc::new(Schema::new(fields).with_metadata(metadata));
    let columns = columns.into_iter().map(|(.., column)| column).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    writer.into_inner()
}

#[cfg(test)]
mod tests;
