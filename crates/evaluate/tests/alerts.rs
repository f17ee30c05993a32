//! Alerts held to the truth: how often they are false, and whether they find what is there. Seeds are printed.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod model;

use std::sync::Arc;
use std::time::Duration;

use driftline_evaluate::{
    AlertBook, AlertEvent, AlertOptions, AlertSpec, AlertState, AlertWindow, CauseKind, Compare, EventAction,
    RuleOptions, WindowReport, WindowSpan,
};
use driftline_events::EventTime;
use driftline_summary::{Actual, CellSummary, FeatureSummary, Outcome, Outcomes, Predicted, Tally};
use model::{Law, Value, laws, reference, window};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};

/// 2026-01-05, a Monday.
const MONDAY: i64 = 1_767_571_200_000;
const HOUR: i64 = 3_600_000;

fn spec(options: AlertOptions) -> Arc<AlertSpec> {
    let length = Duration::from_secs(3_600);
    let hour = AlertWindow { name: "1h".to_owned(), length, every: length };
    Arc::new(AlertSpec::try_new(options, &[hour]).unwrap())
}

fn book() -> AlertBook {
    AlertBook::new("model", spec(AlertOptions::default()))
}

/// The report on the `at`-th hour from Monday on.
fn report(at: usize, current: &CellSummary, against: &CellSummary) -> WindowReport {
    let start = MONDAY + at as i64 * HOUR;
    let (start, end) = (EventTime::from_millis(start), EventTime::from_millis(start + HOUR));
    WindowReport { window: WindowSpan::new("1h", start, end), ..model::report(current, against) }
}

/// What false alarms there were: alerts that fired, by rule, and windows during which one did.
#[derive(Default)]
struct Alarms {
    fired: u64,
    firing: usize,
}

/// Runs windows through the default rules and counts alerts of `rules`.
fn alarms(
    mut book: AlertBook,
    rules: &[&str],
    windows: usize,
    mut next: impl FnMut(usize) -> WindowReport,
) -> Alarms {
    let mut firing = 0;
    for at in 0..windows {
        let events = book.take([&next(at)]);
        let told = events.iter().filter(|event| event.action == EventAction::Opened);
        told.for_each(|event| println!("  window {at}: {}", event.incident.summary));
        let of_rule = |rule: &str| rules.contains(&rule);
        firing += usize::from(
            book.states()
                .iter()
                .any(|status| of_rule(&status.rule) && status.state == Some(AlertState::Firing)),
        );
    }
    let fired = book.counts().iter().filter(|(rule, _)| rules.contains(&rule.as_str()));
    Alarms { fired: fired.map(|(_, counts)| counts.fired).sum(), firing }
}

const DRIFT: [&str; 2] = ["input_drift", "output_drift"];

fn identical(rows: usize, windows: usize, seed: u64) -> Alarms {
    let laws = laws();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut against = reference(&laws, 10_000, &mut rng);
    let mut verdicts = 0;
    let found = alarms(book(), &DRIFT, windows, |at| {
        if at % 250 == 249 {
            against = reference(&laws, 10_000, &mut rng);
        }
        let report = report(at, &window(&against, &laws, rows, &mut rng, |_, value| value), &against);
        verdicts += usize::from(report.drift.drifted_features + report.drift.quality_findings > 0);
        report
    });
    println!(
        "identical, {rows} rows, seed {seed}: {} alerts, {} of {windows} windows; by the verdict alone {verdicts} windows",
        found.fired, found.firing
    );
    found
}

/// Windows of an hour every five minutes, as models have without configuration: each shares eleven panes of twelve with
/// the one before, so that one unlucky pane is in twelve windows.
fn sliding(rows: usize, windows: usize, seed: u64) -> Alarms {
    let laws = laws();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let against = reference(&laws, 10_000, &mut rng);
    let (length, every) = (Duration::from_secs(3_600), Duration::from_secs(300));
    let hour = AlertWindow { name: "1h".to_owned(), length, every };
    let spec = Arc::new(AlertSpec::try_new(AlertOptions::default(), &[hour]).unwrap());
    let mut panes: Vec<CellSummary> = Vec::new();
    let found = alarms(AlertBook::new("model", spec), &DRIFT, windows, |at| {
        while panes.len() < 12 {
            panes.push(window(&against, &laws, rows / 12, &mut rng, |_, value| value));
        }
        let mut current = panes[0].clone();
        panes[1..].iter().for_each(|pane| current.merge(pane).unwrap());
        panes.remove(0);
        let mut report = report(0, &current, &against);
        let later = Duration::from_secs(300 * at as u64);
        report.window.start = report.window.start.saturating_add(later);
        report.window.end = report.window.end.saturating_add(later);
        report
    });
    println!(
        "identical, an hour of {rows} rows every 5 minutes, seed {seed}: {} alerts, {} of {windows} windows",
        found.fired, found.firing
    );
    found
}

