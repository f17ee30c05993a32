//! polars' columns as Arrow arrays.
//!
//! What a value means is the business of the decoder in `driftline-events`. Here a column only gets the type
//! that says it best, and text is read as what the column is for, since CSV has nothing but text.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Float64Builder, Int32Array, Int64Array, NullArray,
    StringArray, UInt64Array,
};
use driftline_events::EventTime;
use polars::prelude::{DataType, PolarsResult, Series, TimeUnit};
use rustc_hash::FxHashMap;

use crate::mapping::Role;

/// A column's values for its role, other than [`Role::Time`]. `untyped` says that the file has text only.
pub(crate) fn convert(series: &Series, role: Role, untyped: bool) -> PolarsResult<ArrayRef> {
    match role {
        Role::Number => numbers(series),
        Role::Boolean => booleans(series),
        Role::Category if untyped => texts(series, &whole_number),
        Role::Category => categories(series),
        Role::Id => ids(series, untyped),
        Role::Text if series.dtype().is_nested() => Ok(Arc::new(NullArray::new(series.len()))),
        Role::Text => texts(series, &|text| Cow::Borrowed(text)),
        Role::Time => Ok(Arc::new(times(series)?.into_iter().map(Result::ok).collect::<Int64Array>())),
    }
}

/// Numbers: what is none becomes NaN, which is an invalid value.
fn numbers(series: &Series) -> PolarsResult<ArrayRef> {
    let stored = series.dtype();
    if stored.is_primitive_numeric() || stored.is_decimal() {
        let floats = series.cast(&DataType::Float64)?;
        let mut builder = Float64Builder::with_capacity(series.len());
        for chunk in floats.f64()?.downcast_iter() {
            match chunk.validity() {
                None => builder.append_slice(chunk.values()),
                Some(_) => chunk.iter().for_each(|value| builder.append_option(value.copied())),
            }
        }
        return Ok(Arc::new(builder.finish()));
    }
    if let Some(text) = as_text(series)? {
        let read = |text: &str| text.trim().parse().unwrap_or(f64::NAN);
        return Ok(Arc::new(text.str()?.iter().map(|text| text.map(read)).collect::<Float64Array>()));
    }
    Ok(Arc::new(present(series).map(|present| present.then_some(f64::NAN)).collect::<Float64Array>()))
}

/// True and false, also written as text in any case, or as 1 and 0. Anything else stays what it is.
fn booleans(series: &Series) -> PolarsResult<ArrayRef> {
    let stored = series.dtype();
    if stored.is_primitive_numeric() {
        let numbers = series.cast(&DataType::Float64)?;
        let text = |number: f64| match number {
            0.0 => "false".to_owned(),
            1.0 => "true".to_owned(),
            other => other.to_string(),
        };
        return Ok(Arc::new(numbers.f64()?.iter().map(|number| number.map(text)).collect::<StringArray>()));
    }
    if as_text(series)?.is_some() {
        return texts(series, &|text| match text {
            "1" | "1.0" => Cow::Borrowed("true"),
            "0" | "0.0" => Cow::Borrowed("false"),
            text if text.eq_ignore_ascii_case("true") => Cow::Borrowed("true"),
            text if text.eq_ignore_ascii_case("false") => Cow::Borrowed("false"),
            text => Cow::Borrowed(text),
        });
    }
    categories(series)
}

/// Text as a dictionary, whole and other numbers and booleans as they are.
fn categories(series: &Series) -> PolarsResult<ArrayRef> {
    let stored = series.dtype();
    Ok(match stored {
        DataType::Null => Arc::new(NullArray::new(series.len())),
        DataType::Boolean => Arc::new(series.bool()?.iter().collect::<BooleanArray>()),
        DataType::Categorical(_, codes) | DataType::Enum(_, codes) => {
            let physical = series.to_physical_repr().cast(&DataType::UInt32)?;
            dictionary(physical.u32()?.iter(), |code| codes.cat_to_str(code).unwrap_or_default().into())
        }
        _ if stored.is_unsigned_integer() => {
            Arc::new(series.cast(&DataType::UInt64)?.u64()?.iter().collect::<UInt64Array>())
        }
        _ if stored.is_integer() => {
            Arc::new(series.cast(&DataType::Int64)?.i64()?.iter().collect::<Int64Array>())
        }
        _ if stored.is_primitive_numeric() || stored.is_decimal() => {
            Arc::new(series.cast(&DataType::Float64)?.f64()?.iter().collect::<Float64Array>())
        }
        // Neither text nor number: a category that is NaN is invalid.
        _ if stored.is_nested() || stored.is_binary() => {
            let invalid = |present: bool| present.then_some(f64::NAN);
            Arc::new(present(series).map(invalid).collect::<Float64Array>())
        }
        _ => return texts(series, &|text| Cow::Borrowed(text)),
    })
}

/// Ids are mostly all different: text as it is, and no dictionary.
fn ids(series: &Series, untyped: bool) -> PolarsResult<ArrayRef> {
    let Some(text) = as_text(series)? else { return categories(series) };
    let text = text.str()?;
    let ids: StringArray = if untyped {
        text.iter().map(|text| text.map(whole_number)).collect()
    } else {
        text.iter().collect()
    };
    Ok(Arc::new(ids))
}

/// Text as a dictionary, each different one after `read`.
fn texts(series: &Series, read: &dyn Fn(&str) -> Cow<'_, str>) -> PolarsResult<ArrayRef> {
    let text = series.cast(&DataType::String)?;
    let chunks = text.str()?.downcast_iter().enumerate();
    let keys = chunks.flat_map(|(place, chunk)| {
        let rows = chunk.iter().zip(chunk.views().iter());
        rows.map(move |(text, view)| text.map(|text| Viewed { view: view.as_u128(), chunk: place, text }))
    });
    Ok(dictionary(keys, |key| read(key.text).into_owned()))
}

