//! Any period against another, over panes that were never merged.

use std::sync::Arc;
use std::time::Instant;

use driftline_events::{Carrier, EventTime, ModelId};
use driftline_expose::{CompareQuery, Period, ReferencePeriod, SegmentFilter};

use crate::data::{MODEL, Part, rows};
use crate::folder::Folder;
use crate::inference::{BATCH, START_MILLIS, event};
use crate::library::{Decoder, engine};
use crate::options::{Options, figure};

const MINUTE: i64 = 60_000;

pub(crate) fn measure(folder: &Folder, options: &Options) {
    let panes: u64 = options.number("panes", 10_000);
    let per_pane: u64 = options.number("rows_per_pane", 100);
    // Nothing is merged beforehand: there are as many panes as there are minutes.
    let model = folder.model_config(
        "retention = \"30d\"\nroll_up_after = \"30d\"\nwindows = [{ name = \"1h\", length = \"1h\" }]",
    );
    let decoder = Decoder::new(&model.schema);
    let mut engine = engine(model, Arc::new(folder.reference()));
    let mut text = String::new();
    for (number, row) in (0..).zip(rows(Part::Current, panes * per_pane)) {
        let millis = START_MILLIS + (number / per_pane) as i64 * MINUTE;
        event(&mut text, MODEL, number, millis, &row, "");
        text.push('\n');
        if (number + 1) % BATCH as u64 == 0 || number + 1 == panes * per_pane {
            let batch = decoder.predictions(text.as_bytes(), Carrier::Json);
            engine.push_predictions(&batch, None).expect("the rows fit");
            // As the service does: panes that have their rows are packed.
            assert!(engine.tick(EventTime::from_millis(millis)).failures.is_empty());
            text.clear();
        }
    }
    let held = engine.model(MODEL).expect("it was put").status().sizes.panes;
    assert_eq!(held as u64, panes, "panes were merged");
    let (start, middle) = (START_MILLIS, START_MILLIS + (panes / 2) as i64 * MINUTE);
    let end = START_MILLIS + panes as i64 * MINUTE;
    let range =
        |from, to| Period::Range { from: EventTime::from_millis(from), to: EventTime::from_millis(to) };
    let queries = [
        // Every pane once: one half against the other.
        ("compare.halves", range(middle, end), ReferencePeriod::Period(range(start, middle))),
        ("compare.reference", range(start, end), ReferencePeriod::Reference),
    ];
    for (name, current, reference) in queries {
        let query = CompareQuery {
            model: ModelId::try_new(MODEL).expect("a good name"),
            current,
            reference,
            segment: SegmentFilter::Whole,
            version: None,
            reference_version: None,
        };
        for _ in 0..options.number("rounds", 5) {
            let started = Instant::now();
            let report = engine.compare(&query).expect("both periods have rows");
            figure(name, started.elapsed().as_secs_f64() * 1e3, "ms");
            assert_eq!(report.features.len(), 25);
        }
    }
}
