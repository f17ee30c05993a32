//! Event times as RFC 3339 text.

use driftline_events::EventTime;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(crate) fn serialize<S: Serializer>(time: &EventTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EventTime, D::Error> {
    parse(&String::deserialize(deserializer)?)
}

fn parse<E: Error>(text: &str) -> Result<EventTime, E> {
    EventTime::parse(text).ok_or_else(|| E::custom(format_args!("{text:?} is not an RFC 3339 time")))
}

pub(crate) fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "format": "date-time"})
}

pub(crate) mod option {
    use super::{Deserialize, Deserializer, EventTime, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<EventTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<EventTime>, D::Error> {
        Option::<String>::deserialize(deserializer)?.as_deref().map(super::parse).transpose()
    }
}
