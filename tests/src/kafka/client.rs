//! What tests send to a broker and read from it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

/// Longer than a broker takes to come back.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is sent.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The partition; by the key, or any, if not given.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<String>,
    /// The value.
    pub payload: Vec<u8>,
    /// Headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Message {
    /// A message without key and headers.
    #[must_use]
    pub fn new(topic: &str, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic: topic.to_owned(), payload: payload.into(), ..Self::default() }
    }
}

/// What is read.
#[derive(Clone, Debug)]
pub struct Record {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub payload: Vec<u8>,
    /// Headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its time.
    pub timestamp: Option<i64>,
}

impl Record {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(key, _)| key == name)?;
        Some(String::from_utf8_lossy(&found.1).into_owned())
    }
}

/// A client of a broker. Cloning is cheap, and shares the producer.
#[derive(Clone)]
pub struct Client {
    address: String,
    producer: FutureProducer,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the broker at `address`, which need not be up yet.
    ///
    /// # Panics
    /// If librdkafka refuses its own settings.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let producer = config(address)
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("message.timeout.ms", PATIENCE.as_millis().to_string())
            .create()
            .expect("the settings are librdkafka's");
        Self { address: address.to_owned(), producer }
    }

    /// Whether a broker answers within `timeout`.
    ///
    /// # Panics
    /// If the question panics.
    pub async fn answers(&self, timeout: Duration) -> bool {
        let producer = self.producer.clone();
        let asked = tokio::task::spawn_blocking(move || {
            producer.client().fetch_metadata(None, timeout).is_ok_and(|found| !found.brokers().is_empty())
        });
        asked.await.expect("asking does not panic")
    }

    /// Makes a topic under a name that begins with `name` and is in use nowhere else; gives the name.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn create_topic(&self, name: &str, partitions: i32) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let since = driftline::now().as_millis();
        let name = format!("{name}-{since}-{}-{number}", std::process::id());
        self.create_topic_named(&name, partitions).await;
        name
    }

    /// Makes a topic under exactly this name.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn create_topic_named(&self, name: &str, partitions: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let made = self.admin().create_topics([&topic], &options()).await.expect("the broker answers");
        for topic in made {
            topic.unwrap_or_else(|(topic, error)| panic!("topic {topic} cannot be made: {error}"));
        }
    }

    /// Sends a message, and waits until the broker has it, through restarts of the broker too; gives its partition
    /// and offset.
    ///
    /// # Panics
    /// If the broker does not take it.
    pub async fn send(&self, message: &Message) -> (i32, i64) {
        delivered(self.queue(message).await, &message.topic).await
    }

    /// Sends messages at once, in order within a partition; gives the partition and offset of each.
    ///
    /// # Panics
    /// If the broker does not take one.
    pub async fn send_all(&self, messages: &[Message]) -> Vec<(i32, i64)> {
        let mut queued = Vec::with_capacity(messages.len());
        for message in messages {
            queued.push(self.queue(message).await);
        }
        let mut placed = Vec::with_capacity(messages.len());
        for (delivery, message) in queued.into_iter().zip(messages) {
            placed.push(delivered(delivery, &message.topic).await);
        }
        placed
    }

    /// Gives a message to the producer, which sends in the order that it was given.
    async fn queue(&self, message: &Message) -> DeliveryFuture {
        let headers = message.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        let mut record = FutureRecord {
            topic: &message.topic,
            partition: message.partition,
            payload: Some(&message.payload),
            key: message.key.as_ref(),
            timestamp: None,
            headers: (!message.headers.is_empty()).then_some(headers),
        };
        loop {
            record = match self.producer.send_result(record) {
                Ok(delivery) => return delivery,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => record,
                Err((error, _)) => panic!("{}: cannot send: {error}", message.topic),
            };
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Deletes the records of a partition before `offset`.
    ///
    /// # Panics
    /// If the broker does not.
    pub async fn delete_records(&self, topic: &str, partition: i32, offset: i64) {
        let mut before = TopicPartitionList::new();
        before
            .add_partition_offset(topic, partition, Offset::Offset(offset))
            .expect("an offset can be written down");
        let deleted =
            self.admin().delete_records(&before, &options()).await.expect("the broker deletes records");
        for element in deleted.elements() {
            element.error().unwrap_or_else(|error| panic!("{topic}/{partition}: {error}"));
        }
    }

    /// First and next offset of each partition of a topic.
    ///
    /// # Panics
    /// If the broker does not answer.
    pub async fn offsets(&self, topic: &str) -> Vec<(i64, i64)> {
        let (producer, topic) = (self.producer.clone(), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let client = producer.client();
            let found = patiently(|| client.fetch_metadata(Some(&topic), PATIENCE));
            let partitions = found.topics()[0].partitions().len();
            (0..partitions)
                .map(|partition| {
                    let partition = i32::try_from(partition).expect("partitions are counted in i32");
                    patiently(|| client.fetch_watermarks(&topic, partition, PATIENCE))
                })
                .collect()
        });
        asked.await.expect("asking does not panic")
    }

    /// The offsets that a group has committed for each partition of a topic; `None` where it has none.
    ///
    /// # Panics
    /// If the broker does not answer.
    pub async fn committed(&self, group: &str, topic: &str) -> Vec<Option<i64>> {
        let partitions = i32::try_from(self.offsets(topic).await.len()).expect("counted in i32");
        let (mut config, topic) = (config(&self.address), topic.to_owned());
        config.set("group.id", group);
        let asked = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().expect("the settings are librdkafka's");
            let mut wanted = TopicPartitionList::new();
            wanted.add_partition_range(&topic, 0, partitions - 1);
            let found = patiently(|| consumer.committed_offsets(wanted.clone(), PATIENCE));
            found
                .elements()
                .iter()
                .map(|element| match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                })
                .collect()
        });
        asked.await.expect("asking does not panic")
    }

    /// All records that a topic holds, by partition and offset.
    ///
    /// # Panics
    /// If they cannot be read.
    pub async fn read(&self, topic: &str) -> Vec<Record> {
        let offsets = self.offsets(topic).await;
        let (address, topic) = (self.address.clone(), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || read(&address, &topic, &offsets));
        asked.await.expect("reading does not panic")
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        config(&self.address).create().expect("the settings are librdkafka's")
    }
}

