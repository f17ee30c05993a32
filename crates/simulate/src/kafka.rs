//! Sends batches to Kafka, patiently.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use driftline_events::{Label, Prediction};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, ClientContext};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::client::Receipt;
use crate::handle::SimulatorHandle;
use crate::options::{SimulateSpec, SimulateSpecError};

/// Where events go over Kafka.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaTarget {
    /// Brokers to begin with, as `host:port` with commas between.
    pub brokers: String,
    /// The topic of predictions; default `predictions`.
    pub predictions_topic: String,
    /// The topic of labels; default `labels`.
    pub labels_topic: String,
    /// Properties of librdkafka: TLS, SASL, compression. What keeps events from being lost cannot be changed.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaTarget {
    fn default() -> Self {
        Self {
            brokers: String::new(),
            predictions_topic: "predictions".to_owned(),
            labels_topic: "labels".to_owned(),
            properties: BTreeMap::new(),
        }
    }
}

/// Properties may be secrets: only their names are shown.
impl fmt::Debug for KafkaTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaTarget")
            .field("brokers", &self.brokers)
            .field("predictions_topic", &self.predictions_topic)
            .field("labels_topic", &self.labels_topic)
            .field("properties", &self.properties.keys())
            .finish()
    }
}

impl KafkaTarget {
    pub(crate) fn check(&self) -> Result<(), SimulateSpecError> {
        if self.brokers.trim().is_empty() {
            return Err(SimulateSpecError::NoBrokers);
        }
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let topics = [&self.predictions_topic, &self.labels_topic];
        let bad = topics
            .into_iter()
            .find(|topic| !(1..=249).contains(&topic.len()) || !topic.bytes().all(is_legal));
        bad.map_or(Ok(()), |topic| Err(SimulateSpecError::Topic { topic: topic.clone() }))
    }

    fn producer(&self, told: Told) -> Result<FutureProducer<Told>, KafkaClientError> {
        let mut config = ClientConfig::new();
        config
            .set("client.id", "driftline-simulate")
            .set("compression.type", "zstd")
            // As Java's clients choose partitions.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .set_log_level(RDKafkaLogLevel::Notice);
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config
            .set("bootstrap.servers", &self.brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // librdkafka tries on by itself for as long as it takes: only so does it know what it has sent already.
            .set("message.timeout.ms", "0");
        config.create_with_context(told).map_err(|error| {
            let reason = match error {
                // The value may be a secret.
                KafkaError::ClientConfig(_, fault, key, _) => format!("property {key}: {fault}"),
                other => other.to_string(),
            };
            KafkaClientError::Setup { reason }
        })
    }
}

/// Events that Kafka did not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaClientError {
    /// librdkafka does not take a property.
    #[error("the Kafka producer cannot be set up: {reason}")]
    Setup {
        /// What is wrong.
        reason: String,
    },
    /// The brokers were not there, or had no such topic, for too long.
    #[error("Kafka at {brokers} did not take {events} events of topic {topic} within {waited:.1?}: {reason}")]
    Unavailable {
        /// The brokers.
        brokers: String,
        /// The topic.
        topic: String,
        /// How many events they have not confirmed.
        events: usize,
        /// How long it was tried.
        waited: Duration,
        /// What happened last.
        reason: String,
    },
    /// The brokers will not take such an event, however often it is sent.
    #[error("Kafka at {brokers} refuses events of topic {topic}: {reason}")]
    Refused {
        /// The brokers.
        brokers: String,
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
    },
}

/// The last that librdkafka told of the brokers.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Option<String>>>);

impl Told {
    fn last(&self) -> String {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().unwrap_or_else(|| "no broker has confirmed them yet".to_owned())
    }

    fn set(&self, reason: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.set(reason.to_owned());
    }
}

/// How long the brokers may take before it is told that they are waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts at an event that came back.
const PAUSE: Duration = Duration::from_millis(500);
/// A wait that goes on is logged again after this.
const LOGGED_EVERY: Duration = Duration::from_secs(30);

/// A producer of both topics: idempotent, and confirmed by all replicas.
///
/// Each event is a message of JSON, keyed by its prediction id, so that those of one id stay in order, or by its model
/// if it has none. A batch has been sent once the brokers have confirmed every event of it. While they are away, or
/// the topic is not there, it waits, says so in [`Progress::waiting_for`](crate::Progress), and gives up after as
/// long as the spec allows.
pub(crate) struct KafkaClient {
    target: KafkaTarget,
    producer: FutureProducer<Told>,
    told: Told,
    give_up_after: Duration,
    handle: SimulatorHandle,
    shutdown: CancellationToken,
}

/// A batch on its way.
struct Batch<'a> {
    topic: &'a str,
    /// Key and value of each message.
    messages: Vec<(&'a str, Vec<u8>)>,
    began: Instant,
    logged: Option<Instant>,
    confirmed: usize,
}

impl KafkaClient {
    pub(crate) fn try_new(
        spec: &SimulateSpec,
        target: &KafkaTarget,
        handle: SimulatorHandle,
        shutdown: CancellationToken,
    ) -> Result<Self, KafkaClientError> {
        let (target, told) = (target.clone(), Told::default());
        let producer = target.producer(told.clone())?;
        let give_up_after = spec.options.give_up_after.duration();
        Ok(Self { target, producer, told, give_up_after, handle, shutdown })
    }

