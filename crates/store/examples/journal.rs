//! How fast the journal is here: `cargo run --release -p driftline-store --example journal [FOLDER]`.
//!
//! Appends groups of one payload with `fsync = "always"`, the slowest way there is, then groups of several, then
//! replays all of it. The folder (default: a temporary one) says which disk is measured.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftline_store::{Journal, JournalSpec, OsFiles};

/// How long each line is measured.
const MEASURED: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    println!(
        "{:>10} {:>6} {:>10} {:>10} {:>9} {:>9}",
        "payload", "group", "groups/s", "MB/s", "p50 ms", "p99 ms"
    );
    for (kib, group) in [(1, 1), (1, 64), (64, 1), (64, 16)] {
        let folder = tempfile::tempdir_in(&parent)?;
        let (mut journal, _) = Journal::open(folder.path(), JournalSpec::default(), Arc::new(OsFiles))?;
        let payloads = vec![vec![0x5a_u8; kib << 10]; group];
        let mut latencies = Vec::new();
        let begin = Instant::now();
        while begin.elapsed() < MEASURED {
            let before = Instant::now();
            journal.append(&payloads)?;
            latencies.push(before.elapsed());
        }
        let seconds = begin.elapsed().as_secs_f64();
        latencies.sort_unstable();
        let quantile =
            |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let groups = latencies.len() as f64;
        println!(
            "{:>10} {group:>6} {:>10.0} {:>10.1} {:>9.2} {:>9.2}",
            format!("{kib} KiB"),
            groups / seconds,
            groups * (group * (kib << 10)) as f64 / 1e6 / seconds,
            quantile(0.5),
            quantile(0.99)
        );
        drop(journal);

        let begin = Instant::now();
        let (mut journal, opened) = Journal::open(folder.path(), JournalSpec::default(), Arc::new(OsFiles))?;
        let opening = begin.elapsed();
        let begin = Instant::now();
        let replayed = journal.replay(0, |_| Ok::<_, Infallible>(()))?;
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{:>17} opened in {:.0} ms, replayed {} payloads of {:.0} MB at {:.0} MB/s",
            "",
            opening.as_secs_f64() * 1e3,
            replayed.frames,
            opened.bytes as f64 / 1e6,
            opened.bytes as f64 / 1e6 / seconds
        );
    }
    Ok(())
}
