//! References that are learned from the first rows.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod support;

use driftline_summary::FeatureSummary;
use driftline_window::{Grids, MemoryPending, TimeSpec, Windower};
use std::time::Duration;
use support::*;

fn learner(rows: u64) -> Windower {
    let spec = TimeSpec::try_new(&options(), &[window("5m", "5m", "5m")]).unwrap();
    let pending = Box::new(MemoryPending::new(1_000));
    Windower::new(schema(&["country"]), Grids::Learned { rows }, spec, Duration::ZERO, 3, pending)
}

fn rows(n: usize) -> Vec<Row> {
    (0..n)
        .map(|i| Row {
            country: Some(if i % 2 == 0 { "A" } else { "B" }.to_owned()),
            ..Row::new(&i.to_string(), i as i64 * 10, (i % 7) as f64)
        })
        .collect()
}

#[test]
fn rows_seen_while_learning_are_counted_on_the_learned_grids() {
    let rows = rows(100);
    let mut learning = learner(50);
    let mut learned = None;
    for chunk in rows.chunks(15) {
        let pushed = learning.push_predictions(&predictions(chunk), None).unwrap();
        learned = learned.or(pushed.learned);
    }
    let reference = learned.unwrap();
    assert_eq!(reference.rows, 60, "four batches of fifteen");
    assert_eq!(reference.segments.len(), 2);
    assert_eq!(learning.learning(), None);

    let spec = TimeSpec::try_new(&options(), &[window("5m", "5m", "5m")]).unwrap();
    let pending = Box::new(MemoryPending::new(1_000));
    let given = Grids::Given(std::sync::Arc::clone(&reference.spec));
    let mut straight = Windower::new(schema(&["country"]), given, spec, Duration::ZERO, 3, pending);
    straight.push_predictions(&predictions(&rows), None).unwrap();
    for start in (0..1_000).step_by(60) {
        for segment in [None, Some(("country".into(), "A".into()))] {
            let of = |windower: &Windower| {
                windower.merged(at(start), at(start + 60), None, segment.as_ref()).unwrap()
            };
            let (a, b) = (of(&learning), of(&straight));
            let cells = |summary: &Option<driftline_summary::CellSummary>| {
                summary.as_ref().map(|summary| match &summary.features[0] {
                    FeatureSummary::Numeric(x) => x.cells().clone(),
                    FeatureSummary::Categorical(_) => panic!("x is numeric"),
                })
            };
            assert_eq!(cells(&a), cells(&b), "pane {start}");
            assert_eq!(a.map(|a| a.traffic.total.rows), b.map(|b| b.traffic.total.rows));
        }
    }
}

#[test]
fn while_learning_it_says_how_far_it_is() {
    let mut windower = learner(50);
    windower.push_predictions(&predictions(&rows(20)), None).unwrap();
    assert_eq!(windower.learning(), Some((20, 50)));
}

#[test]
fn labels_joined_while_learning_are_counted_once_and_can_be_corrected() {
    let mut windower = learner(50);
    windower.push_predictions(&predictions(&rows(20)), None).unwrap();
    windower.push_labels(&labels(&[Label::new("1", 400, "yes"), Label::new("2", 400, "no")])).unwrap();
    windower.push_predictions(&predictions(&rows(60)), None).unwrap();
    assert_eq!(windower.learning(), None);
    let labelled = |windower: &Windower| {
        let summary = windower.merged(at(0), at(600), None, None).unwrap().unwrap();
        (
            summary.outcomes.labels.rows,
            summary.outcomes.label.present.rows,
            summary.arrivals.label.present.rows,
        )
    };
    assert_eq!(labelled(&windower), (2, 2, 2));
    windower.push_labels(&labels(&[Label::new("1", 500, "no"), Label::retraction("2", 500)])).unwrap();
    assert_eq!(labelled(&windower), (1, 1, 1));
}
