//! What outlives a window: its report, and the references that windows are compared with.
//!
//! References live in the state folder. Reports are kept in memory, bounded, behind [`History`].

mod files;
mod history;
mod journal;
mod references;

pub use files::{FaultyFiles, FileEntry, Files, Operation, OsFiles, WritableFile};
pub use history::{History, HistoryPage, HistoryQuery, MemoryHistory};
pub use journal::{
    Fsync, Journal, JournalCut, JournalError, JournalFrame, JournalOpened, JournalOptions, JournalSpec,
    JournalSpecError, ReplayError, Replayed,
};
pub use references::{ReferenceFolder, StoreError};
