//! One value of an event, whatever carried it, and what it can be read as.

use std::borrow::Cow;
use std::fmt;

use crate::reject::shown;
use crate::{EventTime, FeatureKind};

/// A value that an event holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// Absent or null.
    #[default]
    Missing,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
    /// A time that its carrier typed as one, in milliseconds since the epoch.
    Millis(i64),
    /// Something that no field of an event may be, such as an array, and how to call it.
    Nested(Cow<'static, str>),
}

/// A class or category in its one written form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Class<'a> {
    Text(Cow<'a, str>),
    /// Kept as a number so that it is written out once a batch and not once a row.
    Whole(i64),
}

/// What a feature's value is for its kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Missing,
    Invalid,
    Number(f64),
    Class(Class<'a>),
}

impl<'a> Scalar<'a> {
    pub(crate) const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// A finite number.
    pub(crate) fn number(&self) -> Option<f64> {
        match *self {
            Self::Signed(value) => Some(value as f64),
            Self::Unsigned(value) => Some(value as f64),
            Self::Float(value) if value.is_finite() => Some(value),
            _ => None,
        }
    }

    /// A whole number, also where it is written `3.0`.
    fn whole(&self) -> Option<i64> {
        match *self {
            Self::Signed(value) => Some(value),
            Self::Unsigned(value) => i64::try_from(value).ok(),
            // Both bounds are exact as f64, and i64::MAX itself is not.
            Self::Float(value) if value.fract() == 0.0 && (-9.2e18..=9.2e18).contains(&value) => {
                Some(value as i64)
            }
            _ => None,
        }
    }

    /// Text, a whole number or a boolean as a class; `None` for anything else, and for text that is too long.
    pub(crate) fn class(&self, string_bytes: usize) -> Option<Class<'a>> {
        match self {
            Self::Text(text) if text.len() <= string_bytes => Some(Class::Text(text.clone())),
            Self::Bool(value) => Some(Class::Text(Cow::Borrowed(bool_name(*value)))),
            Self::Signed(_) | Self::Unsigned(_) | Self::Float(_) => match (self.whole(), self) {
                (Some(value), _) => Some(Class::Whole(value)),
                (None, Self::Unsigned(value)) => Some(Class::Text(Cow::Owned(value.to_string()))),
                (None, Self::Float(value)) if value.is_finite() && value.fract() == 0.0 => {
                    Some(Class::Text(Cow::Owned(format!("{value}"))))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The value of a feature of some kind.
    #[inline]
    pub(crate) fn cell(self, kind: FeatureKind, string_bytes: usize) -> Cell<'a> {
        // The usual case, without anything to be dropped.
        if let (FeatureKind::Numeric, Self::Float(number)) = (kind, &self)
            && number.is_finite()
        {
            return Cell::Number(*number);
        }
        if self.is_missing() {
            return Cell::Missing;
        }
        match kind {
            FeatureKind::Numeric => self.number().map_or(Cell::Invalid, Cell::Number),
            FeatureKind::Categorical => match self {
                // The usual case, without a copy of the text.
                Self::Text(text) if text.len() <= string_bytes => Cell::Class(Class::Text(text)),
                other => other.class(string_bytes).map_or(Cell::Invalid, Cell::Class),
            },
            FeatureKind::Boolean => self
                .boolean()
                .map_or(Cell::Invalid, |value| Cell::Class(Class::Text(Cow::Borrowed(bool_name(value))))),
        }
    }

    /// A boolean, 0 or 1, or the words with a small or a capital first letter.
    fn boolean(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) => match text.as_ref() {
                "true" | "True" => Some(true),
                "false" | "False" => Some(false),
                _ => None,
            },
            _ => match self.whole() {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
        }
    }

    /// Event time: RFC 3339 text or whole milliseconds since the epoch, in the years 0000 to 9999.
    pub(crate) fn time(&self) -> Option<EventTime> {
        let millis = match self {
            Self::Text(text) => return parse_time(text),
            Self::Millis(millis) => *millis,
            _ => self.whole()?,
        };
        in_range(millis)
    }

    /// The kind of feature that this value suggests; `None` where it says nothing.
    pub(crate) const fn kind(&self) -> Option<FeatureKind> {
        match self {
            Self::Bool(_) => Some(FeatureKind::Boolean),
            Self::Signed(_) | Self::Unsigned(_) | Self::Float(_) => Some(FeatureKind::Numeric),
            Self::Text(_) => Some(FeatureKind::Categorical),
            Self::Missing | Self::Millis(_) | Self::Nested(_) => None,
        }
    }
}

pub(crate) const fn bool_name(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{:?}", shown(text)),
            Self::Millis(millis) => write!(f, "{millis} ms"),
            Self::Nested(what) => f.write_str(what),
        }
    }
}

