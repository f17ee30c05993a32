//! JSON prediction events.

use std::borrow::Cow;

use super::keys::KeyOrder;
use super::row::{FindModel, PREDICTION_KEYS, ReadEvent, Row, read_raw_features};
use super::syntax::{Full, Syntax};
use super::value::{Entries, ReadObject};
use super::{Outcome, Payload, Read, ReadRow, RowError, RowsRead, UnknownModel, read_object, read_rows};
use crate::feature_column::FeatureRow;
use crate::infer::Inference;
use crate::prediction_sink::{Mark, PredictionSink, model_name};
use crate::reject::{Fault, Reason, Rejections, shown};
use crate::{DecodeContext, Feature, ModelId, PayloadError};

/// Reads a JSON payload of prediction events.
pub(crate) fn decode_predictions(
    payload: Payload<'_>,
    context: &DecodeContext<'_>,
) -> Result<Read, PayloadError> {
    let mut rejections = Rejections::new(context.limits.rejected_details);
    let mut reader = Predictions {
        sink: PredictionSink::new(context),
        order: KeyOrder::default(),
        feature_orders: Vec::new(),
    };
    if matches!(payload, Payload::Messages(_)) {
        reader.sink.note_places();
    }
    let RowsRead { unknown, starts, marks } = read_rows(payload, context, &mut reader, &mut rejections)?;
    // Rows of unknown models come after all others: nobody could tell whose they are.
    let parts = if unknown.is_empty() { reader.sink.parts(&marks) } else { None };
    for model in unknown {
        let context_of = |row| payload.part(RowsRead::part_of(&starts, row), context).1;
        reader.read_unknown(model, context_of, &mut rejections)?;
    }
    Ok(Read { decoded: reader.sink.finish(rejections), starts, parts })
}

struct Predictions<'c> {
    sink: PredictionSink<'c>,
    order: KeyOrder,
    /// The order of feature keys, by the model's place in the sink.
    feature_orders: Vec<KeyOrder>,
}

/// The sink's models, for the row that names one.
struct Models<'r, 'c> {
    sink: &'r mut PredictionSink<'c>,
    feature_orders: &'r mut Vec<KeyOrder>,
}

impl FindModel for Models<'_, '_> {
    fn find(&mut self, model: &str) -> Option<(FeatureRow<'_>, &mut KeyOrder)> {
        let place = self.sink.find(model)?;
        Some((self.sink.batch(place).begin_row(), order_at(self.feature_orders, place)))
    }
}

fn order_at(orders: &mut Vec<KeyOrder>, place: usize) -> &mut KeyOrder {
    if orders.len() <= place {
        orders.resize_with(place + 1, KeyOrder::default);
    }
    &mut orders[place]
}

impl<'c> ReadRow<'c> for Predictions<'c> {
    fn set_context(&mut self, context: &DecodeContext<'c>) {
        self.sink.set_context(context);
    }

    fn mark(&self) -> Mark {
        self.sink.mark()
    }

    fn read<'a, S: Syntax>(
        &mut self,
        text: &'a str,
        row: &mut Row<'a>,
    ) -> Result<Outcome, RowError<S::Error>> {
        self.read_prediction::<S>(text, row, true)
    }
}

