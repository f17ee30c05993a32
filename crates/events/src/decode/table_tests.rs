//! Arrow streams and tables.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int8Array, Int64Array,
    ListArray, NullArray, RecordBatch, RecordBatchOptions, StringArray, StringViewArray,
    TimestampMicrosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow::datatypes::{Field, Int8Type, Int32Type, Schema};
use arrow::ipc::writer::StreamWriter;

use super::fixture::{Registry, cell, column, context, reasons};
use crate::{
    Carrier, DecodeContext, Decoded, FeatureKind, Limits, ModelRegistry, PayloadError, Task, decode_labels,
    decode_predictions, predictions_from_arrow,
};

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

pub(super) fn stream(tables: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &tables[0].schema()).unwrap();
    tables.iter().for_each(|table| writer.write(table).unwrap());
    writer.into_inner().unwrap()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn numbers(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn decode(table: &RecordBatch) -> Result<Decoded, PayloadError> {
    let (registry, limits) = (Registry::new(), Limits::default());
    predictions_from_arrow(table, &context(&registry, &limits))
}

pub(super) fn sample() -> RecordBatch {
    let plans: DictionaryArray<Int8Type> =
        vec![Some("gold"), None, Some("basic"), Some("gold")].into_iter().collect();
    table(vec![
        ("model", texts(&[Some("churn"), Some("price"), Some("churn"), Some("churn")])),
        ("prediction_id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        (
            "timestamp",
            Arc::new(TimestampMicrosecondArray::from(vec![-1, 0, 1_000, 2_000]).with_timezone("+02:00")),
        ),
        ("prediction.score", numbers(&[Some(0.5), None, Some(1.5), Some(1.0)])),
        ("value", numbers(&[None, Some(7.0), None, None])),
        ("feature.age", Arc::new(Float32Array::from(vec![Some(f32::NAN), None, Some(1.0), None]))),
        ("feature.plan", Arc::new(plans)),
        ("feature.active", Arc::new(Int8Array::from(vec![1, 0, 0, 2]))),
        ("feature.new", numbers(&[Some(1.0), None, None, None])),
        ("tag.country", Arc::new(StringViewArray::from(vec!["BE", "BE", "NL", "LU"]))),
        ("metric.basket", numbers(&[Some(2.0), None, None, Some(f64::NAN)])),
        ("score.yes", numbers(&[Some(0.5), None, None, None])),
        ("surplus", numbers(&[None, None, None, None])),
    ])
}

#[test]
fn a_table_fills_the_same_columns_as_json() {
    let (registry, limits) = (Registry::new(), Limits::default());
    let payload = stream(&[sample(), sample()]);
    let decoded = decode_predictions(&payload, Carrier::ArrowStream, &context(&registry, &limits)).unwrap();
    assert_eq!(reasons(&decoded), [(2, "score_out_of_range"), (6, "score_out_of_range")]);
    assert_eq!(decoded.batches.len(), 2);
    let churn = &decoded.batches[0].rows;
    let expected: [(&str, [&str; 2]); 11] = [
        ("timestamp", ["-1", "2"]),
        ("prediction_id", ["1", "4"]),
        ("prediction.score", ["0.5", "1"]),
        ("feature.age", ["NaN", "null"]),
        ("feature.plan", ["gold", "gold"]),
        ("feature.active", ["true", "null"]),
        ("invalid.active", ["false", "true"]),
        ("tag.country", ["BE", "LU"]),
        ("metric.basket", ["2", "null"]),
        ("score.yes", ["0.5", "null"]),
        ("weight", ["1", "1"]),
    ];
    for (name, values) in expected {
        assert_eq!(column(churn, name), [values, values].concat(), "{name}");
    }
    assert_eq!(column(&decoded.batches[1].rows, "prediction.value"), ["7", "7"]);
    // Twice: the surplus column of the 3 rows taken, a new feature's value, a metric that is NaN, and a feature
    // of the model that has none.
    assert_eq!(decoded.ignored_fields, 12);
}

#[test]
fn times_come_in_any_unit() {
    for (array, millis) in [
        (Arc::new(TimestampSecondArray::from(vec![7])) as ArrayRef, "7000"),
        (Arc::new(Int64Array::from(vec![7])), "7"),
        (Arc::new(Date32Array::from(vec![1])), "86400000"),
        (texts(&[Some("1970-01-01T00:00:01Z")]), "1000"),
    ] {
        let decoded = decode(&table(vec![("model", texts(&[Some("churn")])), ("timestamp", array)])).unwrap();
        assert_eq!(column(&decoded.batches[0].rows, "timestamp"), [millis]);
    }
    let far = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
    let decoded = decode(&table(vec![("model", texts(&[Some("churn")])), ("timestamp", far)])).unwrap();
    assert_eq!(reasons(&decoded), [(0, "bad_timestamp")]);
}

#[test]
fn a_column_of_the_wrong_type_is_named() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)])]);
    let wrong: [(&str, ArrayRef, &str, &str); 6] = [
        ("score", texts(&[Some("0.5")]), "numbers", "Utf8"),
        ("timestamp", numbers(&[Some(1.0)]), "timestamps", "Float64"),
        ("model", Arc::new(Int64Array::from(vec![1])), "text", "Int64"),
        ("feature.age", texts(&[Some("41")]), "numbers", "Utf8"),
        ("feature.plan", Arc::new(list), "text", "List"),
        ("metric.x", Arc::new(BooleanArray::from(vec![true])), "numbers", "Boolean"),
    ];
    for (name, array, expected, found) in wrong {
        let mut columns = vec![(name, array)];
        if name != "model" {
            columns.push(("model", texts(&[Some("churn")])));
        }
        let error = decode(&table(columns)).unwrap_err();
        let told = error.to_string();
        assert!(told.contains(name) && told.contains(expected) && told.contains(found), "{name}: {told}");
        assert_eq!(error.reason(), "bad_columns");
    }
    for (first, second) in [("score", "prediction.score"), ("feature.age", "feature.age")] {
        let columns = vec![(first, numbers(&[None])), (second, numbers(&[None]))];
        let error = decode(&table(columns)).unwrap_err();
        assert!(matches!(error, PayloadError::ColumnTwice { .. }), "{error:?}");
    }
}

