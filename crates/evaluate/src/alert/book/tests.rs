use std::collections::BTreeMap;
use std::time::Duration;

use driftline_events::Task;
use driftline_summary::{CellSummary, SpecParts, SummarySpec};

use super::*;
use crate::alert::event::{AlertSeverity, AlertState, EventAction, IncidentState};
use crate::alert::options::{AlertOptions, RuleOptions};
use crate::alert::spec::AlertWindow;
use crate::{DriftSpec, Estimate, Evaluation, Figure, Interval, PerformanceSpec, evaluate};

const HOUR: u64 = 3_600;

fn hour(at: i64) -> EventTime {
    // 2026-01-05, a Monday.
    EventTime::from_millis(1_767_571_200_000 + at * 3_600_000)
}

fn windows() -> Vec<AlertWindow> {
    let length = Duration::from_secs(HOUR);
    vec![AlertWindow { name: "1h".to_owned(), length, every: length }]
}

fn spec(toml: serde_json::Value) -> Arc<AlertSpec> {
    let options: AlertOptions = serde_json::from_value(toml).unwrap();
    Arc::new(AlertSpec::try_new(options, &windows()).unwrap())
}

/// One rule: 2 of 3 windows with more than 10 % errors.
fn errors() -> Arc<AlertSpec> {
    spec(serde_json::json!({"defaults": false, "rules": [
        {"name": "errors", "metric": "error_ratio", "above": 0.1, "for": "2 of 3", "severity": "critical"}
    ]}))
}

/// The window of the hour that ends at `at`, with 1,000 rows.
fn report(at: i64) -> WindowReport {
    let parts = SpecParts {
        task: Task::Binary,
        positive: Some("1".into()),
        features: Vec::new(),
        score: None,
        value: None,
        prediction: None,
        label: None,
        label_value: None,
    };
    let current = CellSummary::new(SummarySpec::new(parts));
    let mut report = evaluate(&Evaluation {
        model: "churn",
        version: "1",
        segment: BTreeMap::new(),
        window: WindowSpan::new("1h", hour(at - 1), hour(at)),
        covered_seconds: HOUR as f64,
        revision: 0,
        is_final: true,
        current: &current,
        reference: None,
        drift: &DriftSpec::default(),
        performance: &PerformanceSpec::default(),
    });
    set_rows(&mut report, 1_000);
    report
}

fn set_rows(report: &mut WindowReport, rows: u64) {
    (report.rows, report.weight) = (rows, rows as f64);
    report.traffic.rate_per_second = Figure::new(rows as f64 / HOUR as f64);
    report.traffic.error_ratio = if rows > 0 { Figure::new(0.0) } else { report.traffic.error_ratio };
}

fn with_errors(at: i64, ratio: f64) -> WindowReport {
    let mut report = report(at);
    report.traffic.error_ratio = Figure::new(ratio);
    report
}

fn with_accuracy(at: i64, accuracy: f64, labels: u64) -> WindowReport {
    let mut report = report(at);
    let half = 1.96 * (accuracy * (1.0 - accuracy) / labels as f64).sqrt();
    let estimate = Estimate::Value(Interval::new(accuracy, accuracy - half, accuracy + half));
    for performance in [&mut report.performance, &mut report.performance_by_label_time] {
        performance.metrics.insert("accuracy".to_owned(), estimate);
        (performance.rows, performance.mature) = (labels, true);
    }
    report
}

/// Takes hours of these error ratios and gives the events.
fn run(book: &mut AlertBook, from: i64, ratios: &[f64]) -> Vec<AlertEvent> {
    let hours = (from..).zip(ratios);
    hours.flat_map(|(at, ratio)| book.take([&with_errors(at, *ratio)])).collect()
}

fn actions(events: &[AlertEvent]) -> Vec<EventAction> {
    events.iter().map(|event| event.action).collect()
}

