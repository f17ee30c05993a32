//! One JSON event, read into reusable slots.

use std::borrow::Cow;

use super::keys::{Found, KeyOrder};
use super::syntax::Syntax;
use super::value::{Entries, ReadObject};
use crate::event::{Event, Field};
use crate::feature_column::{FeatureColumn, FeatureRow};
use crate::reject::{Fault, Reason, shown};
use crate::scalar::Scalar;
use crate::{FeatureKind, Limits};

/// What a top-level key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Value(Field),
    Features,
    Prediction,
    Tags,
    Metrics,
}

/// The keys of prediction events.
pub(super) const PREDICTION_KEYS: &[(&str, Key)] = &[
    ("model", Key::Value(Field::Model)),
    ("version", Key::Value(Field::Version)),
    ("prediction_id", Key::Value(Field::PredictionId)),
    ("timestamp", Key::Value(Field::Timestamp)),
    ("features", Key::Features),
    ("prediction", Key::Prediction),
    ("latency_ms", Key::Value(Field::LatencyMs)),
    ("status", Key::Value(Field::Status)),
    ("tags", Key::Tags),
    ("variant", Key::Value(Field::Variant)),
    ("metrics", Key::Metrics),
    ("weight", Key::Value(Field::Weight)),
    ("sample_rate", Key::Value(Field::SampleRate)),
    ("in_flight", Key::Value(Field::InFlight)),
    ("capacity", Key::Value(Field::Capacity)),
];

/// The keys of label events.
pub(super) const LABEL_KEYS: &[(&str, Key)] = &[
    ("model", Key::Value(Field::Model)),
    ("prediction_id", Key::Value(Field::PredictionId)),
    ("label", Key::Value(Field::Label)),
    ("value", Key::Value(Field::Value)),
    ("timestamp", Key::Value(Field::Timestamp)),
    ("op", Key::Value(Field::Op)),
    ("weight", Key::Value(Field::Weight)),
];

/// The slots of one row.
#[derive(Debug, Default)]
pub(super) struct Row<'a> {
    pub(super) event: Event<'a>,
    /// The features of the model that were put into their columns, if features were read.
    pub(super) features_set: Option<usize>,
    /// Features that the model does not have, with the kind that their value suggests.
    pub(super) unknown_features: Vec<(Cow<'a, str>, Option<FeatureKind>)>,
    /// The features, if they came before it was known whose they are.
    pub(super) raw_features: Option<Cow<'a, str>>,
    /// The first fault that the syntax does not show.
    pub(super) fault: Option<Fault>,
    unknown_keys: Vec<Cow<'a, str>>,
    keys_seen: u32,
}

impl Row<'_> {
    pub(super) fn clear(&mut self) {
        self.event.clear();
        self.features_set = None;
        self.unknown_features.clear();
        self.raw_features = None;
        self.fault = None;
        self.unknown_keys.clear();
        self.keys_seen = 0;
    }
}

fn note(fault: &mut Option<Fault>, reason: Reason, detail: impl FnOnce() -> String) {
    if fault.is_none() {
        *fault = Some(Fault::new(reason, detail()));
    }
}

fn note_duplicate(fault: &mut Option<Fault>, key: &str) {
    note(fault, Reason::DuplicateKey, || format!("key {:?} is there twice", shown(key)));
}

/// Finds where a model's features go, and the order of their keys, as soon as the row has named it.
pub(super) trait FindModel {
    fn find(&mut self, model: &str) -> Option<(FeatureRow<'_>, &mut KeyOrder)>;
}

/// Where no features are wanted.
impl FindModel for () {
    fn find(&mut self, _model: &str) -> Option<(FeatureRow<'_>, &mut KeyOrder)> {
        None
    }
}

/// Reads the top level of an event.
pub(super) struct ReadEvent<'r, 'a, M> {
    pub(super) keys: &'static [(&'static str, Key)],
    pub(super) order: &'r mut KeyOrder,
    pub(super) row: &'r mut Row<'a>,
    pub(super) models: &'r mut M,
    pub(super) limits: &'r Limits,
}

