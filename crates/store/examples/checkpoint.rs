//! What a checkpoint costs: time to put, seal and commit it, and to recover.
//!
//! ```text
//! cargo run --release -p driftline-store --example checkpoint -- 1000000 /a/folder/that/is/not/there
//! ```

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use driftline_store::{State, StateSpec, Table};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(count), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: checkpoint ENTRIES FOLDER".into());
    };
    let count: u64 = count.parse()?;
    let folder = Path::new(&folder);
    let state = State::open(folder, StateSpec::default())?;
    for round in 0..3 {
        let since = Instant::now();
        for entry in 0..count {
            // Spread over the table, as ids are.
            let number = (round * count + entry).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut key = [0; 20];
            key[4..12].copy_from_slice(&number.to_be_bytes());
            state.put(Table::Predictions, &key, vec![entry as u8; 25]);
        }
        let put = since.elapsed();
        let since = Instant::now();
        let sealed = state.seal().ok_or("nothing was put")?;
        let seal = since.elapsed();
        let megabytes = sealed.bytes() as f64 / 1e6;
        let since = Instant::now();
        state.commit(&sealed)?;
        println!(
            "{count} entries, {megabytes:.0} MB: put in {:.2} s, sealed in {:.1} ms, committed in {:.2} s",
            put.as_secs_f64(),
            seal.as_secs_f64() * 1e3,
            since.elapsed().as_secs_f64()
        );
    }
    drop(state);
    let since = Instant::now();
    let state = State::open(folder, StateSpec::default())?;
    println!(
        "opened in {:.2} s, log {:.0} MB",
        since.elapsed().as_secs_f64(),
        state.sizes()?.log_bytes as f64 / 1e6
    );
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("").replace('\t', " "));
    Ok(())
}
