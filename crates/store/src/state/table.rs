//! The tables of the state, and how each is laid out on disk.

use fjall::config::{
    BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry,
    PartitioningPolicy, PinningPolicy, RestartIntervalPolicy,
};
use fjall::{CompressionType, KeyspaceCreateOptions, KvSeparationOptions};

/// A table of the state: keys in order, one value each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What is known of the state itself: the folder's id, the checkpoint's number, counts.
    Meta,
    /// Models.
    Models,
    /// Summaries of panes.
    Panes,
    /// Predictions that can still get a label.
    Predictions,
    /// Labels whose prediction has not come.
    Waiting,
    /// Keys of requests that were answered.
    Requests,
    /// Reports of windows.
    Reports,
    /// What is to be sent out.
    Outbox,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Meta,
        Self::Models,
        Self::Panes,
        Self::Predictions,
        Self::Waiting,
        Self::Requests,
        Self::Reports,
        Self::Outbox,
    ];

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

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// Whether entries are found by a hash, many and small, and leave by age.
    pub(super) const fn is_hashed(self) -> bool {
        matches!(self, Self::Predictions | Self::Waiting | Self::Requests)
    }

    pub(super) fn options(self) -> KeyspaceCreateOptions {
        let options = KeyspaceCreateOptions::default()
            // Without a filter on most reads of ids that are not there, each would read a block of the last level.
            .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(
                10.0,
            ))));
        match self {
            // Keys are random: 8 KiB blocks share more of a key's start than 4 KiB ones, and cost one read all the same.
            Self::Predictions | Self::Waiting | Self::Requests => options
                .data_block_size_policy(BlockSizePolicy::all(8 * 1_024))
                .data_block_restart_interval_policy(RestartIntervalPolicy::all(16))
                // A whole filter or index of a table file has megabytes: with more of them than the cache holds, each
                // look-up would read one. In parts it reads some kilobytes.
                .filter_block_partitioning_policy(PartitioningPolicy::new([false, true]))
                .index_block_partitioning_policy(PartitioningPolicy::new([false, true]))
                .index_block_pinning_policy(PinningPolicy::all(true))
                .data_block_compression_policy(CompressionPolicy::new([
                    CompressionType::None,
                    CompressionType::Lz4,
                ]))
                .max_memtable_size(HASHED_MEMTABLE_BYTES),
            // Values of kilobytes that are replaced often: kept apart from their keys they are not copied at each merge.
            Self::Panes | Self::Reports => options
                .with_kv_separation(Some(KvSeparationOptions::default().separation_threshold(2_048)))
                .max_memtable_size(LARGE_MEMTABLE_BYTES),
            Self::Meta | Self::Models | Self::Outbox => options.max_memtable_size(SMALL_MEMTABLE_BYTES),
        }
    }
}

/// Entries that a table holds in memory before they go to its files, apart from one checkpoint's overshoot. Up to
/// three of these at once where the disk does not keep up.
const HASHED_MEMTABLE_BYTES: u64 = 32 * 1_024 * 1_024;
const LARGE_MEMTABLE_BYTES: u64 = 16 * 1_024 * 1_024;
const SMALL_MEMTABLE_BYTES: u64 = 4 * 1_024 * 1_024;