impl<'a, M: FindModel> ReadObject<'a> for ReadEvent<'_, 'a, M> {
    fn read<E: Entries<'a>>(self, mut entries: E) -> Result<(), E::Error> {
        let Self { keys, order, row, models, limits } = self;
        order.restart();
        let name_of = |place: u32| keys[place as usize].0;
        let place_of =
            |name: &str| keys.iter().position(|(known, _)| *known == name).map(|place| place as u32);
        while let Some(found) = order.next(&mut entries, name_of, place_of)? {
            let place = match found {
                Found::Known(place) => place,
                Found::Unknown(name) => {
                    entries.skip()?;
                    row.event.ignored += 1;
                    if row.unknown_keys.len() < limits.features {
                        row.unknown_keys.push(name);
                    } else {
                        note(&mut row.fault, Reason::TooManyFeatures, || {
                            format!("more than {} unknown fields", limits.features)
                        });
                    }
                    continue;
                }
            };
            if row.keys_seen & (1 << place) != 0 {
                note_duplicate(&mut row.fault, name_of(place));
            }
            row.keys_seen |= 1 << place;
            match keys[place as usize].1 {
                Key::Value(field) => {
                    row.event.set(field, entries.scalar()?);
                }
                Key::Features => {
                    let found = row.event.model().and_then(|model| models.find(model));
                    match found {
                        Some((features, order)) => {
                            let reader = ReadFeatures {
                                features,
                                order,
                                set: &mut row.features_set,
                                unknown: &mut row.unknown_features,
                                fault: &mut row.fault,
                                limits,
                            };
                            let other = entries.object(reader)?;
                            note_bad_features(&mut row.fault, other);
                        }
                        None => row.raw_features = Some(entries.raw()?),
                    }
                }
                Key::Prediction => {
                    let reader = ReadAnswer { event: &mut row.event, fault: &mut row.fault, limits };
                    let other = entries.object(reader)?;
                    if let Some(other) = other.filter(|other| !other.is_missing()) {
                        note(&mut row.fault, Reason::BadPrediction, || {
                            format!("prediction is {other}, and should be an object")
                        });
                    }
                }
                Key::Tags => {
                    let (pairs, limit) = (&mut row.event.tags, limits.tags);
                    let fault = &mut row.fault;
                    let reader = ReadPairs { pairs, fault, limit, what: "tags", reason: Reason::TooManyTags };
                    let other = entries.object(reader)?;
                    row.event.ignored += u64::from(other.is_some_and(|other| !other.is_missing()));
                }
                Key::Metrics => {
                    let (pairs, limit) = (&mut row.event.metrics, limits.metrics);
                    let (fault, reason) = (&mut row.fault, Reason::TooManyMetrics);
                    let reader = ReadPairs { pairs, fault, limit, what: "metrics", reason };
                    let other = entries.object(reader)?;
                    row.event.ignored += u64::from(other.is_some_and(|other| !other.is_missing()));
                }
            }
        }
        row.unknown_keys.sort_unstable();
        if let Some(pair) = row.unknown_keys.windows(2).find(|pair| pair[0] == pair[1]) {
            note_duplicate(&mut row.fault, &pair[0]);
        }
        Ok(())
    }
}

/// Reads features that came before their model.
pub(super) fn read_raw_features<'a, S: Syntax>(
    row: &mut Row<'a>,
    raw: &'a str,
    features: FeatureRow<'_>,
    order: &mut KeyOrder,
    limits: &Limits,
) -> Result<(), S::Error> {
    let reader = ReadFeatures {
        features,
        order,
        set: &mut row.features_set,
        unknown: &mut row.unknown_features,
        fault: &mut row.fault,
        limits,
    };
    let other = S::read(raw, limits.depth, reader)?;
    note_bad_features(&mut row.fault, other);
    Ok(())
}

fn note_bad_features(fault: &mut Option<Fault>, other: Option<Scalar<'_>>) {
    if let Some(other) = other.filter(|other| !other.is_missing()) {
        note(fault, Reason::BadFeatures, || format!("features is {other}, and should be an object"));
    }
}

/// Reads `features` into the columns of a model.
struct ReadFeatures<'r, 'a> {
    features: FeatureRow<'r>,
    order: &'r mut KeyOrder,
    set: &'r mut Option<usize>,
    unknown: &'r mut Vec<(Cow<'a, str>, Option<FeatureKind>)>,
    fault: &'r mut Option<Fault>,
    limits: &'r Limits,
}

