//! The thread that makes HTTP batches durable before they are folded: all that wait share one write and one fsync.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftline_source::{Receipt, StorageFault, Submission, join_small};
use driftline_store::{Journal, JournalError, ReplayError};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::committer::{Committed, causes};
use super::entry::{self, Entry, EntryError};
use super::{Health, Recovery};

/// Bytes in memory of batches that share one write at most. Compressed that is less: at most about 20 ms of a slow disk's time.
const GROUP_BYTES: usize = 8 << 20;

/// How often a journal that could not be written is tried, and old files are let go.
const TICK: Duration = Duration::from_millis(500);

/// How often the log tells of a replay.
const TELL: Duration = Duration::from_secs(2);

/// What the pipeline gets from the journal.
pub(crate) enum Journaled {
    /// A submission that is durable now.
    Taken(Box<Submission>, u64),
    /// An entry of the time before the start.
    Replayed(Box<Entry>, u64),
    /// The replay is over.
    Recovered,
}

/// What ends the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalTaskError {
    /// The journal cannot be replayed.
    #[error("the journal cannot be replayed")]
    Journal(#[from] JournalError),
    /// An entry cannot be read.
    #[error("entry {seq} of the journal")]
    Entry {
        /// Its number.
        seq: u64,
        /// Why not.
        #[source]
        source: EntryError,
    },
}

/// The journal and the ends of its channels.
pub(crate) struct JournalTask {
    pub(crate) journal: Journal,
    /// The last entry that the checkpoint has.
    pub(crate) after: u64,
    pub(crate) submissions: mpsc::Receiver<Submission>,
    pub(crate) pipeline: mpsc::Sender<Journaled>,
    pub(crate) committed: watch::Receiver<Committed>,
    pub(crate) health: Arc<Health>,
}

/// The pipeline has gone: there is nobody to replay for.
struct Gone(Option<JournalTaskError>);

impl JournalTask {
    /// Replays what the checkpoint lacks, then takes submissions until their source has gone. It blocks on the disk:
    /// run it on a thread of its own.
    ///
    /// # Errors
    /// [`JournalTaskError`] if the journal cannot be replayed.
    pub(crate) fn run(mut self, runtime: &tokio::runtime::Handle) -> Result<(), JournalTaskError> {
        self.replay()?;
        runtime.block_on(self.serve());
        Ok(())
    }

    async fn serve(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.journal.sync_due().map(tokio::time::Instant::from_std);
            tokio::select! {
                submission = self.submissions.recv() => match submission {
                    Some(submission) => {
                        if !self.take(submission).await {
                            return;
                        }
                    }
                    None => break,
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {
                    self.settle();
                }
                _ = tick.tick() => self.look_after(),
            }
        }
        self.settle_all();
    }

    fn replay(&mut self) -> Result<(), JournalTaskError> {
        let started = Instant::now();
        let mut told = started;
        let mut recovery = Recovery::default();
        let (pipeline, health) = (self.pipeline.clone(), Arc::clone(&self.health));
        let replayed = self.journal.replay(self.after, |frame| {
            recovery.done_bytes = frame.done_bytes;
            recovery.total_bytes = frame.total_bytes;
            recovery.elapsed = started.elapsed();
            let decoded = Entry::decode(frame.payload);
            let decoded =
                decoded.map_err(|source| Gone(Some(JournalTaskError::Entry { seq: frame.seq, source })))?;
            let Some(entry) = decoded else { return Ok(()) };
            recovery.rows += entry.batches.iter().map(|batch| batch.rows.num_rows() as u64).sum::<u64>();
            health.note(|health| health.recovery = recovery);
            if told.elapsed() >= TELL {
                told = Instant::now();
                tell(&recovery);
            }
            let replayed = Journaled::Replayed(Box::new(entry), frame.seq);
            pipeline.blocking_send(replayed).map_err(|_| Gone(None))
        });
        match replayed {
            Ok(_) => {}
            Err(ReplayError::Journal(error)) => return Err(error.into()),
            Err(ReplayError::Refused { source: Gone(Some(error)), .. }) => return Err(error),
            // Nothing else can refuse an entry.
            Err(_) => return Ok(()),
        }
        if recovery.rows > 0 {
            tell(&recovery);
        }
        // A pipeline that has gone is seen by the next batch.
        drop(self.pipeline.blocking_send(Journaled::Recovered));
        Ok(())
    }

