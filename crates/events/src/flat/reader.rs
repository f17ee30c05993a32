//! Arrow columns, read value by value.

use std::borrow::Cow;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, LargeStringArray, StringArray,
    StringViewArray, UInt64Array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, UInt64Type};

use crate::scalar::Scalar;
use crate::{FeatureKind, PayloadError};

/// A column whose values can be had one at a time.
#[derive(Debug)]
pub(super) struct Reader {
    column: String,
    /// Where the name starts that follows `feature.` and the like.
    name_start: usize,
    found: DataType,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Null,
    Bool(BooleanArray),
    Signed(Int64Array),
    Unsigned(UInt64Array),
    Float(Float64Array),
    /// Milliseconds since the epoch.
    Time(Int64Array),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    /// Values that occur often, kept once: never unpacked, because that can take any amount of memory.
    Dictionary {
        keys: Vec<Option<usize>>,
        values: Box<Values>,
        length: usize,
    },
    /// Lists, structs and the like.
    Other,
}

/// A dictionary column's rows and values.
pub(super) struct Dictionary<'r> {
    /// For each row its value's place; none where it is missing.
    pub(super) keys: &'r [Option<usize>],
    /// Values in all.
    pub(super) length: usize,
    values: &'r Values,
}

impl<'r> Dictionary<'r> {
    pub(super) fn value(&self, place: usize) -> Scalar<'r> {
        self.values.scalar(place)
    }
}

/// What a column can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Text,
    /// Text, whole numbers or booleans.
    Class,
    Number,
    Time,
}

impl Reader {
    /// Reads any column; whether it can hold what is wanted of it is asked later.
    pub(super) fn try_new(column: &str, name_start: usize, array: &ArrayRef) -> Result<Self, PayloadError> {
        let values = Values::try_new(array).map_err(PayloadError::Arrow)?;
        Ok(Self { column: column.to_owned(), name_start, found: array.data_type().clone(), values })
    }

    pub(super) fn name(&self) -> &str {
        &self.column[self.name_start..]
    }

    pub(super) fn scalar(&self, row: usize) -> Scalar<'_> {
        self.values.scalar(row)
    }

    /// Whether the column's type can hold what is wanted.
    pub(super) fn check(&self, wanted: Wanted) -> Result<(), PayloadError> {
        let (ok, expected) = match wanted {
            Wanted::Text => (self.values.is_text(), "text"),
            Wanted::Class => (self.values.is_class(), "text, whole numbers or booleans"),
            Wanted::Number => (self.values.is_number(), "numbers"),
            Wanted::Time => {
                (self.values.is_time(), "timestamps, whole milliseconds since 1970, or RFC 3339 text")
            }
        };
        if ok || matches!(self.values, Values::Null) { Ok(()) } else { Err(self.wrong(expected)) }
    }

    /// Whether the column's type can hold a feature of this kind.
    pub(super) fn check_feature(&self, kind: FeatureKind) -> Result<(), PayloadError> {
        match kind {
            FeatureKind::Numeric => self.check(Wanted::Number),
            FeatureKind::Categorical => self.check(Wanted::Class),
            FeatureKind::Boolean => self
                .check(Wanted::Class)
                .map_err(|_| self.wrong("booleans, 0 and 1, or true and false as text")),
        }
    }

    /// The kind of feature that the column's type suggests.
    pub(super) fn kind(&self) -> Option<FeatureKind> {
        self.values.kind()
    }

    /// The values, if they are floats already.
    pub(super) fn floats(&self) -> Option<&Float64Array> {
        match &self.values {
            Values::Float(values) => Some(values),
            _ => None,
        }
    }

    /// The rows' places in the dictionary, if the column has one that is no longer than the column.
    pub(super) fn dictionary(&self) -> Option<Dictionary<'_>> {
        match &self.values {
            Values::Dictionary { keys, values, length } if *length <= keys.len() => {
                Some(Dictionary { keys, length: *length, values })
            }
            _ => None,
        }
    }

    fn wrong(&self, expected: &'static str) -> PayloadError {
        PayloadError::ColumnType { column: self.column.clone(), expected, found: self.found.to_string() }
    }
}