/// Asks until the broker answers: one that has just come back does not lead its partitions yet.
fn patiently<T>(ask: impl Fn() -> KafkaResult<T>) -> T {
    let started = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) if started.elapsed() > PATIENCE => panic!("the broker does not answer: {error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

async fn delivered(delivery: DeliveryFuture, topic: &str) -> (i32, i64) {
    let sent = delivery.await.expect("the producer lives");
    let sent = sent.unwrap_or_else(|(error, _)| panic!("{topic}: cannot send: {error}"));
    (sent.partition, sent.offset)
}

fn config(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    // A broker that comes back is found at once, and one that is down is not told of on every attempt.
    config.set("reconnect.backoff.max.ms", "500").set("log_level", "3").set("broker.address.family", "v4");
    config
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}

fn read(address: &str, topic: &str, offsets: &[(i64, i64)]) -> Vec<Record> {
    let mut config = config(address);
    config.set("group.id", "driftline-tests-reader").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("the settings are librdkafka's");
    let mut assigned = TopicPartitionList::new();
    for partition in 0..offsets.len() {
        let partition = i32::try_from(partition).expect("partitions are counted in i32");
        assigned
            .add_partition_offset(topic, partition, Offset::Beginning)
            .expect("an offset can be written down");
    }
    consumer.assign(&assigned).expect("partitions can be assigned");
    let mut records: Vec<Record> = Vec::new();
    let mut reached: Vec<i64> = offsets.iter().map(|&(first, _)| first).collect();
    let started = Instant::now();
    while reached.iter().zip(offsets).any(|(reached, (_, next))| reached < next) {
        assert!(started.elapsed() < PATIENCE, "{topic}: read up to {reached:?} of {offsets:?}");
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        let message = message.expect("the broker answers");
        let partition = usize::try_from(message.partition()).expect("partitions count from 0");
        reached[partition] = message.offset() + 1;
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            let owned = |header: Header<'_, &[u8]>| {
                (header.key.to_owned(), header.value.unwrap_or_default().to_vec())
            };
            headers.iter().map(owned).collect()
        });
        records.push(Record {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().unwrap_or_default().to_vec(),
            headers,
            timestamp: message.timestamp().to_millis(),
        });
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}
