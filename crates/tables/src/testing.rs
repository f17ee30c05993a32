//! Small tables for the tests, the same rows in each format.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use driftline_events::{Feature, FeatureKind, ModelId, ModelSchema, Task};
use polars::prelude::{DataFrame, DataType, ParquetWriter, TimeUnit, col, df};
use polars::prelude::{IntoLazy, lit};

use crate::{ColumnMap, ColumnOptions};

/// The extensions of the formats.
pub(crate) const FORMATS: [&str; 3] = ["parquet", "csv", "ndjson"];

/// A binary model with a feature of each kind and one segment tag.
pub(crate) fn schema() -> ModelSchema {
    let feature = |name: &str, kind| Feature { name: name.into(), kind };
    ModelSchema::new(
        ModelId::try_new("churn").unwrap(),
        Task::Binary,
        Some(Arc::from("yes")),
        vec![
            feature("age", FeatureKind::Numeric),
            feature("plan", FeatureKind::Categorical),
            feature("active", FeatureKind::Boolean),
        ],
        vec![Arc::from("country")],
        false,
    )
}

pub(crate) fn columns() -> ColumnMap {
    ColumnMap::try_from(ColumnOptions {
        timestamp: Some("time".into()),
        prediction_id: Some("id".into()),
        prediction: Some("predicted".into()),
        score: Some("probability".into()),
        label: Some("churned".into()),
        ..ColumnOptions::default()
    })
    .unwrap()
}

/// Six rows: values of each kind, missing and invalid ones, one without a label.
pub(crate) fn rows() -> DataFrame {
    df!(
        "time" => [1_767_225_600_000_i64, 1_767_225_601_000, 1_767_225_602_500, 1_767_225_603_000, 1_767_225_604_000, 1_767_225_605_000],
        "id" => [1_i64, 2, 3, 4, 5, 6],
        "age" => [Some(41.5), Some(7.0), None, Some(f64::NAN), Some(-1e-3), Some(41.5)],
        "plan" => [Some("gold"), Some("gold"), Some("silver"), None, Some("007"), Some("gold")],
        "active" => [Some(true), Some(false), Some(true), Some(true), None, Some(false)],
        "country" => [Some("BE"), Some("NL"), Some("BE"), Some("BE"), None, Some("NL")],
        "predicted" => ["yes", "no", "no", "yes", "no", "yes"],
        "probability" => [0.875, 0.25, 0.5, 0.75, 0.125, 0.625],
        "churned" => [Some("yes"), Some("no"), Some("yes"), Some("yes"), Some("no"), None],
    )
    .unwrap()
    .lazy()
    .with_column(col("time").cast(DataType::Datetime(TimeUnit::Milliseconds, None)))
    .with_column(lit("unused").alias("note"))
    .collect()
    .unwrap()
}

const CSV: &str = "\
id,time,plan,age,active,country,probability,predicted,churned,note
1,2026-01-01T00:00:00Z,gold,41.5,True,BE,0.875,yes,yes,unused
2,2026-01-01 00:00:01,gold,7,False,NL,0.25,no,no,unused
3,2026-01-01T00:00:02.5Z,silver,,True,BE,0.5,no,yes,unused
4,2026-01-01T01:00:03+01:00,,NaN,true,BE,0.75,yes,yes,unused
5,1767225604000,007,-0.001,,,0.125,no,no,unused
6,2026-01-01T00:00:05Z,\"gold\",41.50,0,NL,0.625,yes,,unused
";

const NDJSON: &str = r#"
{"time":"2026-01-01T00:00:00Z","id":1,"age":41.5,"plan":"gold","active":true,"country":"BE","predicted":"yes","probability":0.875,"churned":"yes"}
{"time":"2026-01-01T00:00:01Z","id":2,"age":7,"plan":"gold","active":false,"country":"NL","predicted":"no","probability":0.25,"churned":"no","note":"unused"}
{"id":3,"time":"2026-01-01T00:00:02.500Z","age":null,"plan":"silver","active":true,"country":"BE","predicted":"no","probability":0.5,"churned":"yes"}

{"time":1767225603000,"id":4,"age":"NaN","active":true,"country":"BE","predicted":"yes","probability":0.75,"churned":"yes"}
{"time":"2026-01-01T00:00:04Z","id":5,"age":-1e-3,"plan":"007","active":null,"predicted":"no","probability":0.125,"churned":"no"}
{"time":"2026-01-01T00:00:05Z","id":6,"age":41.5,"plan":"gold","active":false,"country":"NL","predicted":"yes","probability":0.625,"churned":null}
"#;

/// Writes the rows in a format.
pub(crate) fn write_rows(folder: &Path, format: &str) -> PathBuf {
    let path = folder.join(format!("rows.{format}"));
    match format {
        "parquet" => write_parquet(&path, rows()),
        "csv" => std::fs::write(&path, CSV).unwrap(),
        _ => std::fs::write(&path, NDJSON).unwrap(),
    }
    path
}

pub(crate) fn write_parquet(path: &Path, mut rows: DataFrame) {
    ParquetWriter::new(std::fs::File::create(path).unwrap()).finish(&mut rows).unwrap();
}
