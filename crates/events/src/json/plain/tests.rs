#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::fmt::Write as _;

use serde::de::{Deserialize, IgnoredAny};

use super::*;
use crate::decode::fixture::{Registry, context};
use crate::json::syntax::{Full, Plain as PlainSyntax, Syntax};
use crate::{Carrier, Limits, decode_predictions};

const DEPTH: usize = 8;

/// Writes down everything that a reader is told.
struct Note<'n>(&'n mut String);

impl<'a> ReadObject<'a> for Note<'_> {
    fn read<E: Entries<'a>>(self, mut entries: E) -> Result<(), E::Error> {
        loop {
            let key = if entries.takes("first") {
                Cow::Borrowed("first")
            } else if let Some(key) = entries.key()? {
                key
            } else {
                return Ok(());
            };
            match &*key {
                "skipped" => entries.skip()?,
                "raw" => write!(self.0, "{key:?} {:?};", entries.raw()?).unwrap(),
                "nested" => {
                    self.0.push('(');
                    let other = entries.object(Note(&mut *self.0))?;
                    write!(self.0, "{other:?})").unwrap();
                }
                // Debug tells 1 from 1.0, and 0.0 from -0.0.
                _ => write!(self.0, "{key:?} {:?};", entries.scalar()?).unwrap(),
            }
        }
    }
}

fn read<S: Syntax>(text: &str) -> Option<String> {
    let mut note = String::new();
    let other = S::read(text, DEPTH, Note(&mut note)).ok()?;
    Some(format!("{note} {other:?}"))
}

/// Whether the fast way takes the text; if it does, it must read what the full way reads.
fn takes(text: &str) -> bool {
    match read::<PlainSyntax>(text) {
        None => false,
        Some(told) => {
            assert_eq!(read::<Full>(text), Some(told), "{text}");
            true
        }
    }
}

#[test]
fn values_are_read_as_the_full_way_reads_them() {
    let values = r#"0|-0|-0.0|0.0|7|-7|0.5|12345678|123456789012345678|9223372036854775807|9223372036854775808
-9223372036854775808|-9223372036854775809|18446744073709551615|18446744073709551616|123456789012345678901234567890
0.1|1.7976931348623157e308|5e-324|2.2250738585072011e-308|1e0|1E+2|1e-2|-1.5e3|0e5|0.000e3|0.1234567890123456789
9007199254740993|9007199254740993.0|179769313486231570000.0|8.442218515250481|null|true|false|""|"gold"|"eight__8"
"sixteen_letters_"|"é"|"日本語日本語"|"\u00e9\n\""|"\ud83d\ude00"|"\\"|[]|[1]|["NaN"]|[1,[2],{}]|{}|{"a":[{}]}| 1 |[ 1 , 2 ]
{ "a" : 1 , "b" : [ ] }"#;
    let spaced = ["\t\"x\"\r\n", "\n[\r]\t"];
    let values = values.split(['|', '\n']).chain(spaced);
    for value in values {
        for key in ["key", "skipped", "first", "nested", "a key of more than sixteen", "\\u006bey", ""] {
            assert!(takes(&format!("{{\"{key}\":{value}}}")), "{key} {value}");
            assert!(takes(&format!("{{\"first\":1,\"{key}\":{value},\"last\":2}}")), "{key} {value}");
        }
        // A string is left to the full way there.
        assert_eq!(
            takes(&format!("{{\"raw\":{value}}}")),
            !value.contains('"') || value.contains(['[', '{'])
        );
    }
    assert!(takes(" { } ") && takes("{}\n") && takes("[]") && takes("null") && takes("\"text\""));
}

