use std::collections::BTreeMap;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

mod crash;
mod damage;
mod expiry;
mod faults;
mod fixture;
mod full;

pub(super) fn open(folder: &Path) -> State {
    State::open(folder, StateSpec::default()).unwrap()
}

pub(super) fn commit(state: &State) -> u64 {
    let sealed = state.seal().unwrap();
    state.commit(&sealed).unwrap();
    sealed.number()
}

fn all(state: &State, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    state
        .scan(table, b"", false, &mut |key, value| {
            all.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

/// Many are read by several threads, few by one; some are on disk, some in each buffer, some nowhere.
#[test]
fn each_of_many_keys_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    let key = |number: u32| number.to_be_bytes();
    let put = |numbers: std::ops::Range<u32>, value: u8| {
        numbers.for_each(|number| state.put(Table::Predictions, &key(number), vec![value]));
    };
    put(0..1_000, 1);
    commit(&state);
    put(900..1_100, 2);
    let _sealed = state.seal().unwrap();
    put(1_050..1_200, 3);
    state.remove(Table::Predictions, &key(7));
    let value = |number: u32| match number {
        7 => None,
        0..900 => Some(1),
        900..1_050 => Some(2),
        1_050..1_200 => Some(3),
        _ => None,
    };
    for step in [1, 3, 100] {
        let numbers = || (0..2_000).step_by(step);
        let keys: Vec<_> = numbers().map(key).collect();
        let mut found = BTreeMap::new();
        state
            .get_each(Table::Predictions, &keys, &mut |key, value| {
                assert_eq!(found.insert(u32::from_be_bytes(*key), value[0]), None);
            })
            .unwrap();
        let expected: BTreeMap<_, _> =
            numbers().filter_map(|number| Some((number, value(number)?))).collect();
        assert_eq!(found, expected, "{step}");
    }
}

#[test]
fn only_what_is_committed_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    let id = state.id().to_owned();
    for table in Table::ALL {
        state.put(table, b"a", vec![1]);
        state.put(table, b"b", vec![2]);
    }
    assert_eq!(commit(&state), 1);
    state.put(Table::Panes, b"a", vec![3]);
    state.remove(Table::Models, b"a");
    let sealed = state.seal().unwrap();
    state.put(Table::Panes, b"c", vec![4]);
    assert_eq!(sealed.number(), 2);
    assert!(state.seal().is_none());
    drop((state, sealed));

    let state = open(folder.path());
    assert_eq!(state.id(), id);
    assert_eq!(state.committed(), 1);
    assert_eq!(state.get(Table::Panes, b"a").unwrap(), Some(vec![1]));
    assert_eq!(state.get(Table::Panes, b"c").unwrap(), None);
    assert_eq!(all(&state, Table::Models), [(b"a".to_vec(), vec![1]), (b"b".to_vec(), vec![2])]);
}

#[test]
fn a_second_state_of_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    let error = State::open(folder.path(), StateSpec::default()).unwrap_err();
    assert!(matches!(error, StateError::InUse { .. }), "{error:?}");
    drop(state);
    open(folder.path());
}

#[test]
fn nothing_is_sealed_when_nothing_was_put() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    assert!(state.seal().is_none());
    state.put(Table::Meta, b"a", Vec::new());
    assert_eq!(state.buffered().entries, 1);
    let sealed = state.seal().unwrap();
    state.commit(&sealed).unwrap();
    // Again is harmless.
    state.commit(&sealed).unwrap();
    assert!(state.seal().is_none());
    assert_eq!(state.buffered(), Buffered::default());
}

