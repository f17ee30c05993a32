//! When checkpoints are taken, and what they say of how far the sources were read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftline_source::{Position, Positions};
use driftline_store::{State, StateError, Table};
use tokio::sync::{oneshot, watch};

use crate::durability::{Checkpoint, Committed, CommitterHandle};
use crate::engine::Engine;

/// A checkpoint is taken before its time when this many bytes wait for it: a fraction of a second's writing.
pub(crate) const LARGE_BYTES: usize = 64 << 20;

/// Reports of windows that close go in checkpoints of this part of it: where many models' hours close at once, two of
/// them are in memory.
const PARTS: usize = 4;

/// With this much waiting, and a checkpoint that cannot be committed, nothing more is folded.
const FULL_BYTES: usize = 256 << 20;

const JOURNAL: &[u8] = b"journal";
const KAFKA: &[u8] = b"kafka";

/// Takes checkpoints.
pub(crate) struct Checkpoints {
    state: State,
    committer: CommitterHandle,
    every: Duration,
    /// What is much to wait for a checkpoint.
    large: usize,
    /// The journal's last entry that was folded.
    journal: u64,
    positions: Arc<Positions>,
    /// What of the two is in the last sealed checkpoint.
    sealed: (u64, Arc<Positions>),
    begun: Instant,
    /// The checkpoint that is being committed.
    pending: Option<u64>,
    waiting: Vec<oneshot::Sender<()>>,
    give_up: watch::Receiver<bool>,
}

/// Where the sources go on, by the last checkpoint; `None` if what it says is no position.
///
/// # Errors
/// [`StateError`] if it cannot be read.
pub(crate) fn start(state: &State) -> Result<Option<Committed>, StateError> {
    let journal = match state.get(Table::Meta, JOURNAL)? {
        Some(bytes) => bytes.try_into().ok().map(u64::from_be_bytes),
        None => Some(0),
    };
    let positions = match state.get(Table::Meta, KAFKA)? {
        Some(bytes) => serde_json::from_slice(&bytes).ok(),
        None => Some(Positions::default()),
    };
    let number = state.committed();
    Ok(journal.zip(positions).map(|(journal, positions)| Committed {
        number,
        journal,
        positions: Arc::new(positions),
    }))
}

impl Checkpoints {
    pub(crate) fn new(
        state: State,
        committer: CommitterHandle,
        (every, large): (Duration, usize),
        start: &Committed,
        give_up: watch::Receiver<bool>,
    ) -> Self {
        let positions = Arc::clone(&start.positions);
        Self {
            state,
            committer,
            every,
            large,
            journal: start.journal,
            sealed: (start.journal, Arc::clone(&positions)),
            positions,
            begun: Instant::now(),
            pending: None,
            waiting: Vec::new(),
            give_up,
        }
    }

    pub(super) const fn every(&self) -> Duration {
        self.every
    }

    pub(super) fn folded_journal(&mut self, seq: u64) {
        self.journal = seq;
    }

    pub(super) fn folded_kafka(&mut self, positions: &[Position]) {
        if !positions.is_empty() {
            let all = Arc::make_mut(&mut self.positions);
            positions.iter().for_each(|position| all.set(position));
        }
    }

    /// Answers when all that was folded so far is on disk: a checkpoint is taken at once.
    pub(super) fn wait(&mut self, durable: oneshot::Sender<()>) {
        self.waiting.push(durable);
    }

    pub(super) fn given_up(&self) -> bool {
        *self.give_up.borrow()
    }

    /// Whether more may be folded.
    pub(super) fn has_room(&self) -> bool {
        self.pending.is_none() || self.state.buffered().bytes < FULL_BYTES
    }

    /// Takes a checkpoint if there is much that closed windows had to store; gives its number.
    pub(super) fn begin_if_part(&mut self, engine: &mut Engine) -> Option<u64> {
        self.begin_if(engine, self.part())
    }

    /// Whether as much waits already while another checkpoint is being committed.
    pub(super) fn is_behind(&self) -> bool {
        self.pending.is_some() && self.state.buffered().bytes >= self.part()
    }

    fn part(&self) -> usize {
        self.large.div_ceil(PARTS)
    }

    /// Waits for the checkpoint that is being committed; for ever if there is none.
    pub(super) async fn committed(&mut self) {
        match self.pending {
            Some(number) => {
                // Without a committer nothing is ever committed; the service then ends by its watch over the parts.
                if self.committer.committed.wait_for(|done| done.number >= number).await.is_err() {
                    std::future::pending::<()>().await;
                }
                self.pending = None;
            }
            None => std::future::pending().await,
        }
    }

    /// The last checkpoint's number.
    pub(super) fn number(&self) -> u64 {
        self.committer.committed.borrow().number
    }

    /// Takes a checkpoint if it is time, somebody waits, or much has changed; gives its number.
    pub(super) fn begin_if_due(&mut self, engine: &mut Engine) -> Option<u64> {
        if self.begun.elapsed() >= self.every || !self.waiting.is_empty() {
            self.look_for_committed();
            if self.pending.is_none() { self.begin(engine) } else { None }
        } else {
            self.begin_if(engine, self.large)
        }
    }

    fn begin_if(&mut self, engine: &mut Engine, bytes: usize) -> Option<u64> {
        self.look_for_committed();
        let is_large = self.state.buffered().bytes >= bytes;
        if is_large && self.pending.is_none() { self.begin(engine) } else { None }
    }

    fn look_for_committed(&mut self) {
        if self.pending.is_some_and(|number| self.committer.committed.borrow().number >= number) {
            self.pending = None;
        }
    }

    fn begin(&mut self, engine: &mut Engine) -> Option<u64> {
        self.begun = Instant::now();
        engine.save();
        if self.sealed.0 != self.journal {
            self.state.put(Table::Meta, JOURNAL, self.journal.to_be_bytes().to_vec());
        }
        if self.sealed.1 != self.positions {
            let positions = serde_json::to_vec(&*self.positions).expect("positions are names and numbers");
            self.state.put(Table::Meta, KAFKA, positions);
        }
        self.sealed = (self.journal, Arc::clone(&self.positions));
        let waiting = std::mem::take(&mut self.waiting);
        let Some(sealed) = self.state.seal() else {
            // Nothing has changed since the last: whoever waits has what it waits for.
            waiting.into_iter().for_each(|waiting| waiting.send(()).unwrap_or_default());
            return None;
        };
        self.pending = Some(sealed.number());
        let (journal, positions) = (self.journal, Arc::clone(&self.positions));
        // There is room, for there is one checkpoint at a time.
        drop(self.committer.checkpoints.try_send(Checkpoint { sealed, journal, positions, waiting }));
        self.pending
    }

    /// Commits what is left; gives the number of the checkpoint that has it.
    pub(super) async fn finish(&mut self, engine: &mut Engine) -> Option<u64> {
        let mut give_up = self.give_up.clone();
        let given_up = async move {
            if give_up.wait_for(|given_up| *given_up).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let last = async {
            if self.pending.is_some() {
                self.committed().await;
            }
            let number = self.begin(engine);
            if self.pending.is_some() {
                self.committed().await;
            }
            number
        };
        tokio::select! {
            number = last => number,
            () = given_up => {
                tracing::warn!("The last checkpoint could not be committed; the journal has its rows.");
                None
            }
        }
    }
}
