//! The label join.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod support;

use driftline_summary::Performance;
use driftline_window::{Labelled, Windower};
use proptest::prelude::*;
use support::*;

/// Correct and wrong outcomes over `[start, end)` of event seconds: by prediction time, and by label time.
fn outcomes(windower: &Windower, start: i64, end: i64) -> [(f64, f64); 2] {
    let Some(summary) = windower.merged(at(start), at(end), None, None).unwrap() else {
        return [(0.0, 0.0); 2];
    };
    [&summary.outcomes, &summary.arrivals].map(|outcomes| {
        let Performance::Classification(performance) = &outcomes.performance else {
            panic!("a binary model")
        };
        let total = outcomes.labels.weight;
        let classes = 0..performance.classes().len();
        let correct: f64 = classes.map(|class| performance.weight(class, class)).sum();
        (correct, total - correct)
    })
}

fn one(second: i64) -> Windower {
    let mut windower = windower();
    windower.push_predictions(&predictions(&[Row::new("a", second, 1.0)]), None).unwrap();
    windower
}

#[test]
fn an_outcome_is_in_the_prediction_s_pane_and_in_the_label_s() {
    let mut windower = one(10);
    let labelled = windower.push_labels(&labels(&[Label::new("a", 4_000, "no")])).unwrap();
    assert_eq!(labelled, Labelled { joined: 1, ..Labelled::default() });
    assert_eq!(outcomes(&windower, 0, 60), [(0.0, 1.0), (0.0, 0.0)]);
    assert_eq!(outcomes(&windower, 3_960, 4_020), [(0.0, 0.0), (0.0, 1.0)]);
}

#[test]
fn a_label_may_come_before_its_prediction() {
    let mut windower = windower();
    let labelled = windower.push_labels(&labels(&[Label::new("a", 20, "yes")])).unwrap();
    assert_eq!(labelled, Labelled { waiting: 1, ..Labelled::default() });
    let pushed = windower.push_predictions(&predictions(&[Row::new("a", 10, 1.0)]), None).unwrap();
    assert_eq!(pushed.labelled, Labelled { joined: 1, ..Labelled::default() });
    assert_eq!(outcomes(&windower, 0, 60), [(1.0, 0.0), (1.0, 0.0)]);
    assert_eq!(windower.sizes().waiting_labels, 0);
}

#[test]
fn a_correction_moves_the_outcome_and_a_retraction_removes_it() {
    let mut windower = one(10);
    windower.push_labels(&labels(&[Label::new("a", 100, "yes")])).unwrap();
    let labelled = windower.push_labels(&labels(&[Label::new("a", 200, "no")])).unwrap();
    assert_eq!(labelled, Labelled { corrected: 1, ..Labelled::default() });
    assert_eq!(outcomes(&windower, 0, 60), [(0.0, 1.0), (0.0, 0.0)]);
    assert_eq!(outcomes(&windower, 60, 120), [(0.0, 0.0), (0.0, 0.0)], "the first label's pane");
    assert_eq!(outcomes(&windower, 180, 240), [(0.0, 0.0), (0.0, 1.0)], "the second label's pane");
    let labelled = windower.push_labels(&labels(&[Label::retraction("a", 300)])).unwrap();
    assert_eq!(labelled, Labelled { retracted: 1, ..Labelled::default() });
    assert_eq!(outcomes(&windower, 0, 600), [(0.0, 0.0), (0.0, 0.0)]);
}

#[test]
fn repeats_and_older_words_have_no_effect() {
    let mut windower = one(10);
    windower.push_labels(&labels(&[Label::new("a", 200, "no")])).unwrap();
    let labelled =
        windower.push_labels(&labels(&[Label::new("a", 200, "no"), Label::new("a", 100, "yes")])).unwrap();
    assert_eq!(labelled, Labelled { duplicates: 1, superseded: 1, ..Labelled::default() });
    assert_eq!(outcomes(&windower, 0, 600), [(0.0, 1.0), (0.0, 1.0)]);
}

#[test]
fn a_label_beyond_the_horizon_is_counted_and_has_no_effect() {
    let mut windower = one(10);
    let horizon = 12 * 3_600;
    let labelled = windower.push_labels(&labels(&[Label::new("a", 10 + horizon + 1, "no")])).unwrap();
    assert_eq!(labelled, Labelled { too_late: 1, ..Labelled::default() });
    let labelled = windower.push_labels(&labels(&[Label::new("a", 10 + horizon, "no")])).unwrap();
    assert_eq!(labelled, Labelled { joined: 1, ..Labelled::default() });
}

