//! Entries that leave the disk by age.

use super::*;

fn key(space: u32, n: u32) -> Vec<u8> {
    [space.to_be_bytes(), n.to_be_bytes()].concat()
}

fn value(millis: i64) -> Vec<u8> {
    let mut value = postcard::to_stdvec(&millis).unwrap();
    value.extend([9; 30]);
    value
}

fn time(millis: i64) -> EventTime {
    EventTime::from_millis(millis)
}

#[test]
fn what_is_older_than_a_committed_floor_leaves_the_disk_when_it_is_merged() {
    let folder = tempfile::tempdir().unwrap();
    let state = open(folder.path());
    for space in [1, 2] {
        for n in 0..100 {
            state.put(Table::Predictions, &key(space, n), value(n.into()));
            state.put(Table::Reports, &key(space, n), value(n.into()));
        }
    }
    commit(&state);
    state.set_floor(Table::Predictions, 1, time(50));
    let count = |state: &State, table| all(state, table).len();
    // A floor that a crash would take back removes nothing.
    state.compact(Table::Predictions).unwrap();
    assert_eq!(count(&state, Table::Predictions), 200);
    commit(&state);
    state.put(Table::Predictions, &key(1, 10), value(70));
    commit(&state);
    state.compact(Table::Predictions).unwrap();
    state.compact(Table::Reports).unwrap();
    // Of one space, those before the floor, but for the one that was put anew.
    assert_eq!(count(&state, Table::Predictions), 151);
    assert_eq!(count(&state, Table::Reports), 200);
    assert!(state.contains(Table::Predictions, &key(1, 10)).unwrap());
    let bytes = |state: &State| state.sizes().unwrap().tables[Table::Predictions.index()].entries;
    assert_eq!(bytes(&state), 151);
    drop(state);

    // It is still known after a restart.
    let state = open(folder.path());
    assert_eq!(state.floor(Table::Predictions, 1).unwrap(), Some(time(50)));
    state.put(Table::Predictions, &key(1, 0), value(49));
    commit(&state);
    state.compact(Table::Predictions).unwrap();
    assert_eq!(count(&state, Table::Predictions), 151);
}