/// Half of the features move with the hour, by up to a standard deviation.
fn cycle(at: usize) -> impl FnMut(usize, Value) -> Value {
    let hour = (at % 24) as f64 / 24.0;
    let shift = (std::f64::consts::TAU * hour).sin();
    move |position, value| match value {
        Value::Number(number) if position % 2 == 0 => Value::Number(number + shift),
        other => other,
    }
}

/// A day's worth of rows, and the spec they give.
fn whole_day(laws: &[Law], rng: &mut ChaCha8Rng) -> CellSummary {
    // The grids come from rows without the cycle: it is for the reference to know it.
    let mut day = window(&reference(laws, 10_000, rng), laws, 0, rng, |_, value| value);
    for at in 0..24 {
        day.merge(&window(&day, laws, 400, rng, cycle(at))).unwrap();
    }
    day
}

fn seasonal(rows: usize, windows: usize, seed: u64) -> Alarms {
    let laws = laws();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let against = reference(&laws, 10_000, &mut rng);
    let mut hours: Vec<CellSummary> = Vec::new();
    let found = alarms(book(), &DRIFT, windows, |at| {
        if at % 240 == 0 {
            // The same hour of four weeks.
            hours = (0..24).map(|at| window(&against, &laws, 4 * rows, &mut rng, cycle(at))).collect();
        }
        report(at, &window(&against, &laws, rows, &mut rng, cycle(at)), &hours[at % 24])
    });
    println!(
        "daily cycle, seasonal reference, {rows} rows, seed {seed}: {} alerts, {} of {windows} windows",
        found.fired, found.firing
    );
    found
}

fn auto_drift() -> Arc<AlertSpec> {
    let drift = RuleOptions {
        name: "input_drift".to_owned(),
        metric: "drift".to_owned(),
        compare: Some(Compare::Auto),
        ..RuleOptions::default()
    };
    spec(AlertOptions { rules: vec![drift], ..AlertOptions::default() })
}

fn auto(rows: usize, windows: usize, seed: u64) -> Alarms {
    let laws = laws();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let day = whole_day(&laws, &mut rng);
    let found = alarms(AlertBook::new("model", auto_drift()), &DRIFT, windows, |at| {
        report(at, &window(&day, &laws, rows, &mut rng, cycle(at)), &day)
    });
    println!(
        "daily cycle, auto threshold, {rows} rows, seed {seed}: {} alerts, {} of {windows} windows",
        found.fired, found.firing
    );
    found
}

/// Requests of a service with a day, by Poisson's law around `mean` an hour; less on weekends.
fn requests(at: usize, mean: f64, rng: &mut impl Rng) -> u64 {
    let daily = 1.0 + 0.8 * (std::f64::consts::TAU * (at % 24) as f64 / 24.0).sin();
    let weekend = if (at / 24) % 7 >= 5 { 0.5 } else { 1.0 };
    Poisson::new(mean * daily * weekend).unwrap().sample(rng) as u64
}

fn traffic(mean: f64, windows: usize, seed: u64) -> Alarms {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let against = reference(&[Law::Normal], 1_000, &mut rng);
    let mut current = window(&against, &[Law::Normal], 100, &mut rng, |_, value| value);
    let found = alarms(book(), &["traffic_drop", "no_traffic"], windows, |at| {
        current.traffic.total = Tally::of_rows(requests(at, mean, &mut rng));
        report(at, &current, &against)
    });
    println!(
        "traffic by day and week, {mean} an hour, seed {seed}: {} alerts, {} of {windows} windows",
        found.fired, found.firing
    );
    found
}

/// `labels` labels of which this share is as predicted.
fn labelled(outcomes: &mut Outcomes, labels: usize, accuracy: f64, rng: &mut impl Rng) {
    for _ in 0..labels {
        let class = |positive: bool| if positive { "1".into() } else { "0".into() };
        let positive = rng.random::<f64>() < 0.4;
        let right = rng.random::<f64>() < accuracy;
        let predicted = Predicted { label: Some(class(positive == right)), ..Default::default() };
        let actual = Actual::Class(class(positive));
        outcomes.add(&Outcome { predicted, actual, weight: 1.0, delay_seconds: 60.0 });
    }
}

