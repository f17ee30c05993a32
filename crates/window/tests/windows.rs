//! Panes, windows, watermark, lateness and retention.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod support;

use driftline_window::{OTHER, slice_by_pane};
use std::time::Duration;
use support::*;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn rows_are_cut_by_pane_in_order_and_out_of_order() {
    for seconds in [[0, 59, 60, 119], [119, 0, 60, 59]] {
        let rows: Vec<Row> = seconds.iter().map(|&second| Row::anonymous(second, second as f64)).collect();
        let panes = slice_by_pane(&predictions(&rows), MINUTE).unwrap();
        let outline: Vec<_> =
            panes.iter().map(|(start, rows)| (start.as_millis(), rows.num_rows())).collect();
        assert_eq!(outline, [(0, 2), (60_000, 2)], "{seconds:?}");
    }
}

#[test]
fn a_window_closes_when_the_watermark_passes_its_end_and_only_once() {
    let mut windower = windower();
    windower
        .push_predictions(&predictions(&[Row::new("a", 10, 1.0), Row::new("b", 299, 2.0)]), None)
        .unwrap();
    assert_eq!(due(&mut windower).len(), 0, "the watermark is at 239 s");
    windower.push_predictions(&predictions(&[Row::new("c", 359, 1.0)]), None).unwrap();
    assert_eq!(due(&mut windower).len(), 0, "the watermark is at 299 s");
    windower.push_predictions(&predictions(&[Row::new("d", 360, 1.0)]), None).unwrap();
    assert_eq!(outline(&due(&mut windower)), [(0, 2, 0)]);
    assert_eq!(due(&mut windower).len(), 0);
}

#[test]
fn a_late_row_revises_its_window_and_no_other() {
    let mut windower = windower();
    let rows = [Row::new("a", 10, 1.0), Row::new("b", 310, 1.0), Row::new("c", 700, 1.0)];
    windower.push_predictions(&predictions(&rows), None).unwrap();
    assert_eq!(outline(&due(&mut windower)), [(0, 1, 0), (300, 1, 0)]);
    let pushed = windower.push_predictions(&predictions(&[Row::new("late", 20, 1.0)]), None).unwrap();
    assert_eq!((pushed.accepted, pushed.late), (1, 1));
    assert_eq!(outline(&due(&mut windower)), [(0, 2, 1)]);
}

#[test]
fn a_late_row_opens_a_window_that_nobody_had_seen() {
    let mut windower = windower();
    windower.push_predictions(&predictions(&[Row::new("a", 700, 1.0)]), None).unwrap();
    assert_eq!(due(&mut windower).len(), 0);
    windower.push_predictions(&predictions(&[Row::new("late", 20, 1.0)]), None).unwrap();
    assert_eq!(outline(&due(&mut windower)), [(0, 1, 0)]);
}

#[test]
fn an_id_is_folded_once_and_rows_beyond_the_retention_are_counted() {
    let mut windower = windower();
    let day = 86_400;
    let rows = [Row::new("a", 3 * day, 1.0), Row::new("a", 3 * day, 1.0), Row::anonymous(3 * day, 1.0)];
    let pushed = windower.push_predictions(&predictions(&rows), None).unwrap();
    assert_eq!((pushed.accepted, pushed.duplicates, pushed.too_late), (2, 1, 0));
    let rows = [Row::new("a", 3 * day, 1.0), Row::new("old", day, 1.0), Row::new("kept", 2 * day, 1.0)];
    let pushed = windower.push_predictions(&predictions(&rows), None).unwrap();
    assert_eq!((pushed.accepted, pushed.duplicates, pushed.too_late), (1, 1, 1));
}

#[test]
fn a_sliding_window_counts_each_row_in_every_window_that_holds_it() {
    let mut windower = windower_of(&options(), &[window("5m", "5m", "1m")], &[]);
    let rows = [Row::new("a", 600, 1.0), Row::new("end", 1_600, 1.0)];
    windower.push_predictions(&predictions(&rows), None).unwrap();
    let windows = due(&mut windower);
    let with_a: Vec<i64> = windows
        .iter()
        .filter(|window| window.current.traffic.total.rows > 0)
        .map(|window| window.start.as_millis() / 1_000)
        .collect();
    assert_eq!(with_a, [360, 420, 480, 540, 600]);
}