#[test]
fn a_table_without_models_uses_the_default() {
    let ages = table(vec![("feature.age", Arc::new(UInt64Array::from(vec![1, 2])))]);
    let decoded = decode(&ages).unwrap();
    assert_eq!(reasons(&decoded), [(0, "missing_model"), (1, "missing_model")]);
    let (registry, limits) = (Registry::new(), Limits::default());
    let context = DecodeContext { default_model: Some("churn"), ..context(&registry, &limits) };
    let decoded = predictions_from_arrow(&ages, &context).unwrap();
    assert_eq!(column(&decoded.batches[0].rows, "feature.age"), ["1", "2"]);
}

#[test]
fn an_unknown_model_is_learned_from_its_columns() {
    let (registry, limits) = (Registry::new(), Limits::default());
    let context = context(&registry, &limits);
    let first = table(vec![
        ("model", texts(&[Some("new"), Some("a b"), Some("new")])),
        ("label", Arc::new(BooleanArray::from(vec![true, true, false]))),
        ("feature.n", numbers(&[Some(1.0), None, None])),
        ("feature.t", texts(&[Some("x"), None, None])),
        ("feature.empty", Arc::new(NullArray::new(3))),
        ("feature.bare", numbers(&[None, Some(1.0), None])),
    ]);
    let decoded = predictions_from_arrow(&first, &context).unwrap();
    assert_eq!(reasons(&decoded), [(1, "bad_model")]);
    let schema = registry.schema("new").unwrap();
    assert_eq!((schema.task(), schema.positive().map(AsRef::as_ref)), (Task::Binary, Some("true")));
    let kinds: Vec<_> =
        schema.features().iter().map(|feature| (feature.name.as_ref(), feature.kind)).collect();
    assert_eq!(kinds, [("n", FeatureKind::Numeric), ("t", FeatureKind::Categorical)]);

    let second = table(vec![
        ("model", texts(&[Some("new")])),
        ("feature.b", Arc::new(BooleanArray::from(vec![true]))),
    ]);
    let decoded = predictions_from_arrow(&second, &context).unwrap();
    assert_eq!(cell(&decoded.batches[0].rows, "feature.b", 0), "true");
    assert_eq!(registry.schema("new").unwrap().features().len(), 3);
}

#[test]
fn labels_come_in_tables_too() {
    let (registry, limits) = (Registry::new(), Limits::default());
    let payload = stream(&[table(vec![
        ("model", texts(&[Some("churn"), Some("churn"), Some("price")])),
        ("prediction_id", texts(&[Some("a"), None, Some("c")])),
        ("label", Arc::new(Int64Array::from(vec![1, 1, 5]))),
        ("op", texts(&[None, None, Some("upsert")])),
    ])]);
    let decoded = decode_labels(&payload, Carrier::ArrowStream, &context(&registry, &limits)).unwrap();
    assert_eq!(reasons(&decoded), [(1, "missing_prediction_id")]);
    assert_eq!(column(&decoded.batches[0].rows, "label"), ["1"]);
    assert_eq!(column(&decoded.batches[1].rows, "value"), ["5"]);
}

#[test]
fn cut_and_lying_streams_are_errors() {
    let (registry, limits) = (Registry::new(), Limits::default());
    let context = context(&registry, &limits);
    let decode = |payload: &[u8]| decode_predictions(payload, Carrier::ArrowStream, &context);
    let whole = stream(&[sample()]);
    for length in (0..whole.len() - 8).step_by(7) {
        match decode(&whole[..length]) {
            Err(error) => assert_eq!(error.reason(), "bad_arrow", "{length}"),
            // Cut at the end of a message: the end mark may be left out, the format says.
            Ok(decoded) => assert!(decoded.accepted() + decoded.rejected_total <= 4, "{length}"),
        }
    }
    for payload in [&b""[..], b"{}", b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"ARROW1\0\0"]
    {
        assert_eq!(decode(payload).unwrap_err().reason(), "bad_arrow", "{payload:?}");
    }
    assert_eq!(decode(&[whole.as_slice(), b"x"].concat()).unwrap_err().reason(), "bad_arrow");
}

