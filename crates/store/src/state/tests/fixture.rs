//! State folders of every format, which every later version reads.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use driftline_summary::{Actual, Predicted};
use driftline_window::{Expired, IdKey, Pending, PendingStore as _, Word};

use super::*;
use crate::history::{History as _, HistoryQuery, HistorySpec, StoredHistory};
use crate::pending::StoredPending;

fn path(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/state.v{format}.zst"))
}

/// Every folder and file below `folder`: path, and a file's content.
fn pack(folder: &Path, below: &str, into: &mut Vec<(String, Option<Vec<u8>>)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            into.push((name.clone(), None));
            pack(&entry.path(), &format!("{name}/"), into);
        } else {
            into.push((name, Some(fs::read(entry.path()).unwrap())));
        }
    }
}

fn unpack(format: u32, folder: &Path) {
    let bytes = zstd::decode_all(&*fs::read(path(format)).unwrap()).unwrap();
    let entries: Vec<(String, Option<Vec<u8>>)> = postcard::from_bytes(&bytes).unwrap();
    for (name, content) in entries {
        match content {
            None => fs::create_dir(folder.join(name)).unwrap(),
            Some(content) => fs::write(folder.join(name), content).unwrap(),
        }
    }
}

fn minute(n: i64) -> EventTime {
    EventTime::from_millis(1_767_225_600_000 + n * 60_000)
}

fn pending(state: &State) -> StoredPending {
    StoredPending::open(state.clone(), 3, 1_000).unwrap()
}

fn history(state: &State) -> StoredHistory {
    let spec = HistorySpec { reports_per_model: 100, reports_retention: Some(Duration::from_secs(86_400)) };
    StoredHistory::open(state.clone(), spec).unwrap()
}

fn word(n: i64) -> Word {
    Word { time: minute(n), label: Some((Actual::Class("no".into()), 2.0)) }
}

fn prediction(n: i64) -> Pending {
    let scores: Vec<(Arc<str>, f64)> = vec![("yes".into(), 0.75), ("no".into(), 0.25)];
    let predicted =
        Predicted { label: Some("yes".into()), score: Some(0.75), value: None, scores: Some(scores.into()) };
    // Sets of cells are made by a windower only; here one is read from the bytes of a prediction.
    let (none, text, scores) = (None::<f64>, None::<&str>, Vec::<(&str, f64)>::new());
    let bytes = postcard::to_stdvec(&(0_i64, 5_u32, none, text, none, none, scores, None::<u8>)).unwrap();
    Pending { time: minute(n), predicted, weight: 0.5, ..Pending::decode(&bytes).unwrap() }
}

fn report() -> driftline_evaluate::WindowReport {
    serde_json::from_str(include_str!("../../../fixtures/window_report.json")).unwrap()
}

#[test]
#[ignore = "makes the fixture anew; only for a new format, beside the old one"]
fn make_the_fixture() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    let mut stored = pending(&state);
    for n in 0..10 {
        stored.put_prediction(IdKey::new(&format!("prediction-{n}")), prediction(n));
    }
    stored.put_waiting(IdKey::new("waiting"), word(7));
    for table in [Table::Models, Table::Panes, Table::Requests, Table::Outbox] {
        state.put(table, b"large", vec![7; 5_000]);
        state.put(table, b"gone", vec![7]);
    }
    commit(&state);
    Table::ALL.iter().for_each(|table| state.compact(*table).unwrap());
    // The rest is in the store's log.
    assert_eq!(stored.expire(minute(4)), Expired { unlabelled: 4, ..Expired::default() });
    stored.load(&[IdKey::new("prediction-8")]).unwrap();
    stored.set_label(IdKey::new("prediction-8"), word(9));
    history(&state).put(Arc::new(report()));
    for table in [Table::Models, Table::Panes, Table::Requests, Table::Outbox] {
        state.put(table, b"small", vec![1, 2, 3]);
        state.remove(table, b"gone");
    }
    commit(&state);
    drop((stored, state));
    // Cuts off what the log reserves.
    drop(open(folder.path()));
    let mut entries = Vec::new();
    pack(folder.path(), "", &mut entries);
    let bytes = zstd::encode_all(&*postcard::to_stdvec(&entries).unwrap(), 19).unwrap();
    assert!(bytes.len() < 100_000, "{}", bytes.len());
    fs::write(path(STATE_FORMAT), bytes).unwrap();
}

/// Every entry is there; then some expire.
fn read(folder: &Path) {
    let state = open(folder);
    assert_eq!(state.committed(), 2);
    assert_eq!(state.id().len(), 32);
    for table in [Table::Models, Table::Panes, Table::Requests, Table::Outbox] {
        let expected = [(b"large".to_vec(), vec![7; 5_000]), (b"small".to_vec(), vec![1, 2, 3])];
        assert_eq!(all(&state, table), expected, "{table:?}");
    }

    let mut stored = pending(&state);
    assert_eq!((stored.predictions(), stored.waiting_labels()), (6, 1));
    let ids: Vec<_> = (0..10).map(|n| IdKey::new(&format!("prediction-{n}"))).collect();
    stored.load(&[&ids[..], &[IdKey::new("waiting")]].concat()).unwrap();
    for (n, id) in (0..).zip(ids) {
        let label = (n == 8).then(|| word(9));
        let expected = (n >= 4).then(|| Pending { label, ..prediction(n) });
        assert_eq!(stored.prediction(id), expected.as_ref(), "{n}");
    }
    assert_eq!(stored.waiting(IdKey::new("waiting")), Some(&word(7)));
    let expired = Expired { unlabelled: 4, labelled: 1, unmatched_labels: 1, early: 0 };
    assert_eq!(stored.expire(minute(9)), expired);

    let query = HistoryQuery { model: "churn".to_owned(), limit: 10, ..HistoryQuery::default() };
    assert_eq!(history(&state).find(&query).unwrap().reports, [Arc::new(report())]);
}

#[test]
fn a_folder_of_each_format_is_read() {
    for format in 1..=STATE_FORMAT {
        let folder = tempfile::tempdir().unwrap();
        unpack(format, folder.path());
        read(folder.path());
        // It is one of this format from then on.
        let version = fs::read_to_string(folder.path().join("VERSION")).unwrap();
        assert!(version.contains(&format!("format {STATE_FORMAT}\n")), "{format}: {version}");
        assert!(!version.contains("table predictions"), "{format}: {version}");
        read(folder.path());
    }
}

#[test]
fn a_folder_whose_taking_over_was_cut_short_is_taken_over_again() {
    let folder = tempfile::tempdir().unwrap();
    unpack(1, folder.path());
    let version = folder.path().join("VERSION");
    let before = fs::read(&version).unwrap();
    // All but the last of what it does, which is to say so.
    let disk = Disk::open(folder.path(), layout::CHECKPOINT, &StateSpec::default()).unwrap();
    upgrade::from_1(folder.path(), &disk, Version::load(folder.path()).unwrap().unwrap()).unwrap();
    drop(disk);
    fs::write(&version, before).unwrap();
    fs::write(folder.path().join("runs/predictions-9.run.unfinished"), b"cut short").unwrap();
    read(folder.path());
    assert!(!folder.path().join("runs/predictions-9.run.unfinished").exists());
}
