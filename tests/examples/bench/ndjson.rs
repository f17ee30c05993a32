//! Bytes to folded summaries, beside what the bare parser needs for the same bytes.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use driftline_events::{Carrier, ModelBatch};
use driftline_summary::CellSummary;
use serde::de::IgnoredAny;

use crate::files::batches;
use crate::folder::Folder;
use crate::inference::{BATCH, stream};
use crate::library::{Decoder, engine, merged, on_threads};
use crate::options::{Options, rate};

/// Payloads of [`BATCH`] rows.
pub(crate) fn payloads(text: &[u8], rows: usize) -> Vec<&[u8]> {
    let mut payloads = Vec::new();
    let (mut start, mut lines) = (0, 0);
    for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').take(rows) {
        lines += 1;
        if lines == BATCH {
            payloads.push(&text[start..=at]);
            (start, lines) = (at + 1, 0);
        }
    }
    assert!(!payloads.is_empty(), "at least {BATCH} rows are wanted");
    payloads
}

pub(crate) fn measure(folder: &Folder, options: &Options) {
    let text = folder.read("current.ndjson");
    let payloads = payloads(&text, options.number("rows", usize::MAX));
    // The parser is given its lines: finding them is no part of parsing.
    let lines: Vec<&[u8]> =
        payloads.iter().flat_map(|payload| payload.trim_ascii_end().split(|byte| *byte == b'\n')).collect();
    rate("ndjson.parse", "rows/s", || {
        for line in &lines {
            black_box(sonic_rs::from_slice::<sonic_rs::Value>(line).expect("JSON"));
        }
        lines.len() as u64
    });
    if options.text("only", "") == "parse" {
        return;
    }
    // What a second core gives on this machine, with nothing shared.
    rate("ndjson.parse_2", "rows/s", || {
        let chunks: Vec<_> = lines.chunks(BATCH).collect();
        on_threads(2, &chunks, |chunks| {
            for line in chunks.flat_map(|chunk| *chunk) {
                black_box(sonic_rs::from_slice::<sonic_rs::Value>(line).expect("JSON"));
            }
        });
        lines.len() as u64
    });
    rate("ndjson.validate", "rows/s", || {
        for line in &lines {
            black_box(sonic_rs::from_slice::<IgnoredAny>(line).expect("JSON"));
        }
        lines.len() as u64
    });
    paths(folder, "ndjson", &payloads, Carrier::Json);
}

/// The same from Arrow IPC streams.
pub(crate) fn measure_arrow(folder: &Folder, options: &Options) {
    let payloads: Vec<Vec<u8>> =
        batches(options.number("rows", 1_000_000)).map(|batch| stream(&batch)).collect();
    let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    paths(folder, "arrow", &payloads, Carrier::ArrowStream);
}

fn paths(folder: &Folder, name: &str, payloads: &[&[u8]], carrier: Carrier) {
    let model = folder.model_config("");
    let reference = Arc::new(folder.reference());
    let decoder = Decoder::new(&model.schema);
    rate(&format!("{name}.decode"), "rows/s", || {
        payloads.iter().map(|payload| decoder.predictions(payload, carrier).rows.num_rows() as u64).sum()
    });
    for threads in [1, 2] {
        rate(&format!("{name}.fold_{threads}"), "rows/s", || {
            let cells = on_threads(threads, payloads, |some| {
                let mut cell = CellSummary::new(Arc::clone(&reference.spec));
                for payload in some {
                    cell.fold(&decoder.predictions(payload, carrier).rows).expect("the columns fit");
                }
                cell
            });
            merged(cells).traffic.total.rows
        });
    }
    // With panes, segments, windows, and every id held against those seen before.
    rate(&format!("{name}.engine_1"), "rows/s", || {
        let mut engine = engine(model.clone(), Arc::clone(&reference));
        let push = |payload: &&[u8]| {
            let batch = decoder.predictions(payload, carrier);
            engine.push_predictions(&batch, None).expect("the rows fit").accepted
        };
        payloads.iter().map(push).sum()
    });
    // As the service does it: decoded beside, folded by one.
    rate(&format!("{name}.engine_2"), "rows/s", || {
        let mut engine = engine(model.clone(), Arc::clone(&reference));
        let (sender, receiver) = sync_channel::<ModelBatch>(8);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for payload in payloads {
                    sender.send(decoder.predictions(payload, carrier)).expect("the engine listens");
                }
                drop(sender);
            });
            let push =
                |batch: ModelBatch| engine.push_predictions(&batch, None).expect("the rows fit").accepted;
            receiver.iter().map(push).sum()
        })
    });
}
