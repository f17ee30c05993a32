use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use driftline_evaluate::{DriftSpec, Evaluation, PerformanceSpec, WindowReport, WindowSpan, evaluate};
use driftline_events::{EventTime, Feature, FeatureKind, ModelId, ModelSchema, Task};
use driftline_summary::{CellSummary, SummarySpec};
use serde_json::json;

use super::*;
use crate::fixture::{categorical, numeric, report_with, snapshot, with_bins};

fn scrape(reports: Vec<Arc<WindowReport>>, max_series: usize) -> String {
    let snapshot = Arc::new(snapshot(reports));
    Metrics::new(ExposeSpec { max_series }, Arc::new(move || Arc::clone(&snapshot))).text()
}

/// The family, labels and value of each sample.
#[derive(Debug)]
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
}

/// Name and labels of `name{a="b"}`, with the escapes of OpenMetrics 1.0.0 undone.
fn series(text: &str) -> (&str, Vec<(&str, String)>) {
    let Some((name, rest)) = text.split_once('{') else { return (text, Vec::new()) };
    let mut rest = rest.strip_suffix('}').expect("labels end with a brace");
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").expect("a label has a quoted value");
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().expect("a value ends with a quote") {
                (end, '"') => break end,
                (_, '\\') => match characters.next().expect("an escape has two characters").1 {
                    'n' => value.push('\n'),
                    character @ ('\\' | '"') => value.push(character),
                    character => panic!("unknown escape {character:?}"),
                },
                (_, character) => value.push(character),
            }
        };
        labels.push((label, value));
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    (name, labels)
}

/// Reads a scrape by the rules of OpenMetrics 1.0.0 and holds it against the catalogue.
fn checked(text: &str) -> Vec<Sample<'_>> {
    let body = text.strip_suffix("# EOF\n").expect("a scrape ends with its mark");
    let documented: BTreeMap<_, _> = METRICS.iter().map(|metric| (metric.name, metric)).collect();
    let (mut families, mut seen, mut samples) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut current: Option<&MetricDoc> = None;
    let mut help_of = "";
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("help has text");
            assert!(!help.is_empty() && !help.ends_with('.'), "{line}");
            assert!(families.insert(name), "{name} comes twice");
            help_of = name;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("type has a kind");
            assert_eq!(name, help_of);
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                "gauge" | "histogram" => "",
                kind => panic!("unknown kind {kind}"),
            };
            let full = format!("{name}{suffix}");
            let doc =
                documented.get(full.as_str()).unwrap_or_else(|| panic!("{full} is not in the catalogue"));
            assert_eq!(doc.kind.to_string(), kind, "{full}");
            current = Some(doc);
        } else {
            let (key, value) = line.rsplit_once(' ').expect("a sample has a value");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(value.is_finite(), "{line}");
            assert!(seen.insert(key), "{key} comes twice");
            let doc = current.expect("a type comes before its samples");
            let (name, labels) = series(key);
            let mut names: Vec<_> = labels.iter().map(|(label, _)| *label).collect();
            if doc.kind == MetricKind::Histogram {
                let suffix = name.strip_prefix(doc.name).expect("samples stand under their type");
                assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}");
                names.retain(|label| *label != "le");
            } else {
                assert_eq!(name, doc.name, "{line}");
            }
            assert_eq!(names, doc.labels, "{line}");
            samples.push(Sample { name, labels, value });
        }
    }
    samples
}

