//! Files that are missing, cut off, altered, or of another day.

use std::fs;
use std::path::PathBuf;

use super::*;

/// So few that no file of ids goes for a merged one: the last but one checkpoint is whole too.
const CHECKPOINTS: u8 = 6;

/// Checkpoints: the first four are in the tables' files, large values apart; the rest is in the log.
fn fill(folder: &Path) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    let state = open(folder);
    for checkpoint in 0..CHECKPOINTS {
        for table in Table::ALL {
            for n in 0..20_u8 {
                let length = if table == Table::Panes { 3_000 } else { 10 };
                let value: Vec<u8> =
                    (0..length).map(|i| checkpoint ^ n ^ (i as u8).wrapping_mul(37)).collect();
                state.put(table, &[checkpoint, n], value.clone());
                entries.push((table, vec![checkpoint, n], value));
            }
        }
        commit(&state);
        if checkpoint == 3 {
            Table::ALL.iter().for_each(|table| state.compact(*table).unwrap());
        }
    }
    drop(state);
    // Cuts off what the log reserves, so that copies are small.
    drop(open(folder));
    entries
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            all.extend(files(&entry.path()));
        } else {
            all.push(entry.path());
        }
    }
    all.sort();
    all
}

/// Opens the folder and reads all of it: every entry as it was, or an error.
fn read(folder: &Path, entries: &[(Table, Vec<u8>, Vec<u8>)]) -> Result<(), StateError> {
    let state = State::open(folder, StateSpec::default())?;
    for (table, key, value) in entries {
        let found = state.get(*table, key)?;
        assert_eq!(found.as_ref(), Some(value), "{table:?} {key:?}");
    }
    let mut found = 0;
    for table in Table::ALL {
        state.scan(table, b"", false, &mut |_, _| {
            found += 1;
            ControlFlow::Continue(())
        })?;
    }
    // The id, the checkpoint's number and three lists of runs are besides.
    assert_eq!(found, entries.len() + 5);
    assert_eq!(state.committed(), u64::from(CHECKPOINTS));
    Ok(())
}

fn damage_each(what: &str, damage: impl Fn(&Path) -> bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let entries = fill(&whole);
    read(&whole, &entries).unwrap();
    let mut found_out = 0;
    for file in files(&whole) {
        let name = file.strip_prefix(&whole).unwrap().to_owned();
        let copied = folder.path().join("copied");
        copy(&whole, &copied);
        if damage(&copied.join(&name)) {
            let outcome = std::panic::catch_unwind(|| read(&copied, &entries));
            match outcome {
                Err(_) => panic!("{what} {}: it reads something else", name.display()),
                // Found out, or of no consequence.
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    assert!(
                        matches!(error, StateError::Damaged { .. }),
                        "{what} {}: {error:?}",
                        name.display()
                    );
                    found_out += 1;
                }
            }
        }
        fs::remove_dir_all(&copied).unwrap();
    }
    found_out
}

#[test]
fn a_missing_file_is_found_out() {
    let found_out = damage_each("without", |path| fs::remove_file(path).is_ok());
    assert!(found_out > 30, "{found_out}");
}

#[test]
fn a_file_that_was_cut_off_is_found_out() {
    for part in [0, 1, 2] {
        let found_out = damage_each("cut off", |path| {
            let length = fs::metadata(path).unwrap().len();
            let cut = [0, length / 2, length.saturating_sub(1)][part];
            fs::File::options().write(true).open(path).unwrap().set_len(cut).unwrap();
            cut < length
        });
        assert!(found_out > 30, "{found_out}");
    }
}

#[test]
fn a_file_that_was_altered_is_found_out() {
    for part in 0..6_usize {
        let found_out = damage_each(&format!("altered at {part}/6"), |path| {
            let mut bytes = fs::read(path).unwrap();
            let at = bytes.len() * part / 6;
            if bytes.is_empty() {
                return false;
            }
            bytes[at] ^= 0x41;
            fs::write(path, bytes).unwrap();
            true
        });
        assert!(found_out > 5, "{found_out}");
    }
}

