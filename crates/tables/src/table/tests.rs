use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType as ArrowType, Float64Type, Int32Type, TimestampMillisecondType};
use driftline_events::layout;
use polars::prelude::{Categories, DataType, IntoLazy, NamedFrom, Series, TimeUnit, col, lit};
use tempfile::tempdir;

use super::*;
use crate::testing::{FORMATS, columns, rows, schema, write_parquet, write_rows};
use crate::{ColumnOptions, RowRejection};

/// All rows of a stream, and the rejected ones.
fn read(batches: Batches) -> (RecordBatch, Vec<RowRejection>) {
    let batches: Vec<_> = batches.collect::<Result<_, _>>().unwrap();
    let rows: Vec<RecordBatch> = batches.iter().filter_map(|batch| batch.rows.clone()).collect();
    let usable: usize = rows.iter().map(RecordBatch::num_rows).sum();
    let read: u64 = batches.iter().map(|batch| batch.read).sum();
    let unlabelled: u64 = batches.iter().map(|batch| batch.unlabelled).sum();
    let rejected: Vec<_> = batches.into_iter().flat_map(|batch| batch.rejected).collect();
    assert_eq!(read, usable as u64 + unlabelled + rejected.len() as u64, "no row is lost");
    (concat_batches(&rows[0].schema(), &rows).unwrap(), rejected)
}

/// A column's values as text, `-` where there is none.
fn shown(rows: &RecordBatch, name: &str) -> String {
    let column = rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    let shown = |row| if column.is_null(row) { "-".to_owned() } else { value(column, row) };
    (0..rows.num_rows()).map(shown).collect::<Vec<_>>().join(" ")
}

fn value(column: &ArrayRef, row: usize) -> String {
    match column.data_type() {
        ArrowType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        ArrowType::Timestamp(..) => column.as_primitive::<TimestampMillisecondType>().value(row).to_string(),
        ArrowType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        ArrowType::Boolean => column.as_boolean().value(row).to_string(),
        _ => {
            let dictionary = column.as_dictionary::<Int32Type>();
            dictionary.values().as_string::<i32>().value(dictionary.keys().value(row) as usize).to_owned()
        }
    }
}

fn open(path: &Path) -> Table {
    Table::open([path]).unwrap()
}

#[test]
fn predictions_are_the_same_from_every_format() {
    let folder = tempdir().unwrap();
    for format in FORMATS {
        let table = open(&write_rows(folder.path(), format));
        let (rows, rejected) = read(table.predictions(&schema(), &columns()).unwrap());
        assert_eq!(rejected, [], "{format}");
        let shown = |name: &str| shown(&rows, name);
        assert_eq!(
            shown(layout::TIMESTAMP),
            "1767225600000 1767225601000 1767225602500 1767225603000 1767225604000 1767225605000",
            "{format}"
        );
        assert_eq!(shown(layout::PREDICTION_ID), "1 2 3 4 5 6", "{format}");
        assert_eq!(shown(&layout::feature("age")), "41.5 7 - NaN -0.001 41.5", "{format}");
        assert_eq!(shown(&layout::feature("plan")), "gold gold silver - 007 gold", "{format}");
        assert_eq!(shown(&layout::feature("active")), "true false true true - false", "{format}");
        assert_eq!(shown(&layout::tag("country")), "BE NL BE BE - NL", "{format}");
        assert_eq!(shown(layout::PREDICTION_LABEL), "yes no no yes no yes", "{format}");
        assert_eq!(shown(layout::PREDICTION_SCORE), "0.875 0.25 0.5 0.75 0.125 0.625", "{format}");
        assert_eq!(shown(layout::WEIGHT), "1 1 1 1 1 1", "{format}");
    }
}