    /// Makes a submission durable with all that wait behind it. `false` if the pipeline has gone.
    async fn take(&mut self, first: Submission) -> bool {
        let mut bytes = first.bytes();
        let mut group = vec![first];
        while bytes < GROUP_BYTES
            && let Ok(next) = self.submissions.try_recv()
        {
            bytes += next.bytes();
            group.push(next);
        }
        let group = join_small(group);
        let payloads: Vec<Vec<u8>> = group.iter().map(entry::encode).collect();
        let started = Instant::now();
        match self.journal.append(&payloads) {
            Ok(last) => {
                self.health.note(|health| {
                    health.figures.journal_append.observe(started.elapsed().as_secs_f64());
                    health.figures.journal_bytes = self.journal.bytes();
                    if health.journal_fault.take().is_some() {
                        tracing::info!("The journal can be written again.");
                    }
                });
                let first = last + 1 - group.len() as u64;
                for (seq, submission) in (first..).zip(group) {
                    if self.pipeline.send(Journaled::Taken(Box::new(submission), seq)).await.is_err() {
                        return false;
                    }
                }
            }
            Err(error) => {
                let fault = self.failed(&error);
                let refused: usize = group.iter().map(|submission| submission.reply.senders()).sum();
                self.health.note(|health| health.figures.journal_refused += refused as u64);
                for submission in group {
                    submission.reply.send(Receipt::refused(fault));
                }
            }
        }
        true
    }

    fn failed(&self, error: &JournalError) -> StorageFault {
        let cause = causes(error);
        let (fault, what) = if error.is_full() {
            (StorageFault::Full, "the disk is full")
        } else {
            (StorageFault::Failed, "the journal cannot be written")
        };
        self.health.note(|health| {
            if health.journal_fault.is_none() {
                tracing::error!(cause, "The journal cannot be written; batches are refused until it can.");
            }
            health.journal_fault = Some(format!("{what}: {cause}"));
        });
        fault
    }

    /// Makes durable what `fsync = "interval"` left.
    fn settle(&mut self) {
        if let Err(error) = self.journal.sync_if_due() {
            self.failed(&error);
        }
    }

    fn settle_all(&mut self) {
        if let Err(error) = self.journal.sync() {
            self.failed(&error);
        }
    }

    /// Lets go what a checkpoint has, and tries a journal that could not be written.
    fn look_after(&mut self) {
        let through = self.committed.borrow_and_update().journal;
        if let Err(error) = self.journal.forget(through) {
            tracing::warn!(
                cause = causes(&error),
                "Old journal files could not be removed; it is tried again."
            );
        }
        let is_broken = self.health.snapshot().journal_fault.is_some();
        if is_broken {
            match self.journal.append(&[entry::probe()]) {
                Ok(_) => self.health.note(|health| {
                    health.journal_fault = None;
                    tracing::info!("The journal can be written again.");
                }),
                Err(error) => drop(self.failed(&error)),
            }
        }
        self.health.note(|health| health.figures.journal_bytes = self.journal.bytes());
    }
}

fn tell(recovery: &Recovery) {
    let Recovery { done_bytes, total_bytes, rows, elapsed, .. } = *recovery;
    let percent = 100.0 * done_bytes as f64 / total_bytes.max(1) as f64;
    let rate = rows as f64 / elapsed.as_secs_f64().max(1e-3);
    tracing::info!(
        "Replaying the journal: {percent:.0} % of {:.1} MB, {rows} rows, {rate:.0} rows/s.",
        total_bytes as f64 / 1e6
    );
}
