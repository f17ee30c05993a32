//! Traffic by way of Kafka.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinHandle;

use super::{Broker, Client, Message};
use crate::ledger::Ledger;
use crate::steady::CONFIG;
use crate::traffic::{Batch, Sender, Style};

const PARTITIONS: i32 = 12;
const LABEL_PARTITIONS: i32 = 4;

/// Topics of one test's own, and its group.
#[derive(Debug)]
pub struct Topics {
    /// A client of their broker.
    pub client: Client,
    /// Predictions, in 12 partitions.
    pub predictions: String,
    /// Labels, in 4 partitions.
    pub labels: String,
    /// Dead letters.
    pub dead: String,
}

impl Topics {
    /// Makes them.
    ///
    /// # Panics
    /// If the broker does not.
    pub async fn make(broker: &Broker) -> Self {
        let client = broker.client();
        let predictions = client.create_topic("predictions", PARTITIONS).await;
        let labels = client.create_topic("labels", LABEL_PARTITIONS).await;
        let dead = client.create_topic("dead", 1).await;
        Self { client, predictions, labels, dead }
    }

    fn group(&self) -> String {
        format!("group-of-{}", self.predictions)
    }

    /// The configuration of a service that reads them. A killed member is missed after a second and a half.
    #[must_use]
    pub fn config(&self, broker: &str) -> String {
        format!(
            r#"{CONFIG}
            [kafka]
            brokers = "{broker}"
            group = "{}"
            predictions = ["{}"]
            labels = ["{}"]
            dead_letter_topic = "{}"
            properties = {{ "session.timeout.ms" = 1500, "heartbeat.interval.ms" = 300, "reconnect.backoff.max.ms" = 500, "broker.address.family" = "v4" }}
            "#,
            self.group(),
            self.predictions,
            self.labels,
            self.dead
        )
    }

    /// The messages of a batch: an array, or one for each event; all labels of an id in one partition, in order.
    fn messages(&self, batch: &Batch, rng: &mut ChaCha8Rng) -> Vec<Message> {
        let anywhere = |payload: String, rng: &mut ChaCha8Rng| Message {
            partition: Some(rng.random_range(0..PARTITIONS)),
            ..Message::new(&self.predictions, payload)
        };
        let mut messages = Vec::new();
        if batch.labels.is_empty() {
            if rng.random_bool(0.3) {
                messages.push(anywhere(format!("[{}]", batch.events().join(",")), rng));
            } else {
                messages.extend(batch.events().into_iter().map(|event| anywhere(event, rng)));
            }
            for _ in 0..batch.bad_lines {
                messages.push(anywhere("{\"model\": ".to_owned(), rng));
            }
            return messages;
        }
        for (event, label) in batch.events().into_iter().zip(&batch.labels) {
            let place = label.id.bytes().fold(7_i32, |hash, byte| (hash * 31 + i32::from(byte)) % 9_973);
            messages.push(Message {
                partition: Some(place % LABEL_PARTITIONS),
                key: Some(label.id.clone()),
                ..Message::new(&self.labels, event)
            });
        }
        messages
    }

    /// Waits until the group has committed everything, and so everything is in a checkpoint.
    ///
    /// # Panics
    /// If it has not after two minutes.
    pub async fn wait_until_read(&self) {
        let started = Instant::now();
        loop {
            let mut behind = Vec::new();
            for topic in [&self.predictions, &self.labels] {
                let ends = self.client.offsets(topic).await;
                let committed = self.client.committed(&self.group(), topic).await;
                for (partition, ((first, end), committed)) in ends.into_iter().zip(committed).enumerate() {
                    if end > first && committed != Some(end) {
                        behind.push((topic.clone(), partition, end, committed));
                    }
                }
            }
            if behind.is_empty() {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(120), "not read after two minutes: {behind:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Senders at work.
#[derive(Debug)]
pub struct Sending(Vec<JoinHandle<()>>);

/// Traffic that is sent to Kafka until it is told to stop: what is in its books has been taken by the broker.
#[derive(Debug)]
pub struct Load {
    topics: Topics,
    books: Mutex<(Ledger, u64)>,
    step: AtomicU64,
    stop: AtomicBool,
}

impl Load {
    /// A load on these topics, not started.
    #[must_use]
    pub fn new(topics: Topics) -> Arc<Self> {
        Arc::new(Self {
            topics,
            books: Mutex::default(),
            step: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        })
    }

    /// Its topics.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Starts sending.
    pub fn start(self: &Arc<Self>, seed: u64) -> Sending {
        let senders = [("served", "a", Style::Ids), ("served", "b", Style::Ids), ("put", "c", Style::Once)];
        Sending(senders.map(|sender| tokio::spawn(Arc::clone(self).send(sender, seed))).into())
    }

    async fn send(self: Arc<Self>, (model, name, style): (&'static str, &'static str, Style), seed: u64) {
        let mut sender = Sender::new(model, name, style, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 3);
        while !self.stop.load(Ordering::Relaxed) {
            let step = self.step.fetch_add(1, Ordering::Relaxed);
            self.deliver(sender.next(step), &mut rng).await;
            tokio::time::sleep(Duration::from_millis(rng.random_range(10..60))).await;
        }
        self.deliver(sender.rest(self.step.load(Ordering::Relaxed)), &mut rng).await;
    }

    async fn deliver(&self, batches: Vec<Batch>, rng: &mut ChaCha8Rng) {
        for batch in batches {
            let messages = self.topics.messages(&batch, rng);
            self.topics.client.send_all(&messages).await;
            let mut books = self.books.lock().expect("no sender panicked");
            books.1 += batch.bad_lines;
            books.0.add(batch);
        }
    }

    /// Stops sending, and waits until all is read; gives the ledger, the number of poison messages and the steps.
    ///
    /// # Panics
    /// If it is not read after two minutes.
    pub async fn finish(&self, Sending(sending): Sending) -> (Ledger, u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        for task in sending {
            task.await.expect("a sender does not panic");
        }
        self.topics.wait_until_read().await;
        let (ledger, poison) = std::mem::take(&mut *self.books.lock().expect("no sender panicked"));
        (ledger, poison, self.step.load(Ordering::Relaxed))
    }
}
