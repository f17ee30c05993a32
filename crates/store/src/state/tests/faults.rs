//! Commits that fail.

use super::*;

/// Fails the next so many times at a step.
#[derive(Debug, Default)]
struct Faults(Mutex<Option<(CommitStep, u32)>>);

impl StateFaults for Faults {
    fn at(&self, step: CommitStep) -> io::Result<()> {
        match &mut *self.0.lock().unwrap() {
            Some((wanted, times)) if *wanted == step && *times > 0 => {
                *times -= 1;
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            _ => Ok(()),
        }
    }
}

#[test]
fn a_commit_that_fails_at_any_step_is_made_good_by_the_next() {
    for step in [CommitStep::Write, CommitStep::Sync, CommitStep::Mark] {
        let folder = tempfile::tempdir().unwrap();
        let faults = Arc::new(Faults::default());
        let spec =
            StateSpec { faults: Some(Arc::clone(&faults) as Arc<dyn StateFaults>), ..StateSpec::default() };
        let state = State::open(folder.path(), spec).unwrap();
        state.put(Table::Panes, b"a", vec![1]);
        state.put(Table::Predictions, b"a", vec![1]);
        commit(&state);

        state.put(Table::Panes, b"a", vec![2]);
        state.remove(Table::Predictions, b"a");
        let sealed = state.seal().unwrap();
        *faults.0.lock().unwrap() = Some((step, 2));
        for _ in 0..2 {
            let error = state.commit(&sealed).unwrap_err();
            assert!(error.is_full() && error.can_retry(), "{error:?}");
            assert_eq!(state.committed(), 1);
            // It is read all the same, and what comes after it is kept apart.
            assert_eq!(state.get(Table::Panes, b"a").unwrap(), Some(vec![2]));
            assert_eq!(state.get(Table::Predictions, b"a").unwrap(), None);
            state.put(Table::Panes, b"b", vec![3]);
            assert!(state.seal().is_none());
        }
        state.commit(&sealed).unwrap();
        assert_eq!(state.committed(), 2);
        assert_eq!(state.get(Table::Panes, b"a").unwrap(), Some(vec![2]));
        drop(state);

        let state = open(folder.path());
        assert_eq!(state.get(Table::Panes, b"a").unwrap(), Some(vec![2]), "{step:?}");
        assert_eq!(state.get(Table::Predictions, b"a").unwrap(), None);
        assert_eq!(state.get(Table::Panes, b"b").unwrap(), None);
    }
}

#[test]
fn after_a_commit_that_failed_the_folder_opens_at_a_whole_checkpoint() {
    for step in [CommitStep::Write, CommitStep::Sync, CommitStep::Mark] {
        let folder = tempfile::tempdir().unwrap();
        let faults = Arc::new(Faults::default());
        let spec =
            StateSpec { faults: Some(Arc::clone(&faults) as Arc<dyn StateFaults>), ..StateSpec::default() };
        let state = State::open(folder.path(), spec).unwrap();
        for n in 1..=2 {
            for table in Table::ALL {
                state.put(table, b"n", vec![n]);
            }
            let sealed = state.seal().unwrap();
            if n == 2 {
                *faults.0.lock().unwrap() = Some((step, 1));
                state.commit(&sealed).unwrap_err();
            } else {
                state.commit(&sealed).unwrap();
            }
        }
        drop(state);
        let state = open(folder.path());
        let seen = Table::ALL.map(|table| state.get(table, b"n").unwrap().unwrap()[0]);
        let expected = if step == CommitStep::Write { 1 } else { 2 };
        assert_eq!(seen, [expected; Table::ALL.len()], "{step:?}");
        // The number goes on from what is there.
        state.put(Table::Meta, b"n", vec![9]);
        assert_eq!(commit(&state), u64::from(expected) + 1);
    }
}
