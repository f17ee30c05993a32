//! Reports and snapshots for tests.

use std::sync::Arc;

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;
use serde_json::{Value, json};

use crate::snapshot::{
    AlertFigures, AlertSinkFigures, DurabilityFigures, KafkaFigures, ModelSnapshot, PartitionFigures,
    PayloadCount, PublishFigures, RejectedCount, RequestCount, RowCount, ServiceSnapshot, Snapshot,
    VersionTraffic,
};

fn quality(ratio: f64, finding: bool) -> Value {
    json!({"count": 5, "ratio": ratio, "reference_ratio": 0.0, "p_value": 0.5, "q_value": 0.5, "finding": finding})
}

/// A numeric feature with all of its figures.
pub(crate) fn numeric(name: &str, excess: f64, drifted: bool) -> Value {
    json!({
        "name": name, "kind": "numeric", "rows": 500, "missing": quality(0.01, false), "invalid": quality(0.0, true),
        "out_of_range": quality(0.02, false), "mean": 41.5, "variance": 2.25, "min": 18.0, "max": 90.0,
        "quantiles": {"0.5": 40.0},
        "psi": {"value": excess + 0.01, "noise_floor": 0.01, "excess": excess, "p_value": 0.2, "q_value": 0.3},
        "ks": {"value": 0.1, "upper": 0.101, "p_value": 0.2},
        "js": 0.05, "hellinger": 0.06, "total_variation": 0.07, "linf": 0.08,
        "wasserstein": {"value": 1.0, "normalised": 0.5, "bound": 0.1},
        "chi2": {"value": 3.0, "dof": 9.0, "p_value": 0.9},
        "verdict": if drifted { "drifted" } else { "stable" }, "drifted": drifted, "severity": null
    })
}

/// A feature as the report of all rows together has it if it is one of those that drifted most.
pub(crate) fn with_bins(mut feature: Value, shares: &[(&str, f64, f64)]) -> Value {
    let bin = |(label, reference, current): &(&str, f64, f64)| json!({"label": label, "reference": reference, "current": current});
    feature["bins"] = shares.iter().map(bin).collect();
    feature
}

/// A categorical feature whose drift is not known.
pub(crate) fn categorical(name: &str) -> Value {
    let absent = json!({"absent": "no_reference"});
    json!({
        "name": name, "kind": "categorical", "rows": 500, "missing": quality(0.0, false), "invalid": quality(0.0, false),
        "unseen": quality(0.03, false),
        "psi": {"value": absent, "noise_floor": absent, "excess": absent, "p_value": absent, "q_value": absent},
        "js": absent, "hellinger": absent, "total_variation": absent, "linf": absent,
        "chi2": {"value": absent, "dof": absent, "p_value": absent},
        "verdict": "no_reference", "drifted": false, "severity": null
    })
}

/// A report of a binary model with every kind of figure.
pub(crate) fn report() -> Value {
    let interval = json!({"value": 0.9, "low": 0.88, "high": 0.92});
    let performance = |basis: &str| {
        json!({
            "basis": basis, "kind": "binary", "positive": "yes", "rows": 400, "weight": 400.0, "mature": true,
            "confusion": null,
            "metrics": {"accuracy": interval, "roc_auc": {"value": 0.8, "low": null, "high": null},
                        "f1": {"absent": "no_predicted_positives"}, "of_the_future": interval},
            "classes": [{"class": "yes", "support": 100.0, "metrics": {"recall": interval}}]
        })
    };
    json!({
        "schema": "driftline.window_report.v1", "model": "churn", "version": "3", "segment": {},
        "window": {"name": "1h", "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z", "length_seconds": 3600.0},
        "revision": 2, "final": true,
        "reference": {"kind": "file", "rows": 10000, "weight": 10000.0},
        "task": "binary", "rows": 500, "weight": 500.0,
        "traffic": {"rate_per_second": 0.14, "status": {"ok": 490, "error": 10}, "error_ratio": 0.02,
                    "saturation": {"in_flight_mean": 3.0, "in_flight_max": 8.0, "capacity": 10.0, "ratio": 0.3}},
        "latency": {"count": 500, "mean_seconds": 0.012, "quantiles": {"0.5": 0.01, "0.999": {"absent": "too_few_rows"}}},
        "labels": {"count": 400, "coverage": 0.8, "mature": true, "delay_seconds": {"0.5": 3600.0}},
        "features": [with_bins(numeric("age", 0.3, true), &[("01: below 40", 0.5, 0.2), ("02: above 40", 0.5, 0.8)]),
                     categorical("plan")],
        "prediction": categorical("prediction"), "score": numeric("score", 0.0, false), "value": null,
        "label": null,
        "performance": performance("prediction_time"), "performance_by_label_time": performance("label_time"),
        "measures": {"basket": {"count": 500, "mean": 61.2, "variance": 9.0, "min": 1.0, "max": 99.0, "quantiles": {"0.5": 60.0}}},
        "drift": {"drifted_features": 1, "share": 0.5, "watched": 2, "quality_findings": 1}
    })
}