impl Values {
    fn try_new(array: &ArrayRef) -> Result<Self, arrow::error::ArrowError> {
        // Strict: a value that does not fit is an error of the column, and never a silent null.
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let cast = |to: &DataType| cast_with_options(array, to, &strict);
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().clone()),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                Self::Signed(cast(&DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
                Self::Unsigned(cast(&DataType::UInt64)?.as_primitive::<UInt64Type>().clone())
            }
            DataType::Float16
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Self::Float(cast(&DataType::Float64)?.as_primitive().clone()),
            // The zone says how to show a time; the number is UTC with and without it.
            DataType::Timestamp(unit, _) => {
                let raw = cast(&DataType::Int64)?;
                Self::Time(in_millis(raw.as_primitive(), *unit))
            }
            DataType::Date32 => {
                let days = cast(&DataType::Int32)?;
                let days = cast_with_options(&days, &DataType::Int64, &strict)?;
                Self::Time(days.as_primitive::<Int64Type>().unary(|days| days.saturating_mul(86_400_000)))
            }
            DataType::Date64 => Self::Time(cast(&DataType::Int64)?.as_primitive().clone()),
            DataType::Utf8 => Self::Text(array.as_string().clone()),
            DataType::LargeUtf8 => Self::LargeText(array.as_string().clone()),
            DataType::Utf8View => Self::TextView(array.as_string_view().clone()),
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                if dictionary.values().is_empty() {
                    return Ok(Self::Null);
                }
                let keys = dictionary.keys();
                let places = dictionary.normalized_keys();
                let keys =
                    places.into_iter().enumerate().map(|(row, place)| keys.is_valid(row).then_some(place));
                let keys = keys.collect();
                let length = dictionary.values().len();
                let values = Self::try_new(dictionary.values())?;
                match values {
                    Self::Dictionary { .. } | Self::Other => Self::Other,
                    values => Self::Dictionary { keys, values: Box::new(values), length },
                }
            }
            _ => Self::Other,
        })
    }

    fn scalar(&self, row: usize) -> Scalar<'_> {
        let is_null = match self {
            Self::Null | Self::Other | Self::Dictionary { .. } => false,
            Self::Bool(values) => values.is_null(row),
            Self::Signed(values) | Self::Time(values) => values.is_null(row),
            Self::Unsigned(values) => values.is_null(row),
            Self::Float(values) => values.is_null(row),
            Self::Text(values) => values.is_null(row),
            Self::LargeText(values) => values.is_null(row),
            Self::TextView(values) => values.is_null(row),
        };
        if is_null {
            return Scalar::Missing;
        }
        match self {
            Self::Null => Scalar::Missing,
            Self::Other => Scalar::Nested(Cow::Borrowed("a nested value")),
            Self::Bool(values) => Scalar::Bool(values.value(row)),
            Self::Signed(values) => Scalar::Signed(values.value(row)),
            Self::Unsigned(values) => Scalar::Unsigned(values.value(row)),
            Self::Float(values) => Scalar::Float(values.value(row)),
            Self::Time(values) => Scalar::Millis(values.value(row)),
            Self::Text(values) => Scalar::Text(Cow::Borrowed(values.value(row))),
            Self::LargeText(values) => Scalar::Text(Cow::Borrowed(values.value(row))),
            Self::TextView(values) => Scalar::Text(Cow::Borrowed(values.value(row))),
            Self::Dictionary { keys, values, .. } => {
                keys[row].map_or(Scalar::Missing, |place| values.scalar(place))
            }
        }
    }

    fn is_text(&self) -> bool {
        match self {
            Self::Text(_) | Self::LargeText(_) | Self::TextView(_) => true,
            Self::Dictionary { values, .. } => values.is_text(),
            _ => false,
        }
    }

    fn is_number(&self) -> bool {
        match self {
            Self::Signed(_) | Self::Unsigned(_) | Self::Float(_) => true,
            Self::Dictionary { values, .. } => values.is_number(),
            _ => false,
        }
    }

    fn is_class(&self) -> bool {
        match self {
            Self::Bool(_) => true,
            Self::Dictionary { values, .. } => values.is_class(),
            _ => self.is_text() || self.is_number(),
        }
    }

    fn is_time(&self) -> bool {
        match self {
            Self::Time(_) | Self::Signed(_) | Self::Unsigned(_) => true,
            Self::Dictionary { values, .. } => values.is_time(),
            _ => self.is_text(),
        }
    }

    fn kind(&self) -> Option<FeatureKind> {
        match self {
            Self::Bool(_) => Some(FeatureKind::Boolean),
            Self::Dictionary { values, .. } => values.kind(),
            _ if self.is_number() => Some(FeatureKind::Numeric),
            _ if self.is_text() => Some(FeatureKind::Categorical),
            _ => None,
        }
    }
}

fn in_millis(raw: &Int64Array, unit: TimeUnit) -> Int64Array {
    match unit {
        TimeUnit::Second => raw.unary(|seconds| seconds.saturating_mul(1_000)),
        TimeUnit::Millisecond => raw.clone(),
        TimeUnit::Microsecond => raw.unary(|micros: i64| micros.div_euclid(1_000)),
        TimeUnit::Nanosecond => raw.unary(|nanos: i64| nanos.div_euclid(1_000_000)),
    }
}