#[test]
fn a_window_with_few_rows_reaches_back_as_far_as_it_may() {
    let mut options_of_window = window("5m", "5m", "5m");
    options_of_window.min_rows = 3;
    options_of_window.max_length = Some("15m".parse().unwrap());
    let mut windower = windower_of(&options(), &[options_of_window], &[]);
    let rows: Vec<Row> = [10, 310, 610, 910, 920, 930, 1_500]
        .iter()
        .map(|&second| Row::new(&second.to_string(), second, 1.0))
        .collect();
    windower.push_predictions(&predictions(&rows), None).unwrap();
    let mut windows: Vec<_> = due(&mut windower)
        .iter()
        .map(|w| (w.end.as_millis() / 1_000, w.current.traffic.total.rows, w.reached_back.as_secs()))
        .collect();
    windows.sort_unstable();
    // The pane of the row at 310 s begins at 300 s, that of 10 s at 0.
    assert_eq!(windows, [(300, 1, 0), (600, 2, 300), (900, 3, 600), (1_200, 3, 0)]);
    // A late row in a pane that a window reached back to revises that window too.
    windower.push_predictions(&predictions(&[Row::new("late", 320, 1.0)]), None).unwrap();
    let revised: Vec<_> =
        due(&mut windower).iter().map(|w| (w.end.as_millis() / 1_000, w.revision)).collect();
    assert_eq!(revised, [(600, 1), (900, 1)]);
}

#[test]
fn idle_models_follow_the_clock_and_their_silence_is_reported() {
    let time = driftline_window::TimeOptions { idle_timeout: Some("5m".parse().unwrap()), ..options() };
    let mut windower = windower_of(&time, &[window("5m", "5m", "5m")], &[]);
    windower.push_predictions(&predictions(&[Row::new("a", 10, 1.0)]), Some(at(10))).unwrap();
    windower.advance(at(309));
    assert_eq!(due(&mut windower).len(), 0);
    windower.advance(at(1_000));
    assert_eq!(outline(&due(&mut windower)), [(0, 1, 0), (300, 0, 0), (600, 0, 0)]);
}

#[test]
fn a_gap_of_years_lists_no_window_for_each_minute_of_it() {
    let mut windower = windower_of(&options(), &[window("5m", "5m", "1m")], &[]);
    windower
        .push_predictions(&predictions(&[Row::new("a", 10, 1.0), Row::new("b", 400, 1.0)]), None)
        .unwrap();
    let first = due(&mut windower).len();
    assert!((1..=6).contains(&first), "{first}");
    let years = 10 * 365 * 86_400;
    windower.push_predictions(&predictions(&[Row::new("c", years, 1.0)]), None).unwrap();
    let windows = due(&mut windower);
    let empty = windows.iter().filter(|window| window.current.traffic.total.rows == 0).count();
    assert_eq!(empty, 1, "only the latest one");
    assert_eq!(windows.len() + first, 10 + 1, "a and b are each in five windows, none in common");
}

#[test]
fn versions_and_segments_are_kept_apart_and_bounded() {
    let mut windower = windower_of(&options(), &[window("5m", "5m", "5m")], &["country"]);
    let rows: Vec<Row> = ["A", "B", "C", "D", "E", "A"]
        .iter()
        .enumerate()
        .map(|(i, &country)| Row {
            country: Some(country.to_owned()),
            version: if i == 0 { "1" } else { "2" },
            ..Row::anonymous(i as i64, 1.0)
        })
        .chain([Row::anonymous(5, 1.0), Row { version: "2", ..Row::anonymous(900, 1.0) }])
        .collect();
    windower.push_predictions(&predictions(&rows), None).unwrap();
    let mut found: Vec<(String, String, u64)> = due(&mut windower)
        .iter()
        .filter(|window| window.end == at(300))
        .map(|window| {
            let segment = window.key.segment.as_ref().map_or("", |(_, value)| value);
            (window.key.version.to_string(), segment.to_owned(), window.current.traffic.total.rows)
        })
        .collect();
    found.sort();
    let expected = [
        ("1", "", 2),
        ("1", "A", 1),
        ("2", "", 5),
        ("2", "A", 1),
        ("2", "B", 1),
        ("2", "C", 1),
        ("2", OTHER, 2),
    ];
    let expected: Vec<_> = expected.iter().map(|&(v, s, n)| (v.to_owned(), s.to_owned(), n)).collect();
    assert_eq!(found, expected);
}

