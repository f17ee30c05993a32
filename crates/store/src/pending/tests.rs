use std::path::Path;

use driftline_summary::{Actual, Predicted};
use driftline_window::MemoryPending;
use proptest::prelude::*;

use super::*;
use crate::state::StateSpec;

fn time(seconds: i64) -> EventTime {
    EventTime::from_millis(seconds * 1_000)
}

fn id(number: u8) -> IdKey {
    IdKey::new(&number.to_string())
}

fn prediction(seconds: i64, cells: u32, label: Option<Word>) -> Pending {
    let predicted = Predicted { label: Some("yes".into()), score: Some(0.25), ..Predicted::default() };
    // Sets of cells are made by a windower only; here one is read from the bytes of a prediction.
    let (none, text, scores) = (None::<f64>, None::<&str>, Vec::<(&str, f64)>::new());
    let bytes = postcard::to_stdvec(&(0_i64, cells, none, text, none, none, scores, None::<u8>)).unwrap();
    Pending { time: time(seconds), predicted, label, ..Pending::decode(&bytes).unwrap() }
}

fn word(seconds: i64, has_label: bool) -> Word {
    Word { time: time(seconds), label: has_label.then(|| (Actual::Class("no".into()), 1.0)) }
}

fn open(folder: &Path, capacity: usize) -> (State, StoredPending) {
    let state = State::open(folder, StateSpec::default()).unwrap();
    (state.clone(), StoredPending::open(state, 7, capacity).unwrap())
}

fn commit(state: &State) {
    if let Some(sealed) = state.seal() {
        state.commit(&sealed).unwrap();
    }
}

#[test]
fn two_models_do_not_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (state, mut one) = open(folder.path(), 10);
    let mut other = StoredPending::open(state.clone(), 8, 10).unwrap();
    one.put_prediction(id(1), prediction(0, 1, Some(word(0, true))));
    commit(&state);
    other.load(&[id(1)]).unwrap();
    assert_eq!(other.prediction(id(1)), None);
    other.each_labelled(&mut |found| panic!("{found:?}")).unwrap();
    assert_eq!((one.predictions(), other.predictions()), (1, 0));
    assert_eq!(other.expire(time(1_000)), Expired::default());
    one.load(&[id(1)]).unwrap();
    assert!(one.prediction(id(1)).is_some());
}

#[test]
fn what_came_too_late_for_a_full_store_is_counted_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (_state, mut pending) = open(folder.path(), 1);
    for number in 1..=3 {
        pending.put_prediction(id(number), prediction(i64::from(number) * 60, 1, None));
    }
    let early = |unlabelled, early| Expired { unlabelled, early, ..Expired::default() };
    assert_eq!(pending.expire(time(0)), early(2, 2));
    pending.put_prediction(id(9), prediction(61, 1, None));
    pending.load(&[id(9)]).unwrap();
    assert_eq!(pending.prediction(id(9)), None);
    assert_eq!(pending.predictions(), 1);
    assert_eq!(pending.expire(time(0)), early(1, 1));
    assert_eq!(pending.expire(time(0)), Expired::default());
}

/// One call.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, i64, u32, Option<bool>),
    Label(u8, i64, bool),
    Wait(u8, i64, bool),
    Take(u8),
    Expire(i64),
    Commit,
    /// Leaves the checkpoint uncommitted, so that it is read from there.
    Seal,
    Reopen,
    ReopenState,
    Compact,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = || 0..30_u8;
    // Seconds behind the floor.
    let time = || 0..400_i64;
    let step = prop_oneof![
        20 => (id(), time(), any::<u32>(), prop::option::weighted(0.2, any::<bool>()))
            .prop_map(|(id, time, cells, label)| Step::Put(id, time, cells, label)),
        10 => (id(), time(), any::<bool>()).prop_map(|(id, time, label)| Step::Label(id, time, label)),
        10 => (id(), time(), any::<bool>()).prop_map(|(id, time, label)| Step::Wait(id, time, label)),
        5 => id().prop_map(Step::Take),
        4 => (0..200_i64).prop_map(Step::Expire),
        2 => Just(Step::Commit),
        2 => Just(Step::Seal),
        1 => Just(Step::Reopen),
        1 => Just(Step::ReopenState),
        1 => Just(Step::Compact),
    ];
    prop::collection::vec(step, 1..120)
}

fn labelled(store: &dyn PendingStore) -> Vec<String> {
    let mut all = Vec::new();
    store.each_labelled(&mut |pending| all.push(format!("{pending:?}"))).unwrap();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn it_answers_as_the_store_in_memory_does(steps in steps(), capacity in 5..40_usize) {
        let folder = tempfile::tempdir().unwrap();
        let (mut state, mut stored) = open(folder.path(), capacity);
        let mut memory = MemoryPending::new(capacity);
        let mut before = 0;
        for step in steps {
            // What is put behind a floor is another matter, tested above.
            let floor = |table: Table| state.floor(table, 7).unwrap().map_or(0, |floor| floor.as_millis() / 1_000);
            let (floor, waiting_floor) = (floor(Table::Predictions), floor(Table::Waiting));
            let mut both = |id: IdKey, call: &dyn Fn(&mut dyn PendingStore)| {
                stored.load(&[id]).unwrap();
                call(&mut stored);
                call(&mut memory);
            };
            match step {
                Step::Put(number, at, cells, label) => both(id(number), &|store| {
                    let label = label.map(|has| word(at, has));
                    store.put_prediction(id(number), prediction(floor + at, cells, label));
                }),
                Step::Label(number, at, label) => {
                    both(id(number), &|store| store.set_label(id(number), word(at, label)));
                }
                Step::Wait(number, at, label) => {
                    both(id(number), &|store| store.put_waiting(id(number), word(waiting_floor + at, label)));
                }
                Step::Take(number) => {
                    stored.load(&[id(number)]).unwrap();
                    prop_assert_eq!(stored.take_waiting(id(number)), memory.take_waiting(id(number)));
                }
                Step::Expire(seconds) => {
                    before += seconds;
                    prop_assert_eq!(stored.expire(time(before)), memory.expire(time(before)));
                }
                Step::Seal => drop(state.seal()),
                Step::Commit => {
                    if let Some(sealed) = state.sealed() {
                        state.commit(&sealed).unwrap();
                    }
                }
                Step::Reopen => {
                    drop(stored);
                    stored = StoredPending::open(state.clone(), 7, capacity).unwrap();
                }
                Step::ReopenState => {
                    if let Some(sealed) = state.sealed() {
                        state.commit(&sealed).unwrap();
                    }
                    commit(&state);
                    drop((stored, state));
                    (state, stored) = open(folder.path(), capacity);
                }
                Step::Compact => {
                    state.compact(Table::Predictions).unwrap();
                    state.compact(Table::Waiting).unwrap();
                }
            }
            prop_assert_eq!(stored.predictions(), memory.predictions());
            prop_assert_eq!(stored.waiting_labels(), memory.waiting_labels());
            let ids: Vec<_> = (0..30).map(id).collect();
            stored.load(&ids).unwrap();
            for id in ids {
                prop_assert_eq!(stored.prediction(id), memory.prediction(id));
                prop_assert_eq!(stored.waiting(id), memory.waiting(id));
            }
            prop_assert_eq!(labelled(&stored), labelled(&memory));
        }
    }
}
