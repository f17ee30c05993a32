//! The report on one window.

use std::hint::black_box;
use std::time::Instant;

use driftline_evaluate::{Evaluation, ReferenceKind, ReferenceSummary, WindowSpan, evaluate};
use driftline_events::{Carrier, EventTime};
use driftline_summary::CellSummary;

use crate::data::MODEL;
use crate::folder::Folder;
use crate::inference::{BATCH, START_MILLIS};
use crate::library::Decoder;
use crate::ndjson::payloads;
use crate::options::{Options, figure};

/// Evaluations of which the mean is taken.
const TIMES: u32 = 50;

pub(crate) fn measure(folder: &Folder, options: &Options) {
    let model = folder.model_config("");
    let reference = folder.reference();
    let text = folder.read("current.ndjson");
    let decoder = Decoder::new(&model.schema);
    let start = EventTime::from_millis(START_MILLIS);
    let end = EventTime::from_millis(START_MILLIS + 3_600_000);
    let rows: usize = options.number("rows", 100_000);
    for rows in [BATCH, rows] {
        let mut current = CellSummary::new(std::sync::Arc::clone(&reference.spec));
        for payload in payloads(&text, rows) {
            current.fold(&decoder.predictions(payload, Carrier::Json).rows).expect("the columns fit");
        }
        let evaluation = Evaluation {
            model: MODEL,
            version: "1",
            segment: Default::default(),
            window: WindowSpan::new("1h", start, end),
            covered_seconds: 3_600.0,
            revision: 0,
            is_final: true,
            current: &current,
            reference: Some(ReferenceSummary {
                kind: ReferenceKind::File,
                version: None,
                period: None,
                summary: &reference.overall,
            }),
            drift: &model.drift,
            performance: &model.performance,
        };
        for _ in 0..options.number("rounds", 5) {
            let started = Instant::now();
            (0..TIMES).for_each(|_| drop(black_box(evaluate(black_box(&evaluation)))));
            let millis = started.elapsed().as_secs_f64() * 1e3 / f64::from(TIMES);
            figure(if rows == BATCH { "evaluate.small" } else { "evaluate.window" }, millis, "ms");
        }
    }
}
