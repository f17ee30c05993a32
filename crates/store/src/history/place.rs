//! Where a report stands among those of its model.

use std::collections::BTreeMap;

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;

/// A report's place: its end first, so that the oldest is at the front.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) end: EventTime,
    pub(super) window: String,
    pub(super) version: String,
    pub(super) segment: BTreeMap<String, String>,
}

impl Place {
    pub(super) fn of(report: &WindowReport) -> Self {
        Self {
            end: report.window.end,
            window: report.window.name.clone(),
            version: report.version.clone(),
            segment: report.segment.clone(),
        }
    }

    /// The place as a page's cursor. It is only ever compared.
    pub(super) fn cursor(&self) -> String {
        let segment: Vec<String> =
            self.segment.iter().map(|(tag, value)| format!("{}={}", escape(tag), escape(value))).collect();
        format!(
            "{}|{}|{}|{}",
            self.end.as_millis(),
            escape(&self.window),
            escape(&self.version),
            segment.join("&")
        )
    }

    pub(super) fn parse(cursor: &str) -> Option<Self> {
        let mut parts = cursor.split('|');
        let end = EventTime::from_millis(parts.next()?.parse().ok()?);
        let window = unescape(parts.next()?);
        let version = unescape(parts.next()?);
        let segment = parts
            .next()?
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').map(|(tag, value)| (unescape(tag), unescape(value))))
            .collect::<Option<_>>()?;
        Some(Self { end, window, version, segment })
    }
}

/// A key's parts end with it; a zero inside a part is followed by [`INSIDE`]. So keys are in the order of places.
const END: [u8; 2] = [0, 1];
const INSIDE: u8 = u8::MAX;

impl Place {
    /// The beginning that all keys of a model have.
    pub(super) fn prefix(model: &str) -> Vec<u8> {
        let mut key = Vec::new();
        push(&mut key, model);
        key
    }

    /// The key of the report of a model at this place. Keys are in the order of models, then of places.
    pub(super) fn key(&self, model: &str) -> Vec<u8> {
        let mut key = Self::prefix(model);
        key.extend(sortable(self.end));
        push(&mut key, &self.window);
        push(&mut key, &self.version);
        for (tag, value) in &self.segment {
            push(&mut key, tag);
            push(&mut key, value);
        }
        key
    }

    /// The model and place of a key; `None` if it is none.
    pub(super) fn of_key(mut key: &[u8]) -> Option<(String, Self)> {
        let model = pull(&mut key)?;
        let (end, rest) = key.split_first_chunk()?;
        let end = EventTime::from_millis((u64::from_be_bytes(*end) ^ SIGN) as i64);
        key = rest;
        let (window, version) = (pull(&mut key)?, pull(&mut key)?);
        let mut segment = BTreeMap::new();
        while !key.is_empty() {
            segment.insert(pull(&mut key)?, pull(&mut key)?);
        }
        Some((model, Self { end, window, version, segment }))
    }
}

const SIGN: u64 = 1 << 63;

/// A time's bytes, in the order of times.
pub(super) fn sortable(time: EventTime) -> [u8; 8] {
    (time.as_millis() as u64 ^ SIGN).to_be_bytes()
}

fn push(key: &mut Vec<u8>, part: &str) {
    for byte in part.bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(INSIDE);
        }
    }
    key.extend(END);
}

fn pull(key: &mut &[u8]) -> Option<String> {
    let mut part = Vec::new();
    loop {
        match **key {
            [0, 1, ..] => {
                *key = &key[2..];
                return String::from_utf8(part).ok();
            }
            [0, INSIDE, ..] => {
                part.push(0);
                *key = &key[2..];
            }
            [byte, ..] if byte != 0 => {
                part.push(byte);
                *key = &key[1..];
            }
            _ => return None,
        }
    }
}

const ESCAPES: [(char, &str); 4] = [('%', "%25"), ('|', "%7C"), ('&', "%26"), ('=', "%3D")];

fn escape(text: &str) -> String {
    ESCAPES.iter().fold(text.to_owned(), |text, (from, to)| text.replace(*from, to))
}

fn unescape(text: &str) -> String {
    ESCAPES.iter().rev().fold(text.to_owned(), |text, (to, from)| text.replace(from, &to.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_survives_any_text() {
        let place = Place {
            end: EventTime::from_millis(-5),
            window: "1h|%7C".to_owned(),
            version: "a=b&c".to_owned(),
            segment: BTreeMap::from([("t%25".to_owned(), "x|y".to_owned()), ("u".to_owned(), String::new())]),
        };
        assert_eq!(Place::parse(&place.cursor()), Some(place.clone()));
        assert_eq!(Place::of_key(&place.key("m")), Some(("m".to_owned(), place)));
    }

    proptest! {
        #[test]
        fn keys_are_in_the_order_of_places(a in places(), b in places()) {
            prop_assert_eq!(a.key("m").cmp(&b.key("m")), a.cmp(&b));
            prop_assert_eq!(Place::of_key(&a.key("m")), Some(("m".to_owned(), a)));
        }
    }

    fn places() -> impl Strategy<Value = Place> {
        let text = || "[\0\x01ab\u{ff}]{0,3}";
        let segment = prop::collection::btree_map(text(), text(), 0..3);
        (-2..2_i64, text(), text(), segment).prop_map(|(end, window, version, segment)| Place {
            end: EventTime::from_millis(end),
            window,
            version,
            segment,
        })
    }
}
