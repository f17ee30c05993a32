use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int32Type};
use polars::prelude::{Categories, NamedFrom, TimeUnit};

use super::*;

/// The values of an array as text; a number that is no number is `NaN`.
fn shown(array: &ArrayRef) -> Vec<Option<String>> {
    let shown = |row: usize| {
        if array.is_null(row) {
            return None;
        }
        Some(match array.data_type() {
            arrow::datatypes::DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
            arrow::datatypes::DataType::Int64 => {
                array.as_primitive::<arrow::datatypes::Int64Type>().value(row).to_string()
            }
            arrow::datatypes::DataType::UInt64 => {
                array.as_primitive::<arrow::datatypes::UInt64Type>().value(row).to_string()
            }
            arrow::datatypes::DataType::Boolean => array.as_boolean().value(row).to_string(),
            arrow::datatypes::DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
            _ => {
                let dictionary = array.as_dictionary::<Int32Type>();
                let values = dictionary.values().as_string::<i32>();
                values.value(dictionary.keys().value(row) as usize).to_owned()
            }
        })
    };
    (0..array.len()).map(shown).collect()
}

fn converted(series: &Series, role: Role, untyped: bool) -> Vec<Option<String>> {
    shown(&convert(series, role, untyped).unwrap())
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| (*text != "-").then(|| (*text).to_owned())).collect()
}

#[test]
fn numbers_come_from_every_type_of_number() {
    let floats = Series::new("x".into(), [Some(1.5), None, Some(f64::NAN), Some(f64::INFINITY)]);
    assert_eq!(converted(&floats, Role::Number, false), some(&["1.5", "-", "NaN", "inf"]));
    for stored in [
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Decimal(10, 2),
    ] {
        let numbers = Series::new("x".into(), [Some(7_i64), None]).cast(&stored).unwrap();
        assert_eq!(converted(&numbers, Role::Number, false), some(&["7", "-"]), "{stored}");
    }
}

#[test]
fn text_is_read_as_a_number_where_it_is_one() {
    let text = Series::new("x".into(), [Some(" 1.5"), None, Some("abc"), Some("1e3"), Some("")]);
    assert_eq!(converted(&text, Role::Number, true), some(&["1.5", "-", "NaN", "1000", "NaN"]));
    let truths = Series::new("x".into(), [Some(true), None]);
    assert_eq!(converted(&truths, Role::Number, false), some(&["NaN", "-"]));
}

#[test]
fn categories_are_decoded_and_keep_their_text() {
    let text = Series::new("x".into(), [Some("a"), None, Some("b"), Some("a"), Some("007"), Some("3.0")]);
    assert_eq!(converted(&text, Role::Category, false), some(&["a", "-", "b", "a", "007", "3.0"]));
    let categories = DataType::from_categories(Categories::global());
    let coded = text.cast(&categories).unwrap();
    assert_eq!(converted(&coded, Role::Category, false), some(&["a", "-", "b", "a", "007", "3.0"]));
}

#[test]
fn a_whole_number_in_csv_is_the_same_category_with_and_without_a_point() {
    let text = Series::new("x".into(), ["3.0", "3", "-4.00", "007.0", "1.5", ".0", "3.", "-0.0", "v1.0"]);
    let read = convert(&text, Role::Category, true).unwrap();
    assert_eq!(shown(&read), some(&["3", "3", "-4", "007.0", "1.5", ".0", "3.", "0", "v1.0"]));
    // "3.0" and "3" are one entry.
    assert_eq!(read.as_dictionary::<Int32Type>().values().len(), 8);
}

#[test]
fn booleans_are_read_as_data_frames_write_them() {
    let text =
        Series::new("x".into(), [Some("True"), Some("FALSE"), None, Some("1"), Some("0"), Some("yes")]);
    assert_eq!(converted(&text, Role::Boolean, true), some(&["true", "false", "-", "true", "false", "yes"]));
    let bits = Series::new("x".into(), [Some(1_i32), Some(0), None, Some(2)]);
    assert_eq!(converted(&bits, Role::Boolean, false), some(&["true", "false", "-", "2"]));
    let truths = Series::new("x".into(), [Some(true), None]);
    assert_eq!(converted(&truths, Role::Boolean, false), some(&["true", "-"]));
}

#[test]
fn times_come_from_every_type_of_time() {
    let millis = 1_420_070_400_123_i64;
    for (unit, factor) in
        [(TimeUnit::Nanoseconds, 1_000_000), (TimeUnit::Microseconds, 1_000), (TimeUnit::Milliseconds, 1)]
    {
        let stored = Series::new("t".into(), [Some(millis * factor), None])
            .cast(&DataType::Datetime(unit, None))
            .unwrap();
        assert_eq!(times(&stored).unwrap(), [Ok(millis), Err(NoTime::Missing)], "{unit:?}");
    }
    let before_epoch = Series::new("t".into(), [-1_i64]);
    let before_epoch = before_epoch.cast(&DataType::Datetime(TimeUnit::Nanoseconds, None)).unwrap();
    assert_eq!(times(&before_epoch).unwrap(), [Ok(-1)]);
    let days = Series::new("t".into(), [16_436_i32]).cast(&DataType::Date).unwrap();
    assert_eq!(times(&days).unwrap(), [Ok(1_420_070_400_000)]);
    let whole = Series::new("t".into(), [millis as f64, f64::NAN, 0.5]);
    assert_eq!(
        times(&whole).unwrap(),
        [Ok(millis), Err(NoTime::Missing), Err(NoTime::Invalid("0.5".into()))]
    );
}

#[test]
fn times_are_read_from_text() {
    let cases = [
        ("2015-01-01T00:00:00Z", Some(1_420_070_400_000)),
        ("2015-01-01T01:00:00.5+01:00", Some(1_420_070_400_500)),
        ("2015-01-01 00:00:00", Some(1_420_070_400_000)),
        ("2015-01-01 00:00:00+00:00", Some(1_420_070_400_000)),
        ("2015-01-01", Some(1_420_070_400_000)),
        ("1420070400000", Some(1_420_070_400_000)),
        ("9223372036854775807", None),
        ("yesterday", None),
        ("", None),
    ];
    for (text, millis) in cases {
        let read = times(&Series::new("t".into(), [text])).unwrap();
        assert_eq!(read, [millis.ok_or_else(|| NoTime::Invalid(text.into()))]);
    }
}
