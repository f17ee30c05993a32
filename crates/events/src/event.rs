//! One event as it was written, and the rules that say what it means.

use std::borrow::Cow;

use crate::reject::{Fault, Reason, shown};
use crate::scalar::{Class, Scalar};
use crate::{DecodeContext, EventTime, Limits, Task};

/// The fields of an event that hold one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Model,
    Version,
    PredictionId,
    Timestamp,
    Label,
    Score,
    Value,
    LatencyMs,
    Status,
    Variant,
    Weight,
    SampleRate,
    InFlight,
    Capacity,
    Op,
}

const FIELDS: usize = Field::Op as usize + 1;

/// Longest `prediction_id`, in bytes: every id is kept for as long as labels are awaited.
const PREDICTION_ID_BYTES: usize = 256;

/// What an event holds, before anything is known of its meaning. Reused from row to row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Event<'a> {
    values: [Scalar<'a>; FIELDS],
    pub(crate) scores: Vec<(Cow<'a, str>, Scalar<'a>)>,
    pub(crate) tags: Vec<(Cow<'a, str>, Scalar<'a>)>,
    pub(crate) metrics: Vec<(Cow<'a, str>, Scalar<'a>)>,
    /// Fields that will not be used.
    pub(crate) ignored: u64,
}

/// The rules of one payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'c> {
    pub(crate) limits: &'c Limits,
    arrival: EventTime,
    latest: EventTime,
}

impl<'c> Rules<'c> {
    pub(crate) fn new(context: &DecodeContext<'c>) -> Self {
        Self {
            limits: context.limits,
            arrival: context.arrival,
            latest: context.arrival.saturating_add(context.max_future),
        }
    }
}

/// What a prediction event means.
#[derive(Debug)]
pub(crate) struct PredictionFacts<'a> {
    pub(crate) time: EventTime,
    pub(crate) version: Option<Class<'a>>,
    pub(crate) prediction_id: Option<Class<'a>>,
    pub(crate) label: Option<Class<'a>>,
    pub(crate) score: Option<f64>,
    pub(crate) value: Option<f64>,
    pub(crate) latency_ms: Option<f64>,
    pub(crate) status: &'static str,
    pub(crate) variant: Option<&'static str>,
    pub(crate) weight: f64,
    pub(crate) in_flight: Option<f64>,
    pub(crate) capacity: Option<f64>,
}

/// What a label event means.
#[derive(Debug)]
pub(crate) struct LabelFacts<'a> {
    pub(crate) time: EventTime,
    pub(crate) prediction_id: Class<'a>,
    pub(crate) label: Option<Class<'a>>,
    pub(crate) value: Option<f64>,
    pub(crate) retract: bool,
    pub(crate) weight: f64,
}

impl<'a> Event<'a> {
    pub(crate) fn clear(&mut self) {
        self.values = Default::default();
        self.next_row();
    }

    /// Gets ready for another row of the same table, which sets the same fields.
    pub(crate) fn next_row(&mut self) {
        self.scores.clear();
        self.tags.clear();
        self.metrics.clear();
        self.ignored = 0;
    }

    #[inline]
    pub(crate) fn set(&mut self, field: Field, value: Scalar<'a>) {
        self.values[field as usize] = value;
    }

