//! The JSON that machines write, read in one pass over the row.
//!
//! Whatever has a fault is declined: then sonic-rs reads the row from its start, and what it says holds. What is taken
//! here is what sonic-rs gives for the same text: numbers that are not short go through the same function, and strings with
//! escapes are given to it. The time is saved on keys and values that are a few bytes long, which most are.

mod number;

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use sonic_number::ParserNumber;

use self::number::ShortNumber;
use super::value::{Entries, ReadObject, ScalarSeed};
use crate::scalar::Scalar;

/// The text is no JSON, or has something that is left to sonic-rs.
#[derive(Debug)]
pub(super) struct Declined;

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is no plain JSON")
    }
}

impl std::error::Error for Declined {}

impl de::Error for Declined {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// A string, without its quotes.
enum Text<'a> {
    Borrowed(&'a str),
    /// It had escapes.
    Owned(String),
}

impl<'a> From<Text<'a>> for Cow<'a, str> {
    fn from(text: Text<'a>) -> Self {
        match text {
            Text::Borrowed(text) => Self::Borrowed(text),
            Text::Owned(text) => Self::Owned(text),
        }
    }
}

/// A text, and how far it is read.
pub(super) struct Plain<'a> {
    text: &'a str,
    at: usize,
    /// Brackets that may still be opened.
    depth: usize,
}

impl<'a> Plain<'a> {
    /// `depth`: the most brackets open at once; a text with more is declined.
    pub(super) const fn new(text: &'a str, depth: usize) -> Self {
        Self { text, at: 0, depth }
    }

    /// That nothing but space is left.
    pub(super) fn end(mut self) -> Result<(), Declined> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(Declined) }
    }

    /// The next byte that is no space; 0, which no JSON has, at the end.
    #[inline(always)]
    fn skip_space(&mut self) -> u8 {
        loop {
            let byte = self.text.as_bytes().get(self.at).copied().unwrap_or(0);
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
    }

    /// The string that is next.
    #[inline(always)]
    fn string(&mut self) -> Result<Text<'a>, Declined> {
        let start = self.at + 1;
        let end = self.special(start)?;
        if self.text.as_bytes()[end] != b'"' {
            return self.escaped().map(Text::Owned);
        }
        self.at = end + 1;
        self.text.get(start..end).map(Text::Borrowed).ok_or(Declined)
    }

    /// The place of the next byte that a string cannot simply have.
    #[inline(always)]
    fn special(&self, mut at: usize) -> Result<usize, Declined> {
        loop {
            let rest = self.text.as_bytes().get(at..).ok_or(Declined)?;
            let Some(eight) = rest.first_chunk() else {
                return rest
                    .iter()
                    .position(|&byte| is_special(byte))
                    .map(|place| at + place)
                    .ok_or(Declined);
            };
            let found = specials(u64::from_le_bytes(*eight));
            if found != 0 {
                return Ok(at + found.trailing_zeros() as usize / 8);
            }
            at += 8;
        }
    }

    #[cold]
    fn escaped(&mut self) -> Result<String, Declined> {
        let mut at = self.at + 1;
        loop {
            at = self.special(at)?;
            match self.text.as_bytes()[at] {
                b'"' => break,
                b'\\' => at += 2,
                _ => return Err(Declined),
            }
        }
        let string = self.text.get(self.at..=at).ok_or(Declined)?;
        self.at = at + 1;
        sonic_rs::from_str(string).map_err(|_| Declined)
    }

    /// The value that is next; arrays and objects are skipped.
    #[inline(always)]
    fn scalar(&mut self) -> Result<Scalar<'a>, Declined> {
        match self.skip_space() {
            b'"' => Ok(Scalar::Text(self.string()?.into())),
            first @ (b'-' | b'0'..=b'9') => Ok(match self.number(first)? {
                ParserNumber::Float(number) => Scalar::Float(number),
                ParserNumber::Unsigned(number) => Scalar::Unsigned(number),
                ParserNumber::Signed(number) => Scalar::Signed(number),
            }),
            _ => ScalarSeed.deserialize(self),
        }
    }

    /// The value that is next, read as an object. `Some` is what was there in its place.
    pub(super) fn object<R: ReadObject<'a>>(&mut self, reader: R) -> Result<Option<Scalar<'a>>, Declined> {
        if self.skip_space() == b'{' {
            reader.read(Items::of(self)?).map(|()| None)
        } else {
            self.scalar().map(Some)
        }
    }

    /// The value that is next if it is a number.
    #[inline(always)]
    fn float(&mut self) -> Result<Option<f64>, Declined> {
        let first = self.skip_space();
        if !matches!(first, b'-' | b'0'..=b'9') {
            return Ok(None);
        }
        let is_negative = first == b'-';
        let start = self.at + usize::from(is_negative);
        let rest = self.text.as_bytes().get(start..);
        if let Some((number, length)) = rest.and_then(|rest| ShortNumber::read(rest, is_negative)) {
            self.at = start + length;
            return Ok(Some(number.float()));
        }
        Ok(match self.long_number(start, is_negative)? {
            // The parser has none that is infinite.
            ParserNumber::Float(number) => Some(number),
            ParserNumber::Unsigned(number) => Some(number as f64),
            ParserNumber::Signed(number) => Some(number as f64),
        })
    }

    /// The value that is next if it is a string without escapes, of at most so many bytes.
    #[inline(always)]
    fn short_text(&mut self, bytes: usize) -> Option<&'a str> {
        if self.skip_space() != b'"' {
            return None;
        }
        let start = self.at + 1;
        let end = self.special(start).ok()?;
        if self.text.as_bytes()[end] != b'"' || end - start > bytes {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    #[inline(always)]
    fn number(&mut self, first: u8) -> Result<ParserNumber, Declined> {
        let negative = first == b'-';
        let start = self.at + usize::from(negative);
        let bytes = self.text.as_bytes();
        if let Some((number, length)) = bytes.get(start..).and_then(|rest| ShortNumber::read(rest, negative))
        {
            self.at = start + length;
            return Ok(number.into());
        }
        self.long_number(start, negative)
    }

    #[inline(never)]
    fn long_number(&mut self, start: usize, negative: bool) -> Result<ParserNumber, Declined> {
        let bytes = self.text.as_bytes();
        let mut at = start;
        let number = sonic_number::parse_number(bytes, &mut at, negative);
        self.at = at;
        number.map_err(|_| Declined)
    }

    fn literal(&mut self, literal: &str) -> Result<(), Declined> {
        let end = self.at + literal.len();
        if self.text.as_bytes().get(self.at..end) == Some(literal.as_bytes()) {
            self.at = end;
            Ok(())
        } else {
            Err(Declined)
        }
    }
}