fn value(samples: &[Sample<'_>], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let holds = |sample: &&Sample<'_>| {
        sample.name == name
            && labels.iter().all(|&(label, value)| sample.labels.contains(&(label, value.into())))
    };
    let found: Vec<_> = samples.iter().filter(holds).collect();
    assert!(found.len() < 2, "{name} {labels:?} is not one series: {found:?}");
    found.first().map(|sample| sample.value)
}

#[test]
fn names_and_labels_keep_to_the_conventions() {
    let mut names = BTreeSet::new();
    for MetricDoc { name, kind, labels, help } in METRICS.iter() {
        assert!(names.insert(name), "{name} is there twice");
        assert!(name.starts_with("driftline_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
        assert_eq!(name.ends_with("_info"), *kind == MetricKind::Info, "{name}");
        assert!(
            !help.is_empty() && !help.ends_with('.') && !help.contains(['\n', '|', '\\']),
            "{name}: {help}"
        );
        let kept = ["job", "instance", "type", "le"];
        assert!(labels.iter().all(|label| !kept.contains(label)), "{name}: {labels:?}");
        for unit in ["_ms", "_millis", "_percent", "_kb"] {
            assert!(!name.ends_with(unit), "{name}");
        }
    }
}

#[test]
fn a_report_becomes_series() {
    let text = scrape(vec![report_with(&[])], 20_000);
    for line in [
        r#"driftline_feature_psi{model="churn",version="3",window="1h",segment="",feature="age"} 0.31"#,
        r#"driftline_feature_drifted{model="churn",version="3",window="1h",segment="",feature="plan"} 0.0"#,
        r#"driftline_feature_drift_severity{model="churn",version="3",window="1h",segment="",feature="age"} 1.0"#,
        r#"driftline_feature_bin_ratio{model="churn",version="3",window="1h",segment="",feature="age",bin="02: above 40"} 0.8"#,
        r#"driftline_feature_reference_bin_ratio{model="churn",version="3",window="1h",segment="",feature="age",bin="02: above 40"} 0.5"#,
        r#"driftline_reference_created_timestamp_seconds{model="churn"} 1767222000.0"#,
        r#"driftline_version_first_window_timestamp_seconds{model="churn",version="3"} 1767225600.0"#,
        r#"driftline_output_mean{model="churn",version="3",window="1h",segment="",output="score"} 41.5"#,
        r#"driftline_accuracy_low{model="churn",version="3",window="1h",segment="",basis="label_time",class=""} 0.88"#,
        r#"driftline_recall{model="churn",version="3",window="1h",segment="",basis="prediction_time",class="yes"} 0.9"#,
        r#"driftline_window_end_timestamp_seconds{model="churn",version="3",window="1h",segment=""} 1767229200.0"#,
        r#"driftline_window_latency_seconds{model="churn",version="3",window="1h",segment="",quantile="0.5"} 0.01"#,
        r#"driftline_measure_quantile{model="churn",version="3",window="1h",segment="",measure="basket",quantile="0.5"} 60.0"#,
        r#"driftline_predictions_total{model="churn",version="3",status="error"} 10.5"#,
        r#"driftline_prediction_latency_seconds_bucket{le="0.025",model="churn",version="3"} 1"#,
        r#"driftline_watermark_lag_seconds{model="churn"} 60.0"#,
        r#"driftline_events_rejected_total{event="label",model="",reason="no_model"} 4.0"#,
        r#"driftline_ingest_requests_total{event="prediction",code="200"} 3.0"#,
        r#"driftline_build_info{version="0.1.0",commit="abc"} 1"#,
        "driftline_uptime_seconds 3660.0",
        "driftline_queue_capacity 64.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    checked(&text);
}

#[test]
fn what_is_absent_from_a_report_has_no_series() {
    let text = scrape(vec![report_with(&[])], 20_000);
    let samples = checked(&text);
    assert_eq!(value(&samples, "driftline_feature_psi", &[("feature", "plan")]), None);
    assert_eq!(value(&samples, "driftline_feature_mean", &[("feature", "plan")]), None);
    assert_eq!(value(&samples, "driftline_feature_drift_severity", &[("feature", "plan")]), None);
    assert_eq!(value(&samples, "driftline_feature_bin_ratio", &[("feature", "plan")]), None);
    assert_eq!(value(&samples, "driftline_feature_unseen_ratio", &[("feature", "age")]), None);
    assert_eq!(value(&samples, "driftline_window_latency_seconds", &[("quantile", "0.999")]), None);
    assert_eq!(value(&samples, "driftline_roc_auc_low", &[("basis", "label_time")]), None);
    assert!(!text.contains("driftline_f1"), "{text}");
    assert!(!text.contains("of_the_future"), "{text}");
    let unlabelled = [("/performance/rows", json!(0)), ("/performance_by_label_time/rows", json!(0))];
    let text = scrape(vec![report_with(&unlabelled)], 20_000);
    assert!(!text.contains("driftline_accuracy") && !text.contains("driftline_performance_rows"), "{text}");
}

#[test]
fn every_metric_of_the_catalogue_can_be_seen() {
    let interval = json!({"value": 0.9, "low": 0.88, "high": 0.92});
    let figures = [
        "accuracy",
        "balanced_accuracy",
        "precision",
        "recall",
        "f1",
        "specificity",
        "precision_macro",
        "recall_macro",
        "f1_macro",
        "specificity_macro",
        "precision_weighted",
        "recall_weighted",
        "f1_weighted",
        "specificity_weighted",
        "mcc",
        "kappa",
        "log_loss",
        "brier",
        "roc_auc",
        "roc_auc_macro",
        "average_precision",
        "expected_calibration_error",
        "mae",
        "rmse",
        "mape",
        "r2",
        "mean_error",
    ];
    let metrics: serde_json::Map<_, _> =
        figures.iter().map(|name| ((*name).to_owned(), interval.clone())).collect();
    let mut output = numeric("score", 0.0, false);
    output["unseen"] = output["missing"].clone();
    let report = report_with(&[("/performance/metrics", metrics.into()), ("/score", output)]);
    let text = scrape(vec![report], 20_000);
    checked(&text);
    for metric in
        METRICS.iter().filter(|metric| cfg!(target_os = "linux") || !metric.name.starts_with("process_"))
    {
        let (name, kind) = (metric.name, metric.kind);
        let typed = name.trim_end_matches("_total").trim_end_matches("_info");
        assert!(text.contains(&format!("# TYPE {typed} {kind}\n")), "{name} is never written");
    }
}

/// What `evaluate` says of a window without rows.
fn empty(task: Task) -> WindowReport {
    let features = [("age", FeatureKind::Numeric), ("plan", FeatureKind::Categorical)];
    let features = features.map(|(name, kind)| Feature { name: name.into(), kind }).to_vec();
    let model = ModelId::try_new("empty").unwrap();
    let schema = ModelSchema::new(model, task, Some("yes".into()), features, Vec::new(), false);
    evaluate(&Evaluation {
        model: "empty",
        version: "",
        segment: BTreeMap::new(),
        window: WindowSpan::new("1h", EventTime::from_millis(0), EventTime::from_millis(3_600_000)),
        covered_seconds: 3_600.0,
        revision: 0,
        is_final: true,
        current: &CellSummary::new(SummarySpec::unlearned(&schema)),
        reference: None,
        drift: &DriftSpec::default(),
        performance: &PerformanceSpec::default(),
    })
}

#[test]
fn every_performance_figure_has_a_metric() {
    for task in [Task::Binary, Task::Multiclass, Task::Regression] {
        let report = empty(task);
        assert!(!report.performance.metrics.is_empty());
        for name in report.performance.metrics.keys() {
            let metric = format!("driftline_{name}");
            assert!(
                METRICS.iter().any(|doc| doc.name == metric),
                "{task:?}: {metric} is not in the catalogue"
            );
        }
    }
}

#[test]
fn an_empty_window_has_counts_and_no_figures() {
    let text = scrape(vec![Arc::new(empty(Task::Binary))], 20_000);
    let samples = checked(&text);
    assert_eq!(value(&samples, "driftline_window_rows", &[]), Some(0.0));
    for absent in ["_mean{", "driftline_feature_psi", "_ratio{", "driftline_window_latency"] {
        assert!(!text.contains(absent), "{absent} in\n{text}");
    }
}

#[test]
fn one_report_for_each_set_of_labels_and_none_that_is_gone() {
    let at = |end: &str, revision: u32, rows: u64| {
        report_with(&[("/window/end", json!(end)), ("/revision", json!(revision)), ("/rows", json!(rows))])
    };
    let (early, late) = ("2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z");
    for reports in
        [[at(early, 9, 1), at(late, 0, 2), at(late, 1, 3)], [at(late, 1, 3), at(late, 0, 2), at(early, 9, 1)]]
    {
        let text = scrape(reports.to_vec(), 20_000);
        assert_eq!(value(&checked(&text), "driftline_window_rows", &[]), Some(3.0));
    }
    let text = scrape(Vec::new(), 20_000);
    assert!(!text.contains("driftline_window_rows") && !text.contains("driftline_feature"), "{text}");
    assert_eq!(value(&checked(&text), "driftline_series", &[]), Some(0.0));
}

#[test]
fn hostile_label_values_are_escaped() {
    let name = "a\"b\\c\nd{e},é";
    let report = report_with(&[("/version", json!(name)), ("/segment", json!({"country": "=\n"}))]);
    let text = scrape(vec![report], 20_000);
    let samples = checked(&text);
    assert_eq!(
        value(&samples, "driftline_window_rows", &[("version", name), ("segment", "country==\n")]),
        Some(500.0)
    );
}

/// The features of a segment (`None`: of the whole) that a scrape still shows.
fn features(samples: &[Sample<'_>], segment: &str) -> Vec<String> {
    let of_segment = samples
        .iter()
        .filter(|sample| sample.name == "driftline_feature_drifted" && sample.labels[3].1 == segment);
    of_segment.map(|sample| sample.labels[4].1.clone()).collect()
}

#[test]
fn segments_are_cut_first_and_then_the_features_that_drifted_least() {
    let features_of = json!([
        numeric("calm", 0.05, false),
        numeric("loud", 0.9, false),
        categorical("unknown"),
        numeric("drifted", 0.12, true),
    ]);
    let whole = report_with(&[("/features", features_of.clone())]);
    let segment = report_with(&[("/features", features_of), ("/segment", json!({"country": "BE"}))]);
    let shown = |max| {
        let text = scrape(vec![Arc::clone(&segment), Arc::clone(&whole)], max);
        let samples = checked(&text);
        let get = |name| value(&samples, name, &[]).unwrap() as usize;
        let (kept, cut) = (get("driftline_series"), get("driftline_series_cut"));
        assert!(kept <= max && get("driftline_series_limit") == max, "{kept} of {max}");
        (kept + cut, kept, features(&samples, ""), features(&samples, "country=BE"))
    };
    let (total, all, ..) = shown(20_000);
    assert_eq!(total, all);
    let (_, kept, of_whole, of_segment) = shown(total / 2);
    assert_eq!((kept, of_whole.len(), of_segment.len()), (total / 2, 4, 0));
    // The whole's least important parts are its two classes with three series each, then features.
    let numeric_series = 17;
    let without_classes = total / 2 - 6;
    let order = [
        (without_classes, vec!["calm", "loud", "unknown", "drifted"]),
        (without_classes - 1, vec!["calm", "loud", "drifted"]),
        (without_classes - 5 - 1, vec!["loud", "drifted"]),
        (without_classes - 5 - numeric_series - 1, vec!["drifted"]),
        (without_classes - 5 - 2 * numeric_series - 1, vec![]),
    ];
    for (max, expected) in order {
        let (sum, _, of_whole, _) = shown(max);
        assert_eq!((sum, of_whole), (total, expected.into_iter().map(String::from).collect()), "{max}");
    }
    assert_eq!(shown(0).1, 0);
}

#[test]
fn distributions_are_cut_before_segments() {
    let bins: &[_] = &[("01: no", 0.9, 0.4), ("02: yes", 0.1, 0.6)];
    let of = |name, excess, drifted| with_bins(numeric(name, excess, drifted), bins);
    let features = json!([of("calm", 0.05, false), of("loud", 0.9, true)]);
    let whole = report_with(&[("/features", features.clone())]);
    let mut without = features;
    without.as_array_mut().unwrap().iter_mut().for_each(|feature| feature["bins"] = json!([]));
    let segment = report_with(&[("/features", without), ("/segment", json!({"country": "BE"}))]);
    let shown = |max| {
        let text = scrape(vec![Arc::clone(&segment), Arc::clone(&whole)], max);
        let samples = checked(&text);
        let bins: Vec<_> = samples.iter().filter(|sample| sample.name.ends_with("_bin_ratio")).collect();
        let mut named: Vec<_> = bins.iter().map(|sample| sample.labels[4].1.clone()).collect();
        named.dedup();
        (value(&samples, "driftline_series", &[]).unwrap() as usize, bins.len(), named)
    };
    let (all, bins, _) = shown(20_000);
    assert_eq!(bins, 2 * 2 * 2);
    // The one that drifted less goes first, as a whole; segments stay as long as there are any.
    assert_eq!(shown(all - 1), (all - 4, 4, vec!["loud".to_owned()]));
    assert_eq!(shown(all - 5), (all - 8, 0, vec![]));
}

#[test]
fn the_table_has_every_metric() {
    let table = metrics_table();
    assert_eq!(table.lines().count(), METRICS.len() + 2);
    let line = "| `driftline_predictions_total` | counter | `model`, `version`, `status` | \
                Requests of the watched model, by weight. |";
    assert!(table.contains(line), "{table}");
}

/// Run with `--nocapture` to see how long it takes.
#[test]
fn twenty_thousand_series_are_cut_from_more() {
    let features: Vec<_> =
        (0..500).map(|n| numeric(&format!("feature_{n}"), f64::from(n) / 500.0, n > 400)).collect();
    let reports = ["1", "2", "3"]
        .map(|version| report_with(&[("/version", json!(version)), ("/features", json!(features))]));
    let snapshot = Arc::new(snapshot(reports.to_vec()));
    let metrics = Metrics::new(ExposeSpec { max_series: 20_000 }, Arc::new(move || Arc::clone(&snapshot)));
    let text = metrics.text();
    let start = Instant::now();
    assert_eq!(metrics.text().lines().count(), text.lines().count());
    println!("{} bytes in {:?}", text.len(), start.elapsed());
    let samples = checked(&text);
    let series = value(&samples, "driftline_series", &[]).unwrap();
    assert!((19_980.0..=20_000.0).contains(&series), "{series}");
}
