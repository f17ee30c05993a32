use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, TimestampMillisecondType};
use arrow::ipc::reader::StreamReader;
use serde_json::json;

use super::*;
use crate::fixture::report_with;

fn read(bytes: &[u8]) -> (Arc<Schema>, Vec<RecordBatch>) {
    let reader = StreamReader::try_new(bytes, None).unwrap();
    (reader.schema(), reader.map(Result::unwrap).collect())
}

/// The text of a dictionary column, row by row.
fn text(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(column).unwrap().as_dictionary::<Int32Type>();
    let values = column.values().as_string::<i32>();
    (0..column.len()).map(|row| column.key(row).map(|key| values.value(key).to_owned())).collect()
}

#[test]
fn each_figure_is_a_row_with_its_labels() {
    let segment = report_with(&[("/segment", json!({"country": "BE"}))]);
    let (schema, batches) = read(&stream(&[report_with(&[]), segment], Some("after-2")).unwrap());
    assert_eq!(schema.metadata()["next"], "after-2");
    let [batch] = batches.as_slice() else { panic!("{} batches", batches.len()) };
    let values = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>();
    let (statistics, segments) = (text(batch, "statistic"), text(batch, "segment"));
    let row = |statistic: &str, segment: &str, more: &[(&str, Option<&str>)]| {
        let rows: Vec<_> = (0..batch.num_rows())
            .filter(|&row| statistics[row].as_deref() == Some(statistic))
            .filter(|&row| segments[row].as_deref() == Some(segment))
            .filter(|&row| more.iter().all(|(column, value)| text(batch, column)[row].as_deref() == *value))
            .collect();
        let [row] = rows.as_slice() else { panic!("{statistic} is in {} rows", rows.len()) };
        values.value(*row)
    };
    assert_eq!(row("feature_psi", "", &[("feature", Some("age")), ("class", None)]), 0.31);
    assert_eq!(row("feature_psi", "country=BE", &[("feature", Some("age"))]), 0.31);
    assert_eq!(row("accuracy", "", &[("basis", Some("label_time")), ("class", None)]), 0.9);
    assert_eq!(row("recall", "", &[("basis", Some("prediction_time")), ("class", Some("yes"))]), 0.9);
    assert_eq!(row("measure_quantile", "", &[("measure", Some("basket")), ("quantile", Some("0.5"))]), 60.0);
    assert_eq!(row("window_rows", "", &[("feature", None), ("measure", None), ("output", None)]), 500.0);
    let end = batch.column_by_name("end").unwrap().as_primitive::<TimestampMillisecondType>();
    assert_eq!((end.value(0), end.timezone()), (1_767_229_200_000, Some("UTC")));
}

#[test]
fn no_reports_are_a_table_without_rows() {
    let (schema, batches) = read(&stream(&[], None).unwrap());
    assert_eq!(schema.fields().len(), 4 + 4 + EXTRA.len() + 2);
    assert!(schema.metadata().is_empty());
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}