#[test]
fn a_table_or_the_store_that_is_missing_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let entries = fill(&whole);
    for name in ["checkpoint", "checkpoint/keyspaces", "checkpoint/keyspaces/0", "checkpoint/keyspaces/3"] {
        let copied = folder.path().join("copied");
        copy(&whole, &copied);
        fs::remove_dir_all(copied.join(name)).unwrap();
        let error = read(&copied, &entries).unwrap_err();
        assert!(matches!(error, StateError::Damaged { .. }), "{name}: {error:?}");
        fs::remove_dir_all(&copied).unwrap();
    }
}

#[test]
fn a_store_of_another_day_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copied) = (folder.path().join("state"), folder.path().join("copied"));
    let state = open(&path);
    state.put(Table::Meta, b"a", vec![1]);
    commit(&state);
    drop(state);
    copy(&path.join("checkpoint"), &copied);
    let state = open(&path);
    state.put(Table::Meta, b"a", vec![2]);
    commit(&state);
    drop(state);
    fs::remove_dir_all(path.join("checkpoint")).unwrap();
    copy(&copied, &path.join("checkpoint"));
    let error = State::open(&path, StateSpec::default()).unwrap_err();
    assert!(error.to_string().contains("it ends at checkpoint 1, but checkpoint 2 was committed"), "{error}");
}

#[test]
fn a_newer_format_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("VERSION");
    let text = fs::read_to_string(&path).unwrap().replace("format 2", "format 3");
    fs::write(&path, text).unwrap();
    let error = State::open(folder.path(), StateSpec::default()).unwrap_err();
    assert!(matches!(error, StateError::Newer { found: 3, known: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("use the version that wrote it"), "{error}");
}

#[test]
fn a_folder_whose_making_was_cut_short_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    fs::rename(folder.path().join("checkpoint"), folder.path().join("checkpoint.new")).unwrap();
    let state = open(folder.path());
    state.put(Table::Meta, b"a", vec![1]);
    assert_eq!(commit(&state), 1);
    drop(state);
    fs::remove_file(folder.path().join("VERSION")).unwrap();
    let error = State::open(folder.path(), StateSpec::default()).unwrap_err();
    assert!(error.to_string().contains("VERSION is missing"), "{error}");
}

#[test]
fn a_log_with_something_unreadable_in_it_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let entries = fill(&whole);
    let log = whole.join("checkpoint/0.jnl");
    let bytes = fs::read(&log).unwrap();
    // The beginning of the last batch: it looks like the end of a write that was cut short.
    let last =
        bytes.windows(4).enumerate().filter(|(_, bytes)| bytes == b"FJL\x03").rev().nth(1).unwrap().0 + 4;
    let mut altered = bytes.clone();
    altered[last] = 9;
    fs::write(&log, &altered).unwrap();
    for _ in 0..2 {
        let error = State::open(&whole, StateSpec::default()).unwrap_err();
        let says = format!("from byte {last} on it cannot be read, and what stood there was committed");
        assert!(error.to_string().contains(&says), "{error}");
        assert_eq!(fs::read(&log).unwrap(), altered);
    }
    // The same in a part that another part follows.
    fs::write(whole.join("checkpoint/1.jnl"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(whole.join("COMMITTED"), []).unwrap();
    let committed = super::super::layout::Committed::create(&whole, 1).unwrap();
    drop(committed);
    let error = State::open(&whole, StateSpec::default()).unwrap_err();
    assert!(error.to_string().contains(&format!("from byte {last} on")), "{error}");
    assert_eq!(fs::read(&log).unwrap(), altered);
    // A write that was cut short, of a checkpoint that was not committed, is cut off.
    fs::remove_file(whole.join("checkpoint/1.jnl")).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 1]).unwrap();
    let state = open(&whole);
    let left = CHECKPOINTS - 1;
    assert_eq!(state.committed(), u64::from(left));
    let of_each = entries.len() / Table::ALL.len() / usize::from(CHECKPOINTS);
    assert_eq!(all(&state, Table::Models).len(), of_each * usize::from(left));
}
