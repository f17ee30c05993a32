//! What a pending prediction costs: bytes on disk, memory, and time to join.
//!
//! ```text
//! cargo run --release -p driftline-store --example pending -- 10000000 /a/folder/that/is/not/there
//! ```
//!
//! Fills so many predictions as ingestion does (with a third argument `quick`: without asking for each whether it is
//! there), merges them, and joins labels in batches of 1,000: for the ids that
//! came last, for any ids, and for ids that never came. The folder is left behind.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use driftline_events::EventTime;
use driftline_store::{State, StateSpec, StoredPending, Table};
use driftline_summary::{Actual, Predicted};
use driftline_window::{IdKey, Pending, PendingStore as _, Word};

const BATCH: u64 = 1_000;
/// Entries of a checkpoint.
const CHECKPOINT: usize = 250_000;
/// 1,000 predictions a second.
const STEP_MILLIS: u64 = 1;
const START_MILLIS: u64 = 1_767_225_600_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(count), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pending COUNT FOLDER".into());
    };
    let count: u64 = count.parse()?;
    let folder = Path::new(&folder);
    let state = State::open(folder, StateSpec::default())?;
    let mut pending = StoredPending::open(state.clone(), 1, usize::MAX)?;
    fill(&state, &mut pending, count, arguments.next().is_some())?;

    let since = Instant::now();
    state.compact(Table::Predictions)?;
    let bytes = state
        .sizes()?
        .tables
        .iter()
        .find(|sizes| sizes.table == Table::Predictions)
        .map_or(0, |sizes| sizes.disk_bytes);
    println!("compacted in {:.0} s", since.elapsed().as_secs_f64());
    println!(
        "{:.1} bytes each on disk, {:.2} GB in all, log included: {:.2} GB",
        bytes as f64 / count as f64,
        bytes as f64 / 1e9,
        bytes_in(folder)? as f64 / 1e9
    );
    memory("filled");

    let mut seed = 1;
    let recent = 100.min(count / BATCH) * BATCH;
    join(&state, &mut pending, "recent ids", &mut |place| count - recent + place % recent)?;
    join(&state, &mut pending, "any ids", &mut |_| random(&mut seed) % count)?;
    join(&state, &mut pending, "unknown ids", &mut |place| count + place)?;
    memory("joined");

    drop((pending, state));
    let since = Instant::now();
    let state = State::open(folder, StateSpec::default())?;
    let pending = StoredPending::open(state, 1, usize::MAX)?;
    println!("opened in {:.2} s, {} pending", since.elapsed().as_secs_f64(), pending.predictions());
    Ok(())
}

fn fill(state: &State, pending: &mut StoredPending, count: u64, quick: bool) -> Result<(), Box<dyn Error>> {
    let since = Instant::now();
    let (mut committing, mut slowest) = (0.0, 0.0_f64);
    for start in (0..count).step_by(BATCH as usize) {
        let ids: Vec<_> = (start..count.min(start + BATCH)).map(id).collect();
        pending.load(if quick { &[] } else { &ids })?;
        for (place, id) in ids.into_iter().enumerate() {
            if pending.prediction(id).is_none() && pending.waiting(id).is_none() {
                pending.put_prediction(id, prediction(start + place as u64));
            }
        }
        if state.buffered().entries >= CHECKPOINT || start + BATCH >= count {
            let since = Instant::now();
            commit(state)?;
            let seconds = since.elapsed().as_secs_f64();
            committing += seconds;
            slowest = slowest.max(seconds);
        }
        if start > 0 && start % 10_000_000 == 0 {
            println!("… {start} after {:.0} s", since.elapsed().as_secs_f64());
        }
    }
    let seconds = since.elapsed().as_secs_f64();
    println!(
        "filled {count} in {seconds:.0} s: {:.0} a second, {committing:.0} s of it in commits, the slowest {slowest:.2} s",
        count as f64 / seconds
    );
    Ok(())
}

fn join(
    state: &State,
    pending: &mut StoredPending,
    what: &str,
    number: &mut dyn FnMut(u64) -> u64,
) -> Result<(), Box<dyn Error>> {
    const BATCHES: u64 = 100;
    let (mut joined, mut seconds, mut slowest) = (0_u64, 0.0, 0.0_f64);
    for batch in 0..BATCHES {
        let ids: Vec<_> = (0..BATCH).map(|place| id(number(batch * BATCH + place))).collect();
        let since = Instant::now();
        pending.load(&ids)?;
        for &id in &ids {
            if let Some(found) = pending.prediction(id) {
                let word = Word { time: found.time, label: Some((Actual::Class("yes".into()), 1.0)) };
                pending.set_label(id, word);
                joined += 1;
            }
        }
        seconds += since.elapsed().as_secs_f64();
        slowest = slowest.max(since.elapsed().as_secs_f64());
    }
    let since = Instant::now();
    commit(state)?;
    println!(
        "{what}: {:.0} a second, {joined} joined, the slowest batch {:.1} ms, then committed in {:.2} s",
        (BATCHES * BATCH) as f64 / seconds,
        slowest * 1e3,
        since.elapsed().as_secs_f64()
    );
    Ok(())
}

fn commit(state: &State) -> Result<(), Box<dyn Error>> {
    if let Some(sealed) = state.seal() {
        state.commit(&sealed)?;
    }
    Ok(())
}

fn id(number: u64) -> IdKey {
    IdKey::new(&format!("request-{number}"))
}

fn prediction(number: u64) -> Pending {
    let mut seed = number;
    let score = random(&mut seed) as f64 / u64::MAX as f64;
    let label = if score > 0.5 { "yes" } else { "no" };
    // Sets of cells are made by a windower only; here one is read from the bytes of a prediction.
    let (none, scores) = (None::<f64>, Vec::<(&str, f64)>::new());
    let bytes = postcard::to_stdvec(&(0_i64, 3_u32, none, None::<&str>, none, none, scores, None::<u8>));
    let pending = Pending::decode(&bytes.expect("a vector takes all")).expect("these are its bytes");
    let time = EventTime::from_millis((START_MILLIS + number * STEP_MILLIS) as i64);
    let predicted = Predicted { label: Some(label.into()), score: Some(score), ..Predicted::default() };
    Pending { time, predicted, ..pending }
}

/// splitmix64.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn memory(when: &str) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line =
        |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or(name).replace('\t', " ");
    println!("{when}: {}, {}", line("VmHWM:"), line("VmRSS:"));
}

/// What the folder takes on disk, blocks reserved and never written left out.
fn bytes_in(folder: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_in(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