#[test]
fn a_backup_is_the_last_checkpoint_and_can_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    for n in 0..1_000_u32 {
        state.put(Table::Predictions, &n.to_be_bytes(), vec![7; 30]);
        state.put(Table::Panes, &n.to_be_bytes(), vec![n as u8; 4_000]);
    }
    let number = commit(&state);
    state.put(Table::Meta, b"later", vec![1]);
    let target = folder.path().join("backup");
    let backup = state.backup(&target).unwrap();
    assert_eq!(backup.checkpoint, number);
    let error = state.backup(&target).unwrap_err();
    assert!(matches!(error, StateError::TargetExists { .. }), "{error:?}");

    let copy = open(&target);
    assert_eq!(copy.id(), state.id());
    assert_eq!(copy.committed(), number);
    assert_eq!(copy.get(Table::Meta, b"later").unwrap(), None);
    for table in [Table::Predictions, Table::Panes] {
        assert_eq!(all(&copy, table), all(&state, table));
    }
    // It goes on from there.
    copy.put(Table::Meta, b"later", vec![2]);
    assert_eq!(commit(&copy), number + 1);
}

/// One thing that can be done to a table.
#[derive(Clone, Debug)]
enum Step {
    Put(Table, u8, u8),
    Remove(Table, u8),
    Seal,
    Commit,
    Reopen,
    Compact(Table),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let table = || prop::sample::select(vec![Table::Models, Table::Predictions]);
    let step = prop_oneof![
        10 => (table(), 0..12_u8, any::<u8>()).prop_map(|(table, key, value)| Step::Put(table, key, value)),
        5 => (table(), 0..12_u8).prop_map(|(table, key)| Step::Remove(table, key)),
        3 => Just(Step::Seal),
        3 => Just(Step::Commit),
        1 => Just(Step::Reopen),
        1 => table().prop_map(Step::Compact),
    ];
    prop::collection::vec(step, 1..40)
}

type Model = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_reads_as_an_ordered_map_does(steps in steps(), from in prop::option::of(0..12_u8), reverse: bool) {
        let folder = tempfile::tempdir().unwrap();
        let mut state = open(folder.path());
        // Now, as it is sealed, and as it is on disk.
        let (mut model, mut sealed, mut committed) = (Model::new(), None::<Model>, Model::new());
        for step in steps {
            match step {
                Step::Put(table, key, value) => {
                    state.put(table, &[0xff, key], vec![value]);
                    model.insert((table, vec![0xff, key]), vec![value]);
                }
                Step::Remove(table, key) => {
                    state.remove(table, &[0xff, key]);
                    model.remove(&(table, vec![0xff, key]));
                }
                Step::Seal => {
                    if state.seal().is_some() {
                        sealed = Some(model.clone());
                    }
                }
                Step::Commit => {
                    if let Some(checkpoint) = state.sealed() {
                        state.commit(&checkpoint).unwrap();
                        committed = sealed.take().unwrap();
                    }
                }
                Step::Reopen => {
                    drop(state);
                    state = open(folder.path());
                    sealed = None;
                    model = committed.clone();
                }
                Step::Compact(table) => state.compact(table).unwrap(),
            }
            for table in [Table::Models, Table::Predictions] {
                let from = from.map(|key| [0xff, key]);
                let mut expected: Vec<_> = model
                    .iter()
                    .filter(|((of, key), _)| *of == table && from.is_none_or(|from| {
                        if reverse { **key < from[..] } else { **key >= from[..] }
                    }))
                    .map(|((_, key), value)| (key.clone(), value.clone()))
                    .collect();
                if reverse {
                    expected.reverse();
                }
                let bound = match &from {
                    None => Bound::Unbounded,
                    Some(from) if reverse => Bound::Excluded(&from[..]),
                    Some(from) => Bound::Included(&from[..]),
                };
                let mut found = Vec::new();
                state.scan_from(table, &[0xff], bound, reverse, &mut |key, value| {
                    found.push((key.to_vec(), value.to_vec()));
                    if found.len() < 5 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                }).unwrap();
                expected.truncate(5);
                prop_assert_eq!(found, expected);
                for key in 0..12_u8 {
                    let key = vec![0xff, key];
                    let value = state.get(table, &key).unwrap();
                    prop_assert_eq!(value.as_ref(), model.get(&(table, key)));
                }
            }
        }
    }
}