#[test]
fn labels_come_later_by_the_delay_and_only_where_there_are_some() {
    let folder = tempdir().unwrap();
    let mut columns = columns();
    columns.label_delay = std::time::Duration::from_secs(60);
    for format in FORMATS {
        let table = open(&write_rows(folder.path(), format));
        assert!(table.has_labels(&columns));
        let batches: Vec<_> = table.labels(&schema(), &columns).unwrap().map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(|batch| batch.unlabelled).sum::<u64>(), 1, "{format}");
        let (rows, _) = read(table.labels(&schema(), &columns).unwrap());
        assert_eq!(shown(&rows, layout::PREDICTION_ID), "1 2 3 4 5", "{format}");
        assert_eq!(shown(&rows, layout::LABEL), "yes no yes yes no", "{format}");
        assert!(shown(&rows, layout::TIMESTAMP).starts_with("1767225660000 1767225661000 "), "{format}");
    }
}

#[test]
fn all_missing_columns_are_told_at_once() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("few.csv");
    std::fs::write(&path, "time,id,Age,probabilty,predicted\n").unwrap();
    let error = open(&path).predictions(&schema(), &columns()).unwrap_err();
    let TableError::MissingColumns(missing) = &error else { panic!("{error:?}") };
    let names: Vec<(&str, &str, Option<&str>)> = missing
        .missing
        .iter()
        .map(|missing| (missing.role.as_str(), missing.column.as_str(), missing.similar.as_deref()))
        .collect();
    assert_eq!(
        names,
        [
            ("feature", "age", Some("Age")),
            ("feature", "plan", None),
            ("feature", "active", None),
            ("score", "probability", Some("probabilty")),
            ("segment tag", "country", None),
        ]
    );
    let text = error.to_string();
    assert!(text.contains(r#""age" (feature; did you mean "Age"?)"#), "{text}");
    assert!(text.ends_with("its columns are: time, id, Age, probabilty, predicted"), "{text}");
}

#[test]
fn a_row_without_a_time_is_rejected_with_its_place() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("times.csv");
    let rows = "\
time,id,age,plan,active,country,predicted,probability
,1,1,a,true,BE,yes,0.5
2026-01-01T00:00:00Z,2,2,a,true,BE,yes,0.5
yesterday,3,3,a,true,BE,yes,0.5
2026-01-01T00:00:00Z,4,4,a,true,BE,yes,1.5
2026-01-01T00:00:00Z,5,5,a,true,BE,yes,0.5
";
    std::fs::write(&path, rows).unwrap();
    let (rows, rejected) = read(open(&path).predictions(&schema(), &columns()).unwrap());
    assert_eq!(shown(&rows, &layout::feature("age")), "2 5");
    let rejected: Vec<(u64, &str)> = rejected.iter().map(|row| (row.row, row.reason)).collect();
    assert_eq!(rejected, [(0, "bad_timestamp"), (2, "bad_timestamp"), (3, "score_out_of_range")]);
}

#[test]
fn several_files_are_one_table_whatever_their_columns_order() {
    let folder = tempdir().unwrap();
    write_parquet(&folder.path().join("day-1.parquet"), rows());
    let mut names: Vec<String> = rows().get_column_names().iter().map(ToString::to_string).collect();
    names.reverse();
    // Another order, other types, and no column that nobody asked for.
    let other = rows().drop("note").unwrap().select(names.iter().filter(|name| *name != "note")).unwrap();
    let categories = DataType::from_categories(Categories::global());
    let other = other
        .lazy()
        .with_columns([
            col("plan").cast(categories),
            col("id").cast(DataType::String),
            col("active").cast(DataType::Int8),
            col("time").cast(DataType::Datetime(TimeUnit::Nanoseconds, None)),
        ])
        .collect()
        .unwrap();
    write_parquet(&folder.path().join("day-2.parquet"), other);
    std::fs::write(folder.path().join("day-3.ndjson"), "\n").unwrap();
    let table = Table::open([folder.path().join("day-*")]).unwrap();
    assert_eq!(table.rows(), Some(12));
    let (rows, _) = read(table.predictions(&schema(), &columns()).unwrap());
    assert_eq!(rows.num_rows(), 12);
    for name in ["feature.plan", "feature.active", "prediction_id", "timestamp", "feature.age"] {
        let (first, second) = (shown(&rows.slice(0, 6), name), shown(&rows.slice(6, 6), name));
        assert_eq!(first, second, "{name}");
    }
}

