//! Broken payloads by the thousand: none panics, and every row is accounted for.

use arrow::ipc::reader::StreamReader;
use serde::de::{Deserializer as _, SeqAccess, Visitor};

use super::fixture::{Registry, context};
use super::table_tests::{sample, stream};
use crate::{Carrier, DecodeContext, Limits, decode_labels, decode_predictions};

/// xorshift64, so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

const TOKENS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\n",
    "\r\n",
    " ",
    "null",
    "NaN",
    "-Infinity",
    "1e999",
    "true",
    "\"model\"",
    "\"features\"",
    "\\u0061",
    "\\ud800",
    "\u{feff}",
    "-0",
    "{\"model\":\"churn\"}",
    "\n\n",
];

fn mutate(payload: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(payload.len() + 1);
        match random.below(5) {
            0 => payload.truncate(at),
            1 if at < payload.len() => payload[at] ^= 1 << random.below(8),
            2 if at < payload.len() => drop(payload.drain(at..(at + random.below(20)).min(payload.len()))),
            3 => {
                let token = TOKENS[random.below(TOKENS.len())];
                payload.splice(at..at, token.bytes());
            }
            _ => payload.insert(at, random.below(256) as u8),
        }
    }
}

/// The rows of NDJSON: its lines that are not blank.
fn lines(payload: &[u8]) -> u64 {
    let payload = payload.strip_prefix("\u{feff}".as_bytes()).unwrap_or(payload);
    payload.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count() as u64
}

/// Counts the elements of an array, those before a fault too.
struct Elements<'c>(&'c mut u64);

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element::<serde_json::Value>()?.is_some() {
            *self.0 += 1;
        }
        Ok(())
    }
}

/// The elements of a JSON array as serde_json finds them, and whether it is one to its end.
fn elements(payload: &[u8]) -> (u64, bool) {
    let mut count = 0;
    let mut json = serde_json::Deserializer::from_slice(payload);
    let is_sound = json.deserialize_seq(Elements(&mut count)).is_ok() && json.end().is_ok();
    (count, is_sound)
}

/// The rows of an Arrow stream as Arrow's own reader finds them.
fn stream_rows(payload: &[u8]) -> u64 {
    let batches = StreamReader::try_new(payload, None).unwrap();
    batches.map(|batch| batch.unwrap().num_rows() as u64).sum()
}

#[test]
fn every_line_is_either_taken_or_rejected() {
    let seed = r#"{"model":"churn","prediction_id":"a","timestamp":1767261600000,"features":{"age":41,"plan":"gold","active":true,"new":null},"prediction":{"label":"yes","score":0.8,"scores":{"yes":0.8}},"tags":{"country":"BE"},"metrics":{"m":1.5},"weight":2}
{"features":{"age":NaN},"model":"unseen","prediction":{"value":3}}
{"model":"price","prediction_id":7,"label":11,"op":"upsert","sample_rate":0.5,"x":[{"y":[]}]}
"#;
    let limits = Limits { rejected_details: 3, ..Limits::default() };
    let mut random = Random(0x5eed_0001);
    for round in 0..6_000 {
        let registry = Registry::new();
        let context = DecodeContext { default_model: Some("churn"), ..context(&registry, &limits) };
        let mut payload = seed.as_bytes().to_vec();
        mutate(&mut payload, &mut random);
        let is_lines = !matches!(payload.trim_ascii().first(), Some(b'[')) && payload.starts_with(b"{\"");
        for decoded in [
            decode_predictions(&payload, Carrier::Json, &context).unwrap(),
            decode_labels(&payload, Carrier::Json, &context).unwrap(),
        ] {
            let rows = decoded.accepted() + decoded.rejected_total;
            let shown = String::from_utf8_lossy(&payload);
            // A line break may move into an object, which then is one over several lines.
            assert!(!is_lines || rows == lines(&payload) || rows == 1, "round {round}: {rows} rows\n{shown}");
            assert!(decoded.rejected.len() as u64 == decoded.rejected_total.min(3), "round {round}");
        }
    }
}

#[test]
fn every_element_is_either_taken_or_rejected() {
    let seed = r#"{"model":"churn","prediction_id":"a","features":{"age":41,"plan":"gold","active":true,"new":null},"prediction":{"label":"yes","score":0.8}},
{"features":{"age":4},"model":"unseen","prediction":{"value":3}}, 7, [[]], "text",
{"model":"price","prediction_id":7,"label":11,"op":"upsert","x":[{"y":[]}]}, {"model":"churn","prediction":{}}"#;
    let limits = Limits { rejected_details: 3, ..Limits::default() };
    let mut random = Random(0x5eed_0003);
    let (mut whole, mut broken) = (0, 0);
    for round in 0..6_000 {
        let registry = Registry::new();
        let context = DecodeContext { default_model: Some("churn"), ..context(&registry, &limits) };
        let mut payload = seed.as_bytes().to_vec();
        mutate(&mut payload, &mut random);
        payload.insert(0, b'[');
        payload.push(b']');
        let (count, is_sound) = elements(&payload);
        for decoded in [
            decode_predictions(&payload, Carrier::Json, &context).unwrap(),
            decode_labels(&payload, Carrier::Json, &context).unwrap(),
        ] {
            let rows = decoded.accepted() + decoded.rejected_total;
            let shown = String::from_utf8_lossy(&payload);
            if is_sound {
                assert_eq!(rows, count, "round {round}\n{shown}");
            } else {
                // Where the fault is, the decoder ends with a rejected row or, after a number JSON does not have or
                // text that is not UTF-8, reads on.
                assert!(
                    rows >= count.max(1),
                    "round {round}: {rows} rows, {count} before the fault\n{shown}"
                );
            }
            assert!(decoded.rejected.len() as u64 == decoded.rejected_total.min(3), "round {round}");
        }
        if is_sound { whole += 1 } else { broken += 1 }
    }
    assert!(whole > 500 && broken > 500, "{whole} whole, {broken} broken");
}

#[test]
fn no_broken_arrow_stream_panics() {
    let whole = stream(&[sample(), sample()]);
    let limits = Limits::default();
    let mut random = Random(0x5eed_0002);
    let (mut sound, mut broken) = (0, 0);
    for round in 0..3_000 {
        let registry = Registry::new();
        let mut payload = whole.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(payload.len());
            payload[at] = random.below(256) as u8;
        }
        match decode_predictions(&payload, Carrier::ArrowStream, &context(&registry, &limits)) {
            Ok(decoded) => {
                sound += 1;
                assert_eq!(
                    decoded.accepted() + decoded.rejected_total,
                    stream_rows(&payload),
                    "round {round}"
                );
            }
            Err(_) => broken += 1,
        }
    }
    assert!(sound > 100 && broken > 100, "{sound} sound, {broken} broken");
}