impl<'a> ReadObject<'a> for ReadFeatures<'_, 'a> {
    fn read<E: Entries<'a>>(self, mut entries: E) -> Result<(), E::Error> {
        let Self { features: mut row, order, set, unknown, fault, limits } = self;
        let schema = row.schema();
        let features = schema.features();
        order.restart();
        let (mut sent, mut known) = (0, 0);
        let name_of = |place: u32| &*features[place as usize].name;
        let place_of = |name: &str| schema.position(name).map(|place| place as u32);
        while let Some(found) = order.next(&mut entries, name_of, place_of)? {
            sent += 1;
            match found {
                Found::Known(place) => {
                    let Some((column, kind)) = row.column(place as usize) else {
                        note_duplicate(fault, name_of(place));
                        entries.skip()?;
                        continue;
                    };
                    read_feature(column, kind, &mut entries, limits)?;
                    known += 1;
                }
                Found::Unknown(name) if sent <= limits.features => {
                    unknown.push((name, entries.scalar()?.kind()));
                }
                Found::Unknown(_) => entries.skip()?,
            }
        }
        *set = Some(known);
        if sent > limits.features {
            note(fault, Reason::TooManyFeatures, || {
                format!("{sent} features, at most {} are taken", limits.features)
            });
        }
        unknown.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if let Some(pair) = unknown.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            note_duplicate(fault, &pair[0].0);
        }
        Ok(())
    }
}

/// Reads a feature's value into its column. What is usual goes there without a [`Scalar`] and a [`Cell`] on the way.
#[inline]
fn read_feature<'a, E: Entries<'a>>(
    column: &mut FeatureColumn,
    kind: FeatureKind,
    entries: &mut E,
    limits: &Limits,
) -> Result<(), E::Error> {
    match column {
        FeatureColumn::Numeric(numbers) => {
            if let Some(number) = entries.number()? {
                numbers.push(Some(number));
                return Ok(());
            }
        }
        FeatureColumn::Categorical { values, rows, .. } if kind == FeatureKind::Categorical => {
            if let Some(text) = entries.text(limits.string_bytes) {
                values.push_text(text);
                *rows += 1;
                return Ok(());
            }
        }
        FeatureColumn::Categorical { .. } => {}
    }
    column.push(&entries.scalar()?.cell(kind, limits.string_bytes));
    Ok(())
}

/// Reads `prediction`.
struct ReadAnswer<'r, 'a> {
    event: &'r mut Event<'a>,
    fault: &'r mut Option<Fault>,
    limits: &'r Limits,
}

impl<'a> ReadObject<'a> for ReadAnswer<'_, 'a> {
    fn read<E: Entries<'a>>(self, mut entries: E) -> Result<(), E::Error> {
        let Self { event, fault, limits } = self;
        let mut seen = 0_u8;
        while let Some(name) = entries.key()? {
            let (bit, field) = match name.as_ref() {
                "label" => (1, Some(Field::Label)),
                "score" => (2, Some(Field::Score)),
                "value" => (4, Some(Field::Value)),
                "scores" => (8, None),
                _ => {
                    entries.skip()?;
                    event.ignored += 1;
                    continue;
                }
            };
            if seen & bit != 0 {
                note_duplicate(fault, &name);
            }
            seen |= bit;
            match field {
                Some(field) => {
                    event.set(field, entries.scalar()?);
                }
                None => {
                    let (pairs, limit) = (&mut event.scores, limits.classes);
                    let (what, reason) = ("scores", Reason::TooManyClasses);
                    let reader = ReadPairs { pairs, fault: &mut *fault, limit, what, reason };
                    let other = entries.object(reader)?;
                    if let Some(other) = other.filter(|other| !other.is_missing()) {
                        note(fault, Reason::BadPrediction, || {
                            format!("scores is {other}, and should be an object")
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Reads an object of plain values.
struct ReadPairs<'r, 'a> {
    pairs: &'r mut Vec<(Cow<'a, str>, Scalar<'a>)>,
    fault: &'r mut Option<Fault>,
    limit: usize,
    what: &'static str,
    reason: Reason,
}

impl<'a> ReadObject<'a> for ReadPairs<'_, 'a> {
    fn read<E: Entries<'a>>(self, mut entries: E) -> Result<(), E::Error> {
        let Self { pairs, fault, limit, what, reason } = self;
        pairs.clear();
        let mut sent = 0;
        while let Some(name) = entries.key()? {
            sent += 1;
            if sent <= limit {
                pairs.push((name, entries.scalar()?));
            } else {
                entries.skip()?;
            }
        }
        if sent > limit {
            note(fault, reason, || format!("{sent} {what}, at most {limit} are taken"));
        }
        if pairs.len() > 1 {
            pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                note_duplicate(fault, &pair[0].0);
            }
        }
        Ok(())
    }
}