#[test]
fn settled_windows_are_those_of_the_last_revision() {
    let rows =
        [Row::new("a", 10, 1.0), Row::new("b", 310, 2.0), Row::new("late", 20, 3.0), Row::new("c", 900, 1.0)];
    let mut live = windower();
    let mut last = std::collections::BTreeMap::new();
    for row in &rows {
        live.push_predictions(&predictions(std::slice::from_ref(row)), None).unwrap();
        for window in due(&mut live) {
            last.insert(window.end, window.current.traffic.total.rows);
        }
    }
    let mut replayed = windower();
    replayed.push_predictions(&predictions(&rows), None).unwrap();
    assert_eq!(replayed.settled(false).len(), 0, "all may still change");
    let settled: Vec<_> = replayed.settled(true).iter().map(|due| replayed.summarise(due).unwrap()).collect();
    // The live one never closed the window of c.
    for (end, rows) in last.iter().filter(|(_, rows)| **rows > 0) {
        let window = settled.iter().find(|window| window.end == *end).unwrap();
        assert_eq!(window.current.traffic.total.rows, *rows);
    }
    assert_eq!(settled.len(), 3);
    assert_eq!(replayed.settled(true).len(), 0, "each is listed once");
}

#[test]
fn what_is_beyond_the_retention_is_forgotten() {
    let mut windower = windower();
    windower.push_predictions(&predictions(&[Row::new("a", 10, 1.0)]), None).unwrap();
    windower.push_predictions(&predictions(&[Row::new("b", 3 * 86_400, 1.0)]), None).unwrap();
    due(&mut windower);
    let expired = windower.expire();
    assert_eq!(expired.unlabelled, 1);
    let sizes = windower.sizes();
    assert_eq!((sizes.panes, sizes.pending_predictions), (1, 1));
}

#[test]
fn a_window_keeps_its_rows_until_nothing_can_revise_it() {
    // A day's window, revised by a row within the retention after the window's first panes are beyond it.
    let mut windower = windower_of(&options(), &[window("1d", "1d", "1d")], &[]);
    let (hour, day) = (3_600, 86_400);
    windower.push_predictions(&predictions(&[Row::new("first", hour, 1.0)]), None).unwrap();
    windower.push_predictions(&predictions(&[Row::new("next", day + 12 * hour, 1.0)]), None).unwrap();
    assert_eq!(outline(&due(&mut windower)), [(0, 1, 0)]);
    windower.expire();
    windower.push_predictions(&predictions(&[Row::new("late", 20 * hour, 1.0)]), None).unwrap();
    assert_eq!(outline(&due(&mut windower)), [(0, 2, 1)]);
    // Settled windows are whole too, though they settle a retention after their end.
    let mut replayed = windower_of(&options(), &[window("1d", "1d", "1d")], &[]);
    for (id, second) in [("first", hour), ("next", day + 12 * hour), ("last", 2 * day + hour)] {
        replayed.push_predictions(&predictions(&[Row::new(id, second, 1.0)]), None).unwrap();
        let settled: Vec<_> =
            replayed.settled(false).iter().map(|due| replayed.summarise(due).unwrap()).collect();
        assert_eq!(settled.len(), usize::from(id == "last"));
        assert!(settled.iter().all(|window| window.current.traffic.total.rows == 1));
        replayed.expire();
    }
}

#[test]
fn a_window_that_found_too_few_rows_is_revised_by_a_late_row_further_back() {
    let mut options_of_window = window("5m", "5m", "5m");
    options_of_window.min_rows = 3;
    options_of_window.max_length = Some("15m".parse().unwrap());
    let mut windower = windower_of(&options(), &[options_of_window], &[]);
    windower
        .push_predictions(&predictions(&[Row::new("a", 910, 1.0), Row::new("b", 1_300, 1.0)]), None)
        .unwrap();
    assert_eq!(due(&mut windower).iter().filter(|window| window.end == at(1_200)).count(), 1);
    windower.push_predictions(&predictions(&[Row::new("late", 320, 1.0)]), None).unwrap();
    let revised = due(&mut windower);
    let window = revised.iter().find(|window| window.end == at(1_200)).unwrap();
    assert_eq!((window.revision, window.current.traffic.total.rows), (1, 2));
}

#[test]
fn windows_owed_an_evaluation_get_it_in_turn() {
    let mut windower = windower();
    let rows: Vec<Row> = (0..20).map(|i| Row::new(&i.to_string(), i * 300, 1.0)).collect();
    windower.push_predictions(&predictions(&rows), None).unwrap();
    due(&mut windower);
    for i in [3, 1, 2] {
        windower
            .push_predictions(&predictions(&[Row::new(&format!("late{i}"), i * 300, 1.0)]), None)
            .unwrap();
    }
    let mut order = Vec::new();
    while windower.sizes().owed_revisions > 0 {
        let due = windower.due(1);
        order.extend(due.iter().map(|due| windower.summarise(due).unwrap().start.as_millis() / 300_000));
    }
    assert_eq!(order, [3, 1, 2]);
}