#[test]
fn an_alert_opens_and_its_end_is_always_told() {
    let mut book = AlertBook::new("churn", errors());
    let events = run(&mut book, 1, &[0.0, 0.2, 0.3, 0.3, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(actions(&events), [EventAction::Opened, EventAction::Resolved]);
    let (opened, resolved) = (&events[0], &events[1]);
    assert_eq!((opened.time, opened.incident.started), (hour(3), hour(1)));
    assert_eq!(opened.incident.severity, AlertSeverity::Critical);
    let alert = &opened.incident.alerts[0];
    assert_eq!((alert.value, alert.threshold, alert.state), (Some(0.3), Some(0.1), AlertState::Firing));
    assert_eq!(
        opened.incident.summary,
        "churn: 30 % of the requests fail (95 % interval 27 % to 33 %), the limit is 10 %"
    );
    assert_eq!((resolved.time, resolved.incident.ended), (hour(7), Some(hour(7))));
    assert_eq!(resolved.incident.state, IncidentState::Resolved);
    assert_eq!(resolved.incident.alerts[0].state, AlertState::Resolved);
    assert_eq!(resolved.incident.id, opened.incident.id);
    assert!(resolved.incident.summary.starts_with("churn is back to normal after 6 h"), "{resolved:?}");
    assert_eq!((resolved.id.clone(), book.incidents().len()), (format!("{}-2", opened.incident.id), 1));
    let counts = book.counts()["errors"];
    assert_eq!((counts.fired, counts.resolved), (1, 1));
}

#[test]
fn one_bad_window_is_pending_and_the_interval_counts() {
    let mut book = AlertBook::new("churn", errors());
    assert!(run(&mut book, 1, &[0.0, 0.3]).is_empty());
    assert_eq!(book.states()[0].state, Some(AlertState::Pending));
    // 11 % of 1,000: the interval reaches below 10 %.
    assert!(run(&mut book, 3, &[0.11; 20]).is_empty());
    assert_eq!(book.states()[0].state, None);
}

#[test]
fn what_flaps_is_one_alert() {
    let mut book = AlertBook::new("churn", errors());
    let flapping: Vec<f64> = [0.3, 0.3, 0.0].repeat(30);
    assert_eq!(actions(&run(&mut book, 1, &flapping)), [EventAction::Opened]);
    // Long enough at rest to resolve each time: the second time it must rest longer than it does.
    let mut book = AlertBook::new("churn", errors());
    let flapping: Vec<f64> = [0.3, 0.3, 0.0, 0.0, 0.0, 0.0].repeat(20);
    let events = actions(&run(&mut book, 1, &flapping));
    assert_eq!(events, [EventAction::Opened, EventAction::Resolved, EventAction::Opened]);
}

#[test]
fn a_level_to_recover_to_is_hysteresis() {
    let rule = serde_json::json!({"name": "errors", "metric": "error_ratio", "above": 0.1,
        "recover": {"level": 0.02, "windows": 1}});
    let mut book = AlertBook::new("churn", spec(serde_json::json!({"defaults": false, "rules": [rule]})));
    assert_eq!(run(&mut book, 1, &[0.3, 0.05, 0.03, 0.05]).len(), 1);
    assert_eq!(actions(&run(&mut book, 5, &[0.01])), [EventAction::Resolved]);
}

#[test]
fn a_restart_anywhere_changes_no_event() {
    let ratios: Vec<f64> = [0.0, 0.3, 0.3, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 0.3, 0.0, 0.3, 0.0].repeat(2);
    let mut straight = AlertBook::new("churn", errors());
    let expected = run(&mut straight, 1, &ratios);
    assert_eq!(actions(&expected).len(), 3);
    for at in 0..ratios.len() {
        let mut book = AlertBook::new("churn", errors());
        let mut events = run(&mut book, 1, &ratios[..at]);
        let mut book = AlertBook::decode(&book.encode(), errors()).unwrap();
        // What was taken before the restart comes again: nothing is told twice.
        if at > 0 {
            assert!(book.take([&with_errors(at as i64, ratios[at - 1])]).is_empty());
        }
        events.extend(run(&mut book, at as i64 + 1, &ratios[at..]));
        assert_eq!(events, expected, "restart after {at} windows");
        assert_eq!(book.encode(), straight.encode());
    }
}

#[test]
fn a_state_that_is_damaged_or_newer_is_refused() {
    let bytes = AlertBook::new("churn", errors()).encode();
    let error = AlertBook::decode(&bytes[..bytes.len() - 3], errors()).unwrap_err();
    assert!(matches!(error, AlertBookError::NotABook(_)), "{error:?}");
    let error = AlertBook::decode(br#"{"format":2,"state":[]}"#, errors()).unwrap_err();
    assert!(matches!(error, AlertBookError::Newer { found: 2, supported: 1 }), "{error:?}");
}

#[test]
fn a_revision_retracts_or_confirms() {
    let start = |ratios: &[f64]| {
        let mut book = AlertBook::new("churn", errors());
        assert_eq!(actions(&run(&mut book, 1, ratios)), [EventAction::Opened]);
        book
    };
    let revised = |at: i64, ratio: f64| {
        let mut report = with_errors(at, ratio);
        report.revision = 1;
        report
    };
    let mut book = start(&[0.0, 0.3, 0.3]);
    let events = book.take([&revised(2, 0.05)]);
    assert_eq!(actions(&events), [EventAction::Retracted]);
    assert!(events[0].incident.summary.contains("late data show"), "{events:?}");
    assert_eq!(book.counts()["errors"].retracted, 1);

    let mut book = start(&[0.0, 0.3, 0.3]);
    assert_eq!(actions(&book.take([&revised(3, 0.25)])), [EventAction::Confirmed]);
    // Once is enough, however often it is revised.
    assert!(book.take([&revised(3, 0.26)]).is_empty());
    assert_eq!(book.incidents()[0].alerts[0].value, Some(0.26));

    // Also when it is over already.
    let mut book = start(&[0.0, 0.3, 0.3]);
    assert_eq!(actions(&run(&mut book, 4, &[0.0; 5])), [EventAction::Resolved]);
    assert!(book.take([&revised(5, 0.01)]).is_empty());
    let events = book.take([&revised(2, 0.05)]);
    assert_eq!((actions(&events), book.counts()["errors"].retracted), (vec![EventAction::Retracted], 1));
    assert_eq!(events[0].incident.id, book.incidents()[0].id);
    assert!(book.take([&revised(2, 0.06)]).is_empty(), "once");

    // Late data can also show what was not seen.
    let mut book = AlertBook::new("churn", errors());
    assert!(run(&mut book, 1, &[0.0, 0.3, 0.0]).is_empty());
    let events = book.take([&revised(3, 0.3)]);
    assert_eq!((actions(&events), events[0].incident.started), (vec![EventAction::Opened], hour(1)));
}

fn two_rules() -> Arc<AlertSpec> {
    spec(serde_json::json!({"defaults": false, "rules": [
        {"name": "errors", "metric": "error_ratio", "above": 0.1, "severity": "minor"},
        {"name": "quality", "metric": "accuracy", "below": 0.9, "severity": "critical"},
    ]}))
}

#[test]
fn alerts_that_fire_together_are_one_incident() {
    let mut book = AlertBook::new("churn", two_rules());
    let both = |at, errors: f64, accuracy| {
        let mut report = with_accuracy(at, accuracy, 2_000);
        report.traffic.error_ratio = Figure::new(errors);
        report
    };
    let mut events = book.take([&both(1, 0.3, 0.95)]);
    assert_eq!(events[0].incident.severity, AlertSeverity::Minor);
    let id = events[0].incident.id.clone();
    let acknowledged = book.acknowledge(&id, "on it", None, hour(1)).unwrap();
    assert_eq!(acknowledged.incident.state, IncidentState::Acknowledged);
    assert_eq!(book.counts()["errors"].acknowledged, 1);
    // Something graver joins: who looked after the minor one has not seen it.
    events = book.take([&both(2, 0.3, 0.8)]);
    assert_eq!(actions(&events), [EventAction::Updated]);
    let incident = &events[0].incident;
    assert_eq!((incident.state, incident.severity), (IncidentState::Firing, AlertSeverity::Critical));
    assert_eq!((incident.id.as_str(), incident.alerts[0].rule.as_str()), (id.as_str(), "quality"));
    assert!(incident.summary.contains("accuracy is 0.8"), "{}", incident.summary);
    events = (3..=4).flat_map(|at| book.take([&both(at, 0.0, 0.8)])).collect();
    assert!(events.is_empty());
    assert_eq!(actions(&book.take([&both(5, 0.0, 0.95)])), [EventAction::Updated]);
    events = (6..=8).flat_map(|at| book.take([&both(at, 0.0, 0.95)])).collect();
    assert_eq!(actions(&events), [EventAction::Resolved]);
    let error = book.acknowledge(&id, "late", None, hour(9)).unwrap_err();
    assert!(matches!(error, AlertBookError::NoIncident { .. }), "{error:?}");
}

#[test]
fn mute_and_acknowledgement_end_in_time() {
    let mut book = AlertBook::new("churn", errors());
    assert!(book.mute("errors", " ", None, hour(0)).is_err());
    assert!(book.mute("eror", "x", None, hour(0)).is_err());
    assert!(book.mute("errors", "x", Some(hour(0)), hour(1)).is_err());
    assert!(book.mute("errors", "planned", Some(hour(5)), hour(0)).unwrap().is_none());
    let events = run(&mut book, 1, &[0.3, 0.3]);
    assert_eq!(events[0].incident.alerts[0].mute.as_ref().unwrap().reason, "planned");
    assert_eq!((book.counts()["errors"].muted, book.states()[0].mute.is_some()), (1, true));
    assert!(run(&mut book, 3, &[0.3, 0.3]).is_empty());
    // At five it is told of after all.
    let events = run(&mut book, 5, &[0.3]);
    assert_eq!(actions(&events), [EventAction::Updated]);
    assert_eq!(events[0].incident.alerts[0].mute, None);
    let id = events[0].incident.id.clone();
    book.acknowledge(&id, "on it", Some(hour(7)), hour(5)).unwrap();
    assert!(book.clock(hour(6)).is_none());
    let event = book.clock(hour(7)).unwrap();
    assert_eq!((event.action, event.incident.state), (EventAction::Updated, IncidentState::Firing));
    let event = book.mute("errors", "again", None, hour(8)).unwrap().unwrap();
    assert!(event.incident.alerts[0].mute.is_some());
    assert!(book.unmute("errors", hour(8)).unwrap().unwrap().incident.alerts[0].mute.is_none());
}

#[test]
fn a_rule_that_is_no_more_ends_its_alerts() {
    let mut book = AlertBook::new("churn", errors());
    run(&mut book, 1, &[0.3, 0.3]);
    let mut book = AlertBook::decode(&book.encode(), spec(serde_json::json!({"defaults": false}))).unwrap();
    assert_eq!(actions(&run(&mut book, 3, &[0.3])), [EventAction::Resolved]);
}

#[test]
fn a_version_that_others_replace_ends_its_alerts() {
    let mut book = AlertBook::new("churn", errors());
    run(&mut book, 1, &[0.3, 0.3]);
    let mut events = Vec::new();
    for at in 3..=6 {
        let mut report = report(at);
        report.version = "2".to_owned();
        events.extend(book.take([&report]));
    }
    assert_eq!(actions(&events), [EventAction::Resolved]);
}

#[test]
fn no_rows_resolve_nothing_and_are_visible() {
    let mut book = AlertBook::new("churn", errors());
    run(&mut book, 1, &[0.3, 0.3]);
    let mut events = Vec::new();
    for at in 3..30 {
        let mut report = report(at);
        set_rows(&mut report, 0);
        events.extend(book.take([&report]));
    }
    assert!(events.is_empty(), "{events:?}");
    let state = &book.states()[0];
    assert_eq!((state.state, state.unknown), (Some(AlertState::Firing), Some(Unknown::NoData)));
}

#[test]
fn windows_that_cannot_be_evaluated_are_an_alert() {
    let mut book = AlertBook::new("churn", spec(serde_json::json!({})));
    let event = book.failed("the summaries do not fit", hour(1)).unwrap();
    assert_eq!(event.incident.summary, "churn: its windows cannot be evaluated: the summaries do not fit");
    assert!(book.failed("the summaries do not fit", hour(2)).is_none());
    let events: Vec<_> = (3..=6).flat_map(|at| book.take([&report(at)])).collect();
    assert_eq!(actions(&events), [EventAction::Resolved]);
}

#[test]
fn silence_is_an_alert_by_windows_and_by_the_clock() {
    let fresh = || {
        let mut book = AlertBook::new("churn", spec(serde_json::json!({})));
        assert!((1..=30).flat_map(|at| book.take([&report(at)])).collect::<Vec<_>>().is_empty());
        book
    };
    let mut book = fresh();
    let mut empty = report(31);
    set_rows(&mut empty, 0);
    let events = book.take([&empty]);
    assert_eq!(
        (actions(&events), events[0].incident.alerts[0].rule.as_str()),
        (vec![EventAction::Opened], "no_traffic")
    );
    assert!(
        events[0].incident.summary.contains("no requests for 1 h, about 1,000 used to come"),
        "{events:?}"
    );
    let resolved: Vec<_> = (32..=34).flat_map(|at| book.take([&report(at)])).collect();
    assert_eq!(actions(&resolved), [EventAction::Resolved]);

    let mut book = fresh();
    assert!(book.clock(hour(31)).is_none());
    assert!(book.clock(hour(33)).is_none());
    let event = book.clock(hour(35)).unwrap();
    assert_eq!((event.action, event.incident.alerts[0].rule.as_str()), (EventAction::Opened, "no_traffic"));
    assert!(book.clock(hour(36)).is_none(), "once");
    // The service itself was away: that is no silence of the model.
    let mut book = AlertBook::decode(&fresh().encode(), spec(serde_json::json!({}))).unwrap();
    assert!(book.clock(hour(200)).is_none());
    assert!(book.clock(hour(202)).is_none());
    assert!(book.clock(hour(204)).is_some());
}

#[test]
fn labels_that_end_are_an_alert_of_their_own() {
    let mut book = AlertBook::new("churn", spec(serde_json::json!({})));
    let events: Vec<_> = (1..=48).flat_map(|at| book.take([&with_accuracy(at, 0.9, 500)])).collect();
    assert!(events.is_empty(), "{events:?}");
    println!("bytes of the default rules after 48 hours: {}", book.encode().len());
    let events: Vec<_> = (49..=50).flat_map(|at| book.take([&report(at)])).collect();
    assert_eq!(events[0].incident.alerts[0].rule, "no_labels");
    assert_eq!(events[0].incident.alerts[0].severity, AlertSeverity::Major);
    // A model that never had any is well.
    let mut book = AlertBook::new("churn", spec(serde_json::json!({})));
    assert!((1..=100).flat_map(|at| book.take([&report(at)])).collect::<Vec<_>>().is_empty());
}

#[test]
fn the_state_is_bounded() {
    let rules: Vec<RuleOptions> = (0..4)
        .map(|at| RuleOptions {
            name: format!("rule{at}"),
            metric: "traffic_rate".to_owned(),
            ..RuleOptions::default()
        })
        .chain([RuleOptions {
            name: "all".to_owned(),
            metric: "error_ratio".to_owned(),
            compare: Some(crate::Compare::Auto),
            segments: Some(crate::SegmentOptions::Word("all".to_owned())),
            ..RuleOptions::default()
        }])
        .collect();
    let options = AlertOptions { rules, ..AlertOptions::default() };
    let mut book = AlertBook::new("churn", Arc::new(AlertSpec::try_new(options, &windows()).unwrap()));
    let mut sizes = Vec::new();
    for at in 1..1_500 {
        let reports: Vec<WindowReport> = (0..20)
            .map(|segment| {
                let mut report = report(at);
                if segment > 0 {
                    report.segment.insert("country".to_owned(), format!("{segment}"));
                }
                report
            })
            .collect();
        book.take(&reports);
        if at % 250 == 0 {
            sizes.push(book.encode().len());
        }
    }
    println!("bytes after every 250 hours of 20 segments: {sizes:?}");
    assert!(sizes[4] < sizes[3] + 1_000 && sizes[4] < 1_500_000, "{sizes:?}");
}

#[test]
fn a_new_version_and_the_worst_segments_are_causes() {
    let mut book = AlertBook::new("churn", two_rules());
    (1..=30).for_each(|at| drop(book.take([&with_accuracy(at, 0.95, 2_000)])));
    let version = |mut report: WindowReport| {
        report.version = "2".to_owned();
        report
    };
    let segment = |value: &str, accuracy: f64, rows: u64| {
        let mut report = version(with_accuracy(31, accuracy, 500));
        set_rows(&mut report, rows);
        report.segment.insert("country".to_owned(), value.to_owned());
        report
    };
    let mut reports = vec![segment("NL", 0.5, 200), segment("BE", 0.9, 800)];
    reports.push(version(with_accuracy(31, 0.8, 2_000)));
    // Static levels know no base, so no segment can be said to be off it; the version can.
    let events = book.take(&reports);
    let causes = &events[0].incident.causes;
    assert_eq!((causes[0].kind, causes[0].name.as_str()), (crate::CauseKind::Version, "2"));
    assert!(
        events[0].incident.summary.contains("version \"2\" answers since 2026-01-06T06:00:00Z"),
        "{events:?}"
    );

    let default = || spec(serde_json::json!({}));
    let mut book = AlertBook::new("churn", default());
    (1..=30).for_each(|at| drop(book.take([&with_accuracy(at, 0.95, 2_000)])));
    let mut reports = vec![segment("NL", 0.5, 200), segment("BE", 0.9, 800), with_accuracy(31, 0.8, 2_000)];
    reports.iter_mut().for_each(|report| report.version = "1".to_owned());
    let events = book.take(&reports);
    let causes: Vec<_> = events[0].incident.causes.iter().map(|cause| cause.text.as_str()).collect();
    assert_eq!(causes, ["country=NL: accuracy 0.5, 0.8 overall"]);
}

#[test]
fn drift_names_the_bins_and_one_alert_is_for_all_features() {
    let mut drifted = report(1);
    drifted.reference = Some(reference_of(10_000));
    drifted.features = vec![feature("income", true), feature("plan", true), feature("age", false)];
    drifted.features[1].changed_bins[0].label = "gold".to_owned();
    drifted.features[1].kind = driftline_events::FeatureKind::Categorical;
    drifted.features[1].psi.excess = Figure::new(0.2);
    let mut book = AlertBook::new("churn", spec(serde_json::json!({})));
    let events = book.take([&drifted]);
    let incident = &events[0].incident;
    assert_eq!((incident.alerts.len(), incident.severity), (1, AlertSeverity::Minor));
    let causes: Vec<_> = incident
        .causes
        .iter()
        .map(|cause| (cause.text.as_str(), cause.share.map(|share| (10.0 * share).round())))
        .collect();
    assert_eq!(
        causes,
        [("income: above 84,000: 10 % -> 2 %", Some(6.0)), ("plan=gold: 10 % -> 2 %", Some(4.0)),]
    );
    assert_eq!(
        incident.summary,
        "churn: 2 inputs changed: income, plan; most likely: income: above 84,000: 10 % -> 2 %"
    );
}

fn reference_of(rows: u64) -> crate::ReferenceReport {
    serde_json::from_value(serde_json::json!({"kind": "file", "rows": rows, "weight": rows as f64})).unwrap()
}

fn feature(name: &str, drifted: bool) -> crate::FeatureReport {
    let share = serde_json::json!({"count": 0, "ratio": 0.0, "reference_ratio": 0.0, "p_value": 1.0,
        "q_value": 1.0, "finding": false});
    let (p, excess) = if drifted { (1e-9, 0.3) } else { (0.5, 0.0) };
    let bins = if drifted {
        serde_json::json!([{"label": "above 84,000", "reference": 0.1, "current": 0.02}])
    } else {
        serde_json::json!([])
    };
    serde_json::from_value(serde_json::json!({
        "name": name, "kind": "numeric", "rows": 1_000, "missing": share, "invalid": share,
        "psi": {"value": excess, "noise_floor": 0.01, "excess": excess, "p_value": p, "q_value": p},
        "changed_bins": bins, "js": 0.0, "hellinger": 0.0, "total_variation": 0.0, "linf": 0.0,
        "chi2": {"value": 0.0, "dof": 9.0, "p_value": p},
        "verdict": if drifted { "drifted" } else { "stable" }, "drifted": drifted,
        "severity": if drifted { Some("major") } else { None }}))
    .unwrap()
}

#[test]
fn a_feature_that_is_gone_is_critical() {
    let mut gone = report(1);
    gone.features = vec![feature("income", false)];
    gone.features[0].missing.ratio = Figure::new(0.97);
    gone.features[0].missing.finding = true;
    let events = AlertBook::new("churn", spec(serde_json::json!({}))).take([&gone]);
    let alert = &events[0].incident.alerts[0];
    assert_eq!((alert.rule.as_str(), alert.severity), ("feature_gone", AlertSeverity::Critical));
    assert!(alert.summary.starts_with("income is gone"), "{}", alert.summary);
}

#[test]
fn documentation_is_filled_in_once() {
    let text =
        "{metric} of {model} {version}/{segment}: {value} over {threshold} in {window} by {rule} {other} {";
    let rule = serde_json::json!({"name": "errors", "metric": "error_ratio", "above": 0.1, "documentation": text,
        "labels": {"team": "{model}"}});
    let mut book = AlertBook::new("churn", spec(serde_json::json!({"defaults": false, "rules": [rule]})));
    let alert = run(&mut book, 1, &[0.3])[0].incident.alerts[0].clone();
    assert_eq!(alert.description, "error_ratio of churn 1/: 30 % over 10 % in 1h by errors {other} {");
    assert_eq!(alert.labels["team"], "{model}");
}

#[test]
fn performance_by_prediction_time_waits_for_its_labels() {
    let rule = serde_json::json!({"name": "quality", "metric": "accuracy", "below": 0.9,
        "basis": "prediction_time"});
    let mut book = AlertBook::new("churn", spec(serde_json::json!({"defaults": false, "rules": [rule]})));
    let mut early = with_accuracy(1, 0.5, 200);
    early.performance.mature = false;
    assert!(book.take([&early]).is_empty());
    assert_eq!(book.states()[0].unknown, Some(Unknown::LabelsPending));
    (2..5).for_each(|at| assert!(book.take([&report(at)]).is_empty()));
    // Its labels come with a revision, windows later.
    let mut revised = with_accuracy(1, 0.8, 900);
    revised.revision = 1;
    let events = book.take([&revised]);
    assert_eq!((actions(&events), events[0].incident.started), (vec![EventAction::Opened], hour(0)));
}
