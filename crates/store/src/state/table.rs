//! The tables of the state, and how each is laid out on disk.

use fjall::{KeyspaceCreateOptions, KvSeparationOptions};

/// A table of the state: keys in order, one value each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What is known of the state itself: the folder's id, the checkpoint's number, counts.
    Meta,
    /// Models.
    Models,
    /// Summaries of panes.
    Panes,
    /// Reports of windows.
    Reports,
    /// What is to be sent out.
    Outbox,
    /// Predictions that can still get a label.
    Predictions,
    /// Labels whose prediction has not come.
    Waiting,
    /// Keys of requests that were answered.
    Requests,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Meta,
        Self::Models,
        Self::Panes,
        Self::Reports,
        Self::Outbox,
        Self::Predictions,
        Self::Waiting,
        Self::Requests,
    ];

    /// Those that the store has.
    pub(super) const STORED: [Self; 5] = [Self::Meta, Self::Models, Self::Panes, Self::Reports, Self::Outbox];

    /// Those whose entries are found by a hash, many and small, and leave by age: they are in runs.
    pub(super) const HASHED: [Self; 3] = [Self::Predictions, Self::Waiting, Self::Requests];

    /// Its name: on disk, in metrics and in `state inspect`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Models => "models",
            Self::Panes => "panes",
            Self::Predictions => "predictions",
            Self::Waiting => "waiting",
            Self::Requests => "requests",
            Self::Reports => "reports",
            Self::Outbox => "outbox",
        }
    }

    /// Its place in [`Table::ALL`], which those that the store has begin.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// Its place in [`Table::HASHED`].
    pub(super) const fn hashed_index(self) -> usize {
        self as usize - Self::STORED.len()
    }

    pub(super) const fn is_hashed(self) -> bool {
        self as usize >= Self::STORED.len()
    }

    /// How the store lays it out.
    pub(super) fn options(self) -> KeyspaceCreateOptions {
        let options = KeyspaceCreateOptions::default();
        match self {
            // Values of kilobytes that are replaced often: kept apart from their keys they are not copied at each merge.
            Self::Panes | Self::Reports => options
                .with_kv_separation(Some(KvSeparationOptions::default().separation_threshold(2_048)))
                .max_memtable_size(LARGE_MEMTABLE_BYTES),
            _ => options.max_memtable_size(SMALL_MEMTABLE_BYTES),
        }
    }
}

/// Entries that a table holds in memory before they go to its files, apart from one checkpoint's overshoot. Up to
/// three of these at once where the disk does not keep up.
const LARGE_MEMTABLE_BYTES: u64 = 16 * 1_024 * 1_024;
const SMALL_MEMTABLE_BYTES: u64 = 4 * 1_024 * 1_024;
