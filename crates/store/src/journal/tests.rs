//! The journal on real files, on files that fail, and on a disk that loses power.

mod ends;
mod faults;
mod folder;
mod promise;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::files::OsFiles;

pub(super) const SPEC: JournalSpec =
    JournalSpec { fsync: Fsync::Always, fsync_interval: Duration::from_secs(3_600), segment_bytes: 4 << 10 };
pub(super) const INTERVAL: JournalSpec = JournalSpec { fsync: Fsync::Interval, ..SPEC };

pub(super) fn open(folder: &Path) -> (Journal, JournalOpened) {
    Journal::open(folder, SPEC, Arc::new(OsFiles)).unwrap()
}

/// All payloads with a number above `after`, checked to come in order without gaps.
pub(super) fn replayed(journal: &mut Journal, after: u64) -> Result<Vec<Vec<u8>>, JournalError> {
    let mut payloads = Vec::new();
    let result = journal.replay(after, |frame| {
        payloads.push(frame.payload.to_vec());
        assert_eq!(frame.seq, after + payloads.len() as u64);
        assert!(frame.done_bytes <= frame.total_bytes, "{frame:?}");
        Ok::<_, Infallible>(())
    });
    match result {
        Ok(replayed) => {
            assert_eq!((replayed.frames, replayed.lost), (payloads.len() as u64, 0));
            Ok(payloads)
        }
        Err(ReplayError::Journal(error)) => Err(error),
        Err(ReplayError::Refused { source, .. }) => match source {},
    }
}

/// A payload that tells its number, of a length that differs from its neighbours'.
pub(super) fn payload(number: u64) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    payload.resize(8 + (number as usize * 37) % 200, number as u8);
    payload
}

pub(super) fn payloads(numbers: std::ops::RangeInclusive<u64>) -> Vec<Vec<u8>> {
    numbers.map(payload).collect()
}