#[test]
fn time_zones_are_the_same_instants() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("zones.parquet");
    let zone = polars::prelude::TimeZone::opt_try_new(Some("Europe/Brussels")).unwrap();
    let zoned = rows()
        .lazy()
        .with_column(col("time").cast(DataType::Datetime(TimeUnit::Microseconds, zone)))
        .collect()
        .unwrap();
    write_parquet(&path, zoned);
    let (rows, _) = read(open(&path).predictions(&schema(), &columns()).unwrap());
    assert!(shown(&rows, layout::TIMESTAMP).starts_with("1767225600000 "));
}

#[test]
fn types_that_do_not_suit_are_warned_of_and_read_where_they_can() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("text.parquet");
    let mut wrong = rows();
    wrong.with_column(Series::new("age".into(), ["1.5", "old", "", "2", "3", "4"]).into()).unwrap();
    write_parquet(&path, wrong);
    let table = open(&path);
    let warnings = table.warnings(&schema(), &columns());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains(r#"column "age" is to be a number, but holds str"#), "{warnings:?}");
    let (rows, _) = read(table.predictions(&schema(), &columns()).unwrap());
    assert_eq!(shown(&rows, &layout::feature("age")), "1.5 NaN NaN 2 3 4");
}

#[test]
fn nested_columns_are_invalid_values() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("nested.parquet");
    let nested = rows().lazy().with_columns([
        lit(Series::new("".into(), [1_i64, 2])).implode(false).alias("age"),
        lit(Series::new("".into(), [1_i64, 2])).implode(false).alias("plan"),
    ]);
    write_parquet(&path, nested.collect().unwrap());
    let table = open(&path);
    assert_eq!(table.warnings(&schema(), &columns()).len(), 2);
    let (rows, _) = read(table.predictions(&schema(), &columns()).unwrap());
    assert_eq!(shown(&rows, &layout::feature("age")), "NaN NaN NaN NaN NaN NaN");
    assert_eq!(shown(&rows, &layout::feature("plan")), "- - - - - -");
    assert_eq!(shown(&rows, &layout::invalid("plan")), "true true true true true true");
}

#[test]
fn files_that_are_none_are_errors_that_name_them() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["no.parquet", "empty.csv"] {
        std::fs::write(path(name), "").unwrap();
    }
    std::fs::write(path("text.parquet"), "this is no Parquet at all").unwrap();
    std::fs::write(path("text.txt"), "a,b").unwrap();
    for (name, says) in [
        ("no.parquet", "no.parquet cannot be read"),
        ("text.parquet", "text.parquet cannot be read"),
        ("empty.csv", "empty.csv cannot be read"),
        ("text.txt", "text.txt is no table"),
        ("absent.csv", "there is no file"),
        ("absent-*.csv", "there is no file"),
        ("[.csv", "is not valid"),
    ] {
        let error = Table::open([path(name)]).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    assert!(Table::open(Vec::<PathBuf>::new()).is_err());
}

#[test]
fn a_line_that_is_no_json_ends_the_table_with_an_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("broken.ndjson");
    let good = std::fs::read_to_string(write_rows(folder.path(), "ndjson")).unwrap();
    // Among the lines that are looked at for names, and after them.
    std::fs::write(&path, format!("{good}{{\"time\":\n")).unwrap();
    let error = Table::open([&path]).unwrap_err();
    assert!(matches!(error, TableError::Read { .. }), "{error:?}");
    std::fs::write(&path, format!("{}{{\"time\":\n", good.repeat(2_000))).unwrap();
    let batches = open(&path).predictions(&schema(), &columns()).unwrap();
    let error = batches.last().and_then(Result::err).expect("the broken line is not passed over");
    assert!(matches!(error, TableError::Read { .. }), "{error:?}");
}

