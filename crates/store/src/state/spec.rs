//! What a state is opened with.

use std::fmt;
use std::io;
use std::sync::Arc;

/// What a state is opened with.
#[derive(Clone, Debug)]
pub struct StateSpec {
    /// Blocks from disk that are kept in memory.
    pub cache_bytes: u64,
    /// The store's own log on disk, from which it recovers: at least 64 MiB; somewhat more for moments.
    pub log_bytes: u64,
    /// What tests break.
    pub faults: Option<Arc<dyn StateFaults>>,
}

impl Default for StateSpec {
    fn default() -> Self {
        Self { cache_bytes: 64 * 1_024 * 1_024, log_bytes: 128 * 1_024 * 1_024, faults: None }
    }
}

/// What a commit does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitStep {
    /// It writes the batch.
    Write,
    /// It syncs what was written.
    Sync,
    /// It notes that the checkpoint is committed.
    Mark,
}

/// Errors that a test wants a commit to meet.
pub trait StateFaults: fmt::Debug + Send + Sync {
    /// Called before each step.
    ///
    /// # Errors
    /// The error that the step is to fail with.
    fn at(&self, step: CommitStep) -> io::Result<()>;
}
