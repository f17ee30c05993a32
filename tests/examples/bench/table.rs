//! polars alone, reading the table that is replayed.

use std::time::Instant;

use polars::prelude::{LazyFrame, PlRefPath, ScanArgsParquet};

use crate::folder::Folder;
use crate::options::figure;

pub(crate) fn scan(folder: &Folder) {
    let path = folder.path("current.parquet");
    let path = PlRefPath::try_from_path(&path).expect("the path is text");
    let started = Instant::now();
    let frame = LazyFrame::scan_parquet(path, ScanArgsParquet::default()).and_then(LazyFrame::collect);
    let frame = frame.expect("the table can be read");
    figure("polars.scan", started.elapsed().as_secs_f64(), "s");
    assert!(frame.height() > 0);
}
