//! What librdkafka tells besides messages. Its callbacks run on the thread that polls; what needs work is left for that
//! thread to find, so that all state has one owner.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use serde::Deserialize;

use super::stats::{KafkaFault, KafkaStats};
use crate::ingest::Clock;

/// Faults that stay are told again after this.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// A change of the assignment, to be carried out.
#[derive(Debug)]
pub(super) enum Change {
    Assign(TopicPartitionList),
    Revoke { partitions: TopicPartitionList, is_lost: bool },
}

/// The consumer's ear.
pub(super) struct Context {
    stats: Arc<KafkaStats>,
    clock: Clock,
    changes: Mutex<VecDeque<Change>>,
    /// Nobody carries out changes any more.
    closing: AtomicBool,
    told: Mutex<Option<Instant>>,
}

impl Context {
    pub(super) fn new(stats: Arc<KafkaStats>, clock: Clock) -> Self {
        Self {
            stats,
            clock,
            changes: Mutex::default(),
            closing: AtomicBool::new(false),
            told: Mutex::new(None),
        }
    }

    pub(super) fn next_change(&self) -> Option<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Puts a change back that cannot be carried out yet.
    pub(super) fn put_back(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_front(change);
    }

    /// From now on partitions that go are let go at once: the consumer cannot be closed otherwise.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Something came from a broker.
    pub(super) fn heard(&self) {
        if self.stats.set_connected(true, (self.clock)()) {
            tracing::info!("Kafka is connected.");
        }
    }

    /// Remembers a fault, and tells it once a minute.
    pub(super) fn failed(&self, code: Option<RDKafkaErrorCode>, text: &str) {
        let now = (self.clock)();
        if code == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.stats.set_connected(false, now);
        }
        let action = code.and_then(action_of);
        self.stats.state().error = Some(KafkaFault { time: now, text: text.to_owned(), action });
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed() < TOLD_EVERY) {
            return;
        }
        *told = Some(Instant::now());
        match action {
            Some(action) => tracing::error!(error = text, action, "Kafka refuses; waiting does not help."),
            None => tracing::warn!(error = text, "Kafka cannot be used now; trying on."),
        }
    }
}

/// What to do about an error that does not pass by itself.
const fn action_of(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as Code;
    Some(match code {
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
            "check sasl.username, sasl.password and sasl.mechanisms in kafka.properties"
        }
        Code::SSL => "check security.protocol and the ssl.… properties in kafka.properties",
        Code::TopicAuthorizationFailed => {
            "allow this user to read the topics of kafka.predictions and kafka.labels"
        }
        Code::GroupAuthorizationFailed => "allow this user to read with the group of kafka.group",
        Code::ClusterAuthorizationFailed => "allow this user to use the cluster",
        Code::InconsistentGroupProtocol => {
            "another member of the group assigns partitions in another way; give kafka.group a name of its own"
        }
        Code::Resolve => "check the host names in kafka.brokers",
        _ => return None,
    })
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        match serde_json::from_slice::<Statistics>(statistics) {
            Ok(statistics) => self.seen(&statistics),
            Err(error) => tracing::debug!(%error, "Failed to read librdkafka's statistics."),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // Found and told by the consumer, which knows the partition.
        if code != Some(RDKafkaErrorCode::AutoOffsetReset) {
            self.failed(code, reason);
        }
    }
}

/// librdkafka's own words are for who looks for a fault in it; what matters is told by [`Context::failed`].
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        change: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let is_assignment = change == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Relaxed) {
            let gone = if is_assignment {
                consumer.incremental_assign(&TopicPartitionList::new())
            } else {
                consumer.incremental_unassign(partitions)
            };
            if let Err(error) = gone {
                tracing::debug!(%error, "Failed to let partitions go while closing.");
            }
            return;
        }
        let partitions = partitions.clone();
        let change = if is_assignment {
            Change::Assign(partitions)
        } else {
            Change::Revoke { partitions, is_lost: consumer.assignment_lost() }
        };
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }
}

/// What is used of librdkafka's statistics.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    brokers: HashMap<String, BrokerStatistics>,
    #[serde(default)]
    topics: HashMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct BrokerStatistics {
    state: String,
}

#[derive(Deserialize)]
struct TopicStatistics {
    #[serde(default)]
    partitions: HashMap<String, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    fetchq_cnt: i64,
    next_offset: i64,
    hi_offset: i64,
    /// The end of what transactions have made final.
    ls_offset: i64,
    eof_offset: i64,
}

impl Context {
    fn seen(&self, statistics: &Statistics) {
        let is_up = |broker: &BrokerStatistics| matches!(broker.state.as_str(), "UP" | "UPDATE");
        if statistics.brokers.values().any(is_up) {
            self.heard();
        } else if self.stats.set_connected(false, (self.clock)()) {
            tracing::warn!("Kafka does not answer; trying on.");
        }
        let mut state = self.stats.state();
        for ((topic, number), partition) in &mut state.partitions {
            let of = statistics
                .topics
                .get(&**topic)
                .and_then(|topic| topic.partitions.get(number.to_string().as_str()));
            let Some(of) = of else { continue };
            let end = if of.ls_offset >= 0 { of.ls_offset } else { of.hi_offset };
            if end >= 0 {
                partition.end = Some(end);
                partition.is_at_end = of.fetchq_cnt == 0 && of.eof_offset >= end && of.next_offset >= end;
            }
        }
    }
}
