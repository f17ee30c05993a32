//! Where events are published.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[publish]` table of the configuration. Brokers and their properties are those of `[kafka]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PublishOptions {
    /// The topic of window reports.
    pub topic: String,
}

/// Checked [`PublishOptions`], with the brokers.
#[derive(Clone)]
pub struct PublishSpec {
    topic: String,
    brokers: String,
    properties: BTreeMap<String, String>,
}

/// Options that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishSpecError {
    /// A name that Kafka does not take.
    #[error("topic {topic:?} is no topic name: 1 to 249 letters, digits, dots, underscores and hyphens")]
    BadTopic {
        /// The name.
        topic: String,
    },
    /// Nobody to send to.
    #[error("publish needs brokers; write kafka.brokers")]
    NoBrokers,
}

impl PublishSpec {
    /// Events to `options.topic` at `brokers`, which are reached with `properties` of librdkafka (checked already).
    ///
    /// # Errors
    /// All faults.
    pub fn try_new(
        options: PublishOptions,
        brokers: &str,
        properties: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<PublishSpecError>> {
        let mut errors = Vec::new();
        let PublishOptions { topic } = options;
        if !is_name(&topic) {
            errors.push(PublishSpecError::BadTopic { topic: topic.clone() });
        }
        if brokers.trim().is_empty() {
            errors.push(PublishSpecError::NoBrokers);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let properties = properties.into_iter().collect();
        Ok(Self { topic, brokers: brokers.to_owned(), properties })
    }

    /// The topic of window reports.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The producer's settings: what the guarantees rest on is set last.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "driftline").set_log_level(RDKafkaLogLevel::Notice);
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
            .set("bootstrap.servers", &self.brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", "5")
            // librdkafka tries on by itself for as long as it takes: only so does it know what it has sent already.
            .set("message.timeout.ms", "0")
            // The broker's own limit, which is on what is left after compression, has the last word.
            .set("message.max.bytes", (64 << 20).to_string());
        config
    }
}

/// Properties may be secrets: only their names are shown.
impl fmt::Debug for PublishSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishSpec")
            .field("topic", &self.topic)
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys())
            .finish()
    }
}

fn is_name(topic: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&topic.len()) && topic.bytes().all(is_legal)
}
