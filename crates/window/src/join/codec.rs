//! How pending predictions and words stand on disk: some 25 bytes each, without their key.

use std::borrow::Cow;
use std::sync::Arc;

use driftline_events::EventTime;
use driftline_summary::{Actual, Predicted};
use serde::{Deserialize, Serialize};

use super::{Pending, Word};
use crate::key::CellSet;

/// The layout of a [`Pending`], version 1. Another layout is another version of the state folder.
#[derive(Serialize, Deserialize)]
struct StoredPending<'a> {
    time: i64,
    cells: u32,
    /// Nearly always 1, which costs one byte so.
    weight: Option<f64>,
    #[serde(borrow)]
    label: Option<Cow<'a, str>>,
    score: Option<f64>,
    value: Option<f64>,
    #[serde(borrow)]
    scores: Vec<(Cow<'a, str>, f64)>,
    #[serde(borrow)]
    word: Option<StoredWord<'a>>,
}

/// The layout of a [`Word`], version 1.
#[derive(Serialize, Deserialize)]
struct StoredWord<'a> {
    time: i64,
    #[serde(borrow)]
    label: Option<(StoredActual<'a>, f64)>,
}

#[derive(Serialize, Deserialize)]
enum StoredActual<'a> {
    #[serde(borrow)]
    Class(Cow<'a, str>),
    Value(f64),
}

impl<'a> StoredWord<'a> {
    fn of(word: &'a Word) -> Self {
        let label = word.label.as_ref().map(|(actual, weight)| {
            let actual = match actual {
                Actual::Class(class) => StoredActual::Class(Cow::Borrowed(class)),
                Actual::Value(value) => StoredActual::Value(*value),
            };
            (actual, *weight)
        });
        Self { time: word.time.as_millis(), label }
    }

    fn word(self) -> Word {
        let label = self.label.map(|(actual, weight)| {
            let actual = match actual {
                StoredActual::Class(class) => Actual::Class(class.into()),
                StoredActual::Value(value) => Actual::Value(value),
            };
            (actual, weight)
        });
        Word { time: EventTime::from_millis(self.time), label }
    }
}

impl Word {
    /// Appends the encoded word.
    pub fn encode(&self, out: &mut Vec<u8>) {
        append(&StoredWord::of(self), out);
    }

    /// The word from its bytes; `None` if they are none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes::<StoredWord<'_>>(bytes).ok().map(StoredWord::word)
    }
}

impl Pending {
    /// Appends the encoded prediction. Its cells are numbers that mean something to its own model only.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Predicted { label, score, value, scores } = &self.predicted;
        let stored = StoredPending {
            time: self.time.as_millis(),
            cells: self.cells.number(),
            weight: (self.weight != 1.0).then_some(self.weight),
            label: label.as_deref().map(Cow::Borrowed),
            score: *score,
            value: *value,
            scores: scores
                .iter()
                .flat_map(|all| all.iter())
                .map(|(c, p)| (Cow::Borrowed(&**c), *p))
                .collect(),
            word: self.label.as_ref().map(StoredWord::of),
        };
        append(&stored, out);
    }

    /// The prediction from its bytes; `None` if they are none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let stored: StoredPending<'_> = postcard::from_bytes(bytes).ok()?;
        let scores: Vec<_> = stored.scores.into_iter().map(|(class, p)| (class.into(), p)).collect();
        Some(Self {
            time: EventTime::from_millis(stored.time),
            cells: CellSet::from_number(stored.cells),
            weight: stored.weight.unwrap_or(1.0),
            predicted: Predicted {
                label: stored.label.map(Arc::from),
                score: stored.score,
                value: stored.value,
                scores: (!scores.is_empty()).then(|| scores.into()),
            },
            label: stored.word.map(StoredWord::word),
        })
    }
}

fn append(value: &impl Serialize, out: &mut Vec<u8>) {
    let bytes = std::mem::take(out);
    *out = postcard::to_extend(value, bytes)
        .expect("a vector takes all, and these have no maps of unknown size");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words() -> impl Strategy<Value = Word> {
        let actual = prop_oneof![
            ".*".prop_map(|c| Actual::Class(c.into())),
            any::<i32>().prop_map(|v| Actual::Value(v.into()))
        ];
        (0..4_000_000_000_000i64, proptest::option::of((actual, 0.0..9.0f64)))
            .prop_map(|(time, label)| Word { time: EventTime::from_millis(time), label })
    }

    fn pendings() -> impl Strategy<Value = Pending> {
        let scores = proptest::collection::vec((".{0,4}".prop_map(Arc::<str>::from), 0.0..1.0f64), 1..4);
        let predicted = (
            proptest::option::of(".*".prop_map(Arc::<str>::from)),
            proptest::option::of(0.0..1.0f64),
            proptest::option::of(-1e9..1e9f64),
            proptest::option::of(scores.prop_map(Into::into)),
        )
            .prop_map(|(label, score, value, scores)| Predicted { label, score, value, scores });
        let weight = prop_oneof![Just(1.0), 0.1..9.0f64];
        (0..4_000_000_000_000i64, any::<u32>(), weight, predicted, proptest::option::of(words())).prop_map(
            |(time, cells, weight, predicted, label)| Pending {
                time: EventTime::from_millis(time),
                cells: CellSet::from_number(cells),
                weight,
                predicted,
                label,
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(pending in pendings(), word in words()) {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            pending.encode(&mut one);
            word.encode(&mut two);
            prop_assert_eq!(Pending::decode(&one), Some(pending));
            prop_assert_eq!(Word::decode(&two), Some(word));
        }
    }

    #[test]
    fn a_common_prediction_takes_25_bytes_and_cut_bytes_are_none() {
        let pending = Pending {
            time: EventTime::from_millis(1_770_000_000_000),
            cells: CellSet::from_number(3),
            weight: 1.0,
            predicted: Predicted { label: Some("yes".into()), score: Some(0.83), ..Predicted::default() },
            label: None,
        };
        let mut bytes = Vec::new();
        pending.encode(&mut bytes);
        assert!(bytes.len() <= 25, "{}", bytes.len());
        for length in 0..bytes.len() {
            assert_eq!(Pending::decode(&bytes[..length]), None, "{length}");
        }
    }
}
