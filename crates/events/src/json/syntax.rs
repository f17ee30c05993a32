//! The two ways that a row's text is read.

use serde::de::DeserializeSeed;

use super::plain;
use super::value::{ObjectSeed, ReadObject};
use crate::scalar::Scalar;

/// A way to read JSON.
pub(super) trait Syntax {
    /// What is said of text that cannot be read.
    type Error;

    /// Reads one value, to its end and nothing after it. `Some` is what was there in the place of an object. With more
    /// than `depth` brackets open at once it may fail, or go as deep as the text does.
    fn read<'a, R: ReadObject<'a>>(
        text: &'a str,
        depth: usize,
        reader: R,
    ) -> Result<Option<Scalar<'a>>, Self::Error>;
}

/// The fast way, for text without faults. It fails on more brackets than are allowed.
pub(super) struct Plain;

/// The way that says what is wrong. How deep the text goes must be known before.
pub(super) struct Full;

impl Syntax for Plain {
    type Error = plain::Declined;

    fn read<'a, R: ReadObject<'a>>(
        text: &'a str,
        depth: usize,
        reader: R,
    ) -> Result<Option<Scalar<'a>>, Self::Error> {
        let mut json = plain::Plain::new(text, depth);
        let other = json.object(reader)?;
        json.end()?;
        Ok(other)
    }
}

impl Syntax for Full {
    type Error = sonic_rs::Error;

    fn read<'a, R: ReadObject<'a>>(
        text: &'a str,
        _: usize,
        reader: R,
    ) -> Result<Option<Scalar<'a>>, Self::Error> {
        let mut json = sonic_rs::Deserializer::from_str(text);
        let other = ObjectSeed(reader).deserialize(&mut json)?;
        json.end()?;
        Ok(other)
    }
}