/// Windows with labels, against a reference with or without them.
struct Labelled {
    against: CellSummary,
    rng: ChaCha8Rng,
}

impl Labelled {
    fn new(known: bool, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut against = reference(&[Law::Normal], 1_000, &mut rng);
        if known {
            labelled(&mut against.outcomes, 10_000, 0.9, &mut rng);
        }
        Self { against, rng }
    }

    fn next(&mut self, at: usize, labels: usize, accuracy: f64) -> WindowReport {
        let mut current = window(&self.against, &[Law::Normal], 50, &mut self.rng, |_, value| value);
        labelled(&mut current.arrivals, labels, accuracy, &mut self.rng);
        report(at, &current, &self.against)
    }
}

fn performance(labels: usize, known: bool, windows: usize, seed: u64) -> Alarms {
    let mut source = Labelled::new(known, seed);
    let found = alarms(book(), &["accuracy_drop"], windows, |at| source.next(at, labels, 0.9));
    let against = if known { "reference" } else { "normal" };
    println!(
        "accuracy 0.90, {labels} labels, against {against}, seed {seed}: {} alerts, {} of {windows} windows",
        found.fired, found.firing
    );
    found
}

#[test]
fn identical_data_raise_no_alarm() {
    for (rows, windows, seed) in [(100, 1_000, 31), (1_000, 300, 32)] {
        assert!(identical(rows, windows, seed).firing < 10);
    }
}

#[test]
fn a_daily_cycle_raises_no_alarm() {
    assert!(seasonal(100, 1_000, 33).firing < 10);
    assert!(auto(100, 500, 34).firing < 10);
    for mean in [30.0, 1_000.0, 100_000.0] {
        assert!(traffic(mean, 1_000, 35).firing < 10);
    }
}

#[test]
fn performance_that_stays_raises_no_alarm() {
    for (labels, windows) in [(100, 1_000), (2_000, 200)] {
        for known in [true, false] {
            assert!(performance(labels, known, windows, 36).firing < 10);
        }
    }
}

fn opened(events: &[AlertEvent]) -> Option<&AlertEvent> {
    events.iter().find(|event| event.action == EventAction::Opened)
}

fn shift_found(runs: u64, seed: u64) -> usize {
    let laws = laws();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let against = reference(&laws, 10_000, &mut rng);
    let found = (0..runs).filter(|_| {
        let current = window(&against, &laws, 1_000, &mut rng, |position, value| match value {
            Value::Number(number) if position == 0 => Value::Number(number + 0.5),
            other => other,
        });
        let events = book().take([&report(0, &current, &against)]);
        opened(&events).is_some_and(|event| {
            let first = &event.incident.causes[0];
            (first.kind, first.name.as_str()) == (CauseKind::Drift, "feature 0")
        })
    });
    let found = found.count();
    println!("0.5 sd in 1 of 25 features, 1,000 rows, seed {seed}: found and named in {found} of {runs}");
    found
}

fn drop_found(runs: u64, known: bool, seed: u64) -> usize {
    let found = (0..runs).filter(|run| {
        let mut source = Labelled::new(known, seed + run);
        let mut book = book();
        let before = 24;
        for at in 0..before {
            book.take([&source.next(at, 2_000, 0.9)]);
        }
        let mut events = Vec::new();
        for at in before..before + 2 {
            events.extend(book.take([&source.next(at, 2_000, 0.85)]));
        }
        opened(&events).is_some_and(|event| event.incident.alerts[0].rule == "accuracy_drop")
    });
    let found = found.count();
    let against = if known { "reference" } else { "normal" };
    println!(
        "accuracy 0.90 to 0.85, 2,000 labels, against {against}, seeds from {seed}: found in two windows in {found} of {runs}"
    );
    found
}

#[test]
fn a_shift_is_found_in_the_first_window() {
    assert!(shift_found(40, 41) >= 38);
}

#[test]
fn a_drop_of_accuracy_is_found_in_the_second_window() {
    assert!(drop_found(20, true, 42) >= 19);
    assert!(drop_found(20, false, 43) >= 19);
}

/// What may break upstream.
#[derive(Clone, Copy, Debug)]
enum Break {
    Nulls,
    Unit,
    Category,
    Traffic,
    Latency,
}

