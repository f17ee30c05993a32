use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::state::{State, StateSpec};

fn time(minutes: i64) -> EventTime {
    EventTime::from_millis(minutes * 60_000)
}

/// A report with what the history looks at, and little else.
fn report(name: &str, version: &str, segment: Option<&str>, end: i64, length: i64) -> WindowReport {
    let performance = |basis: &str| {
        json!({"basis": basis, "kind": "binary", "positive": null, "rows": 0, "weight": 0.1, "mature": false,
               "confusion": null, "metrics": {}, "classes": []})
    };
    let segment: BTreeMap<_, _> = segment.map(|value| ("country", value)).into_iter().collect();
    let report = json!({
        "schema": "driftline.window_report.v1", "model": "churn", "version": version, "segment": segment,
        "window": {"name": name, "start": time(end - length).to_string(), "end": time(end).to_string(),
                   "length_seconds": 60.0},
        "revision": 0, "final": true, "reference": null, "task": "binary", "rows": 1, "weight": 0.1,
        "traffic": {"rate_per_second": 0.1, "status": {}, "error_ratio": 0.3, "saturation": null},
        "latency": {"count": 0, "mean_seconds": 0.1, "quantiles": {}},
        "labels": {"count": 0, "coverage": 0.1, "mature": false, "delay_seconds": {}},
        "features": [], "prediction": null, "score": null, "value": null, "label": null,
        "performance": performance("prediction_time"), "performance_by_label_time": performance("label_time"),
        "measures": {}, "drift": {"drifted_features": 0, "share": 0.1, "watched": 0, "quality_findings": 0}
    });
    serde_json::from_value(report).unwrap()
}

fn open(folder: &Path, reports_per_model: usize) -> (State, StoredHistory) {
    let state = State::open(folder, StateSpec::default()).unwrap();
    let spec = HistorySpec { reports_per_model, reports_retention: None };
    (state.clone(), StoredHistory::open(state, spec).unwrap())
}

fn commit(state: &State) {
    if let Some(sealed) = state.seal() {
        state.commit(&sealed).unwrap();
    }
}

#[test]
fn final_reports_come_back_and_open_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let (state, mut history) = open(folder.path(), 10);
    let kept = Arc::new(report("1h", "3", Some("BE"), 60, 60));
    let still_open = WindowReport { is_final: false, ..report("1h", "3", None, 120, 60) };
    history.put(Arc::clone(&kept));
    history.put(Arc::new(still_open));
    assert_eq!(history.len("churn"), 2);
    commit(&state);
    drop((state, history));

    let (_state, history) = open(folder.path(), 10);
    let query = HistoryQuery { model: "churn".to_owned(), limit: 10, ..HistoryQuery::default() };
    assert_eq!(history.find(&query).unwrap().reports, [kept]);
    assert_eq!(history.len("churn"), 1);
}

#[test]
fn reports_beyond_the_retention_go_a_bounded_number_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (state, mut history) = open(folder.path(), 5_000);
    for end in 0..700 {
        history.put(Arc::new(report("1m", "", None, end, 1)));
    }
    commit(&state);
    drop(history);
    let spec =
        HistorySpec { reports_per_model: 5_000, reports_retention: Some(Duration::from_secs(60 * 100)) };
    let mut history = StoredHistory::open(state.clone(), spec).unwrap();
    let mut lengths = Vec::new();
    for end in 700..704 {
        history.put(Arc::new(report("1m", "", None, end, 1)));
        commit(&state);
        lengths.push(history.len("churn"));
    }
    // 603 to 703 are within 100 minutes of the newest end.
    assert_eq!(lengths, [445, 190, 101, 101]);
    assert_eq!((history.expired(), history.dropped()), (603, 0));
}

#[test]
fn a_window_without_rows_makes_no_report_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let spec = HistorySpec { reports_per_model: 100, reports_retention: Some(Duration::from_secs(60 * 10)) };
    let state = State::open(folder.path(), StateSpec::default()).unwrap();
    let mut history = StoredHistory::open(state.clone(), spec).unwrap();
    history.put(Arc::new(report("1m", "", None, 1, 1)));
    // The clock closes a window long after the last event.
    let empty = |end| Arc::new(WindowReport { rows: 0, ..report("1m", "", None, end, 1) });
    history.put(empty(1_000));
    assert_eq!(history.len("churn"), 2);
    commit(&state);
    let mut history = StoredHistory::open(state, spec).unwrap();
    history.put(empty(1_001));
    assert_eq!(history.len("churn"), 3, "after a restart too");
    history.put(Arc::new(report("1m", "", None, 1_002, 1)));
    assert_eq!(history.len("churn"), 3, "the first is too old now");
}

#[test]
fn an_export_is_in_order_and_within_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let (state, mut history) = open(folder.path(), 100);
    for (model, end) in [("b", 3), ("a", 2), ("b", 1), ("a", 4), ("ab", 2)] {
        history.put(Arc::new(WindowReport { model: model.to_owned(), ..report("1m", "", None, end, 1) }));
    }
    commit(&state);
    let export = |model, from: Option<i64>, to: Option<i64>| {
        let mut seen = Vec::new();
        let mut show = |report: WindowReport| {
            seen.push((report.model, report.window.end.as_millis() / 60_000));
            ControlFlow::Continue(())
        };
        history.export(model, from.map(time), to.map(time), &mut show).unwrap();
        seen
    };
    let pairs = |pairs: &[(&str, i64)]| {
        pairs.iter().map(|(model, end)| ((*model).to_owned(), *end)).collect::<Vec<_>>()
    };
    assert_eq!(export(None, None, None), pairs(&[("a", 2), ("a", 4), ("ab", 2), ("b", 1), ("b", 3)]));
    assert_eq!(export(Some("a"), None, None), pairs(&[("a", 2), ("a", 4)]));
    // Ends after 1, starts before 3.
    assert_eq!(export(None, Some(1), Some(3)), pairs(&[("a", 2), ("ab", 2), ("b", 3)]));
}

