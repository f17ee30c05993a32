//! Hours in which minor alerts wait.

use std::time::Duration;

use driftline_events::EventTime;

use super::fault::NotifySpecError;
use super::options::QuietHoursOptions;

const DAY_MINUTES: i64 = 24 * 60;

/// Checked [`QuietHoursOptions`]: minutes of the day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QuietHours {
    from: i64,
    length: i64,
}

impl QuietHours {
    /// All faults, each with its key.
    pub(super) fn try_new(options: &QuietHoursOptions) -> Result<Self, Vec<(&'static str, NotifySpecError)>> {
        let mut errors = Vec::new();
        let mut time_of = |key, text: &str| {
            minutes(text).unwrap_or_else(|| {
                errors.push((key, NotifySpecError::BadTimeOfDay { text: text.to_owned() }));
                0
            })
        };
        let (from, to) = (time_of(".from", &options.from), time_of(".to", &options.to));
        let offset = options.offset.as_deref().unwrap_or("+00:00");
        let offset = offset_minutes(offset).unwrap_or_else(|| {
            errors.push((".offset", NotifySpecError::BadOffset { text: offset.to_owned() }));
            0
        });
        let length = (to - from).rem_euclid(DAY_MINUTES);
        if errors.is_empty() && length == 0 {
            errors.push(("", NotifySpecError::NoQuiet));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { from: (from - offset).rem_euclid(DAY_MINUTES), length })
    }

    /// How long they last yet; `None` outside of them.
    pub(super) fn left(&self, now: EventTime) -> Option<Duration> {
        let since_begin = (now.as_millis() - self.from * 60_000).rem_euclid(DAY_MINUTES * 60_000);
        let left = self.length * 60_000 - since_begin;
        u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_millis)
    }
}

/// `22:00` as minutes of the day.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str, most: i64| -> Option<i64> {
        let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse().ok().filter(|number| is_number && *number <= most)
    };
    Some(number(hours, 23)? * 60 + number(minutes, 59)?)
}

/// `+01:00` as minutes, within the ±14 hours that there are.
fn offset_minutes(text: &str) -> Option<i64> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    minutes(&text[1..]).filter(|minutes| *minutes <= 14 * 60).map(|minutes| sign * minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(from: &str, to: &str, offset: &str) -> QuietHours {
        let options = QuietHoursOptions { from: from.into(), to: to.into(), offset: Some(offset.into()) };
        QuietHours::try_new(&options).unwrap()
    }

    fn left_minutes(quiet: QuietHours, time: &str) -> Option<u64> {
        let time = EventTime::parse(&format!("2026-01-01T{time}:00Z")).unwrap();
        quiet.left(time).map(|left| left.as_secs() / 60)
    }

    #[test]
    fn they_go_over_midnight() {
        let night = quiet("22:00", "07:00", "+00:00");
        assert_eq!(left_minutes(night, "21:59"), None);
        assert_eq!(left_minutes(night, "22:00"), Some(540));
        assert_eq!(left_minutes(night, "00:00"), Some(420));
        assert_eq!(left_minutes(night, "06:59"), Some(1));
        assert_eq!(left_minutes(night, "07:00"), None);
    }

    #[test]
    fn they_are_of_their_time_zone() {
        // 22:00 in Brussels in winter is 21:00 UTC.
        assert_eq!(left_minutes(quiet("22:00", "07:00", "+01:00"), "21:00"), Some(540));
        assert_eq!(left_minutes(quiet("22:00", "07:00", "+01:00"), "06:00"), None);
        // 01:00 at +05:30 is 19:30 UTC of the day before.
        assert_eq!(left_minutes(quiet("01:00", "02:00", "+05:30"), "19:30"), Some(60));
        assert_eq!(left_minutes(quiet("20:00", "21:00", "-08:00"), "04:59"), Some(1));
    }

    #[test]
    fn faults_have_their_key() {
        let options = |from: &str, to: &str, offset: &str| QuietHoursOptions {
            from: from.into(),
            to: to.into(),
            offset: Some(offset.into()),
        };
        let keys = |options| -> Vec<&str> {
            QuietHours::try_new(&options).unwrap_err().into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(options("24:00", "7:00", "01:00")), [".from", ".to", ".offset"]);
        assert_eq!(keys(options("10:00", "10:00", "+15:00")), [".offset"]);
        assert_eq!(keys(options("10:00", "10:00", "+00:00")), [""]);
        assert_eq!(keys(options("1é", "", "é")), [".from", ".to", ".offset"]);
    }
}