    pub(crate) const fn get(&self, field: Field) -> &Scalar<'a> {
        &self.values[field as usize]
    }

    /// The model's name as written, if it is text.
    pub(crate) fn model(&self) -> Option<&str> {
        match self.get(Field::Model) {
            Scalar::Text(name) => Some(name),
            _ => None,
        }
    }

    /// Reads the event as a prediction of a model with this task.
    pub(crate) fn prediction(&mut self, task: Task, rules: &Rules<'_>) -> Result<PredictionFacts<'a>, Fault> {
        let limits = rules.limits;
        for (keys, limit, what, reason) in [
            (&self.tags, limits.tags, "tags", Reason::TooManyTags),
            (&self.metrics, limits.metrics, "metrics", Reason::TooManyMetrics),
            (&self.scores, limits.classes, "scores", Reason::TooManyClasses),
        ] {
            if keys.len() > limit {
                return Err(Fault::new(reason, format!("{} {what}, at most {limit} are taken", keys.len())));
            }
        }
        let time = self.time(rules)?;
        let prediction_id = self.prediction_id()?;
        let version = self.class(Field::Version, "version", Reason::BadVersion, limits)?;
        let (label, value) = self.outcome(task, limits)?;
        let score = match self.get(Field::Score) {
            Scalar::Missing => None,
            score => Some(probability("score", score)?),
        };
        for (class, score) in &self.scores {
            if !score.is_missing() {
                probability(class, score)?;
            }
        }
        let weight = self.weight()?;
        let status = self.status();
        let variant = self.variant();
        Ok(PredictionFacts {
            time,
            version,
            prediction_id,
            label,
            score,
            value,
            latency_ms: self.optional(Field::LatencyMs),
            status,
            variant,
            weight,
            in_flight: self.optional(Field::InFlight),
            capacity: self.optional(Field::Capacity),
        })
    }

    /// Reads the event as a label of a model with this task.
    pub(crate) fn label(&mut self, task: Task, rules: &Rules<'_>) -> Result<LabelFacts<'a>, Fault> {
        let time = self.time(rules)?;
        let prediction_id = self
            .prediction_id()?
            .ok_or_else(|| Fault::new(Reason::MissingPredictionId, "a label needs a prediction_id"))?;
        let retract = match self.get(Field::Op) {
            Scalar::Missing => false,
            Scalar::Text(op) if op == "upsert" => false,
            Scalar::Text(op) if op == "retract" => true,
            op => return Err(Fault::new(Reason::BadOp, format!("op {op} is not upsert or retract"))),
        };
        let (label, value) = if retract { (None, None) } else { self.outcome(task, rules.limits)? };
        match task {
            _ if retract => {}
            Task::Regression if value.is_none() => {
                return Err(Fault::new(Reason::MissingLabel, "neither label nor value"));
            }
            Task::Binary | Task::Multiclass if label.is_none() => {
                let detail = match value {
                    Some(value) => format!("value {value}, where this model's labels are classes"),
                    None => "neither label nor value".to_owned(),
                };
                return Err(Fault::new(Reason::MissingLabel, detail));
            }
            _ => {}
        }
        Ok(LabelFacts { time, prediction_id, label, value, retract, weight: self.weight()? })
    }

    fn time(&self, rules: &Rules<'_>) -> Result<EventTime, Fault> {
        let time = match self.get(Field::Timestamp) {
            Scalar::Missing => rules.arrival,
            timestamp => timestamp.time().ok_or_else(|| {
                let expected = "RFC 3339 with an offset, or whole milliseconds since 1970";
                Fault::new(Reason::BadTimestamp, format!("timestamp {timestamp} is not {expected}"))
            })?,
        };
        if time > rules.latest {
            let ahead = time.since(rules.arrival).as_secs();
            return Err(Fault::new(
                Reason::TooFarInFuture,
                format!("timestamp {time} is {ahead} s ahead of its arrival"),
            ));
        }
        Ok(time)
    }

    fn prediction_id(&self) -> Result<Option<Class<'a>>, Fault> {
        let id = self.get(Field::PredictionId);
        let bad = || {
            let expected = format!("text of 1 to {PREDICTION_ID_BYTES} bytes or a whole number");
            Err(Fault::new(Reason::BadPredictionId, format!("prediction_id {id} is not {expected}")))
        };
        match id {
            Scalar::Missing => Ok(None),
            Scalar::Bool(_) => bad(),
            Scalar::Text(text) if text.is_empty() => bad(),
            _ => id.class(PREDICTION_ID_BYTES).map_or_else(bad, |id| Ok(Some(id))),
        }
    }

    fn class(
        &self,
        field: Field,
        name: &str,
        reason: Reason,
        limits: &Limits,
    ) -> Result<Option<Class<'a>>, Fault> {
        let value = self.get(field);
        if value.is_missing() {
            return Ok(None);
        }
        let class = value.class(limits.string_bytes).ok_or_else(|| {
            let expected = format!("text of at most {} bytes or a whole number", limits.string_bytes);
            Fault::new(reason, format!("{name} {value} is not {expected}"))
        })?;
        Ok(Some(class))
    }

    /// The class and the number, of which a regression model has only the number.
    fn outcome(&self, task: Task, limits: &Limits) -> Result<(Option<Class<'a>>, Option<f64>), Fault> {
        let value = match self.get(Field::Value) {
            Scalar::Missing => None,
            value => Some(value.number().ok_or_else(|| {
                Fault::new(Reason::BadValue, format!("value {value} is not a finite number"))
            })?),
        };
        if task != Task::Regression {
            return Ok((self.class(Field::Label, "label", Reason::BadLabel, limits)?, value));
        }
        let label = self.get(Field::Label);
        if value.is_some() || label.is_missing() {
            return Ok((None, value));
        }
        let number = match label {
            Scalar::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => label.number(),
        };
        match number {
            Some(number) => Ok((None, Some(number))),
            None => Err(Fault::new(
                Reason::BadLabel,
                format!("label {label} is not a number, as a regression model needs"),
            )),
        }
    }

    /// `weight`, or else one over `sample_rate`, or else 1.
    fn weight(&self) -> Result<f64, Fault> {
        let from_rate = match self.get(Field::SampleRate) {
            Scalar::Missing => None,
            rate => match rate.number() {
                Some(number) if number > 0.0 && number <= 1.0 && number.recip().is_finite() => {
                    Some(number.recip())
                }
                _ => {
                    let detail = format!("sample_rate {rate} is not above 0 and at most 1");
                    return Err(Fault::new(Reason::BadSampleRate, detail));
                }
            },
        };
        match self.get(Field::Weight) {
            Scalar::Missing => Ok(from_rate.unwrap_or(1.0)),
            weight => weight.number().filter(|weight| *weight >= 0.0).ok_or_else(|| {
                Fault::new(Reason::BadWeight, format!("weight {weight} is not a number of at least 0"))
            }),
        }
    }

    fn status(&self) -> &'static str {
        match self.get(Field::Status) {
            Scalar::Missing => "ok",
            Scalar::Text(status) => match status.as_ref() {
                "ok" => "ok",
                "error" => "error",
                "timeout" => "timeout",
                "fallback" => "fallback",
                _ => "other",
            },
            _ => "other",
        }
    }

    fn variant(&mut self) -> Option<&'static str> {
        let variant = match self.get(Field::Variant) {
            Scalar::Missing => return None,
            Scalar::Text(variant) => match variant.as_ref() {
                "champion" => Some("champion"),
                "challenger" => Some("challenger"),
                "shadow" => Some("shadow"),
                "canary" => Some("canary"),
                _ => None,
            },
            _ => None,
        };
        self.ignored += u64::from(variant.is_none());
        variant
    }

    /// A finite number of at least 0; anything else counts as not sent.
    fn optional(&mut self, field: Field) -> Option<f64> {
        let value = self.get(field);
        let number = value.number().filter(|number| *number >= 0.0);
        self.ignored += u64::from(number.is_none() && !value.is_missing());
        number
    }
}

fn probability(name: &str, score: &Scalar<'_>) -> Result<f64, Fault> {
    score.number().filter(|score| (0.0..=1.0).contains(score)).ok_or_else(|| {
        Fault::new(Reason::ScoreOutOfRange, format!("score {:?} is {score}, outside [0, 1]", shown(name)))
    })
}
