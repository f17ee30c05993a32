//! Tallies that are empty in most summaries.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Tally;

/// A [`Tally`] of rows that are seldom there: as small as a pointer while there are none.
///
/// A summary has several, and there is one for each feature of each pane.
#[derive(Clone, Debug, Default)]
pub struct RareTally(Option<Box<Tally>>);

const EMPTY: Tally = Tally { rows: 0, weight: 0.0, weight_sq: 0.0 };

impl RareTally {
    /// Adds another tally.
    pub fn merge(&mut self, other: &Tally) {
        if *other != EMPTY {
            Tally::merge(self, other);
        }
    }

    /// Takes back another tally that was merged into this one.
    pub fn subtract(&mut self, other: &Tally) {
        if self.0.is_some() {
            Tally::subtract(self, other);
            self.0.take_if(|left| **left == EMPTY);
        }
    }

    /// Takes back one row that was counted with this weight.
    pub fn retract(&mut self, weight: f64) {
        self.subtract(&Tally { rows: 1, weight, weight_sq: weight * weight });
    }
}

impl Deref for RareTally {
    type Target = Tally;

    fn deref(&self) -> &Tally {
        self.0.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for RareTally {
    fn deref_mut(&mut self) -> &mut Tally {
        self.0.get_or_insert_default()
    }
}

impl From<Tally> for RareTally {
    fn from(tally: Tally) -> Self {
        Self((tally != EMPTY).then(|| Box::new(tally)))
    }
}

impl PartialEq for RareTally {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<Tally> for RareTally {
    fn eq(&self, other: &Tally) -> bool {
        **self == *other
    }
}

/// Stored as its tally.
impl Serialize for RareTally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Tally::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for RareTally {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Tally::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_memory_only_while_there_are_rows() {
        let mut rare = RareTally::default();
        rare.merge(&Tally::default());
        assert!(rare.0.is_none());
        rare.add(2.0);
        rare.merge(&Tally::of_rows(1));
        assert_eq!((rare.rows, rare.weight, rare.weight_sq), (2, 3.0, 5.0));
        rare.retract(2.0);
        rare.subtract(&Tally::of_rows(1));
        assert!(rare.0.is_none(), "{rare:?}");
        assert_eq!(size_of::<RareTally>(), size_of::<usize>());
    }

    #[test]
    fn it_is_stored_as_a_tally() {
        for tally in [Tally::default(), Tally::of_weights(&[1.0, 0.5])] {
            let rare = RareTally::from(tally);
            let bytes = postcard::to_stdvec(&rare).unwrap();
            assert_eq!(bytes, postcard::to_stdvec(&tally).unwrap());
            let read: RareTally = postcard::from_bytes(&bytes).unwrap();
            assert_eq!((read.0.is_some(), &read), (tally.rows > 0, &rare));
        }
    }
}