#[test]
fn a_table_of_no_rows_has_no_batches() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("none.parquet");
    write_parquet(&path, rows().head(Some(0)));
    let table = open(&path);
    assert_eq!(table.rows(), Some(0));
    assert_eq!(table.predictions(&schema(), &columns()).unwrap().count(), 0);
    assert_eq!(table.time_range(&columns()).unwrap(), None);
    let header = folder.path().join("none.csv");
    std::fs::write(&header, "time,id,age,plan,active,country,predicted,probability\n").unwrap();
    assert_eq!(open(&header).predictions(&schema(), &columns()).unwrap().count(), 0);
}

#[test]
fn compressed_text_is_read() {
    let folder = tempdir().unwrap();
    for format in ["csv", "ndjson"] {
        let plain = write_rows(folder.path(), format);
        let packed = folder.path().join(format!("rows.{format}.gz"));
        let status = std::process::Command::new("gzip").arg("-k").arg(&plain).status().unwrap();
        assert!(status.success() && packed.exists());
        let (rows, _) = read(open(&packed).predictions(&schema(), &columns()).unwrap());
        assert_eq!(shown(&rows, layout::PREDICTION_ID), "1 2 3 4 5 6", "{format}");
    }
}

#[test]
fn the_time_range_is_that_of_all_files() {
    let folder = tempdir().unwrap();
    for format in FORMATS {
        let range = open(&write_rows(folder.path(), format)).time_range(&columns()).unwrap();
        let range = range.map(|(low, high)| (low.to_string(), high.to_string()));
        assert_eq!(range, Some(("2026-01-01T00:00:00Z".into(), "2026-01-01T00:00:05Z".into())));
    }
}

#[test]
fn batches_are_bounded_and_in_order() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("many.parquet");
    // polars writes two row groups.
    let count = 600_000;
    let mut many = polars::prelude::df!(
        "timestamp" => (0..count).collect::<Vec<i64>>(),
        "x" => (0..count).map(|i| i as f64).collect::<Vec<f64>>(),
    )
    .unwrap();
    write_parquet(&path, many.clone());
    let feature =
        driftline_events::Feature { name: "x".into(), kind: driftline_events::FeatureKind::Numeric };
    let schema = ModelSchema::new(
        schema().model().clone(),
        driftline_events::Task::Regression,
        None,
        vec![feature],
        Vec::new(),
        false,
    );
    let columns = ColumnMap::try_from(ColumnOptions::default()).unwrap();
    let table = open(&path);
    let sizes: Vec<u64> =
        table.predictions(&schema, &columns).unwrap().map(|batch| batch.unwrap().read).collect();
    let (first, second) = sizes.split_at(10);
    assert_eq!(first, [[32_768; 9].as_slice(), &[5_088]].concat());
    assert_eq!(second, first);
    let (rows, _) = read(table.predictions(&schema, &columns).unwrap());
    let times = rows.column_by_name(layout::TIMESTAMP).unwrap().as_primitive::<TimestampMillisecondType>();
    assert!(times.values().iter().copied().eq(0..count));
    // A rejected row is named by its place in the file, not in its batch.
    let weights: Vec<f64> = (0..count).map(|i| if i == 450_000 { -1.0 } else { 1.0 }).collect();
    many.with_column(Series::new("weight".into(), weights).into()).unwrap();
    write_parquet(&path, many);
    let (_, rejected) = read(open(&path).predictions(&schema, &columns).unwrap());
    let rejected: Vec<(u64, &str)> = rejected.iter().map(|row| (row.row, row.reason)).collect();
    assert_eq!(rejected, [(450_000, "bad_weight")]);
    // Dropping a stream early stops its reader.
    drop(table.predictions(&schema, &columns).unwrap().next());
}
