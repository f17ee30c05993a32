//! Events from Kafka.
//!
//! ```text
//! poll -> Batch -> decode -> (dead letters) -> Submission with positions -> pipeline -> checkpoint
//!  |                                                                                        |
//!  +--- commit of group offsets <------------- durable positions <--------------------------+
//! ```
//!
//! Invariants:
//! - A position is in the state only with the rows before it: they travel in one [`crate::Submission`].
//! - Nothing is committed that is not in a checkpoint. What a commit means, and which of checkpoint and commit says where
//!   a partition is read on, is told in `start`.
//! - One thread polls and owns everything; it never waits for longer than the group takes it for alive.
//! - A message never stops its partition. Rejected ones are counted, shown and written to the dead-letter topic, before the
//!   position passes them; after a crash that can happen twice.

mod assignment;
mod batch;
mod cloud_event;
mod commit;
mod config;
mod context;
mod dead_letter;
mod decode;
mod flush;
mod hand_on;
mod message;
mod properties;
mod start;
mod stats;
#[cfg(test)]
mod tests;
mod topics;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use config::{KafkaOptions, KafkaSpec, KafkaSpecError, KafkaStart};
pub use properties::KafkaProperties;
pub use stats::{KafkaCounts, KafkaFault, KafkaSnapshot, PartitionSnapshot};

use self::commit::Committer;
use self::context::Context;
use self::dead_letter::DeadLetters;
use self::stats::KafkaStats;
use self::worker::{Job, Worker};
use crate::ingest::{Clock, Ingest};
use crate::positions::Positions;
use crate::submission::Submission;

/// Kafka cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaStartError {
    /// librdkafka does not take the settings together.
    #[error("kafka: librdkafka does not take the settings; see brokers and properties")]
    Client(#[source] KafkaError),
    /// There is no thread for it.
    #[error("kafka: cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// Reads topics on a thread of its own, until it is stopped.
pub struct KafkaSource {
    stop: CancellationToken,
    status: KafkaStatus,
    ended: oneshot::Receiver<()>,
}

/// Tells how it stands with Kafka; can be cloned, and outlives the source.
#[derive(Clone)]
pub struct KafkaStatus {
    stats: Arc<KafkaStats>,
    clock: Clock,
}

impl KafkaStatus {
    /// The state now, and what was counted since the start.
    #[must_use]
    pub fn snapshot(&self) -> KafkaSnapshot {
        self.stats.snapshot((self.clock)())
    }
}

impl KafkaSource {
    /// Starts to read; a broker that cannot be reached is tried for ever. Models, limits, clock, counters and the list of
    /// rejected rows are those of `ingest`.
    ///
    /// `state_id` names the state that the rows go into, for ever; `positions` are those of its checkpoint. Rows go into
    /// `channel`, a bounded one. `durable` tells of the positions that each checkpoint holds, which are then committed.
    ///
    /// # Errors
    /// [`KafkaStartError`] if librdkafka refuses the settings.
    pub fn start(
        spec: KafkaSpec,
        ingest: &Ingest,
        state_id: String,
        positions: Positions,
        channel: mpsc::Sender<Submission>,
        durable: watch::Receiver<Arc<Positions>>,
    ) -> Result<Self, KafkaStartError> {
        let intake = ingest.intake().clone();
        let clock = Arc::clone(&intake.clock);
        let stats = Arc::new(KafkaStats::new(clock()));
        let status = KafkaStatus { stats: Arc::clone(&stats), clock: Arc::clone(&clock) };
        let spec = Arc::new(spec);
        let context = Context::new(Arc::clone(&stats), clock);
        let consumer: BaseConsumer<Context> =
            spec.consumer().create_with_context(context).map_err(KafkaStartError::Client)?;
        let consumer = Arc::new(consumer);
        let (committer, commits) =
            Committer::start(Arc::clone(&consumer), Arc::clone(&stats)).map_err(KafkaStartError::Thread)?;
        consumer.subscribe(&spec.topics.subscription()).map_err(KafkaStartError::Client)?;
        let dead_letters = spec
            .dead_letter_topic
            .clone()
            .map(|topic| DeadLetters::new(Arc::clone(&spec), topic, Arc::clone(&stats)))
            .transpose()
            .map_err(KafkaStartError::Client)?;
        let stop = CancellationToken::new();
        let patience = spec.tuning.goodbye_wait;
        let job = Job {
            spec,
            intake,
            stats,
            state_id,
            positions,
            channel,
            durable,
            dead_letters,
            stop: stop.clone(),
        };
        let (sender, ended) = oneshot::channel();
        let run = move || {
            Worker::new(job, &consumer, committer).run();
            close(consumer, commits, patience);
            // Whoever waited may have gone.
            sender.send(()).unwrap_or_default();
        };
        std::thread::Builder::new().name("kafka".to_owned()).spawn(run).map_err(KafkaStartError::Thread)?;
        Ok(Self { stop, status, ended })
    }

    /// Tells how it stands with Kafka.
    #[must_use]
    pub fn status(&self) -> KafkaStatus {
        self.status.clone()
    }

    /// The state now, and what was counted since the start.
    #[must_use]
    pub fn snapshot(&self) -> KafkaSnapshot {
        self.status.snapshot()
    }

    /// Asks it to stop: it hands on what it has read, asks for a checkpoint, commits and leaves the group. The pipeline
    /// must run until [`KafkaSource::ended`].
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has stopped: mostly at once, and at most some half a minute after it was asked to. `false` if it
    /// panicked. It also ends by itself when the pipeline has gone.
    pub async fn ended(&mut self) -> bool {
        (&mut self.ended).await.is_ok()
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Leaves the group. A broker that does not answer can hold that up for long: then the thread is left to itself.
fn close(consumer: Arc<BaseConsumer<Context>>, commits: JoinHandle<()>, patience: Duration) {
    let (sender, closed) = std_mpsc::channel::<()>();
    let leave = move || {
        // The last commit holds the consumer too.
        if commits.join().is_err() {
            tracing::error!("The thread that commits panicked.");
        }
        consumer.unsubscribe();
        drop(consumer);
        drop(sender);
    };
    match std::thread::Builder::new().name("kafka-close".to_owned()).spawn(leave) {
        Ok(_) => {
            if closed.recv_timeout(patience) == Err(std_mpsc::RecvTimeoutError::Timeout) {
                tracing::warn!("Kafka did not answer to our leaving the group; it will notice by itself.");
            }
        }
        Err(error) => tracing::warn!(%error, "Failed to leave the group; Kafka will notice by itself."),
    }
}

impl fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSource").field("status", &self.status).finish_non_exhaustive()
    }
}

impl fmt::Debug for KafkaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaStatus").field("stats", &self.stats).finish_non_exhaustive()
    }
}
