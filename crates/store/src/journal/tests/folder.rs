//! What is appended is there again.

use super::header::HEADER_BYTES;
use super::*;

const NONE: [Vec<u8>; 0] = [];

#[test]
fn what_is_appended_is_replayed_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, opened) = open(folder.path());
    assert_eq!((opened.segments, opened.bytes, opened.first_seq, opened.last_seq), (0, 0, None, 0));
    assert_eq!(journal.append(&payloads(1..=3)).unwrap(), 3);
    assert_eq!(journal.append(&payloads(4..=4)).unwrap(), 4);
    assert_eq!(journal.append(&NONE).unwrap(), 4);
    assert_eq!(replayed(&mut journal, 0).unwrap(), payloads(1..=4));

    let (mut journal, opened) = open(folder.path());
    assert_eq!((opened.segments, opened.first_seq, opened.last_seq, opened.cut), (1, Some(1), 4, None));
    assert_eq!(opened.bytes, journal.bytes());
    assert_eq!(replayed(&mut journal, 0).unwrap(), payloads(1..=4));
    assert_eq!(replayed(&mut journal, 3).unwrap(), payloads(4..=4));
    assert_eq!(journal.append(&payloads(5..=5)).unwrap(), 5);
    assert_eq!(replayed(&mut open(folder.path()).0, 2).unwrap(), payloads(3..=5));
}

#[test]
fn an_empty_payload_and_an_old_empty_file_are_fine() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path());
    journal.append(&[b""]).unwrap();
    for first_seq in [2, 2] {
        journal.start_segment().unwrap();
        assert_eq!(journal.segments.back().unwrap().first_seq, first_seq);
    }
    let (mut journal, opened) = open(folder.path());
    assert_eq!((opened.segments, opened.last_seq), (2, 1));
    assert_eq!(replayed(&mut journal, 0).unwrap(), [b""]);
    assert_eq!(journal.append(&payloads(2..=2)).unwrap(), 2);
    assert_eq!(replayed(&mut open(folder.path()).0, 1).unwrap(), payloads(2..=2));
}

#[test]
fn forgetting_frees_the_disk_and_keeps_the_newest_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path());
    for number in 1..=200 {
        journal.append(&[payload(number)]).unwrap();
    }
    let (before, segments) = (journal.bytes(), journal.segment_count());
    assert!(segments > 3, "{segments}");
    assert_eq!(journal.forget(0).unwrap(), 0);
    let freed = journal.forget(100).unwrap();
    assert!(freed > 0);
    assert_eq!(journal.bytes(), before - freed);
    assert_eq!(disk_bytes(folder.path()), journal.bytes());
    assert_eq!(replayed(&mut journal, 100).unwrap(), payloads(101..=200));
    journal.forget(200).unwrap();
    assert_eq!(journal.segment_count(), 1);
    let (mut journal, opened) = open(folder.path());
    assert_eq!((opened.segments, opened.last_seq), (1, 200));
    assert_eq!(replayed(&mut journal, 200).unwrap(), NONE);
    assert_eq!(journal.append(&[payload(201)]).unwrap(), 201);
}

#[test]
fn a_full_file_is_forgotten_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path());
    journal.append(&[vec![7; 10_000]]).unwrap();
    assert!(journal.forget(1).unwrap() > 10_000);
    assert_eq!(journal.bytes(), HEADER_BYTES as u64);
    let (mut journal, opened) = open(folder.path());
    assert_eq!((opened.first_seq, opened.last_seq), (Some(2), 1));
    assert_eq!(journal.append(&[payload(2)]).unwrap(), 2);
}

#[test]
fn numbers_go_on_after_a_checkpoint_that_outlived_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path());
    journal.append(&payloads(1..=5)).unwrap();
    // The file that is written now cannot have the gap, as little as one of an earlier start.
    assert_eq!(replayed(&mut journal, 7).unwrap(), NONE);
    assert_eq!(journal.append(&payloads(8..=8)).unwrap(), 8);
    let (mut journal, _) = open(folder.path());
    assert_eq!(replayed(&mut journal, 7).unwrap(), payloads(8..=8));
    assert_eq!(replayed(&mut journal, 9).unwrap(), NONE);
    assert_eq!(journal.append(&payloads(10..=11)).unwrap(), 11);
    let (mut journal, _) = open(folder.path());
    assert_eq!(replayed(&mut journal, 9).unwrap(), payloads(10..=11));
    // From an older checkpoint the gap shows.
    let error = replayed(&mut journal, 2).unwrap_err();
    assert!(matches!(error, JournalError::Missing { from: 6, to: 7, .. }), "{error:?}");
}

#[test]
fn frames_forgotten_too_early_are_missed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path());
    for number in 1..=100 {
        journal.append(&[payload(number)]).unwrap();
    }
    journal.forget(60).unwrap();
    let error = replayed(&mut journal, 3).unwrap_err();
    assert!(matches!(error, JournalError::Missing { from: 4, .. }), "{error:?}");
    assert!(error.to_string().contains("00000000000000000004.journal from a backup"), "{error}");
}

#[test]
fn a_payload_too_large_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path());
    let error = journal.append(&[vec![0; MAX_PAYLOAD + 1]]).unwrap_err();
    assert!(matches!(error, JournalError::TooLarge { .. }), "{error:?}");
    assert!(!error.is_full());
    assert_eq!((journal.last_seq(), journal.segment_count()), (0, 0));
}

#[test]
fn other_files_are_left_alone_and_unfinished_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let other =
        ["readme.txt", "1.journal", "00000000000000000001.journal.bak", "0000000000000000000x.journal"];
    for name in other {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    let unfinished = segment::new_path_of(folder.path(), 1);
    std::fs::write(&unfinished, "DL").unwrap();
    let (_, opened) = open(folder.path());
    assert_eq!(opened.segments, 0);
    assert!(!unfinished.exists());
    for name in other {
        assert!(folder.path().join(name).exists(), "{name}");
    }
}

#[test]
fn a_replay_stops_where_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path());
    journal.append(&payloads(1..=5)).unwrap();
    let mut shown = 0;
    let result = journal.replay(0, |frame| {
        shown += 1;
        if frame.seq == 3 { Err(std::io::Error::other("no")) } else { Ok(()) }
    });
    let error = result.unwrap_err();
    assert_eq!((shown, error.to_string().as_str()), (3, "batch 3 of the journal was not taken"));
}

#[test]
fn the_interval_mode_syncs_when_due() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path(), INTERVAL, Arc::new(OsFiles)).unwrap();
    assert_eq!(journal.sync_due(), None);
    journal.append(&payloads(1..=2)).unwrap();
    let due = journal.sync_due().unwrap();
    journal.append(&payloads(3..=3)).unwrap();
    journal.sync_if_due().unwrap();
    assert_eq!((journal.sync_due(), journal.durable_seq), (Some(due), 0), "it is not due yet");
    journal.spec.fsync_interval = Duration::ZERO;
    journal.sync_if_due().unwrap();
    assert_eq!((journal.sync_due(), journal.durable_seq), (None, 3));
    assert_eq!(replayed(&mut journal, 0).unwrap(), payloads(1..=3));
}

fn disk_bytes(folder: &Path) -> u64 {
    OsFiles.list(folder).unwrap().iter().map(|entry| entry.bytes).sum()
}
