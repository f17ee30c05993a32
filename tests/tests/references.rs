//! What a window is compared with, by the reference's kind: the right rows, and a drift that it shows.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::fmt::Write as _;
use std::path::Path;

use driftline::config::Config;
use driftline::replay::{ReplayCounts, ReplayInput, ReplaySink, replay};
use driftline_evaluate::{ReferenceKind, WindowReport};
use driftline_events::{EventTime, Span};
use driftline_tables::{RowRejection, Table};
use serde_json::json;

#[derive(Default)]
struct Collected(Vec<WindowReport>);

impl ReplaySink for Collected {
    fn report(&mut self, report: &WindowReport) -> std::io::Result<()> {
        self.0.push(report.clone());
        Ok(())
    }

    fn rejected(&mut self, what: &'static str, row: &RowRejection) {
        panic!("{what}: {row:?}");
    }

    fn progress(&mut self, _: &ReplayCounts) {}
}

const ROWS_A_DAY: i64 = 1_200;
const DAYS: i64 = 35;

fn start() -> EventTime {
    // A Monday.
    EventTime::parse("2026-01-05T00:00:00Z").unwrap()
}

/// Days of rows whose `x` is spread evenly over `[low, low + 100)`; `low` and the version by day.
fn table(folder: &Path, of_day: impl Fn(i64) -> (f64, &'static str)) -> Table {
    let mut text = String::new();
    for day in 0..DAYS {
        let (low, version) = of_day(day);
        for row in 0..ROWS_A_DAY {
            let timestamp = start().as_millis() + day * 86_400_000 + row * 72_000;
            let x = low + (row * 7_919 % 1_000) as f64 / 10.0;
            writeln!(text, "{}", json!({"timestamp": timestamp, "version": version, "x": x, "value": x}))
                .unwrap();
        }
    }
    let path = folder.join("predictions.ndjson");
    std::fs::write(&path, text).unwrap();
    Table::open([path]).unwrap()
}

fn reports(reference: &str, of_day: impl Fn(i64) -> (f64, &'static str)) -> Vec<WindowReport> {
    let folder = tempfile::tempdir().unwrap();
    let predictions = table(folder.path(), of_day);
    let config = format!(
        r#"
        [[models]]
        name = "m"
        task = "regression"
        retention = "15d"
        windows = [{{ name = "1d", length = "1d" }}]
        reference = {reference}
        features = [{{ name = "x", kind = "numeric" }}]
        "#
    );
    let config = Config::parse(&config, "test", folder.path().to_owned(), std::iter::empty()).unwrap();
    let input = ReplayInput {
        model: &config.models[0],
        reference: None,
        predictions: &predictions,
        labels: None,
        pending_predictions: 1_000_000,
    };
    let mut collected = Collected::default();
    replay(&input, &mut collected).unwrap();
    collected.0
}

/// The report of a day and version.
fn of(reports: &[WindowReport], day: u64, version: &str) -> WindowReport {
    let day = start().saturating_add(Span::from_days(day).duration());
    reports.iter().find(|report| report.window.start == day && report.version == version).unwrap().clone()
}

#[test]
fn trailing_windows_are_those_just_before() {
    let shifted_from = 25;
    let reports = reports("{ kind = 'trailing', windows = 3 }", |day| {
        (if day >= shifted_from { 50.0 } else { 0.0 }, "1")
    });
    let first = of(&reports, shifted_from as u64, "1");
    let reference = first.reference.as_ref().unwrap();
    assert_eq!((reference.kind, reference.rows), (ReferenceKind::Trailing, 3 * ROWS_A_DAY as u64));
    assert_eq!(reference.end, Some(first.window.start));
    assert_eq!(first.window.start.since(reference.start.unwrap()), Span::from_days(3).duration());
    assert!(first.features[0].drifted, "the first shifted day: {:?}", first.features[0].psi);
    assert!(!of(&reports, 24, "1").features[0].drifted, "the day before");
    // Three days on, the shifted days are what is usual.
    assert!(!of(&reports, 28, "1").features[0].drifted);
}

#[test]
fn seasonal_windows_are_those_of_the_same_weekday() {
    // Weekends differ, every week alike: no drift. One Wednesday like a weekend: drift.
    let odd = 23;
    let weekend = |day: i64| day % 7 >= 5 || day == odd;
    let reports =
        reports("{ kind = 'seasonal', weeks = 2 }", |day| (if weekend(day) { 50.0 } else { 0.0 }, "1"));
    for day in 15..DAYS as u64 {
        let report = of(&reports, day, "1");
        let reference = report.reference.as_ref().unwrap();
        assert_eq!(
            (reference.kind, reference.rows),
            (ReferenceKind::Seasonal, 2 * ROWS_A_DAY as u64),
            "{day}"
        );
        // The odd day is in the reference of the two weeks after it.
        let expected = day == odd as u64 || day == odd as u64 + 7;
        assert_eq!(report.features[0].drifted, expected, "day {day}: {:?}", report.features[0].psi);
    }
}

#[test]
fn a_version_is_compared_with_another_and_not_with_itself() {
    let reports = reports("{ kind = 'version', version = '1', lookback = '10d' }", |day| match day {
        ..20 => (0.0, "1"),
        20..22 => (0.0, "2"),
        _ => (50.0, "3"),
    });
    assert_eq!(of(&reports, 15, "1").reference, None);
    let same = of(&reports, 20, "2");
    let reference = same.reference.as_ref().unwrap();
    assert_eq!((reference.kind, reference.version.as_deref()), (ReferenceKind::Version, Some("1")));
    assert_eq!(reference.rows, 9 * ROWS_A_DAY as u64, "ten days back from the end of day 20");
    assert!(!same.features[0].drifted);
    assert!(of(&reports, 22, "3").features[0].drifted);
    assert_eq!(of(&reports, 34, "3").reference, None, "version 1 is longer ago than the lookback");
}
