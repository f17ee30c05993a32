//! Text for people: lines, figures, times.

use std::time::Duration;

use driftline_events::EventTime;

/// `text` on one line: control characters and line ends become spaces, and what turns the direction of writing goes.
pub(super) fn one_line(text: &str) -> String {
    let turns = |character: &char| !matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let spaced = |character: char| if character.is_control() { ' ' } else { character };
    let text: String = text.chars().filter(turns).map(spaced).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `most` characters of `text`; an ellipsis stands for what is cut off.
pub(super) fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// At most `most` characters of `text` after `escape`, which works on each character alone; never half an escape.
pub(super) fn clip_escaped(text: &str, most: usize, escape: impl Fn(char, &mut String)) -> String {
    let mut whole = String::with_capacity(text.len());
    text.chars().for_each(|character| escape(character, &mut whole));
    if whole.chars().count() <= most {
        return whole;
    }
    let (mut kept, mut length) = (String::new(), 1);
    for character in text.chars() {
        let mut next = String::new();
        escape(character, &mut next);
        length += next.chars().count();
        if length > most {
            break;
        }
        kept.push_str(&next);
    }
    kept.push('…');
    kept
}

/// A figure with four significant digits, and its thousands apart.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return value.to_string();
    }
    if size >= 1e15 || (size > 0.0 && size < 1e-4) {
        return format!("{value:.3e}");
    }
    let digits = if size >= 1_000.0 { 0 } else { 3 - (size.max(1e-4).log10().floor() as i32).min(3) };
    let text = format!("{value:.*}", usize::try_from(digits).unwrap_or(0));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |text| ("-", text));
    let (whole, rest) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let rest = rest.map(|rest| format!(".{rest}")).unwrap_or_default();
    format!("{sign}{grouped}{rest}")
}

/// `2026-01-01 10:00 UTC`.
pub(super) fn time(time: EventTime) -> String {
    let text = time.to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

/// `2 d 3 h`, `1 h 30 min`, `45 s`.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let first = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(3);
    let (unit, size) = units[first];
    let mut text = format!("{} {unit}", seconds / size);
    if let Some((unit, next)) = units.get(first + 1).filter(|(_, next)| seconds % size >= *next) {
        text = format!("{text} {} {unit}", seconds % size / next);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        let written: [(f64, &str); 14] = [
            (0.0, "0"),
            (0.85, "0.85"),
            (0.123_456, "0.1235"),
            (-0.012_345, "-0.01235"),
            (0.000_012_3, "1.230e-5"),
            (1.0, "1"),
            (12.345_6, "12.35"),
            (999.96, "1,000"),
            (1_234.5, "1,234"),
            (84_000.0, "84,000"),
            (-1_234_567.0, "-1,234,567"),
            (1e300, "1.000e300"),
            (f64::NAN, "NaN"),
            (100.0, "100"),
        ];
        for (value, text) in written {
            assert_eq!(figure(value), text, "{value}");
        }
    }

    #[test]
    fn times_and_durations_read_well() {
        assert_eq!(time(EventTime::parse("2026-01-01T10:00:59.123Z").unwrap()), "2026-01-01 10:00 UTC");
        let written = [
            (0, "0 s"),
            (45, "45 s"),
            (90, "1 min 30 s"),
            (5_400, "1 h 30 min"),
            (86_460, "1 d"),
            (183_600, "2 d 3 h"),
        ];
        for (seconds, text) in written {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn text_is_cut_whole() {
        assert_eq!(one_line(" a\r\n\u{202e}b\0c  "), "a b c");
        assert_eq!((clip("abcd", 4), clip("abcde", 4)), ("abcd".to_owned(), "abc…".to_owned()));
        let escape = |character, out: &mut String| match character {
            '&' => out.push_str("&amp;"),
            _ => out.push(character),
        };
        assert_eq!(clip_escaped("a&", 6, escape), "a&amp;");
        assert_eq!(clip_escaped("a&b", 6, escape), "a…");
        assert_eq!(clip_escaped("&&", 6, escape), "&amp;…");
    }
}