/// Whether two texts of one length are the same. Most keys are short, and a call costs more than to compare them: by their
/// first and last bytes, which may overlap.
#[inline(always)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    fn ends<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
        Some((text.first_chunk()?, text.last_chunk()?))
    }
    match one.len() {
        8..=16 => ends::<8>(one) == ends::<8>(other),
        4..8 => ends::<4>(one) == ends::<4>(other),
        _ => one == other,
    }
}

/// Whether it is what a string cannot simply have: a quote, a backslash or a control character.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// [`is_special`] for eight bytes at once: the lowest bit that is set is in the first special byte.
///
/// Mycroft's test for a zero byte, and the same for a byte below 0x20: a borrow can mark a byte falsely, but only one
/// that comes after a byte rightly marked.
const fn specials(eight: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let quotes = eight ^ (ONES * b'"' as u64);
    let backslashes = eight ^ (ONES * b'\\' as u64);
    ((quotes.wrapping_sub(ONES) & !quotes)
        | (backslashes.wrapping_sub(ONES) & !backslashes)
        | (eight.wrapping_sub(ONES * 0x20) & !eight))
        & HIGHS
}

impl<'de> Deserializer<'de> for &mut Plain<'de> {
    type Error = Declined;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Declined> {
        match self.skip_space() {
            b'"' => match self.string()? {
                Text::Borrowed(text) => visitor.visit_borrowed_str(text),
                Text::Owned(text) => visitor.visit_string(text),
            },
            first @ (b'-' | b'0'..=b'9') => match self.number(first)? {
                ParserNumber::Float(number) => visitor.visit_f64(number),
                ParserNumber::Unsigned(number) => visitor.visit_u64(number),
                ParserNumber::Signed(number) => visitor.visit_i64(number),
            },
            b'{' => visitor.visit_map(Items::of(self)?),
            b'[' => visitor.visit_seq(Items::of(self)?),
            b't' => self.literal("true").and_then(|()| visitor.visit_bool(true)),
            b'f' => self.literal("false").and_then(|()| visitor.visit_bool(false)),
            b'n' => self.literal("null").and_then(|()| visitor.visit_unit()),
            _ => Err(Declined),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// What is left of an array or an object.
struct Items<'p, 'a> {
    json: &'p mut Plain<'a>,
    first: bool,
    done: bool,
}

impl<'p, 'a> Items<'p, 'a> {
    /// Of the one that is next.
    fn of(json: &'p mut Plain<'a>) -> Result<Self, Declined> {
        json.depth = json.depth.checked_sub(1).ok_or(Declined)?;
        json.at += 1;
        Ok(Self { json, first: true, done: false })
    }

    /// The first byte of the next item; none at the end, which is read.
    fn next(&mut self, end: u8) -> Result<Option<u8>, Declined> {
        if self.done {
            return Ok(None);
        }
        let mut byte = self.json.skip_space();
        if byte == end {
            self.json.at += 1;
            self.json.depth += 1;
            self.done = true;
            return Ok(None);
        }
        if !self.first {
            if byte != b',' {
                return Err(Declined);
            }
            self.json.at += 1;
            byte = self.json.skip_space();
        }
        self.first = false;
        Ok(Some(byte))
    }
}

impl<'a> Items<'_, 'a> {
    /// The next key and its colon; none at the end.
    fn next_key(&mut self) -> Result<Option<Text<'a>>, Declined> {
        match self.next(b'}')? {
            None => return Ok(None),
            Some(b'"') => {}
            Some(_) => return Err(Declined),
        }
        let key = self.json.string()?;
        if self.json.skip_space() != b':' {
            return Err(Declined);
        }
        self.json.at += 1;
        Ok(Some(key))
    }
}