#[test]
fn every_fault_is_declined() {
    let faults = r#"| |{|}|{"a"}|{"a":}|{"a":1|{"a":1,}|{,}|{"a":1}}|{"a":1} x|{"a":1 "b":2}|{a:1}|{1:1}|{"a":tru}|{"a":truex}
{"a":nul}|{"a":01}|{"a":1.}|{"a":.5}|{"a":+1}|{"a":-}|{"a":1e}|{"a":1e400}|{"a":NaN}|{"a":-Infinity}|{"a":"}|{"a":"\"}
{"a":"\x"}|{"a":"\ud800"}|{"a":[}|{"a":[1,]}|{"a":[,1]}|{"a":[1 2]}|{"a":[1}"#;
    let controls = ["{\"a\":\"\u{1}\"}", "{\"a\":\"1234567\u{1f}\"}", "\u{feff}{}", "{\"a\":1}\0"];
    let faults = faults.split(['|', '\n']).chain(controls);
    for fault in faults {
        assert!(!takes(fault), "{fault}");
    }
}

/// Any change of a few bytes is either declined or read alike.
#[test]
fn changed_texts_are_never_read_otherwise() {
    let seed = r#"{"model":"churn","n":[1,2.5e3,{"x":null}],"nested":{"first":1},"first":7.25,"raw":{"age":41,"plan":"g\u006fld"},"é":-0.125,"t":true}"#;
    let bytes = br#"{}[]:,"\ 019.-+eEtn u/"#;
    let mut state = 0x5eed_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    let mut taken = 0;
    for _ in 0..60_000 {
        let mut text = seed.as_bytes().to_vec();
        for _ in 0..=below(3) {
            let at = below(text.len());
            match below(3) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, bytes[below(bytes.len())]),
                _ => text[at] = bytes[below(bytes.len())],
            }
        }
        taken += usize::from(std::str::from_utf8(&text).is_ok_and(takes));
    }
    assert!(taken > 1_000, "{taken}");
}

#[test]
fn eight_bytes_at_once_are_judged_as_one() {
    for byte in 0..=u8::MAX {
        for place in 0..8 {
            for around in [b'a', 0x7f, 0x80, 0xff, b' ', b'#', b'!', b']', b'['] {
                let mut eight = [around; 8];
                eight[place] = byte;
                let first = eight.iter().position(|&byte| is_special(byte));
                let found = specials(u64::from_le_bytes(eight));
                let place = (found != 0).then(|| found.trailing_zeros() as usize / 8);
                assert_eq!(place, first, "{byte:02x} among {around:02x}");
            }
        }
    }
}

#[test]
fn the_end_is_the_end() {
    let mut json = super::Plain::new("[1] ", 1);
    IgnoredAny::deserialize(&mut json).unwrap();
    json.end().unwrap();
}

#[test]
fn brackets_are_counted() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(takes(&nested(DEPTH)));
    assert!(!takes(&nested(DEPTH + 1)));
    assert!(takes(&format!("{{\"a\":[{}0]}}", "[[]],".repeat(100))), "closed ones do not count");
    // As deep as can be: declined without recursion.
    assert!(!takes(&"[".repeat(1_000_000)));
}

/// What a key looks like in JSON is compared with its name only where both are the same.
#[test]
fn names_with_quotes_are_not_taken_bare() {
    let (registry, limits) = (Registry::new(), Limits::default());
    let decoded =
        |lines: &str| decode_predictions(lines.as_bytes(), Carrier::Json, &context(&registry, &limits));
    let good = r#"{"model":"quoted","features":{"a\"b":1,"c\\d":2}}"#;
    assert_eq!(decoded(good).unwrap().accepted(), 1, "the model is learned");
    let bare = r#"{"model":"quoted","features":{"a"b":1,"c\\d":2}}"#;
    let escape = r#"{"model":"quoted","features":{"a\"b":1,"c\d":2}}"#;
    let decoded = decoded(&[good, good, bare, escape, good].join("\n")).unwrap();
    let reasons: Vec<_> = decoded.rejected.iter().map(|row| (row.row, row.reason)).collect();
    assert_eq!((decoded.accepted(), reasons), (3, vec![(2, "invalid_json"), (3, "invalid_json")]));
}