/// A text by where it lies: a short one lies in its view, a long one in a buffer of its chunk, often many rows' in one place.
/// So most rows are known without looking at the text.
#[derive(Clone, Copy)]
struct Viewed<'a> {
    view: u128,
    chunk: usize,
    text: &'a str,
}

impl PartialEq for Viewed<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.view == other.view && self.chunk == other.chunk
    }
}

impl Eq for Viewed<'_> {}

impl std::hash::Hash for Viewed<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.view.hash(state);
    }
}

/// A dictionary of the different texts of `keys`.
fn dictionary<K: std::hash::Hash + Eq + Copy>(
    keys: impl Iterator<Item = Option<K>>,
    text: impl Fn(K) -> String,
) -> ArrayRef {
    let mut positions: FxHashMap<K, i32> = FxHashMap::default();
    let mut position_of_text: FxHashMap<String, i32> = FxHashMap::default();
    let mut values: Vec<String> = Vec::new();
    let positions: Int32Array = keys
        .map(|key| {
            key.map(|key| {
                *positions.entry(key).or_insert_with(|| {
                    let text = text(key);
                    *position_of_text.entry(text).or_insert_with_key(|text| {
                        values.push(text.clone());
                        i32::try_from(values.len() - 1).expect("a batch has fewer rows")
                    })
                })
            })
        })
        .collect();
    let values = Arc::new(StringArray::from(values));
    Arc::new(DictionaryArray::try_new(positions, values).expect("every position is one of the values"))
}

/// Whole numbers that pandas and others write as `3.0`, because the column has a gap, are the category `3`,
/// as they are in JSON.
fn whole_number(text: &str) -> Cow<'_, str> {
    let whole = text.split_once('.').filter(|(whole, fraction)| {
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let leading = digits.starts_with('0') && digits != "0";
        !leading
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !fraction.is_empty()
            && fraction.bytes().all(|byte| byte == b'0')
    });
    Cow::Borrowed(match whole {
        Some(("-0", _)) => "0",
        Some((whole, _)) => whole,
        None => text,
    })
}

/// Why a row has no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoTime {
    Missing,
    Invalid(String),
}

/// Event times in milliseconds: timestamps of any unit (without a zone they are UTC), dates, text in RFC 3339
/// or without a zone, and whole numbers of milliseconds since the epoch.
pub(crate) fn times(series: &Series) -> PolarsResult<Vec<Result<i64, NoTime>>> {
    let in_range = |millis: i64| {
        let time = EventTime::from_millis(millis);
        if time.as_millis() == millis { Ok(millis) } else { Err(NoTime::Invalid(millis.to_string())) }
    };
    let whole = |stored: &Series, per_milli: fn(i64) -> Option<i64>| -> PolarsResult<_> {
        let stored = stored.cast(&DataType::Int64)?;
        let read =
            |value: i64| per_milli(value).map_or_else(|| Err(NoTime::Invalid(value.to_string())), in_range);
        Ok(stored.i64()?.iter().map(|value| value.map_or(Err(NoTime::Missing), read)).collect())
    };
    match series.dtype() {
        DataType::Datetime(unit, _) => whole(
            &series.to_physical_repr(),
            match unit {
                TimeUnit::Nanoseconds => |nanos| Some(nanos.div_euclid(1_000_000)),
                TimeUnit::Microseconds => |micros| Some(micros.div_euclid(1_000)),
                TimeUnit::Milliseconds => Some,
            },
        ),
        DataType::Date => whole(&series.to_physical_repr(), |days| days.checked_mul(86_400_000)),
        stored if stored.is_integer() => whole(series, Some),
        stored if stored.is_float() => {
            // A whole number of milliseconds, in a column that has gaps.
            let read = |value: f64| match value {
                _ if value.is_nan() => Err(NoTime::Missing),
                _ if value.fract() == 0.0 && value.abs() < 9e15 => in_range(value as i64),
                _ => Err(NoTime::Invalid(value.to_string())),
            };
            let floats = series.cast(&DataType::Float64)?;
            Ok(floats.f64()?.iter().map(|value| value.map_or(Err(NoTime::Missing), read)).collect())
        }
        stored => {
            let Some(text) = as_text(series)? else {
                let invalid = || Err(NoTime::Invalid(format!("a value of type {stored}")));
                return Ok(present(series)
                    .map(|present| if present { invalid() } else { Err(NoTime::Missing) })
                    .collect());
            };
            let read = |text: &str| read_time(text).ok_or_else(|| NoTime::Invalid(text.to_owned()));
            Ok(text.str()?.iter().map(|text| text.map_or(Err(NoTime::Missing), read)).collect())
        }
    }
}

fn read_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(time) = EventTime::parse(text) {
        return Some(time.as_millis());
    }
    if let Ok(millis) = text.parse::<i64>() {
        return Some(millis).filter(|&millis| EventTime::from_millis(millis).as_millis() == millis);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    let time = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(time.as_nanosecond().div_euclid(1_000_000) as i64)
}

/// The column as text, if it is text.
fn as_text(series: &Series) -> PolarsResult<Option<Series>> {
    Ok(match series.dtype() {
        DataType::String => Some(series.clone()),
        DataType::Categorical(..) | DataType::Enum(..) => Some(series.cast(&DataType::String)?),
        _ => None,
    })
}

/// Which values are not null.
fn present(series: &Series) -> impl Iterator<Item = bool> {
    let present: Vec<bool> = series.is_not_null().iter().map(|present| present == Some(true)).collect();
    present.into_iter()
}

#[cfg(test)]
mod tests;
