//! Measures Driftline and the bare limits beside it, on data of a fixed seed: `scripts/bench` runs it, and
//! bench/README.md says what is measured how.
//!
//! ```text
//! bench prepare FOLDER ROWS            writes the data: Parquet, NDJSON, Arrow, the reference
//! bench MEASURE FOLDER [KEY=VALUE …]   measures, and prints a JSON object for each figure
//! ```

mod bare;
mod client;
mod compare;
mod curves;
mod data;
mod evaluate;
mod files;
mod folder;
mod http;
mod inference;
mod kafka;
mod labels;
mod library;
mod memory;
mod metrics;
mod ndjson;
mod options;
mod reference;
mod table;
mod visible;

use crate::folder::Folder;
use crate::options::Options;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [measure, folder, rest @ ..] = &arguments[..] else {
        panic!("write: bench MEASURE FOLDER [KEY=VALUE …]");
    };
    let folder = Folder::new(folder);
    if measure == "prepare" {
        let rows = rest.first().and_then(|rows| rows.parse().ok()).expect("write: bench prepare FOLDER ROWS");
        return files::prepare(&folder, rows);
    }
    let options = Options::parse(rest);
    // What sends load takes one thread, so that the service has the rest of the machine.
    let one = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let all = || tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match measure.as_str() {
        "ndjson" => ndjson::measure(&folder, &options),
        "arrow" => ndjson::measure_arrow(&folder, &options),
        "columns" => library::columns(&folder, &options),
        "scan" => table::scan(&folder),
        "evaluate" => evaluate::measure(&folder, &options),
        "compare" => compare::measure(&folder, &options),
        "curves" => curves::measure(&folder, &options),
        "labels" => labels::measure(&folder, &options),
        "http" => one().block_on(http::measure(&folder, &options)),
        "send" => one().block_on(http::send_file(&folder, &options)),
        "bare-http" => one().block_on(bare::measure(&folder, &options)),
        "bare-server" => all().block_on(bare::serve(&folder, &options)),
        "kafka" => all().block_on(kafka::measure(&folder, &options)),
        "visible" => one().block_on(visible::measure(&folder, &options)),
        "metrics" => one().block_on(metrics::measure(&folder, &options)),
        "memory" => one().block_on(memory::measure(&folder, &options)),
        other => panic!("{other:?} is no measure"),
    }
}
