//! Properties that are handed to librdkafka.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use serde::{Deserialize, Deserializer, Serialize};

use super::config::KafkaSpecError;

/// Properties by name, such as `security.protocol`. A value may be a text, a number or a flag; what is printed shows
/// the names only, since some values are secrets.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct KafkaProperties(BTreeMap<String, String>);

impl KafkaProperties {
    /// The value of a property.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for KafkaProperties {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(properties: I) -> Self {
        Self(properties.into_iter().collect())
    }
}

impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<'de> Deserialize<'de> for KafkaProperties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Text(String),
            Flag(bool),
            Whole(i64),
            Number(f64),
        }
        let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let text = |value| match value {
            Value::Text(text) => text,
            Value::Flag(flag) => flag.to_string(),
            Value::Whole(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
        };
        Ok(Self(values.into_iter().map(|(key, value)| (key, text(value))).collect()))
    }
}

const COMMITTED: &str =
    "offsets are committed when the state that has their rows is safe, after its checkpoint";
const SERVICE: &str = "the service sets it for its metrics";
const WRITTEN: &str = "what is written must neither be lost nor be there twice";

/// Properties that the guarantees rest on, with the reason why they stay as they are.
const REFUSED: [(&str, &str); 24] = [
    ("bootstrap.servers", "it is set by kafka.brokers"),
    ("metadata.broker.list", "it is set by kafka.brokers"),
    ("group.id", "it is set by kafka.group"),
    ("enable.auto.commit", COMMITTED),
    ("auto.commit.enable", COMMITTED),
    ("auto.commit.interval.ms", COMMITTED),
    ("enable.auto.offset.store", COMMITTED),
    ("offset.store.method", COMMITTED),
    ("auto.offset.reset", "it is set by kafka.start, and a gap is counted and told instead of jumped over"),
    ("partition.assignment.strategy", "partitions are handed over one by one, which cooperative-sticky does"),
    ("group.protocol", "partitions are handed over one by one, which the classic protocol does"),
    ("isolation.level", "rows of a transaction that was taken back would be counted"),
    ("enable.partition.eof", SERVICE),
    ("statistics.interval.ms", SERVICE),
    ("topic.metadata.refresh.interval.ms", SERVICE),
    ("allow.auto.create.topics", "a reader must not make topics"),
    ("enable.idempotence", WRITTEN),
    ("acks", WRITTEN),
    ("request.required.acks", WRITTEN),
    ("message.timeout.ms", WRITTEN),
    ("delivery.timeout.ms", WRITTEN),
    ("transactional.id", WRITTEN),
    ("plugin.library.paths", "it would load foreign code into the service"),
    ("test.mock.num.brokers", "it replaces the brokers by a pretended one"),
];

/// A consumer that is given less is thrown out of its group by an ordinary pause.
const SHORTEST_POLL_INTERVAL_MS: u64 = 10_000;

/// Adds what is wrong with properties.
pub(crate) fn check_properties(properties: &KafkaProperties, errors: &mut Vec<KafkaSpecError>) {
    for (key, value) in properties.iter() {
        let own = |fault| KafkaSpecError::BadProperty { key: key.to_owned(), fault };
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == key) {
            errors.push(KafkaSpecError::RefusedProperty { key: key.to_owned(), reason });
            continue;
        }
        let mut config = ClientConfig::new();
        match config.set(key, value).create_native_config() {
            Ok(_) => {}
            Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
                errors.push(own("librdkafka knows no such property"));
                continue;
            }
            Err(_) => {
                errors.push(own("librdkafka does not take this value"));
                continue;
            }
        }
        if key == "max.poll.interval.ms"
            && value.parse::<u64>().is_ok_and(|millis| millis < SHORTEST_POLL_INTERVAL_MS)
        {
            errors.push(own("must be 10000 at least: a checkpoint may take that long"));
        }
    }
}
