use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;

use driftline_events::EventTime;
use proptest::prelude::*;

use super::super::State;
use super::super::tests::{commit, open};
use super::*;

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder.join(FOLDER)).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits until nothing is merged any more.
fn settle(state: &State) {
    let worker = lock(&state.0.runs.worker).take();
    worker.into_iter().for_each(|worker| worker.join().unwrap());
}

fn id(space: u32, n: u64) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&space.to_be_bytes());
    // Spread over the table, as ids are.
    key[4..12].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}

fn value(millis: i64, rest: &[u8]) -> Vec<u8> {
    let mut value = postcard::to_stdvec(&millis).unwrap();
    value.extend(rest);
    value
}

/// Thousands of entries in hundreds of checkpoints: put, put again, removed, and merged meanwhile.
#[test]
fn it_reads_as_a_map_does_while_it_is_merged() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = open(folder.path());
    let mut expected = BTreeMap::new();
    for checkpoint in 0..200_u64 {
        for n in 0..200 {
            // A third of them were there before.
            let number = if n % 3 == 0 { (checkpoint * 7 + n) % 4_000 } else { checkpoint * 200 + n };
            let (key, value) = (id(1, number), value(checkpoint as i64, &n.to_le_bytes()));
            if n % 7 == 0 {
                state.remove(Table::Predictions, &key);
                expected.remove(&key);
            } else {
                state.put(Table::Predictions, &key, value.clone());
                expected.insert(key, value);
            }
        }
        commit(&state);
        if checkpoint % 50 == 20 {
            drop(state);
            state = open(folder.path());
        }
    }
    settle(&state);
    // On a slow disk there may be many more files: those that were merged go with the next checkpoint.
    let listed = state.0.runs.list(Table::Predictions).len();
    assert!(listed < 8, "{listed}: {:?}", files(folder.path()));
    let mut keys: Vec<_> = (0..41_000).map(|number| id(1, number)).collect();
    keys.sort_unstable();
    let mut found = BTreeMap::new();
    state
        .get_each(Table::Predictions, &keys, &mut |key, value| {
            assert!(found.insert(*key, value.to_vec()).is_none());
        })
        .unwrap();
    assert!(found == expected, "{} {}", found.len(), expected.len());
    for reverse in [false, true] {
        let mut shown = Vec::new();
        let mut show = |key: &[u8], value: &[u8]| {
            shown.push((<[u8; 20]>::try_from(key).unwrap(), value.to_vec()));
            ControlFlow::Continue(())
        };
        state.scan(Table::Predictions, &1_u32.to_be_bytes(), reverse, &mut show).unwrap();
        if reverse {
            shown.reverse();
        }
        assert!(shown.into_iter().eq(expected.clone()), "{reverse}");
    }
    // Once a checkpoint names what was merged, nothing else is left.
    state.put(Table::Meta, b"a", vec![1]);
    commit(&state);
    settle(&state);
    state.put(Table::Meta, b"a", vec![2]);
    commit(&state);
    let named: usize = Table::HASHED.iter().map(|table| state.0.runs.list(*table).len()).sum();
    assert_eq!(files(folder.path()).len(), named);
}

#[test]
fn runs_in_which_all_is_too_old_go_without_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    for minute in 0..3_i64 {
        state.put(Table::Waiting, &id(1, minute as u64), value(minute, b""));
        if minute == 1 {
            state.put(Table::Waiting, &id(2, 0), value(minute, b""));
        }
        commit(&state);
    }
    assert_eq!(files(folder.path()).len(), 3);
    state.set_floor(Table::Waiting, 1, EventTime::from_millis(2));
    commit(&state);
    state.put(Table::Meta, b"a", vec![1]);
    commit(&state);
    // Of another space, for which no floor was set, there is one in the second.
    assert_eq!(state.0.runs.list(Table::Waiting).len(), 2);
    assert_eq!(files(folder.path()).len(), 2);
    assert_eq!(state.get(Table::Waiting, &id(1, 0)).unwrap(), None);
    assert_eq!(state.get(Table::Waiting, &id(1, 2)).unwrap(), Some(value(2, b"")));
    drop(state);
    assert_eq!(open(folder.path()).get(Table::Waiting, &id(2, 0)).unwrap(), Some(value(1, b"")));
}

/// An entry that is too old and hides one that is not, which is possible where an id came again with an earlier time.
#[test]
fn what_is_too_old_goes_on_hiding_what_it_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    let ours = id(1, 0);
    state.put(Table::Waiting, &ours, value(10, b"first"));
    state.put(Table::Waiting, &id(2, 0), value(0, b""));
    commit(&state);
    state.put(Table::Waiting, &ours, value(5, b"second"));
    commit(&state);
    state.put(Table::Waiting, &id(1, 1), value(9, b""));
    commit(&state);
    state.set_floor(Table::Waiting, 1, EventTime::from_millis(7));
    commit(&state);
    let listed = state.0.runs.list(Table::Waiting);
    assert_eq!(listed.len(), 3);
    // The two newer ones become one, and the oldest stays.
    state.0.runs.merge(Table::Waiting, 1..3).unwrap();
    assert_eq!(state.0.runs.list(Table::Waiting).len(), 2);
    assert_eq!(state.get(Table::Waiting, &ours).unwrap(), None);
    state.compact(Table::Waiting).unwrap();
    assert_eq!(state.get(Table::Waiting, &ours).unwrap(), None);
    assert_eq!(state.0.runs.list(Table::Waiting)[0].run.entries(), 2);
}