/// A report that differs from [`report`] in some members, given by their JSON pointers.
pub(crate) fn report_with(changes: &[(&str, Value)]) -> Arc<WindowReport> {
    let mut report = report();
    for (pointer, value) in changes {
        match report.pointer_mut(pointer) {
            Some(place) => *place = value.clone(),
            None => panic!("a report has no {pointer}"),
        }
    }
    Arc::new(serde_json::from_value(report).expect("the fixture is a window report"))
}

/// A state in which every metric has a value.
pub(crate) fn snapshot(reports: Vec<Arc<WindowReport>>) -> Snapshot {
    let time = |seconds: i64| EventTime::from_millis(1_767_225_600_000 + seconds * 1_000);
    let mut traffic = VersionTraffic { version: "3".into(), ..VersionTraffic::default() };
    traffic.status = vec![("ok".into(), 490.0), ("error".into(), 10.5)];
    traffic.latency.observe(0.012);
    let mut service = ServiceSnapshot {
        version: "0.1.0".into(),
        commit: "abc".into(),
        started: Some(time(0)),
        rows: vec![RowCount {
            event: "prediction",
            model: "churn".into(),
            received: 12,
            accepted: 9,
            duplicates: 2,
            too_late: 1,
        }],
        rejected: vec![RejectedCount { event: "label", model: String::new(), reason: "no_model", rows: 4 }],
        payloads_rejected: vec![PayloadCount { event: "prediction", reason: "bad_arrow", payloads: 1 }],
        requests: vec![RequestCount { event: "prediction", status: 200, requests: 3 }],
        received_bytes: 1_000,
        in_flight_bytes: (10, 20),
        queue: (1, 64),
        last_evaluation: Some(time(3_650)),
        ..ServiceSnapshot::default()
    };
    service.evaluation.observe(0.2);
    service.durability = DurabilityFigures {
        storage_ok: true,
        checkpoint_time: Some(1_767_229_255.0),
        publish: Some(PublishFigures { connected: Some(true), delivered: 3, ..PublishFigures::default() }),
        ..DurabilityFigures::default()
    };
    service.alert_sinks = vec![AlertSinkFigures {
        sink: "pager".into(),
        kind: "slack",
        connected: Some(true),
        delivered: 2,
        ..AlertSinkFigures::default()
    }];
    let partition = PartitionFigures {
        topic: "predictions".into(),
        partition: "0".into(),
        position: Some(7),
        lag: Some(2),
        behind_seconds: Some(0.5),
    };
    service.kafka = Some(KafkaFigures {
        connected: true,
        partitions: vec![partition],
        messages: vec![("accepted", 7)],
        counts: vec![
            ("driftline_kafka_dead_letter_failures_total", 0),
            ("driftline_kafka_rebalances_total", 1),
            ("driftline_kafka_lost_partitions_total", 0),
            ("driftline_kafka_unconfirmed_handovers_total", 0),
            ("driftline_kafka_gap_messages_total", 0),
            ("driftline_kafka_resets_total", 0),
            ("driftline_kafka_commits_total", 4),
            ("driftline_kafka_commit_failures_total", 0),
        ],
        ..KafkaFigures::default()
    });
    Snapshot {
        time: time(3_660),
        reports,
        models: vec![ModelSnapshot {
            model: "churn".into(),
            watermark: Some(time(3_600)),
            last_arrival: Some(time(3_659)),
            known_predictions: 7,
            waiting_labels: 2,
            labels: vec![("joined", 5), ("too_late", 1)],
            late: 3,
            expired_early: 1,
            owed_revisions: 4,
            panes: 60,
            learning: Some((100, 10_000)),
            reference_created: Some(time(-3_600)),
            version_starts: vec![("3".into(), time(0))],
            versions: vec![traffic],
            alerts: AlertFigures {
                firing: [1, 0, 1],
                undecided: vec![("no_labels".into(), 1)],
                outcomes: vec![("InputDrift".into(), "fired", 2)],
            },
        }],
        service,
    }
}