#[test]
fn a_dictionary_may_be_empty() {
    let plans: DictionaryArray<Int8Type> = vec![None::<&str>, None].into_iter().collect();
    let models = texts(&[Some("churn"), Some("churn")]);
    let decoded = decode(&table(vec![("model", models), ("feature.plan", Arc::new(plans))])).unwrap();
    assert_eq!(column(&decoded.batches[0].rows, "feature.plan"), ["null", "null"]);
}

#[test]
fn rows_that_take_no_bytes_are_limited_too() {
    let nulls = |rows: usize| {
        let schema = Schema::new(vec![Field::new("model", arrow::datatypes::DataType::Null, true)]);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let array: ArrayRef = Arc::new(NullArray::new(rows));
        RecordBatch::try_new_with_options(Arc::new(schema), vec![array], &options).unwrap()
    };
    let (registry, limits) = (Registry::new(), Limits::default());
    let payload = stream(&[nulls(1 << 19), nulls(1 << 19), nulls(1)]);
    let error = decode_predictions(&payload, Carrier::ArrowStream, &context(&registry, &limits)).unwrap_err();
    assert!(matches!(error, PayloadError::TooManyRows { .. }), "{error:?}");
}

/// Where the metadata of a stream's second message starts, after its marker and length.
fn second_message(stream: &[u8]) -> usize {
    let schema = u32::from_le_bytes(stream[4..8].try_into().unwrap()) as usize;
    8 + schema + 8
}

#[test]
fn a_message_without_a_header_is_not_skipped() {
    let mut payload = stream(&[table(vec![("model", texts(&[Some("price")]))])]);
    let message = second_message(&payload);
    let offset = |at: usize| i32::from_le_bytes(payload[at..at + 4].try_into().unwrap());
    // A flatbuffer: the root table, its vtable, and there the second field.
    let root = message + offset(message) as usize;
    let vtable = root.wrapping_add_signed(-offset(root) as isize);
    let header_type = root + usize::from(payload[vtable + 6]);
    assert_eq!(payload[header_type], 3, "a record batch");
    payload[header_type] = 0;
    let (registry, limits) = (Registry::new(), Limits::default());
    let error = decode_predictions(&payload, Carrier::ArrowStream, &context(&registry, &limits)).unwrap_err();
    assert_eq!(error.reason(), "bad_arrow");
}

/// The rows of a long table, by columns whole and row by row.
fn long(rows: usize, rejects: bool, by_column: bool) -> RecordBatch {
    let plans = |row: usize| ["gold", "basic", "gold"].get(row % 5).copied();
    // No boolean, or not always; the values of a dictionary need not be in the order of the rows.
    let active = |row: usize| ["true", "maybe", "false", "maybe", "true"].get(row % 7).copied();
    let ages = |row: usize| match row % 11 {
        3 => f64::INFINITY,
        7 => f64::NAN,
        other => other as f64,
    };
    let score = |row: usize| if rejects && row % 13 == 5 { 1.5 } else { 0.25 };
    let texts = |text: &dyn Fn(usize) -> Option<&'static str>| -> ArrayRef {
        let texts = (0..rows).map(text);
        if by_column {
            Arc::new(texts.collect::<DictionaryArray<Int32Type>>())
        } else {
            Arc::new(texts.collect::<StringArray>())
        }
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("prediction.score", Arc::new((0..rows).map(|row| Some(score(row))).collect::<Float64Array>())),
        ("feature.age", Arc::new((0..rows).map(|row| Some(ages(row))).collect::<Float64Array>())),
        ("feature.plan", texts(&plans)),
        ("feature.active", texts(&active)),
    ];
    if !by_column {
        columns.push(("model", Arc::new(StringArray::from(vec!["churn"; rows]))));
    }
    table(columns)
}

#[test]
fn whole_columns_are_read_as_their_rows_are() {
    let (registry, limits) = (Registry::new(), Limits::default());
    let context = DecodeContext { default_model: Some("churn"), ..context(&registry, &limits) };
    for (rows, rejects) in [(1, false), (63, false), (64, false), (200, false), (200, true)] {
        let read = |by_column| {
            let decoded = predictions_from_arrow(&long(rows, rejects, by_column), &context).unwrap();
            assert_eq!(decoded.rejected.is_empty(), !rejects);
            // NaN is not equal to itself.
            let columns = ["feature.age", "feature.plan", "feature.active", "prediction.score"];
            let columns = columns.map(|name| column(&decoded.batches[0].rows, name));
            let dictionary = decoded.batches[0].rows.column_by_name("feature.plan").unwrap().to_data();
            let invalid = decoded.batches[0].rows.column_by_name("invalid.active").cloned();
            (
                columns,
                dictionary,
                invalid.map(|marks| marks.to_data()),
                reasons(&decoded),
                decoded.ignored_fields,
            )
        };
        assert_eq!(read(true), read(false), "{rows} rows");
    }
}
