//! serde seeds that read JSON values without building them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sonic_rs::LazyValue;

use crate::reject::shown;
use crate::scalar::Scalar;

/// Reads any value as a [`Scalar`]; arrays and objects are skipped.
#[derive(Clone, Copy)]
pub(super) struct ScalarSeed;

impl<'a> DeserializeSeed<'a> for ScalarSeed {
    type Value = Scalar<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Scalar<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for ScalarSeed {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Missing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Scalar<'a>, A::Error> {
        let first = seq.next_element_seed(Self)?;
        let mut alone = true;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            alone = false;
        }
        Ok(Scalar::Nested(match first {
            // How a bare NaN looks in the second reading.
            Some(Scalar::Text(text)) if alone => Cow::Owned(shown(&text)),
            _ => Cow::Borrowed("an array"),
        }))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Scalar<'a>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested(Cow::Borrowed("an object")))
    }
}

/// Reads a key; borrowed unless it has escapes.
#[derive(Clone, Copy)]
struct KeySeed;

impl<'a> DeserializeSeed<'a> for KeySeed {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Cow<'a, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for KeySeed {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

/// The entries of an object, one after another.
pub(super) trait Entries<'a> {
    /// What is said of text that cannot be read.
    type Error;

    /// Reads the next key if it is this one, which needs no escapes. It may say no where it is.
    fn takes(&mut self, key: &str) -> bool;

    /// The next key; none at the end.
    fn key(&mut self) -> Result<Option<Cow<'a, str>>, Self::Error>;

    /// The key's value; arrays and objects are skipped.
    fn scalar(&mut self) -> Result<Scalar<'a>, Self::Error>;

    /// The key's value if it is a finite number. It may give none where it is, and the value is still to be read then.
    #[inline(always)]
    fn number(&mut self) -> Result<Option<f64>, Self::Error> {
        Ok(None)
    }

    /// The key's value if it is text of at most so many bytes. It may give none where it is, and the value is still to
    /// be read then.
    #[inline(always)]
    fn text(&mut self, _bytes: usize) -> Option<&'a str> {
        None
    }

    /// The key's value, read as an object. `Some` is what was there in its place.
    fn object<R: ReadObject<'a>>(&mut self, reader: R) -> Result<Option<Scalar<'a>>, Self::Error>;

    /// The text of the key's value.
    fn raw(&mut self) -> Result<Cow<'a, str>, Self::Error>;

    /// Leaves the key's value out.
    fn skip(&mut self) -> Result<(), Self::Error>;
}

/// The entries that a serde deserializer gives.
struct SerdeEntries<A>(A);

impl<'a, A: MapAccess<'a>> Entries<'a> for SerdeEntries<A> {
    type Error = A::Error;

    fn takes(&mut self, _: &str) -> bool {
        false
    }

    fn key(&mut self) -> Result<Option<Cow<'a, str>>, A::Error> {
        self.0.next_key_seed(KeySeed)
    }

    fn scalar(&mut self) -> Result<Scalar<'a>, A::Error> {
        self.0.next_value_seed(ScalarSeed)
    }

    fn object<R: ReadObject<'a>>(&mut self, reader: R) -> Result<Option<Scalar<'a>>, A::Error> {
        self.0.next_value_seed(ObjectSeed(reader))
    }

    fn raw(&mut self) -> Result<Cow<'a, str>, A::Error> {
        Ok(self.0.next_value::<LazyValue<'a>>()?.as_raw_cow())
    }

    fn skip(&mut self) -> Result<(), A::Error> {
        self.0.next_value::<IgnoredAny>().map(|_| ())
    }
}

/// Something that reads an object's entries to the last.
pub(super) trait ReadObject<'a> {
    fn read<E: Entries<'a>>(self, entries: E) -> Result<(), E::Error>;
}

/// Lets a [`ReadObject`] read an object. `Some` is what was there in its place.
pub(super) struct ObjectSeed<R>(pub(super) R);

impl<'a, R: ReadObject<'a>> DeserializeSeed<'a> for ObjectSeed<R> {
    type Value = Option<Scalar<'a>>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, R: ReadObject<'a>> Visitor<'a> for ObjectSeed<R> {
    type Value = Option<Scalar<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Missing))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Signed(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Unsigned(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(Scalar::Text(Cow::Owned(value.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, seq: A) -> Result<Self::Value, A::Error> {
        ScalarSeed.visit_seq(seq).map(Some)
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.read(SerdeEntries(map))?;
        Ok(None)
    }
}
