//! Journals of earlier versions are read for ever.

use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use driftline_store::{Journal, JournalSpec, OsFiles};

/// Three batches, the last of two payloads. Made by `append` when version 1 was new; never made again.
const VERSION_1: &str = "00000000000000000041.v1.journal";
const PAYLOADS: [&[u8]; 4] = [
    br#"{"model": "churn", "prediction_id": "req-17", "prediction": {"score": 0.83}}"#,
    b"",
    b"\x00\x01\xfe\xff",
    br#"{"model": "churn", "prediction_id": "req-17", "label": "no"}"#,
];

#[test]
fn a_journal_of_version_1_is_read() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(VERSION_1);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(&fixture, folder.path().join("00000000000000000041.journal")).unwrap();
    let (mut journal, opened) =
        Journal::open(folder.path(), JournalSpec::default(), Arc::new(OsFiles)).unwrap();
    assert_eq!((opened.first_seq, opened.last_seq, opened.cut), (Some(41), 44, None));
    let mut payloads = Vec::new();
    let replayed = journal.replay(40, |frame| {
        payloads.push((frame.seq, frame.payload.to_vec()));
        Ok::<_, Infallible>(())
    });
    assert_eq!(replayed.unwrap().frames, 4);
    let expected: Vec<(u64, Vec<u8>)> = (41..).zip(PAYLOADS.map(<[u8]>::to_vec)).collect();
    assert_eq!(payloads, expected);
    assert_eq!(journal.append(&[b"goes on"]).unwrap(), 45);
}
