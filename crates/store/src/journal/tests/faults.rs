//! Faults of the file system.

use std::io::ErrorKind;

use super::*;
use crate::files::{FaultyFiles, FragileFiles, Operation};

fn faulty(folder: &Path, spec: JournalSpec) -> (FaultyFiles, Journal) {
    let files = FaultyFiles::new(Arc::new(OsFiles));
    let (journal, _) = Journal::open(folder, spec, Arc::new(files.clone())).unwrap();
    (files, journal)
}

#[test]
fn a_full_disk_is_told_and_space_that_returns_is_used() {
    for spec in [SPEC, INTERVAL] {
        let folder = tempfile::tempdir().unwrap();
        let (files, mut journal) = faulty(folder.path(), spec);
        files.set_bytes_left(Some(5_000));
        let mut accepted = 0;
        let error = loop {
            match journal.append(&[payload(accepted + 1)]) {
                Ok(seq) => accepted = seq,
                Err(error) => break error,
            }
        };
        assert!(error.is_full(), "{error:?}");
        assert!(accepted > 20);
        for _ in 0..5 {
            assert!(journal.append(&[vec![1; 500]]).unwrap_err().is_full());
        }
        assert_eq!(replayed(&mut open(folder.path()).0, 0).unwrap(), payloads(1..=accepted));
        files.set_bytes_left(Some(50_000));
        assert_eq!(journal.append(&[payload(accepted + 1)]).unwrap(), accepted + 1);
        assert_eq!(replayed(&mut open(folder.path()).0, 0).unwrap(), payloads(1..=accepted + 1));
        // Forgetting makes room.
        files.set_bytes_left(Some(0));
        assert!(journal.append(&[vec![1; 500]]).unwrap_err().is_full());
        assert!(journal.forget(accepted).unwrap() > 0);
        assert_eq!(journal.append(&[payload(accepted + 2)]).unwrap(), accepted + 2);
    }
}

/// Every single fault at every place of a short life, with the service killed after every step.
#[test]
fn after_any_fault_what_was_acknowledged_is_there_and_what_was_refused_is_not() {
    for spec in [SPEC, INTERVAL] {
        for operation in Operation::CHANGES {
            for passes in 0..6 {
                let place = format!("{operation:?} after {passes}, {:?}", spec.fsync);
                let disk = FragileFiles::new(passes);
                let files = FaultyFiles::new(Arc::new(disk.clone()));
                let open = |files| Journal::open(Path::new("journal"), spec.clone(), files).unwrap().0;
                let mut journal = open(Arc::new(files.clone()));
                files.fail(operation, passes, 1, ErrorKind::Other);
                if operation == Operation::SetLen {
                    files.fail(Operation::Write, 2, 1, ErrorKind::Other);
                }
                let mut accepted = Vec::new();
                for round in 0..40 {
                    let group = [payload(round), vec![round as u8; 200]];
                    match journal.append(&group) {
                        Ok(_) => accepted.extend(group),
                        Err(error) => assert!(!error.is_full(), "{error:?}"),
                    }
                    if journal.sync().is_ok() {
                        assert_eq!(journal.durable_seq, journal.last_seq);
                    }
                    let mut killed = open(Arc::new(disk.copy()));
                    assert_eq!(replayed(&mut killed, 0).unwrap(), accepted, "{place}, round {round}");
                }
                assert!(accepted.len() >= 76, "{place}: {}", accepted.len());
                journal.forget(journal.last_seq() - 1).ok();
                journal.forget(journal.last_seq() - 1).unwrap();
                assert_eq!(journal.bytes(), disk.bytes(), "{place}");
            }
        }
    }
}

#[test]
fn after_a_failed_fsync_it_goes_on_in_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (files, mut journal) = faulty(folder.path(), SPEC);
    journal.append(&payloads(1..=2)).unwrap();
    files.fail(Operation::Sync, 0, 1, ErrorKind::Other);
    // Not even cutting back works: the refused frames stand in the old file and do not count.
    files.fail(Operation::SetLen, 0, u64::MAX, ErrorKind::Other);
    let error = journal.append(&payloads(3..=4)).unwrap_err();
    assert!(error.to_string().starts_with("cannot make durable "), "{error}");
    assert_eq!(journal.segment_count(), 2);
    assert_eq!(replayed(&mut open(folder.path()).0, 0).unwrap(), payloads(1..=2));
    assert_eq!(journal.append(&payloads(5..=5)).unwrap(), 3);
    assert_eq!(replayed(&mut open(folder.path()).0, 1).unwrap(), [payload(2), payload(5)]);
}

#[test]
fn with_an_interval_a_failed_fsync_writes_the_acknowledged_again() {
    let folder = tempfile::tempdir().unwrap();
    let (files, mut journal) = faulty(folder.path(), INTERVAL);
    journal.append(&payloads(1..=2)).unwrap();
    journal.sync().unwrap();
    journal.append(&payloads(3..=4)).unwrap();
    files.fail(Operation::Sync, 0, 2, ErrorKind::Other);
    journal.sync().unwrap_err();
    assert_eq!(journal.durable_seq, 2);
    journal.sync().unwrap();
    assert_eq!((journal.durable_seq, journal.segment_count()), (4, 2));
    // The old file's pages may be gone.
    let old = segment::path_of(folder.path(), 1);
    let length = std::fs::metadata(&old).unwrap().len();
    std::fs::File::options().write(true).open(&old).unwrap().set_len(length - 50).unwrap();
    assert_eq!(replayed(&mut open(folder.path()).0, 0).unwrap(), payloads(1..=4));
}

#[test]
fn a_file_that_cannot_be_removed_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (files, mut journal) = faulty(folder.path(), SPEC);
    journal.append(&[vec![1; 5_000]]).unwrap();
    journal.append(&[vec![2; 5_000]]).unwrap();
    files.fail(Operation::Remove, 0, 1, ErrorKind::PermissionDenied);
    journal.forget(1).unwrap_err();
    assert_eq!(journal.segment_count(), 2);
    journal.forget(1).unwrap();
    assert_eq!(journal.segment_count(), 1);
}

/// What is refused must not come back when the power goes, whatever of it the system had written by then.
#[test]
fn a_cut_is_durable_before_a_refusal_and_after_a_start() {
    let path = Path::new("journal");
    let open = |files| Journal::open(path, SPEC, files).unwrap().0;
    for (seed, killed) in (0..200).flat_map(|seed| [(seed, false), (seed, true)]) {
        let disk = FragileFiles::new(seed);
        let files = FaultyFiles::new(Arc::new(disk.clone()));
        let mut journal = open(Arc::new(files.clone()));
        journal.append(&payloads(1..=2)).unwrap();
        if killed {
            // Neither can the refused be made undone durably, nor is there a new file. The next start sees to it.
            disk.fail_syncs(2);
        } else {
            files.fail(Operation::Write, 0, 1, ErrorKind::Other);
        }
        // Short ones: it takes luck that one of them reaches the disk whole.
        journal.append(&[b"x"; 4]).unwrap_err();
        if killed {
            disk.fail_syncs(0);
            open(Arc::new(disk.clone()));
        }
        disk.lose_power();
        assert_eq!(replayed(&mut open(Arc::new(disk)), 0).unwrap(), payloads(1..=2), "seed {seed}");
    }
}
