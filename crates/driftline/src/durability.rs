//! What keeps acknowledged events through a crash.
//!
//! ```text
//! HTTP  -> journal (one write and one fsync for all that wait) -> pipeline -> receipt
//! Kafka -------------------------------------------------------> pipeline
//!                                                                   |  checkpoint: summaries and positions together
//!                                                               committer -> state folder, then: the journal forgets,
//!                                                                            group offsets are committed
//! ```
//!
//! The state is a function of the last checkpoint and of what the journal and Kafka have after its positions.

mod committer;
mod entry;
mod health;
mod journal_task;
mod requests;

pub(crate) use committer::{Checkpoint, Committed, Committer, CommitterHandle, causes};
pub use entry::EntryError;
pub use health::{DurabilitySnapshot, Health, Recovery};
pub use journal_task::JournalTaskError;
pub(crate) use journal_task::{JournalTask, Journaled};
pub(crate) use requests::Requests;