impl Break {
    const ALL: [Self; 5] = [Self::Nulls, Self::Unit, Self::Category, Self::Traffic, Self::Latency];

    fn cause(self) -> (CauseKind, &'static str) {
        match self {
            Self::Nulls => (CauseKind::Missing, "feature 0"),
            Self::Unit => (CauseKind::Drift, "feature 1"),
            Self::Category => (CauseKind::Unseen, "feature 2"),
            Self::Traffic => (CauseKind::Traffic, "traffic"),
            Self::Latency => (CauseKind::Latency, "latency"),
        }
    }
}

/// Four weekdays as always, then three hours broken: the first event that opens an incident.
fn broken(what: Break, seed: u64) -> Vec<AlertEvent> {
    let laws = [Law::Normal, Law::Exponential, Law::Categories(&[0.6, 0.3, 0.1])];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let against = reference(&laws, 10_000, &mut rng);
    let mut book = book();
    let mut events = Vec::new();
    for at in 0..103 {
        let is = |other: Break| at >= 100 && what as usize == other as usize;
        let mut row = 0_u64;
        let mut current = window(&against, &laws, 1_000, &mut rng, |_, value| {
            row += 1;
            match value {
                Value::Number(number) if is(Break::Unit) && row > 1_000 => Value::Number(1_000.0 * number),
                Value::Category(_) if is(Break::Category) && row.is_multiple_of(20) => Value::Category(99),
                other => other,
            }
        });
        if is(Break::Nulls)
            && let FeatureSummary::Numeric(feature) = &mut current.features[0]
        {
            (0..250).for_each(|_| feature.missing.add(1.0));
        }
        let mean = if is(Break::Traffic) { 500.0 } else { 1_000.0 };
        // From Monday to Friday at four: the weekend has not begun.
        current.traffic.total = Tally::of_rows(requests(at, mean, &mut rng));
        let times = if is(Break::Latency) { 2.0 } else { 1.0 };
        for _ in 0..300 {
            let seconds: f64 = 0.05 - 0.02 * rng.random::<f64>().ln();
            current.traffic.latency_seconds.add(times * seconds, 1.0);
        }
        let found = book.take([&report(at, &current, &against)]);
        assert!(at >= 100 || found.is_empty(), "{what:?}, seed {seed}, before it broke: {found:#?}");
        events.extend(found);
    }
    events
}

fn breaks_found(runs: u64) -> Vec<(Break, usize)> {
    let found = |what: Break| {
        let named = (0..runs).filter(|seed| {
            let events = broken(what, 50 + seed);
            let first = opened(&events).and_then(|event| event.incident.causes.first());
            first.is_some_and(|first| (first.kind, first.name.as_str()) == what.cause())
        });
        let named = named.count();
        println!("{what:?}, seeds from 50: found and named first in {named} of {runs}");
        (what, named)
    };
    Break::ALL.into_iter().map(found).collect()
}

#[test]
fn what_breaks_is_found_and_named_first() {
    for (what, found) in breaks_found(3) {
        assert_eq!(found, 3, "{what:?}");
    }
    for what in Break::ALL {
        println!("{}", opened(&broken(what, 50)).unwrap().incident.summary);
    }
}

/// The tables of docs/alerts.md:
/// `cargo test -p driftline-evaluate --test alerts -- --ignored --nocapture`.
#[test]
#[ignore = "minutes long: it prints the tables of the documentation"]
fn tables_for_the_documentation() {
    for rows in [100, 1_000, 10_000] {
        assert!(identical(rows, 1_000, 61).firing < 10);
        assert!(seasonal(rows, 1_000, 62).firing < 10);
        assert!(auto(rows, 1_000, 63).firing < 10);
    }
    for rows in [120, 1_200] {
        sliding(rows, 2_000, 68);
    }
    for mean in [30.0, 1_000.0, 100_000.0] {
        assert!(traffic(mean, 2_000, 64).firing < 20);
    }
    for labels in [100, 500, 2_000] {
        for known in [true, false] {
            assert!(performance(labels, known, 1_000, 65).firing < 10);
        }
    }
    assert!(shift_found(200, 66) >= 190);
    for known in [true, false] {
        assert!(drop_found(200, known, 67) >= 190);
    }
    for (what, found) in breaks_found(40) {
        assert_eq!(found, 40, "{what:?}");
    }
}