/// [`EventTime::parse`], with the common form `2026-01-01T10:00:00[.123]Z` read without it: parsing time is
/// the dearest field of an event otherwise.
fn parse_time(text: &str) -> Option<EventTime> {
    utc_millis(text.as_bytes()).and_then(in_range).or_else(|| EventTime::parse(text))
}

fn in_range(millis: i64) -> Option<EventTime> {
    let time = EventTime::from_millis(millis);
    (time.as_millis() == millis).then_some(time)
}

fn utc_millis(text: &[u8]) -> Option<i64> {
    let (text, fraction) = match text {
        [head @ .., b'Z'] if head.len() == 19 => (head, 0),
        [head @ .., b'Z'] if (21..=29).contains(&head.len()) && head[19] == b'.' => {
            let digits = &head[20..];
            let mut millis = 0;
            for (position, digit) in digits.iter().enumerate() {
                let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
                // Digits past milliseconds are cut off, as EventTime says.
                millis += match position {
                    0 => digit * 100,
                    1 => digit * 10,
                    2 => digit,
                    _ => 0,
                };
            }
            (&head[..19], millis)
        }
        _ => return None,
    };
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0_i64, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
        })
    };
    let plain =
        text[4] == b'-' && text[7] == b'-' && text[10] == b'T' && text[13] == b':' && text[16] == b':';
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let calendar = (1..=12).contains(&month) && (1..=days_in_month).contains(&day);
    // Leap seconds are left to the full parser.
    if !plain || !calendar || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days from civil: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_reads_time_like_the_long_way() {
        let mut read = 0;
        for year in ["0000", "1600", "1900", "1968", "1970", "2000", "2026", "9999"] {
            for month in 0..=13 {
                for day in ["00", "01", "17", "28", "29", "31"] {
                    for clock in ["00:00:00", "23:59:59.999", "10:11:12.1", "09:08:07.123456789", "24:00:00"]
                    {
                        let text = format!("{year}-{month:02}-{day}T{clock}Z");
                        read += usize::from(utc_millis(text.as_bytes()).is_some());
                        assert_eq!(parse_time(&text), EventTime::parse(&text), "{text}");
                    }
                }
            }
        }
        // 01, 17 and 28 of each month; 29 of February in four of the years; 31 of seven months.
        assert_eq!(read, (8 * (12 * 3 + 11 + 7) + 4) * 4);
        for text in ["", "Z", "2026-01-01T10:00:00", "2026-01-01 10:00:00Z", "2026-01-01T10:00:00.Z"] {
            assert_eq!(utc_millis(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_have_one_written_form() {
        let class = |scalar: Scalar<'static>| scalar.class(8);
        assert_eq!(class(Scalar::Float(3.0)), Some(Class::Whole(3)));
        assert_eq!(class(Scalar::Unsigned(3)), Some(Class::Whole(3)));
        assert_eq!(class(Scalar::Float(-0.0)), Some(Class::Whole(0)));
        assert_eq!(class(Scalar::Float(3.5)), None);
        assert_eq!(class(Scalar::Float(f64::NAN)), None);
        assert_eq!(class(Scalar::Unsigned(u64::MAX)), Some(Class::Text("18446744073709551615".into())));
        assert_eq!(class(Scalar::Float(1e20)), Some(Class::Text("100000000000000000000".into())));
        assert_eq!(class(Scalar::Text("123456789".into())), None);
    }
}
