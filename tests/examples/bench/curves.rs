//! What an event costs against what must not matter: the windows' length and number, the reference's size, the history.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftline::engine::Engine;
use driftline_events::{Carrier, EventTime, ModelBatch};
use driftline_store::{State, StateSpec};
use driftline_summary::Reference;

use crate::data::{MODEL, Part, rows};
use crate::folder::{Folder, config, model};
use crate::inference::{BATCH, EVENTS_PER_MILLI, START_MILLIS, event};
use crate::library::{Decoder, commit, stored_engine};
use crate::options::{Options, figure};
use crate::reference::of_rows;

const DAY: i64 = 86_400_000;
/// Where the events that are measured begin: after the longest history.
const FIRST: i64 = START_MILLIS + 40 * DAY;

/// One place on a curve.
struct Point<'a> {
    curve: &'static str,
    at: String,
    windows: Vec<String>,
    reference: &'a Arc<Reference>,
    history_days: i64,
}

pub(crate) fn measure(_: &Folder, options: &Options) {
    let count: u64 = options.number("rows", 200_000);
    let largest: u64 = options.number("reference_rows", 1_000_000);
    let settings = config(&model(MODEL, "kind = \"learned\"", ""));
    let decoder = Decoder::new(&settings.schema);
    let sizes: Vec<u64> =
        [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|&size| size <= largest).collect();
    let references: Vec<Arc<Reference>> =
        sizes.iter().map(|&size| of_rows(&decoder, &settings.schema, size)).collect();
    let usual = references.iter().take(3).next_back().expect("there is one");
    let batches = batches(&decoder, count);
    let window = |length: &str| format!("{{ name = \"{length}\", length = \"{length}\" }}");
    let point = |curve, at: &str, windows, reference, history_days| Point {
        curve,
        at: at.to_owned(),
        windows,
        reference,
        history_days,
    };
    let mut points = Vec::new();
    for length in ["5m", "1h", "1d", "7d"] {
        points.push(point("window_length", length, vec![window(length)], usual, 0));
    }
    for number in [1, 3, 10, 30] {
        let windows = (1..=number).map(|hours| window(&format!("{hours}h"))).collect();
        points.push(point("windows", &number.to_string(), windows, usual, 0));
    }
    for (size, reference) in sizes.iter().zip(&references) {
        points.push(point("reference_rows", &size.to_string(), vec![window("1h")], reference, 0));
    }
    let longest: i64 = options.number("history_days", 30);
    for days in [0, 1, 7, 30].into_iter().filter(|&days| days <= longest) {
        points.push(point("history", &format!("{days}d"), vec![window("1h")], usual, days));
    }
    let only = options.text("only", "");
    points.retain(|point| only.is_empty() || point.curve == only);
    for _ in 0..options.number("rounds", 5) {
        for point in &points {
            let nanos = cost(point, &decoder, &batches);
            figure(&format!("curve.{}.{}", point.curve, point.at), nanos, "ns");
        }
    }
}

/// The events that are measured, decoded.
fn batches(decoder: &Decoder, count: u64) -> Vec<ModelBatch> {
    let mut text = String::new();
    let mut batches = Vec::new();
    for (number, row) in (0..).zip(rows(Part::Current, count)) {
        event(&mut text, MODEL, number, FIRST + (number / EVENTS_PER_MILLI) as i64, &row, "");
        text.push('\n');
        if (number + 1) % BATCH as u64 == 0 {
            batches.push(decoder.predictions(text.as_bytes(), Carrier::Json));
            text.clear();
        }
    }
    batches
}

/// Nanoseconds an event, the evaluation of windows that close included. Ids are on disk, as they are in the service;
/// checkpoints are made between the events and not counted, since the service has a thread of its own for them.
fn cost(point: &Point<'_>, decoder: &Decoder, batches: &[ModelBatch]) -> f64 {
    let settings = format!("retention = \"60d\"\nwindows = [{}]", point.windows.join(", "));
    let settings = config(&model(MODEL, "kind = \"learned\"", &settings));
    let space = tempfile::tempdir().expect("a temporary folder can be made");
    let state = State::open(&space.path().join("state"), StateSpec::default()).expect("the folder is new");
    let mut engine = stored_engine(settings, Some(Arc::clone(point.reference)), &state);
    history(&mut engine, &state, decoder, point.history_days);
    let (mut events, mut spent) = (0, Duration::ZERO);
    // A second of event time, as often as the service looks.
    for second in batches.chunks(100) {
        let started = Instant::now();
        for batch in second {
            events += engine.push_predictions(batch, None).expect("the rows fit").accepted;
        }
        let now = EventTime::from_millis(FIRST + (events / EVENTS_PER_MILLI) as i64);
        assert!(engine.tick(now).failures.is_empty());
        spent += started.elapsed();
        commit(&state, 0);
    }
    spent.as_secs_f64() * 1e9 / events as f64
}

/// 50 events in each ten minutes of the days before.
fn history(engine: &mut Engine, state: &State, decoder: &Decoder, days: i64) {
    let steps = days * 144;
    let mut text = String::new();
    let mut drawn = rows(Part::Reference, steps as u64 * 50);
    for step in 0..steps {
        for place in 0..50 {
            let number = 1_000_000_000 + (step * 50 + place) as u64;
            let millis = FIRST - days * DAY + step * 600_000;
            let row = drawn.next().expect("as many as were asked for");
            event(&mut text, MODEL, number, millis, &row, "");
            text.push('\n');
        }
        if step % 20 == 19 || step + 1 == steps {
            let batch = decoder.predictions(text.as_bytes(), Carrier::Json);
            engine.push_predictions(&batch, None).expect("the rows fit");
            text.clear();
            let now = EventTime::from_millis(FIRST - days * DAY + step * 600_000);
            assert!(engine.tick(now).failures.is_empty());
            commit(state, 0);
        }
    }
}
