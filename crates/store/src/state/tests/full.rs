//! A disk that fills up.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use super::*;

const FOLDER: &str = "DRIFTLINE_TEST_SMALL_DISK";

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

#[test]
#[ignore = "needs a small disk, run by the test below"]
fn goes_on_by_itself_when_there_is_space_again() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let disk = Path::new(&folder);
    let path = disk.join("state");
    let state = open(&path);
    let mut committed: Entries = BTreeMap::new();
    let mut number = 0_u32;
    let mut filled = 0;
    for round in 0..4 {
        // What somebody else puts there, so that it fills up at another moment each time.
        let filler = disk.join("filler");
        fill_but(&filler, (6 + 9 * round) * 1_000_000);
        // Small and large values until nothing goes any more.
        let mut failures = 0;
        let mut waiting: Option<(Sealed, Entries)> = None;
        while failures < 4 {
            let (sealed, changes) = waiting.take().unwrap_or_else(|| {
                let mut changes = BTreeMap::new();
                for n in 0..50 {
                    number += 1;
                    let key = (number % 500).to_be_bytes().to_vec();
                    let value = noise(number, 15_000 + 40 * n);
                    state.put(Table::Panes, &key, value.clone());
                    state.put(Table::Reports, &key, value.clone());
                    state.put(Table::Predictions, &key, value.clone());
                    changes.insert(key, value);
                }
                (state.seal().unwrap(), changes)
            });
            match state.commit(&sealed) {
                Ok(()) => committed.extend(changes),
                Err(error) => {
                    assert!(error.is_full() || error.can_retry(), "{error:?}");
                    failures += 1;
                    filled += usize::from(error.is_full());
                    // Everything can be read all the same, what is not committed too.
                    let mut expected = committed.clone();
                    expected.extend(changes.clone());
                    check(&state, &expected);
                    waiting = Some((sealed, changes));
                }
            }
        }
        fs::remove_file(&filler).unwrap();
        // The same checkpoint goes through now, at once or after the store has caught up.
        let (sealed, changes) = waiting.unwrap();
        let mut tries = 0;
        while let Err(error) = state.commit(&sealed) {
            tries += 1;
            assert!(tries < 20, "round {round}: {error:?}");
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        committed.extend(changes);
        check(&state, &committed);
        println!("round {round}: {number} entries, {} used", used(disk));
    }
    assert!(filled > 0);
    drop(state);
    let state = open(&path);
    check(&state, &committed);
    println!("full {filled} times, {} entries", committed.len());
}

/// Fills the disk but for so many bytes.
fn fill_but(path: &Path, free: u64) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[1; 64 * 1_024]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(free)).unwrap();
}

/// Bytes that nothing makes smaller.
fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut word = u64::from(seed) + 1;
    let words = std::iter::repeat_with(|| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (word >> 32) as u32
    });
    words.flat_map(u32::to_le_bytes).take(length).collect()
}

fn check(state: &State, expected: &Entries) {
    for table in [Table::Panes, Table::Reports, Table::Predictions] {
        let found: BTreeMap<_, _> = all(state, table).into_iter().collect();
        assert!(found == *expected, "{table:?}: {} entries, expected {}", found.len(), expected.len());
    }
}

fn used(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => used(&entry.path()),
            metadata => metadata.blocks() * 512,
        })
        .sum()
}

/// The options of `unshare` by which a small disk can be mounted here, as root or as anybody; `None`: not at all.
fn unshare(folder: &Path) -> Option<&'static str> {
    ["-m", "-rm"].into_iter().find(|options| {
        let probe =
            Command::new("unshare").args([options, "mount", "-t", "tmpfs", "none"]).arg(folder).output();
        probe.is_ok_and(|output| output.status.success())
    })
}

#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(options) = unshare(folder.path()) else {
        // Where containers and users may not mount anything there is no disk to fill; the seam's faults are tested all
        // the same.
        eprintln!("SKIPPED: this needs root, or user namespaces, to mount a small disk of its own");
        return;
    };
    let script = format!("mount -t tmpfs -o size=256m none '{0}' && exec \"$@\"", folder.path().display());
    let inner = super::crash::child("full::goes_on_by_itself_when_there_is_space_again");
    let output = Command::new("unshare")
        .args([options, "sh", "-c", &script, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(FOLDER, folder.path())
        .output()
        .expect("this test needs `unshare` (util-linux) to mount a small disk of its own");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
    println!("{out}");
}
