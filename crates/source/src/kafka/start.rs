//! Where a partition is read on.
//!
//! Three may know: the checkpoint, the group's committed offset, and the log's own bounds. A commit carries, as its
//! metadata, the id of the state that has the rows before it, and so:
//!
//! - **Committed by this state, or by nobody:** the checkpoint's position. It is never behind what is in the state, and
//!   where a backup was put back it is behind the commit: what the backup lacks is read again.
//! - **Committed by another state:** the commit. Another process had the partition and has counted the rows up to there;
//!   the checkpoint's position, from the time before, would count them twice. A commit by other tools, which carry no id,
//!   is obeyed in the same way: whoever resets a group's offsets means it.
//! - **Neither:** where the configuration says.
//!
//! A position below the oldest message that the log still has is a gap: those rows are lost, and counted. A position above
//! its end belongs to a topic that was deleted and made again, and begins anew.

use super::config::KafkaStart;

/// What is known of a partition that is about to be read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    /// The position in the state.
    pub(crate) known: Option<i64>,
    /// The group's committed offset.
    pub(crate) committed: Option<Commit>,
    /// The log's oldest offset, and the one after its newest.
    pub(crate) bounds: Option<(i64, i64)>,
    pub(crate) start: KafkaStart,
}

/// A committed offset, and whether this state committed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) offset: i64,
    pub(crate) is_own: bool,
}

/// Where a partition is read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    At {
        offset: i64,
        /// Messages that are gone.
        gap: u64,
        /// The log is not the one that was read before.
        is_reset: bool,
    },
    /// The oldest message, wherever it is: the broker does not say now.
    Oldest,
    /// Nothing can be said before the broker tells the log's end.
    Unknown,
}

/// Decides it.
pub(crate) fn start_of(facts: &Facts) -> Start {
    let Facts { known, committed, bounds, start } = *facts;
    let position = match committed {
        Some(Commit { offset, is_own: false }) => Some(offset),
        // A state that has committed and does not know the partition is an older one, put back from a backup.
        Some(Commit { offset, is_own: true }) => {
            known.or_else(|| (start == KafkaStart::Latest).then_some(offset))
        }
        None => known,
    };
    match (position, bounds) {
        (Some(position), Some((low, _))) if position < low => {
            Start::At { offset: low, gap: low.abs_diff(position), is_reset: false }
        }
        (Some(position), Some((low, high))) if position > high => {
            Start::At { offset: low, gap: 0, is_reset: true }
        }
        (Some(offset), _) => Start::At { offset, gap: 0, is_reset: false },
        (None, Some((low, high))) => {
            let offset = if start == KafkaStart::Earliest { low } else { high };
            Start::At { offset, gap: 0, is_reset: false }
        }
        (None, None) if start == KafkaStart::Earliest => Start::Oldest,
        (None, None) => Start::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Start {
        Start::At { offset, gap: 0, is_reset: false }
    }

    fn facts(known: Option<i64>, committed: Option<(i64, bool)>, start: KafkaStart) -> Facts {
        let committed = committed.map(|(offset, is_own)| Commit { offset, is_own });
        Facts { known, committed, bounds: Some((10, 100)), start }
    }

    #[test]
    fn the_state_knows_best_unless_another_one_went_on() {
        use KafkaStart::{Earliest, Latest};
        // known, committed by (this state: true), where it starts
        let cases = [
            (None, None, Earliest, 10),
            (None, None, Latest, 100),
            (Some(50), None, Earliest, 50),
            (Some(50), None, Latest, 50),
            (Some(50), Some((40, true)), Earliest, 50),
            (Some(50), Some((60, true)), Earliest, 50),
            (Some(50), Some((60, false)), Earliest, 60),
            (Some(50), Some((40, false)), Earliest, 40),
            (None, Some((60, false)), Latest, 60),
            (None, Some((60, true)), Earliest, 10),
            (None, Some((60, true)), Latest, 60),
        ];
        for (known, committed, start, expected) in cases {
            let found = start_of(&facts(known, committed, start));
            assert_eq!(found, at(expected), "{known:?} {committed:?} {start:?}");
        }
    }

    #[test]
    fn what_the_log_has_no_more_is_a_gap_and_what_it_never_had_is_another_log() {
        let gap = Start::At { offset: 10, gap: 7, is_reset: false };
        let reset = Start::At { offset: 10, gap: 0, is_reset: true };
        let earliest = KafkaStart::Earliest;
        assert_eq!(start_of(&facts(Some(3), None, earliest)), gap);
        assert_eq!(start_of(&facts(Some(50), Some((3, false)), earliest)), gap);
        assert_eq!(start_of(&facts(Some(101), None, earliest)), reset);
        assert_eq!(start_of(&facts(Some(10), None, earliest)), at(10));
        assert_eq!(start_of(&facts(Some(100), None, earliest)), at(100));
    }

    #[test]
    fn a_broker_that_does_not_say_is_waited_for_only_where_it_must() {
        let silent = |known, start| start_of(&Facts { known, bounds: None, start, committed: None });
        assert_eq!(silent(Some(3), KafkaStart::Latest), at(3));
        assert_eq!(silent(None, KafkaStart::Earliest), Start::Oldest);
        assert_eq!(silent(None, KafkaStart::Latest), Start::Unknown);
    }
}
