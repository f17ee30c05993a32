//! What outlives a window: its report, and the references that windows are compared with.
//!
//! References live in the state folder. Reports are kept in memory, bounded, behind [`History`].

mod history;
mod references;

pub use history::{History, HistoryPage, HistoryQuery, MemoryHistory};
pub use references::{ReferenceFolder, StoreError};
