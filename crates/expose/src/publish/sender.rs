//! The thread that sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::config::PublishSpec;
use super::message::Message;
use super::{Delivery, OnDelivery, PublishSnapshot};

/// Messages that librdkafka may hold at once: enough for a good throughput, few enough to send again in order.
const IN_FLIGHT: usize = 1_024;

/// The longest that a poll waits.
const POLL: Duration = Duration::from_millis(20);

/// After a failure it waits this long before it sends again, then twice as long, up to the longest.
const FIRST_BACK_OFF: Duration = Duration::from_millis(200);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// Faults that stay are told again after this.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What others may see of the thread, and what they say to it.
#[derive(Debug, Default)]
pub(super) struct Shared {
    snapshot: Mutex<PublishSnapshot>,
    patience: Mutex<Duration>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, PublishSnapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn snapshot(&self) -> PublishSnapshot {
        self.state().clone()
    }

    pub(super) fn handed_over(&self) {
        self.state().waiting += 1;
    }

    pub(super) fn given_back(&self) {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(1);
    }

    pub(super) fn set_patience(&self, patience: Duration) {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = patience;
    }

    fn patience(&self) -> Duration {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What librdkafka tells of messages, left for the thread to find.
#[derive(Debug)]
struct Deliveries {
    shared: Arc<Shared>,
    told: Mutex<Vec<(u64, Option<RDKafkaErrorCode>)>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut state = self.shared.state();
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            state.connected = Some(false);
        }
        state.error = Some(reason.to_owned());
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let fault = result
            .as_ref()
            .err()
            .map(|(error, _)| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push((number as u64, fault));
    }
}

/// The thread's state.
pub(super) struct Sender {
    spec: PublishSpec,
    shared: Arc<Shared>,
    on_delivery: OnDelivery,
    queue: mpsc::Receiver<(u64, Message)>,
    stop: CancellationToken,
    producer: BaseProducer<Deliveries>,
    /// Messages that librdkafka holds.
    in_flight: BTreeMap<u64, Message>,
    /// Messages to be sent next, before those of the queue.
    again: BTreeMap<u64, Message>,
    back_off: Duration,
    not_before: Option<Instant>,
    told: Option<Instant>,
}

impl Sender {
    pub(super) fn try_new(
        spec: PublishSpec,
        shared: Arc<Shared>,
        on_delivery: OnDelivery,
        queue: mpsc::Receiver<(u64, Message)>,
        stop: CancellationToken,
    ) -> Result<Self, KafkaError> {
        let producer = producer(&spec, &shared)?;
        Ok(Self {
            spec,
            shared,
            on_delivery,
            queue,
            stop,
            producer,
            in_flight: BTreeMap::new(),
            again: BTreeMap::new(),
            back_off: FIRST_BACK_OFF,
            not_before: None,
            told: None,
        })
    }

    pub(super) fn run(mut self) {
        let mut deadline: Option<Instant> = None;
        loop {
            if self.stop.is_cancelled() {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.shared.patience());
                if Instant::now() >= deadline || self.is_idle() {
                    return;
                }
            }
            self.send_what_is_due();
            self.producer.poll(POLL);
            self.hear();
            self.restart_if_dead();
        }
    }

    fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.again.is_empty() && self.queue.is_empty()
    }

    /// Sends as much as may be on its way. After a failure, what is on its way comes in first: only then is the order of
    /// what is sent again the order of the numbers.
    fn send_what_is_due(&mut self) {
        if let Some(not_before) = self.not_before {
            if !self.in_flight.is_empty() || Instant::now() < not_before {
                return;
            }
            self.not_before = None;
        }
        while self.in_flight.len() < IN_FLIGHT && self.not_before.is_none() {
            let next = self.again.pop_first().or_else(|| self.queue.try_recv().ok());
            let Some((number, message)) = next else { return };
            self.send(number, message);
        }
    }

    fn send(&mut self, number: u64, message: Message) {
        let headers = message.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        let opaque = usize::try_from(number).unwrap_or(usize::MAX);
        let record = BaseRecord::with_opaque_to(&message.topic, opaque)
            .key(&message.key)
            .payload(&message.value)
            .headers(headers);
        match self.producer.send(record) {
            Ok(()) => drop(self.in_flight.insert(number, message)),
            Err((error, _)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                self.failed(number, message, code);
            }
        }
    }

    /// Takes in what librdkafka has told.
    fn hear(&mut self) {
        let told = std::mem::take(
            &mut *self.producer.client().context().told.lock().unwrap_or_else(PoisonError::into_inner),
        );
        for (number, fault) in told {
            let Some(message) = self.in_flight.remove(&number) else { continue };
            match fault {
                None => {
                    self.back_off = FIRST_BACK_OFF;
                    let mut state = self.shared.state();
                    state.connected = Some(true);
                    state.delivered += 1;
                    state.waiting = state.waiting.saturating_sub(1);
                    drop(state);
                    (self.on_delivery)(number, Delivery::Delivered);
                }
                Some(code) => self.failed(number, message, code),
            }
        }
    }

    fn failed(&mut self, number: u64, message: Message, code: RDKafkaErrorCode) {
        if is_for_ever(code) {
            let mut state = self.shared.state();
            state.refused += 1;
            state.waiting = state.waiting.saturating_sub(1);
            drop(state);
            let (bytes, key) = (message.value.len(), &message.key);
            tracing::error!(%code, key, bytes, "The brokers will never take this message; it is left out.");
            (self.on_delivery)(number, Delivery::Refused);
            return;
        }
        if code != RDKafkaErrorCode::QueueFull {
            let mut state = self.shared.state();
            state.failures += 1;
            state.error = Some(code.to_string());
            drop(state);
            if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
                self.told = Some(Instant::now());
                let topic = &message.topic;
                tracing::warn!(
                    %code, topic,
                    "Failed to publish; trying on. Does the topic exist, and may this user write to it?"
                );
            }
        }
        self.again.insert(number, message);
        if self.not_before.is_none() {
            self.not_before = Some(Instant::now() + self.back_off);
            self.back_off = (self.back_off * 2).min(LONGEST_BACK_OFF);
        }
    }

    /// An idempotent producer that has lost its place can only be made anew.
    fn restart_if_dead(&mut self) {
        let Some((code, error)) = self.producer.client().fatal_error() else { return };
        tracing::error!(%code, error, "The publisher failed for good; starting another.");
        match producer(&self.spec, &self.shared) {
            Ok(producer) => {
                self.producer = producer;
                // Whether the brokers have them is not known: the same event twice has the same id.
                self.again.append(&mut self.in_flight);
            }
            Err(error) => tracing::error!(%error, "Failed to start another publisher; trying on."),
        }
        self.not_before = Some(Instant::now() + self.back_off);
        self.back_off = (self.back_off * 2).min(LONGEST_BACK_OFF);
    }
}

/// Whether a message is refused for what it is, so that sending it again is in vain.
const fn is_for_ever(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidMessageSize
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTopic
    )
}

fn producer(spec: &PublishSpec, shared: &Arc<Shared>) -> Result<BaseProducer<Deliveries>, KafkaError> {
    let context = Deliveries { shared: Arc::clone(shared), told: Mutex::default() };
    spec.producer().create_with_context(context)
}