impl<'a> Entries<'a> for Items<'_, 'a> {
    type Error = Declined;

    #[inline(always)]
    fn takes(&mut self, key: &str) -> bool {
        if self.done {
            return false;
        }
        let mut start = self.json.at;
        let Some(mut rest) = self.json.text.as_bytes().get(start..) else { return false };
        if !self.first {
            let [b',', after @ ..] = rest else { return false };
            rest = after;
            start += 1;
        }
        if let [b' ', after @ ..] = rest {
            rest = after;
            start += 1;
        }
        let [b'"', rest @ ..] = rest else { return false };
        let Some((found, [b'"', b':', ..])) = rest.split_at_checked(key.len()) else { return false };
        if !is_same(found, key.as_bytes()) {
            return false;
        }
        self.first = false;
        self.json.at = start + key.len() + 3;
        true
    }

    fn key(&mut self) -> Result<Option<Cow<'a, str>>, Declined> {
        Ok(self.next_key()?.map(Cow::from))
    }

    #[inline(always)]
    fn scalar(&mut self) -> Result<Scalar<'a>, Declined> {
        self.json.scalar()
    }

    #[inline(always)]
    fn number(&mut self) -> Result<Option<f64>, Declined> {
        self.json.float()
    }

    #[inline(always)]
    fn text(&mut self, bytes: usize) -> Option<&'a str> {
        self.json.short_text(bytes)
    }

    fn object<R: ReadObject<'a>>(&mut self, reader: R) -> Result<Option<Scalar<'a>>, Declined> {
        self.json.object(reader)
    }

    fn raw(&mut self) -> Result<Cow<'a, str>, Declined> {
        // The text of a string would be shown with its escapes or without: the full way decides.
        if self.json.skip_space() == b'"' {
            return Err(Declined);
        }
        let start = self.json.at;
        self.skip()?;
        self.json.text.get(start..self.json.at).map(Cow::Borrowed).ok_or(Declined)
    }

    fn skip(&mut self) -> Result<(), Declined> {
        IgnoredAny::deserialize(&mut *self.json).map(|_| ())
    }
}

impl<'a> MapAccess<'a> for Items<'_, 'a> {
    type Error = Declined;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Declined> {
        match self.next_key()? {
            None => Ok(None),
            Some(Text::Borrowed(key)) => seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some),
            Some(Text::Owned(key)) => seed.deserialize(StringDeserializer::new(key)).map(Some),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Declined> {
        seed.deserialize(&mut *self.json)
    }
}

impl<'a> SeqAccess<'a> for Items<'_, 'a> {
    type Error = Declined;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, Declined> {
        match self.next(b']')? {
            None => Ok(None),
            Some(_) => seed.deserialize(&mut *self.json).map(Some),
        }
    }
}

#[cfg(test)]
mod tests;
