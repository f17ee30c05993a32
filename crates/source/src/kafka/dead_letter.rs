//! Messages that could not be used go to a topic of their own, as they were, with the reason in headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use driftline_events::EventTime;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use tokio_util::sync::CancellationToken;

use super::config::KafkaSpec;
use super::context::log;
use super::decode::Faulty;
use super::stats::KafkaStats;

/// How long dead letters are waited for once one was not written in time: the partition must go on. The producer keeps
/// them meanwhile.
const IMPATIENCE: Duration = Duration::from_millis(200);

/// Writes dead letters.
pub(super) struct DeadLetters {
    producer: BaseProducer<Deliveries>,
    spec: Arc<KafkaSpec>,
    topic: String,
    stats: Arc<KafkaStats>,
    /// Letters that were given up before they were handed to the producer or waited for to the end.
    is_failing: bool,
}

/// Counts what became of dead letters.
struct Deliveries {
    stats: Arc<KafkaStats>,
    sent: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    /// No broker answers.
    are_brokers_down: AtomicBool,
}

impl Deliveries {
    fn answered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.are_brokers_down.store(true, Ordering::Relaxed);
        }
        tracing::debug!(%error, reason, "The producer of dead letters has trouble.");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.are_brokers_down.store(false, Ordering::Relaxed);
                self.delivered.fetch_add(1, Ordering::Relaxed);
                self.stats.count(|counts| counts.dead_letters += 1);
            }
            Err((error, _)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.stats.count(|counts| counts.dead_letter_failures += 1);
                tracing::debug!(%error, "Failed to write a dead letter.");
            }
        }
    }
}

impl DeadLetters {
    pub(super) fn new(
        spec: Arc<KafkaSpec>,
        topic: String,
        stats: Arc<KafkaStats>,
    ) -> Result<Self, KafkaError> {
        let producer = producer(&spec, &stats)?;
        Ok(Self { producer, spec, topic, stats, is_failing: false })
    }

    /// Writes messages, and waits until the broker has them or it takes too long. While no broker answers there is
    /// nothing to read either: they are waited for longer then, unless it is time to stop.
    pub(super) fn write<'m>(
        &mut self,
        letters: impl Iterator<Item = (&'m Faulty, &'m BorrowedMessage<'m>)>,
        now: EventTime,
        stop: &CancellationToken,
    ) {
        self.restart_if_dead();
        let started = Instant::now();
        let patience = if self.is_failing { IMPATIENCE } else { self.spec.tuning.dead_letter_wait };
        let deadline = started + patience;
        // The group throws out who does not poll for that long.
        let last = started + self.spec.max_poll_interval() / 3;
        let failed_before = self.producer.context_failed();
        let mut refused = 0;
        for (faulty, message) in letters {
            if let Err(error) = self.send(faulty, message, deadline) {
                refused += 1;
                self.stats.count(|counts| counts.dead_letter_failures += 1);
                tracing::debug!(%error, "Failed to hand over a dead letter.");
            }
        }
        let are_down =
            |letters: &Self| letters.producer.client().context().are_brokers_down.load(Ordering::Relaxed);
        while self.outstanding() > 0
            && (Instant::now() < deadline
                || (are_down(self) && Instant::now() < last && !stop.is_cancelled()))
        {
            self.producer.poll(Duration::from_millis(5));
            if are_down(self) {
                // The consumer is not asked meanwhile.
                self.stats.set_connected(false, now);
            }
        }
        let (waiting, failed) =
            (self.outstanding(), refused + self.producer.context_failed() - failed_before);
        let was_failing = std::mem::replace(&mut self.is_failing, waiting + failed > 0);
        if self.is_failing && !was_failing {
            let topic = &self.topic;
            tracing::error!(
                topic,
                waiting,
                failed,
                "Failed to write dead letters; reading goes on. Check that the topic exists, takes messages as large as \
                 those that are read, and may be written by this user."
            );
        }
    }

    /// Hears of letters that nobody waited for.
    pub(super) fn poll(&self) {
        if self.outstanding() > 0 {
            self.producer.poll(Duration::ZERO);
        }
    }

    /// Waits for the last ones; those that are not written by then are counted as failed.
    pub(super) fn finish(&self, wait: Duration) {
        let deadline = Instant::now() + wait;
        while self.outstanding() > 0 && Instant::now() < deadline {
            self.producer.poll(Duration::from_millis(10));
        }
        let lost = self.outstanding();
        if lost > 0 {
            self.stats.count(|counts| counts.dead_letter_failures += lost);
            tracing::error!(
                lost,
                topic = self.topic,
                "Failed to write the last dead letters before the end."
            );
        }
    }

    fn outstanding(&self) -> u64 {
        let context = self.producer.client().context();
        context.sent.load(Ordering::Relaxed) - context.answered()
    }

    fn send(
        &self,
        faulty: &Faulty,
        message: &BorrowedMessage<'_>,
        deadline: Instant,
    ) -> Result<(), KafkaError> {
        let mut record: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&self.topic).headers(headers(faulty, message));
        (record.key, record.payload) = (message.key(), message.payload());
        record.timestamp = message.timestamp().to_millis();
        loop {
            match self.producer.send(record) {
                Ok(()) => {
                    self.producer.client().context().sent.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    record = back;
                    self.producer.poll(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// An idempotent producer that has lost its place can only be made anew.
    fn restart_if_dead(&mut self) {
        let Some((code, error)) = self.producer.client().fatal_error() else { return };
        tracing::error!(%code, error, "The producer of dead letters failed for good; starting another.");
        match producer(&self.spec, &self.stats) {
            Ok(producer) => self.producer = producer,
            Err(error) => tracing::error!(%error, "Failed to start another producer of dead letters."),
        }
    }
}

trait Failed {
    fn context_failed(&self) -> u64;
}

impl Failed for BaseProducer<Deliveries> {
    fn context_failed(&self) -> u64 {
        self.client().context().failed.load(Ordering::Relaxed)
    }
}

fn producer(spec: &KafkaSpec, stats: &Arc<KafkaStats>) -> Result<BaseProducer<Deliveries>, KafkaError> {
    let zero = || AtomicU64::new(0);
    let stats = Arc::clone(stats);
    let are_brokers_down = AtomicBool::new(false);
    let context = Deliveries { stats, sent: zero(), delivered: zero(), failed: zero(), are_brokers_down };
    spec.producer().create_with_context(context)
}

/// The message's own headers, and why it is here.
fn headers(faulty: &Faulty, message: &BorrowedMessage<'_>) -> OwnedHeaders {
    let rows = match &faulty.unusable {
        Some(_) => "all".to_owned(),
        None => faulty.rows_total.to_string(),
    };
    let (partition, offset) = (message.partition().to_string(), message.offset().to_string());
    let own = [
        ("driftline_topic", message.topic()),
        ("driftline_partition", &partition),
        ("driftline_offset", &offset),
        ("driftline_reason", faulty.reason()),
        ("driftline_detail", faulty.detail()),
        ("driftline_rejected_rows", &rows),
    ];
    let headers = message.headers().map_or_else(OwnedHeaders::new, |headers| headers.detach());
    own.into_iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}
