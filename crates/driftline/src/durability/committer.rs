//! The thread that makes checkpoints durable, so that folding goes on meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftline_source::Positions;
use driftline_store::{Sealed, State};
use tokio::sync::{mpsc, oneshot, watch};

use super::Health;
use crate::service::now;

/// First and longest wait between attempts at a checkpoint that fails: soon enough after space returns, seldom enough
/// for the log.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A sealed checkpoint, and what is true once it is on disk.
pub(crate) struct Checkpoint {
    pub(crate) sealed: Sealed,
    /// The journal's last entry that is in it.
    pub(crate) journal: u64,
    /// Where Kafka is read on.
    pub(crate) positions: Arc<Positions>,
    /// Who waits for it.
    pub(crate) waiting: Vec<oneshot::Sender<()>>,
}

/// What is durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Committed {
    pub(crate) number: u64,
    pub(crate) journal: u64,
    pub(crate) positions: Arc<Positions>,
}

/// Hands checkpoints to the committer and hears of those that are durable.
#[derive(Debug)]
pub(crate) struct CommitterHandle {
    /// One at a time: the next is sealed only after it.
    pub(crate) checkpoints: mpsc::Sender<Checkpoint>,
    pub(crate) committed: watch::Receiver<Committed>,
}

/// The committer's own end.
pub(crate) struct Committer {
    state: State,
    checkpoints: mpsc::Receiver<Checkpoint>,
    committed: watch::Sender<Committed>,
    /// The same for the Kafka source, which wants nothing else.
    positions: watch::Sender<Arc<Positions>>,
    health: Arc<Health>,
    /// Set when nobody waits any longer: a checkpoint that fails is given up then, for the journal has it all.
    give_up: watch::Receiver<bool>,
}

impl Committer {
    pub(crate) fn new(
        state: State,
        start: Committed,
        health: Arc<Health>,
        give_up: watch::Receiver<bool>,
    ) -> (Self, CommitterHandle, watch::Receiver<Arc<Positions>>) {
        let (sender, checkpoints) = mpsc::channel(1);
        let (positions, durable_positions) = watch::channel(Arc::clone(&start.positions));
        let (committed, receiver) = watch::channel(start);
        let committer = Self { state, checkpoints, committed, positions, health, give_up };
        (committer, CommitterHandle { checkpoints: sender, committed: receiver }, durable_positions)
    }

    /// Commits until whoever seals has gone. It blocks on the disk: run it on a thread of its own.
    pub(crate) fn run(mut self) {
        while let Some(checkpoint) = self.checkpoints.blocking_recv() {
            if !self.commit(&checkpoint) {
                return;
            }
            let Checkpoint { sealed, journal, positions, waiting } = checkpoint;
            self.positions.send_replace(Arc::clone(&positions));
            self.committed.send_replace(Committed { number: sealed.number(), journal, positions });
            for waiting in waiting {
                // Who asked may have gone.
                waiting.send(()).unwrap_or_default();
            }
        }
    }

    /// Commits one checkpoint, however often it takes. `false` if it was given up.
    fn commit(&self, checkpoint: &Checkpoint) -> bool {
        let started = Instant::now();
        let mut wait = RETRY.0;
        while let Err(error) = self.state.commit(&checkpoint.sealed) {
            let cause = causes(&error);
            tracing::error!(
                cause, retry_in = ?wait, "Failed to commit a checkpoint; nothing is lost, and it is tried again."
            );
            let fault =
                if error.is_full() { "the disk is full" } else { "the state folder cannot be written" };
            self.health.note(|health| {
                health.figures.checkpoint_failures += 1;
                health.checkpoint_fault = Some(format!("{fault}: {cause}"));
            });
            let patience = Instant::now() + wait;
            while Instant::now() < patience {
                if *self.give_up.borrow() {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(50).min(wait));
            }
            wait = (wait * 2).min(RETRY.1);
        }
        let elapsed = started.elapsed();
        self.health.note(|health| {
            if health.checkpoint_fault.take().is_some() {
                tracing::info!("Checkpoints can be committed again.");
            }
            health.figures.checkpoint.observe(elapsed.as_secs_f64());
            health.figures.checkpoint_bytes = checkpoint.sealed.bytes() as u64;
            health.figures.checkpoint_time = Some(now().as_seconds());
        });
        true
    }
}

/// An error with all its causes in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