    pub(crate) async fn send_predictions(
        &self,
        rows: &[Prediction],
    ) -> Result<Option<Receipt>, KafkaClientError> {
        let topic = &self.target.predictions_topic;
        self.send(topic, rows, |row| row.prediction_id.as_deref().unwrap_or(&row.model)).await
    }

    pub(crate) async fn send_labels(&self, rows: &[Label]) -> Result<Option<Receipt>, KafkaClientError> {
        self.send(&self.target.labels_topic, rows, |row| &row.prediction_id).await
    }

    /// `None` if it was shut down while it waited.
    async fn send<T: Serialize>(
        &self,
        topic: &str,
        rows: &[T],
        key: impl Fn(&T) -> &str,
    ) -> Result<Option<Receipt>, KafkaClientError> {
        let value = |row| serde_json::to_vec(row).expect("text keys and finite numbers are always JSON");
        let messages = rows.iter().map(|row| (key(row), value(row))).collect();
        let mut batch = Batch { topic, messages, began: Instant::now(), logged: None, confirmed: 0 };
        let mut due: Vec<usize> = (0..rows.len()).collect();
        loop {
            // All are on their way before the first is waited for.
            let sent: Vec<_> = due.drain(..).map(|row| (row, self.queue(&batch, row))).collect();
            for (row, queued) in sent {
                let taken = match queued {
                    Ok(delivery) => self.wait(&mut batch, delivery).await?,
                    Err(error) => Some(self.failed(&batch, &error)?),
                };
                match taken {
                    Some(true) => batch.confirmed += 1,
                    Some(false) => due.push(row),
                    None => return Ok(None),
                }
            }
            if due.is_empty() {
                self.handle.update(|progress| progress.waiting_for = None);
                let accepted = rows.len() as u64;
                return Ok(Some(Receipt { accepted, ..Receipt::default() }));
            }
            self.handle.update(|progress| progress.retries += 1);
            self.waiting(&mut batch)?;
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.shutdown.cancelled() => return Ok(self.stopped(&batch)),
            }
        }
    }

    /// Gives a message to librdkafka.
    fn queue(&self, batch: &Batch<'_>, row: usize) -> Result<DeliveryFuture, KafkaError> {
        let (key, value) = &batch.messages[row];
        let record = FutureRecord::to(batch.topic).key(*key).payload(value);
        self.producer.send_result(record).map_err(|(error, _)| error)
    }

    /// Whether the brokers have it; `None` if it was shut down meanwhile.
    async fn wait(
        &self,
        batch: &mut Batch<'_>,
        delivery: DeliveryFuture,
    ) -> Result<Option<bool>, KafkaClientError> {
        let mut delivery = std::pin::pin!(delivery);
        loop {
            tokio::select! {
                biased;
                delivered = &mut delivery => return match delivered {
                    Ok(Ok(_)) => Ok(Some(true)),
                    Ok(Err((error, _))) => self.failed(batch, &error).map(Some),
                    Err(_) => self.failed(batch, &KafkaError::Canceled).map(Some),
                },
                () = self.shutdown.cancelled() => return Ok(self.stopped(batch)),
                () = tokio::time::sleep(PATIENCE) => self.waiting(batch)?,
            }
        }
    }

    /// `false` if the event can be sent again.
    fn failed(&self, batch: &Batch<'_>, error: &KafkaError) -> Result<bool, KafkaClientError> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
                self.told.set(format!("{error}; does the topic {} exist?", batch.topic));
                return Ok(false);
            }
            Some(RDKafkaErrorCode::QueueFull) => return Ok(false),
            _ => {}
        }
        Err(KafkaClientError::Refused {
            brokers: self.target.brokers.clone(),
            topic: batch.topic.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Says what it waits for, or gives up.
    fn waiting(&self, batch: &mut Batch<'_>) -> Result<(), KafkaClientError> {
        let (waited, events) = (batch.began.elapsed(), batch.messages.len() - batch.confirmed);
        let (brokers, topic, reason) = (&self.target.brokers, batch.topic, self.told.last());
        if waited > self.give_up_after {
            let (brokers, topic) = (brokers.clone(), topic.to_owned());
            return Err(KafkaClientError::Unavailable { brokers, topic, events, waited, reason });
        }
        let message =
            format!("waiting for Kafka at {brokers} to take {events} events of topic {topic}: {reason}");
        if batch.logged.is_none_or(|logged| logged.elapsed() >= LOGGED_EVERY) {
            batch.logged = Some(Instant::now());
            warn!("The simulated service is {message}.");
        }
        self.handle.update(|progress| progress.waiting_for = Some(message));
        Ok(())
    }

    /// What was not confirmed may or may not be there.
    fn stopped<T>(&self, batch: &Batch<'_>) -> Option<T> {
        let (brokers, topic) = (&self.target.brokers, batch.topic);
        let events = batch.messages.len() - batch.confirmed;
        warn!(events, topic, brokers, "Stopped before Kafka had confirmed these events.");
        None
    }
}

#[cfg(test)]
mod tests;