#[test]
fn a_report_that_was_altered_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (state, mut history) = open(folder.path(), 100);
    let report = report("1m", "", None, 1, 1);
    let key = place::Place::of(&report).key("churn");
    history.put(Arc::new(report));
    let mut value = state.get(crate::Table::Reports, &key).unwrap().unwrap();
    value.truncate(value.len() / 2);
    state.put(crate::Table::Reports, &key, value);
    let query = HistoryQuery { model: "churn".to_owned(), limit: 10, ..HistoryQuery::default() };
    let error = history.find(&query).unwrap_err();
    assert!(matches!(error, HistoryError::Unreadable { .. }), "{error:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Put(Arc<WindowReport>),
    Commit,
    Reopen,
}

fn reports() -> impl Strategy<Value = WindowReport> {
    let name = prop::sample::select(vec!["1m", "5m"]);
    let version = prop::sample::select(vec!["", "2"]);
    let segment = prop::sample::select(vec![None, Some("BE"), Some("NL")]);
    (name, version, segment, 0..8_i64, any::<u32>()).prop_map(|(name, version, segment, end, revision)| {
        let length = if name == "1m" { 1 } else { 5 };
        WindowReport { revision, ..report(name, version, segment, end, length) }
    })
}

fn queries() -> impl Strategy<Value = HistoryQuery> {
    let text =
        |of: &'static [&'static str]| prop::option::of(prop::sample::select(of).prop_map(str::to_owned));
    let segment = prop::option::of(prop::sample::select(vec![
        BTreeMap::new(),
        BTreeMap::from([("country".to_owned(), "BE".to_owned())]),
    ]));
    let bound = || prop::option::of((0..8_i64).prop_map(time));
    (text(&["1m", "5m"]), text(&["", "2"]), segment, bound(), bound(), any::<bool>(), 0..4_usize).prop_map(
        |(window, version, segment, from, to, latest, limit)| HistoryQuery {
            model: "churn".to_owned(),
            window,
            version,
            segment,
            from,
            to,
            latest,
            after: None,
            limit,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_answers_as_the_history_in_memory_does(
        steps in prop::collection::vec(prop_oneof![
            8 => reports().prop_map(|report| Step::Put(Arc::new(report))),
            2 => Just(Step::Commit),
            1 => Just(Step::Reopen),
        ], 1..60),
        queries in prop::collection::vec(queries(), 6),
        bound in prop::sample::select(vec![7_usize, 100]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut state, mut history) = open(folder.path(), bound);
        let mut memory = MemoryHistory::new(bound);
        for step in steps {
            match step {
                Step::Put(report) => {
                    memory.put(Arc::clone(&report));
                    history.put(report);
                }
                Step::Commit => commit(&state),
                Step::Reopen => {
                    commit(&state);
                    drop((state, history));
                    (state, history) = open(folder.path(), bound);
                }
            }
            prop_assert_eq!(history.len("churn"), memory.len("churn"));
        }
        check(&history, &memory, &queries)?;
        // Open windows stand before and among the stored ones.
        for (end, is_final) in [(7, false), (3, false), (9, false), (3, true), (8, false)] {
            let report = Arc::new(WindowReport { is_final, ..report("5m", "2", Some("BE"), end, 5) });
            memory.put(Arc::clone(&report));
            history.put(report);
            prop_assert_eq!(history.len("churn"), memory.len("churn"));
            check(&history, &memory, &queries)?;
        }
    }
}

/// Every page of each query, and all pages together against what the query says in plain words.
fn check(
    history: &StoredHistory,
    memory: &MemoryHistory,
    queries: &[HistoryQuery],
) -> Result<(), TestCaseError> {
    let all = HistoryQuery { model: "churn".to_owned(), limit: usize::MAX, ..HistoryQuery::default() };
    let all = memory.find(&all).unwrap().reports;
    for query in queries {
        let mut query = query.clone();
        let mut seen = BTreeSet::new();
        let mut expected = all.clone();
        expected.retain(|report| {
            let window = &report.window;
            query.window.as_ref().is_none_or(|name| *name == window.name)
                && query.version.as_ref().is_none_or(|version| *version == report.version)
                && query.segment.as_ref().is_none_or(|segment| *segment == report.segment)
                && query.from.is_none_or(|from| window.end > from)
                && query.to.is_none_or(|to| window.start < to)
                && (!query.latest
                    || seen.insert((window.name.clone(), report.version.clone(), report.segment.clone())))
        });
        let mut paged = Vec::new();
        loop {
            let (found, same) = (history.find(&query).unwrap(), memory.find(&query).unwrap());
            prop_assert_eq!(&found.reports, &same.reports, "{:?}", query);
            prop_assert_eq!(&found.next, &same.next, "{:?}", query);
            prop_assert!(found.reports.len() <= query.limit);
            paged.extend(found.reports);
            query.after = found.next;
            if query.after.is_none() {
                break;
            }
        }
        if query.limit > 0 {
            prop_assert_eq!(paged, expected, "{:?}", query);
        }
    }
    Ok(())
}
