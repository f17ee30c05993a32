//! What is read from Kafka, and how it is reached.

use std::collections::BTreeMap;
use std::time::Duration;

use driftline_events::ModelIdError;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::properties::{KafkaProperties, check_properties};
use super::topics::Topics;

/// The `[kafka]` table of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaOptions {
    /// Brokers to begin with, as `host:port` with commas between; the others are found by themselves.
    pub brokers: String,
    /// The consumer group (default `driftline`). Processes of one group share the partitions between them.
    pub group: String,
    /// Topics of predictions: names, and patterns that begin with `^`.
    pub predictions: Vec<String>,
    /// Topics of labels, likewise.
    pub labels: Vec<String>,
    /// The model of a topic's events that name none.
    pub models: BTreeMap<String, String>,
    /// Where a partition is begun that was never read (default `earliest`).
    pub start: KafkaStart,
    /// Where messages go that could not be used, or not wholly. Without it they are only counted and shown.
    pub dead_letter_topic: Option<String>,
    /// Properties of librdkafka: TLS, SASL, buffers.
    #[schemars(with = "BTreeMap<String, String>")]
    pub properties: KafkaProperties,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            brokers: String::new(),
            group: "driftline".to_owned(),
            predictions: Vec::new(),
            labels: Vec::new(),
            models: BTreeMap::new(),
            start: KafkaStart::Earliest,
            dead_letter_topic: None,
            properties: KafkaProperties::default(),
        }
    }
}

/// Where a partition is begun that was never read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KafkaStart {
    /// At the oldest message there is.
    #[default]
    Earliest,
    /// At the first message that comes.
    Latest,
}

/// Checked [`KafkaOptions`].
#[derive(Clone, Debug)]
pub struct KafkaSpec {
    pub(crate) brokers: String,
    pub(crate) group: String,
    pub(crate) topics: Topics,
    pub(crate) start: KafkaStart,
    pub(crate) dead_letter_topic: Option<String>,
    pub(crate) properties: KafkaProperties,
    pub(crate) tuning: Tuning,
}

/// How librdkafka fetches ahead, where `properties` do not say.
///
/// When as much as it may hold is fetched, it asks for no more for a second: a service that reads faster than that has
/// nothing to do for most of the second. Asked again at once, it need not hold so much: 16 MiB are a tenth of a second of
/// small messages, and bridge 100 ms to the broker at 160 MB/s.
const FETCHING: [(&str, &str); 2] =
    [("fetch.queue.backoff.ms", "10"), ("queued.max.messages.kbytes", "16384")];

/// What nobody needs to set, apart from tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// Messages of a submission: enough that decoding and folding cost more than handing over.
    pub(crate) batch_messages: usize,
    /// Bytes of a submission's messages.
    pub(crate) batch_bytes: usize,
    /// How long a message waits for others.
    pub(crate) batch_wait: Duration,
    /// How long a full queue is waited for before partitions are paused: pausing throws away what was fetched ahead.
    pub(crate) queue_wait: Duration,
    /// How long partitions that go are held for the checkpoint that has their rows.
    pub(crate) handover_wait: Duration,
    /// How long rows are held for their dead letters.
    pub(crate) dead_letter_wait: Duration,
    /// How long the broker is asked for offsets.
    pub(crate) lookup_wait: Duration,
    /// How long committing and leaving the group may take.
    pub(crate) goodbye_wait: Duration,
    /// How often librdkafka tells its figures, and looks for new topics.
    pub(crate) statistics_every: Duration,
    pub(crate) topics_every: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            batch_messages: 5_000,
            batch_bytes: 1 << 20,
            batch_wait: Duration::from_millis(50),
            queue_wait: Duration::from_secs(1),
            handover_wait: Duration::from_secs(20),
            dead_letter_wait: Duration::from_secs(10),
            lookup_wait: Duration::from_secs(5),
            goodbye_wait: Duration::from_secs(5),
            statistics_every: Duration::from_secs(5),
            topics_every: Duration::from_secs(10),
        }
    }
}

/// Options that cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaSpecError {
    /// Nobody to ask.
    #[error("brokers is empty; write host:port, with commas between several")]
    NoBrokers,
    /// A group without a name.
    #[error("group is empty; give the consumer group a name")]
    NoGroup,
    /// Nothing to read.
    #[error("predictions and labels are both empty; name the topics to read")]
    NoTopics,
    /// A name that Kafka does not take.
    #[error(
        "{topic:?} is no topic name: 1 to 249 letters, digits, dots, underscores and hyphens; a pattern begins with ^"
    )]
    BadTopic {
        /// The name.
        topic: String,
    },
    /// A pattern with a fault.
    #[error("{pattern:?} is no pattern")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        #[source]
        source: Box<regex::Error>,
    },
    /// A pattern that not every library reads in the same way.
    #[error(
        "{pattern:?} has something besides characters, . * + ? | ( ) [ ] {{ }} $ and escaped dots; write it with those"
    )]
    UncommonPattern {
        /// The pattern.
        pattern: String,
    },
    /// A topic of both kinds.
    #[error("{topic:?} is in predictions and in labels; a topic holds one of them")]
    TopicTwice {
        /// The topic.
        topic: String,
    },
    /// A model for a topic that is not read.
    #[error("models names the topic {topic:?}, which neither predictions nor labels has")]
    ModelOfOtherTopic {
        /// The topic.
        topic: String,
    },
    /// A model's name that is none.
    #[error("models has {model:?}, which is no model name")]
    BadModel {
        /// The name.
        model: String,
        /// Why not.
        #[source]
        source: ModelIdError,
    },
    /// Dead letters would be read again, for ever.
    #[error(
        "dead_letter_topic {topic:?} is among the topics that are read; choose another, or a narrower pattern"
    )]
    DeadLettersComeBack {
        /// The topic.
        topic: String,
    },
    /// A property that the guarantees rest on.
    #[error("properties.{key:?} cannot be set: {reason}")]
    RefusedProperty {
        /// Its name.
        key: String,
        /// Why not.
        reason: &'static str,
    },
    /// A property that librdkafka does not know or does not take. The value is not shown: it may be a secret.
    #[error("properties.{key:?}: {fault}")]
    BadProperty {
        /// Its name.
        key: String,
        /// What is wrong.
        fault: &'static str,
    },
}