#[test]
fn a_label_revises_the_closed_window_of_its_prediction() {
    let mut windower = one(10);
    windower.push_predictions(&predictions(&[Row::new("b", 1_000, 1.0)]), None).unwrap();
    let closed = due(&mut windower);
    assert_eq!(closed.iter().filter(|window| window.start == at(0)).count(), 1);
    windower.push_labels(&labels(&[Label::new("a", 950, "yes")])).unwrap();
    assert_eq!(outline(&due(&mut windower)), [(0, 1, 1)]);
}

#[derive(Clone, Debug)]
enum Event {
    Prediction(Row),
    Label(Label),
}

/// Predictions with few ids and small times, labels, corrections and retractions, all words of one id at
/// different times.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let prediction = (0..1_200i64, 0..10u8, prop_oneof![Just("yes"), Just("no")])
        .prop_map(|(second, x, predicted)| (second, f64::from(x), predicted));
    let predictions = prop::collection::vec(prediction, 1..20);
    let label = (0..20usize, 0..2_000i64, prop_oneof![Just(Some("yes")), Just(Some("no")), Just(None)]);
    let labels = prop::collection::vec(label, 0..40);
    (predictions, labels).prop_map(|(predictions, labels)| {
        let mut events: Vec<Event> = predictions
            .into_iter()
            .enumerate()
            .map(|(i, (second, x, predicted))| {
                Event::Prediction(Row { predicted, ..Row::new(&i.to_string(), second, x) })
            })
            .collect();
        let mut said = std::collections::BTreeSet::new();
        for (id, second, class) in labels {
            if said.insert((id, second)) {
                events.push(Event::Label(Label { id: id.to_string(), second, class }));
            }
        }
        events
    })
}

fn run(events: &[Event]) -> Windower {
    let mut windower = windower();
    for event in events {
        match event {
            Event::Prediction(row) => {
                windower.push_predictions(&predictions(std::slice::from_ref(row)), None).unwrap();
            }
            Event::Label(label) => {
                windower.push_labels(&labels(std::slice::from_ref(label))).unwrap();
            }
        }
    }
    windower
}

proptest! {
    /// Whatever the order of predictions, labels, corrections and retractions, every pane ends up the same.
    #[test]
    fn order_does_not_matter(
        (events, shuffled) in events().prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        let (one, other) = (run(&events), run(&shuffled));
        for minute in 0..40 {
            let (start, end) = (minute * 60, minute * 60 + 60);
            prop_assert_eq!(outcomes(&one, start, end), outcomes(&other, start, end));
            let rows = |windower: &Windower| {
                windower.merged(at(start), at(end), None, None).unwrap().map(|summary| summary.traffic.total.rows)
            };
            prop_assert_eq!(rows(&one).unwrap_or(0), rows(&other).unwrap_or(0));
        }
    }

    /// What is left after all words is the latest word of each id.
    #[test]
    fn the_latest_word_holds(events in events()) {
        let windower = run(&events);
        let mut latest = std::collections::BTreeMap::new();
        let mut predicted = std::collections::BTreeMap::new();
        for event in &events {
            match event {
                Event::Prediction(row) => { predicted.insert(row.id.clone().unwrap(), row.predicted); }
                Event::Label(label) => {
                    let known = latest.entry(label.id.clone()).or_insert((label.second, label.class));
                    if label.second >= known.0 { *known = (label.second, label.class); }
                }
            }
        }
        let mut expected = (0.0, 0.0);
        for (id, (_, class)) in latest {
            if let (Some(predicted), Some(class)) = (predicted.get(&id), class) {
                if *predicted == class { expected.0 += 1.0 } else { expected.1 += 1.0 }
            }
        }
        prop_assert_eq!(outcomes(&windower, -60, 3_000), [expected, expected]);
    }
}

#[test]
fn a_label_whose_prediction_is_beyond_the_retention_is_counted_as_too_late() {
    let mut windower = one(10);
    windower.push_predictions(&predictions(&[Row::new("b", 3 * 86_400, 1.0)]), None).unwrap();
    let labelled = windower.push_labels(&labels(&[Label::new("a", 100, "yes")])).unwrap();
    assert_eq!(labelled, Labelled { too_late: 1, ..Labelled::default() });
}
