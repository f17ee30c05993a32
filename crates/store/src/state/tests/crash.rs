//! A process that is killed at any moment.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;

const FOLDER: &str = "DRIFTLINE_TEST_STATE_FOLDER";

/// Runs one of this file's ignored tests in a process of its own.
pub(super) fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        &format!("state::tests::{test}"),
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
}

/// What a checkpoint's number puts: in every table the number, and entries that come and go.
fn put(state: &State, number: u64) {
    for table in Table::ALL {
        state.put(table, b"number", number.to_be_bytes().to_vec());
        for n in 0..20 {
            let key = [b"entry".as_slice(), &(number % 50).to_be_bytes(), &[n]].concat();
            state.put(table, &key, vec![number as u8; if table == Table::Panes { 4_000 } else { 40 }]);
            let key = [b"entry".as_slice(), &((number + 25) % 50).to_be_bytes(), &[n]].concat();
            state.remove(table, &key);
        }
    }
}

#[test]
#[ignore = "the process that is killed, run by the test below"]
fn commits_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let state = open(Path::new(&folder));
    let mut number = state.committed();
    loop {
        number += 1;
        put(&state, number);
        assert_eq!(commit(&state), number);
        if number.is_multiple_of(13) {
            state.compact(Table::ALL[(number / 13) as usize % Table::ALL.len()]).unwrap();
        }
        println!("committed {number}");
    }
}

#[test]
fn a_process_killed_at_any_moment_leaves_a_whole_checkpoint() {
    const KILLS: u64 = 25;
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let mut random = seed;
    let mut committed = 0;
    for _ in 0..KILLS {
        let mut process = child("crash::commits_until_it_is_killed")
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis(30 + (random >> 33) % 400));
        process.kill().unwrap();
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let said = said.lines().filter_map(|line| line.split_once("committed ")?.1.parse::<u64>().ok()).max();
        committed = said.unwrap_or(committed).max(committed);

        let state = open(folder.path());
        let numbers = Table::ALL.map(|table| {
            let bytes = state.get(table, b"number").unwrap();
            bytes.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
        });
        assert_eq!(numbers, [numbers[0]; Table::ALL.len()]);
        let number = numbers[0];
        assert!(number >= committed, "{number} is there, {committed} was committed");
        // What was said may be one behind what was done.
        assert!(number <= committed + 2, "{number} is there, {committed} was the last that was said");
        for table in Table::ALL {
            let mut expected = BTreeMap::new();
            for n in 1..=number {
                for entry in 0..20_u8 {
                    expected.insert(((n % 50), entry), n as u8);
                    expected.remove(&((n + 25) % 50, entry));
                }
            }
            let mut found = BTreeMap::new();
            state
                .scan(table, b"entry", false, &mut |key, value| {
                    let place = u64::from_be_bytes(key[5..13].try_into().unwrap());
                    found.insert((place, key[13]), value[0]);
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(found, expected, "{table:?} at {number}");
        }
        committed = number;
    }
    println!("{committed} checkpoints, {KILLS} kills");
    assert!(committed > KILLS, "{committed}");
}
