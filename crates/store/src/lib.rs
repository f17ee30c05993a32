//! What outlives a window and the process: the durable [`State`], reports, and the references that windows are
//! compared with.
//!
//! All of it lives in the state folder. Reports are behind [`History`], bounded; replays keep them in memory.

mod files;
mod history;
mod journal;
mod pending;
mod references;
mod state;

pub use files::{FaultyFiles, FileEntry, Files, Operation, OsFiles, WritableFile};
pub use history::{
    History, HistoryError, HistoryPage, HistoryQuery, HistorySpec, MemoryHistory, StoredHistory,
};
pub use journal::{
    Fsync, Journal, JournalCut, JournalError, JournalFrame, JournalOpened, JournalOptions, JournalSpec,
    JournalSpecError, ReplayError, Replayed,
};
pub use pending::StoredPending;
pub use references::{ReferenceFolder, StoreError};
pub use state::{
    BackedUp, Buffered, CommitStep, STATE_FORMAT, Sealed, State, StateError, StateFaults, StateSizes,
    StateSpec, Table, TableSizes,
};