impl KafkaSpec {
    /// Brokers to begin with.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Properties of librdkafka, for others who speak to the same brokers.
    #[must_use]
    pub const fn properties(&self) -> &KafkaProperties {
        &self.properties
    }

    /// What every client of these brokers has in common.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        // Its words come out at the level `debug` of ours, from a thread that is not ours.
        config.set("client.id", "driftline").set_log_level(RDKafkaLogLevel::Notice);
        for (key, value) in self.properties.iter() {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// The consumer's settings: what the guarantees rest on is set last.
    pub(crate) fn consumer(&self) -> ClientConfig {
        let mut config = self.client();
        for (key, value) in FETCHING {
            if self.properties.get(key).is_none() {
                config.set(key, value);
            }
        }
        let millis = |duration: Duration| duration.as_millis().to_string();
        let refresh = millis(self.tuning.topics_every);
        config
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A position that is out of range is looked into, counted and told; never jumped over.
            .set("auto.offset.reset", "error")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.partition.eof", "false")
            .set("allow.auto.create.topics", "false")
            .set("statistics.interval.ms", millis(self.tuning.statistics_every))
            .set("topic.metadata.refresh.interval.ms", refresh);
        config
    }

    /// The settings of a producer that loses nothing and writes nothing twice.
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", "5")
            // A dead letter is as large as the largest message that a broker gave; the broker has the last word.
            .set("message.max.bytes", (64 << 20).to_string())
            // What is not written in time is kept, and written when brokers answer again.
            .set("message.timeout.ms", "0")
            .set("queue.buffering.max.kbytes", (64 << 10).to_string());
        config
    }

    /// How long the group takes a consumer for alive that does not poll.
    pub(crate) fn max_poll_interval(&self) -> Duration {
        let set = self.properties.get("max.poll.interval.ms").and_then(|value| value.parse().ok());
        Duration::from_millis(set.unwrap_or(300_000))
    }
}

impl TryFrom<KafkaOptions> for KafkaSpec {
    type Error = Vec<KafkaSpecError>;

    fn try_from(options: KafkaOptions) -> Result<Self, Self::Error> {
        let mut errors = Vec::new();
        if options.brokers.trim().is_empty() {
            errors.push(KafkaSpecError::NoBrokers);
        }
        if options.group.is_empty() {
            errors.push(KafkaSpecError::NoGroup);
        }
        let topics = Topics::of(&options, &mut errors);
        check_properties(&options.properties, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let KafkaOptions { brokers, group, start, dead_letter_topic, properties, .. } = options;
        Ok(Self { brokers, group, topics, start, dead_letter_topic, properties, tuning: Tuning::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Result<KafkaSpec, Vec<KafkaSpecError>> {
        toml::from_str::<KafkaOptions>(text).unwrap().try_into()
    }

    #[test]
    fn a_table_of_everything_is_read() {
        let spec = spec(
            r#"
            brokers = "a:9092,b:9092"
            predictions = ["predictions", "^scores\\..*"]
            labels = ["labels"]
            start = "latest"
            dead_letter_topic = "dead"
            models = { labels = "churn" }
            properties = { "security.protocol" = "sasl_ssl", "sasl.mechanisms" = "SCRAM-SHA-512", "fetch.min.bytes" = 1, "queued.max.messages.kbytes" = 1024, "enable.ssl.certificate.verification" = true }
            "#,
        )
        .unwrap();
        assert_eq!((spec.group.as_str(), spec.start), ("driftline", KafkaStart::Latest));
        let config = spec.consumer();
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("enable.auto.commit"), Some("false"));
        assert_eq!(config.get("fetch.min.bytes"), Some("1"));
        assert_eq!(config.get("fetch.queue.backoff.ms"), Some("10"));
        assert_eq!(config.get("queued.max.messages.kbytes"), Some("1024"), "as it is written");
        assert_eq!(spec.producer().get("fetch.queue.backoff.ms"), None);
        config.create_native_config().unwrap();
        spec.producer().create_native_config().unwrap();
    }

    #[test]
    fn every_fault_is_found_and_no_secret_is_shown() {
        let errors = spec(
            r#"
            group = ""
            predictions = ["a b", "^dead.*"]
            dead_letter_topic = "dead"
            models = { other = "no good" }
            properties = { "enable.auto.commit" = "true", "sasl.pasword" = "hunter2", "sasl.password" = "hunter2", "fetch.min.bytes" = "hunter2", "max.poll.interval.ms" = "100" }
            "#,
        )
        .unwrap_err();
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 10, "{texts:#?}");
        assert!(!texts.concat().contains("hunter2"), "{texts:#?}");
        assert!(texts[6].contains("after its checkpoint"), "{texts:#?}");
        assert!(toml::from_str::<KafkaOptions>("topics = []").is_err());
    }

    #[test]
    fn nothing_that_is_printed_has_a_secret() {
        let options: KafkaOptions =
            toml::from_str(r#"properties = { "sasl.password" = "hunter2" }"#).unwrap();
        let text = format!("{options:?}");
        assert!(text.contains("sasl.password") && !text.contains("hunter2"), "{text}");
    }
}