impl<'c> Predictions<'c> {
    fn read_prediction<'a, S: Syntax>(
        &mut self,
        text: &'a str,
        row: &mut Row<'a>,
        may_widen: bool,
    ) -> Result<Outcome, RowError<S::Error>> {
        let limits = self.sink.limits();
        let mut models = Models { sink: &mut self.sink, feature_orders: &mut self.feature_orders };
        let (keys, order) = (PREDICTION_KEYS, &mut self.order);
        S::read(text, limits.depth, ReadEvent { keys, order, row: &mut *row, models: &mut models, limits })
            .map_err(RowError::Syntax)?;
        if let Some(fault) = row.fault.take() {
            return Ok(Outcome::Rejected(fault));
        }
        let place = match model_name(&row.event, self.sink.context()) {
            Err(fault) => return Ok(Outcome::Rejected(fault)),
            Ok(name) => match self.sink.find(name) {
                Some(place) => place,
                None => {
                    return Ok(match ModelId::try_new(name) {
                        Ok(_) => Outcome::Unknown,
                        Err(error) => Outcome::Rejected(Fault::new(
                            Reason::BadModel,
                            format!("model {:?}: {error}", shown(name)),
                        )),
                    });
                }
            },
        };
        match row.raw_features.take() {
            None => {}
            Some(Cow::Borrowed(raw)) => {
                let features = self.sink.batch(place).begin_row();
                let order = order_at(&mut self.feature_orders, place);
                read_raw_features::<S>(row, raw, features, order, limits).map_err(RowError::Syntax)?;
            }
            // Only a text with escapes is not borrowed.
            Some(Cow::Owned(raw)) => {
                let detail = format!("features is {}, and should be an object", shown(&raw));
                row.fault = Some(Fault::new(Reason::BadFeatures, detail));
            }
        }
        if let Some(fault) = row.fault.take() {
            return Ok(Outcome::Rejected(fault));
        }
        let task = self.sink.schema(place).task();
        let facts = match row.event.prediction(task, self.sink.rules()) {
            Ok(facts) => facts,
            Err(fault) => return Ok(Outcome::Rejected(fault)),
        };
        if may_widen && !row.unknown_features.is_empty() && self.sink.may_widen(place) {
            let fresh: Vec<Feature> = row
                .unknown_features
                .iter()
                .filter(|(name, _)| can_name_a_feature(name, limits.string_bytes))
                .filter_map(|(name, kind)| Some(Feature { name: name.as_ref().into(), kind: (*kind)? }))
                .collect();
            if !fresh.is_empty() && self.sink.widen(place, fresh) {
                order_at(&mut self.feature_orders, place).reset();
                row.clear();
                return self.read_prediction::<S>(text, row, false);
            }
        }
        if row.features_set.is_none() {
            // What a row before had begun must not become this one's.
            self.sink.batch(place).give_up();
        }
        if let Err(fault) = self.sink.push(place, &facts, &mut row.event)? {
            return Ok(Outcome::Rejected(fault));
        }
        self.sink.ignore(row.unknown_features.len() as u64);
        self.sink.batch(place).end_row(row.features_set.unwrap_or(0));
        Ok(Outcome::Taken)
    }

    /// Registers a model from its rows, then reads them.
    fn read_unknown(
        &mut self,
        model: UnknownModel<'_>,
        context_of: impl Fn(u64) -> Option<DecodeContext<'c>>,
        rejections: &mut Rejections,
    ) -> Result<(), PayloadError> {
        let UnknownModel { name, rows } = model;
        let id = ModelId::try_new(&name).expect("rows wait for a model only if its name is right");
        let mut inference = Inference::default();
        let mut sound = Vec::with_capacity(rows.len());
        for (number, text) in &rows {
            context_of(*number).iter().for_each(|own| self.set_context(own));
            match self.observe(text, &mut inference) {
                Ok(()) => sound.push((number, text)),
                Err(fault) => rejections.push(*number, Some(&name), fault),
            }
        }
        if sound.is_empty() {
            return Ok(());
        }
        // Another payload may have registered it since.
        let registered = match self.sink.find(&name) {
            Some(_) => Ok(()),
            None => self.sink.register(inference.finish(id, self.sink.limits())).map(|_| ()),
        };
        for (number, text) in sound {
            context_of(*number).iter().for_each(|own| self.set_context(own));
            let mut row = Row::default();
            let outcome = match &registered {
                Err(fault) => Outcome::Rejected(fault.clone()),
                Ok(()) => match read_object::<Full, Self>(self, text, &mut row) {
                    Ok(outcome) => outcome,
                    Err(RowError::Payload(error)) => return Err(error),
                    Err(RowError::Syntax(error)) => {
                        Outcome::Rejected(Fault::new(Reason::InvalidJson, error.to_string()))
                    }
                },
            };
            match outcome {
                Outcome::Taken => {}
                Outcome::Rejected(fault) => rejections.push(*number, Some(&name), fault),
                Outcome::Unknown => {
                    let detail = format!("model {name:?} is not known any more");
                    rejections.push(*number, Some(&name), Fault::new(Reason::UnknownModel, detail));
                }
            }
        }
        Ok(())
    }

    /// Learns from a row, if it is one that can be placed.
    fn observe(&mut self, text: &str, inference: &mut Inference) -> Result<(), Fault> {
        let limits = self.sink.limits();
        let mut row = Row::default();
        let syntax = |error: sonic_rs::Error| Fault::new(Reason::InvalidJson, error.to_string());
        let (keys, order, models) = (PREDICTION_KEYS, &mut self.order, &mut ());
        Full::read(text, limits.depth, ReadEvent { keys, order, row: &mut row, models, limits })
            .map_err(syntax)?;
        if let Some(fault) = row.fault.take() {
            return Err(fault);
        }
        inference.observe(&mut row.event, self.sink.rules())?;
        if let Some(raw) = row.raw_features.take() {
            // What is wrong with the features is found when the row is read in earnest.
            Full::read(&raw, limits.depth, ObserveFeatures { inference, limit: limits.string_bytes })
                .map_err(syntax)?;
        }
        Ok(())
    }
}

/// Whether a model may gain a feature of this name; one of any other name is ignored.
fn can_name_a_feature(name: &str, limit: usize) -> bool {
    !name.is_empty() && name.len() <= limit
}

struct ObserveFeatures<'r> {
    inference: &'r mut Inference,
    limit: usize,
}

impl<'a> ReadObject<'a> for ObserveFeatures<'_> {
    fn read<E: Entries<'a>>(self, mut entries: E) -> Result<(), E::Error> {
        while let Some(name) = entries.key()? {
            if let Some(kind) = entries.scalar()?.kind()
                && can_name_a_feature(&name, self.limit)
            {
                self.inference.observe_feature(&name, kind);
            }
        }
        Ok(())
    }
}
