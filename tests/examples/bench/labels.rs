//! Labels that meet their predictions among millions that wait.

use std::fmt::Write as _;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use driftline::engine::Engine;
use driftline_events::Carrier;
use driftline_store::{State, StateSpec};

use crate::folder::{Folder, config};
use crate::inference::{BATCH, START_MILLIS, id};
use crate::library::{Decoder, commit, stored_engine};
use crate::options::{Options, figure};

/// A checkpoint for so many changes: fewer than the service lets wait, whose bound of 64 MB is some half a million.
const CHECKPOINT: usize = 250_000;
/// Predictions a second of event time.
const A_SECOND: u64 = 1_000;
/// Without a common factor with any number of predictions that is a multiple of a thousand: it visits each id once.
const STRIDE: u64 = 7_368_787;

const MODEL: &str = r#"
[[models]]
name = "labels"
task = "binary"
positive = "yes"
idle_timeout = "off"
features = [{ name = "x", kind = "numeric" }]
windows = [{ name = "1h", length = "1h" }]
"#;

pub(crate) fn measure(_: &Folder, options: &Options) {
    let pending: u64 = options.number::<u64>("pending", 10_000_000) / BATCH as u64 * BATCH as u64;
    let labels: u64 = options.number("labels", 200_000);
    let space = tempfile::tempdir().expect("a temporary folder can be made");
    let state = State::open(&space.path().join("state"), StateSpec::default()).expect("the folder is new");
    let settings = config(MODEL);
    let decoder = Decoder::new(&settings.schema);
    let mut engine = stored_engine(settings, None, &state);
    let started = Instant::now();
    fill(&mut engine, &decoder, &state, pending);
    figure("labels.filled", pending as f64 / started.elapsed().as_secs_f64(), "predictions/s");

    let latest = START_MILLIS + (pending / A_SECOND * 1_000) as i64;
    // The last hundredth is kept for `recent`.
    let (rounds, mut visited, older) = (options.number("rounds", 5), 0, pending - pending / 100);
    for round in 0..rounds {
        // Ids of any age, each once; and the last ones that came.
        let mut any = |count: u64| {
            visited += count;
            (visited - count..visited).map(|at| at * STRIDE % older).collect::<Vec<_>>()
        };
        let some = labels.min(pending / 100) / 10;
        let first = pending - (round + 1) * some;
        let kinds = [
            ("labels.any_1", any(labels / 4), false),
            ("labels.any", any(labels), true),
            ("labels.recent", (first..first + some).collect(), true),
        ];
        for (name, ids, beside) in kinds {
            let payloads: Vec<String> = ids.chunks(BATCH).map(|ids| payload(ids, latest)).collect();
            let started = Instant::now();
            if beside {
                join_beside(&mut engine, &decoder, &state, &payloads);
            } else {
                join(&mut engine, &decoder, &state, &payloads);
            }
            figure(name, ids.len() as f64 / started.elapsed().as_secs_f64(), "labels/s");
        }
    }
    let model = engine.model("labels").expect("it was put");
    let waiting = model.status().sizes.waiting_labels;
    assert_eq!(waiting, 0, "every label has met its prediction");
}

/// All in one thread.
fn join(engine: &mut Engine, decoder: &Decoder, state: &State, payloads: &[String]) {
    for payload in payloads {
        engine.push_labels(&decoder.labels(payload.as_bytes()), None).expect("the disk can be read");
        commit(state, CHECKPOINT);
    }
    commit(state, 0);
}

/// As the service does it: decoded beside, joined by one, and committed beside.
fn join_beside(engine: &mut Engine, decoder: &Decoder, state: &State, payloads: &[String]) {
    let (decoded, batches) = sync_channel(8);
    let (sealed, to_commit) = sync_channel(1);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            payloads.iter().for_each(|payload| {
                decoded.send(decoder.labels(payload.as_bytes())).expect("the engine listens")
            });
        });
        scope.spawn(move || {
            to_commit.iter().for_each(|sealed| state.commit(&sealed).expect("the disk has room"));
        });
        for batch in batches {
            engine.push_labels(&batch, None).expect("the disk can be read");
            if state.buffered().entries >= CHECKPOINT && state.sealed().is_none() {
                state.seal().into_iter().for_each(|new| sealed.send(new).expect("the committer listens"));
            }
        }
        drop(sealed);
    });
    commit(state, 0);
}

fn fill(engine: &mut Engine, decoder: &Decoder, state: &State, count: u64) {
    let mut text = String::new();
    for first in (0..count).step_by(BATCH) {
        text.clear();
        for number in first..first + BATCH as u64 {
            let millis = START_MILLIS + (number / A_SECOND * 1_000) as i64;
            let (x, label) = (number % 1_009, ["no", "yes"][(number % 2) as usize]);
            writeln!(
                text,
                r#"{{"model":"labels","prediction_id":"{}","timestamp":{millis},"features":{{"x":{x}}},"prediction":{{"label":"{label}","score":0.{:03}}}}}"#,
                id(number),
                number % 997
            )
            .expect("text takes all writes");
        }
        let batch = decoder.predictions(text.as_bytes(), Carrier::Json);
        let taken = engine.push_predictions(&batch, None).expect("the disk can be read");
        assert_eq!(taken.accepted, BATCH as u64);
        commit(state, CHECKPOINT);
    }
    commit(state, 0);
}

fn payload(ids: &[u64], millis: i64) -> String {
    let mut text = String::new();
    for number in ids {
        let label = ["yes", "no"][(number % 3 % 2) as usize];
        writeln!(
            text,
            r#"{{"model":"labels","prediction_id":"{}","timestamp":{millis},"label":"{label}"}}"#,
            id(*number)
        )
        .expect("text takes all writes");
    }
    text
}