#[test]
fn a_backup_taken_between_a_merge_and_its_checkpoint_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(&folder.path().join("state"));
    for n in 0..4_u64 {
        state.put(Table::Predictions, &id(1, n), value(0, &[n as u8]));
        commit(&state);
    }
    state.compact(Table::Predictions).unwrap();
    let backed_up = state.backup(&folder.path().join("copy")).unwrap();
    assert_eq!(backed_up.checkpoint, 4);
    let copy = open(&folder.path().join("copy"));
    for n in 0..4_u64 {
        assert_eq!(copy.get(Table::Predictions, &id(1, n)).unwrap(), Some(value(0, &[n as u8])));
    }
    copy.put(Table::Predictions, &id(1, 9), value(0, b""));
    assert_eq!(commit(&copy), 5);
}

#[test]
fn a_state_that_is_closed_while_it_merges_is_whole_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..6_u64 {
        let state = open(folder.path());
        for checkpoint in 0..8 {
            for n in 0..3_000 {
                let number = (round * 8 + checkpoint) * 3_000 + n;
                state.put(Table::Predictions, &id(1, number), value(0, &number.to_le_bytes()));
            }
            commit(&state);
        }
        // In the midst of a merge, if there is one.
        let is_over = || lock(&state.0.runs.worker).as_ref().is_none_or(std::thread::JoinHandle::is_finished);
        while !is_over() && files(folder.path()).iter().all(|name| name.ends_with(".run")) {
            std::thread::yield_now();
        }
        drop(state);
        // Nobody writes there any more.
        assert!(files(folder.path()).iter().all(|name| name.ends_with(".run")), "{round}");
    }
    let state = open(folder.path());
    assert!(files(folder.path()).iter().all(|name| name.ends_with(".run")), "{:?}", files(folder.path()));
    let mut entries = 0;
    let mut show = |_: &[u8], _: &[u8]| {
        entries += 1;
        ControlFlow::Continue(())
    };
    state.scan(Table::Predictions, b"", false, &mut show).unwrap();
    assert_eq!(entries, 6 * 8 * 3_000);
}

/// Many begin with the same 16 bytes.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let begin = prop_oneof![Just("a".repeat(16)), Just("b".repeat(16)), "[ab]{0,18}"];
    (begin, 0..9_u8, 0..4_u8).prop_map(|(begin, n, m)| [begin.as_bytes(), &[n, m]].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Keys that begin alike and blocks that do: the index knows their first 16 bytes only.
    #[test]
    fn a_run_finds_what_it_has_and_nothing_else(
        keys in prop::collection::btree_map(
            key(),
            prop::option::of(prop::collection::vec(any::<u8>(), 0..1_500)),
            0..60,
        ),
        others in prop::collection::vec(key(), 20),
        from in key(),
        reverse: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.run");
        let mut writer = RunWriter::create(&path, keys.len() as u64).unwrap();
        for (key, value) in &keys {
            writer.push(key, value.as_deref()).unwrap();
        }
        let run = Arc::new(writer.finish().unwrap());
        let (mut room, mut likely) = (Vec::new(), Vec::new());
        for key in keys.keys().cloned().chain(others) {
            let mut found = None;
            let mut show = |value: Option<&[u8]>| found = Some(value.map(<[u8]>::to_vec));
            let known = run.find(&key, &mut room, &mut show).unwrap();
            run.likely(&[hash(&key)], &mut likely).unwrap();
            prop_assert!(!known || likely == [0]);
            prop_assert_eq!(known, found.is_some());
            prop_assert_eq!(found.as_ref(), keys.get(&key));
        }
        let range: Range<'_> = if reverse {
            (Bound::Unbounded, Bound::Excluded(&from))
        } else {
            (Bound::Excluded(&from), Bound::Unbounded)
        };
        let mut merge = Merge::new(&[run], range, reverse).unwrap();
        let mut shown = Vec::new();
        while let Some(entry) = merge.next(|key, value| (key.to_vec(), value.map(<[u8]>::to_vec))).unwrap() {
            shown.push(entry);
        }
        let within = keys.into_iter().filter(|(key, _)| if reverse { *key < from } else { *key > from });
        let mut expected: Vec<_> = within.collect();
        if reverse {
            expected.reverse();
        }
        prop_assert_eq!(shown, expected);
    }
}

#[test]
fn a_missing_list_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let error = Runs::open(folder.path(), CommittedFloors::default(), |_| Ok(None)).unwrap_err();
    assert!(error.to_string().contains("no list of the runs of predictions"), "{error}");
}

#[test]
fn a_run_of_many_entries_has_a_small_index_for_each() {
    let folder = tempfile::tempdir().unwrap();
    // The second's filter is too large for memory.
    let blocks = [4_000, 17_000_000].map(|most| {
        let mut writer = RunWriter::create(&folder.path().join("a.run"), most).unwrap();
        for n in 0..4_000_u32 {
            writer.push(&n.to_be_bytes(), Some(&[7; 44])).unwrap();
        }
        let run = writer.finish().unwrap();
        let (mut room, mut found) = (Vec::new(), 0);
        let mut show = |value: Option<&[u8]>| found += usize::from(value == Some(&[7; 44]));
        for n in (0..4_000_u32).step_by(100) {
            assert!(run.find(&n.to_be_bytes(), &mut room, &mut show).unwrap());
        }
        assert_eq!(found, 40);
        run.blocks()
    });
    // 50 bytes an entry.
    assert_eq!(blocks, [191, 13]);
}
