use super::*;
use crate::alert::metric::Metric;
use crate::alert::rule::{Base, Criterion, Policy, Segments};

fn window(name: &str, length: u64, every: u64) -> AlertWindow {
    AlertWindow {
        name: name.to_owned(),
        length: Duration::from_secs(length),
        every: Duration::from_secs(every),
    }
}

fn windows() -> Vec<AlertWindow> {
    vec![window("5m", 300, 60), window("1h", 3_600, 300), window("1d", 86_400, 3_600)]
}

fn read(json: serde_json::Value) -> Result<AlertSpec, Vec<String>> {
    let options: AlertOptions = serde_json::from_value(json).unwrap();
    AlertSpec::try_new(options, &windows()).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn rule(json: serde_json::Value) -> Rule {
    read(serde_json::json!({"defaults": false, "rules": [json]})).unwrap().rules.remove(0)
}

#[test]
fn without_configuration_there_are_three_tiers() {
    let spec = AlertSpec::try_new(AlertOptions::default(), &windows()).unwrap();
    let mut names: Vec<&str> = spec.rules().collect();
    names.sort_unstable();
    let mut known = defaults::NAMES;
    known.sort_unstable();
    assert_eq!(names, known);
    let find = |name: &str| spec.rules.iter().find(|rule| rule.name == name).unwrap();
    // What needs rows looks at the hour, what must be seen at once at five minutes.
    assert_eq!((find("input_drift").window.as_str(), find("latency").window.as_str()), ("1h", "5m"));
    assert_eq!(find("input_drift").policy, Policy { n: 2, m: 3, recover: 3 });
    assert_eq!(find("no_traffic").policy, Policy { n: 1, m: 1, recover: 3 });
    let Criterion::Change(change) = &find("accuracy_drop").criterion else { panic!() };
    assert_eq!((change.base, change.by, change.side), (Base::Either, 0.015, crate::Side::Below));
}

#[test]
fn the_window_nearest_to_an_hour_is_the_usual_one() {
    let own = [window("day", 86_400, 86_400), window("half", 1_800, 1_800), window("week", 604_800, 604_800)];
    let spec = AlertSpec::try_new(AlertOptions::default(), &own).unwrap();
    assert!(spec.rules.iter().all(|rule| matches!(rule.window.as_str(), "half" | "")));
    let options = AlertOptions { window: Some("day".to_owned()), ..AlertOptions::default() };
    let spec = AlertSpec::try_new(options, &own).unwrap();
    assert_eq!(spec.rules[0].window, "day");
    // Windows that tumble fire at once.
    assert_eq!(spec.rules.iter().find(|rule| rule.name == "input_drift").unwrap().policy.m, 1);
}

#[test]
fn every_fault_is_told_with_its_rule() {
    let faults = read(serde_json::json!({
        "window": "2h", "without": ["latancy"], "rules": [
            {"name": "a b", "metric": "acuracy"},
            {"name": "one", "metric": "accuracy", "below": 0.9, "compare": "auto", "for": "3 of 2"},
            {"name": "one", "metric": "latency", "quantile": 0.42, "feature": "x", "window": "9h"},
            {"name": "two", "metric": "no_traffic", "segments": "all", "above": 1.0},
            {"name": "three", "metric": "drift", "above": 0.1, "below": 0.2, "mute": {"reason": "", "until": "soon"}},
            {"name": "four", "metric": "traffic_rate", "compare": "reference", "times": 0.5},
            {"name": "five", "metric": "missing", "segments": "some", "recover": {"windows": 99}},
        ]}))
    .unwrap_err();
    let expected = [
        "window = \"2h\" is none of the model's: 5m, 1h, 1d",
        "without: \"latancy\" is no default rule; they are ",
        "rule \"one\": is there twice",
        "rule \"a b\": name is not 1 to 64 of A-Z a-z 0-9 . _ -",
        "rule \"a b\": metric = \"acuracy\" is unknown; it is one of ",
        "rule \"one\": for = 3 of 2 windows: n must be 1 to m, and m at most 32",
        "rule \"one\": `above` and `below` go with compare = \"static\"",
        "rule \"one\": window = \"9h\" is none of the model's: 5m, 1h, 1d",
        "rule \"one\": quantile = 0.42 is none of [0.5, 0.9, 0.95, 0.99, 0.999]",
        "rule \"one\": `feature` says nothing for metric = \"latency\"; leave it out",
        "rule \"two\": metric = \"no_traffic\" has no segments",
        "rule \"two\": metric = \"no_traffic\" is there or not: it has no level",
        "rule \"three\": mute.until = \"soon\" is not an RFC 3339 time such as 2026-01-01T10:00:00Z",
        "rule \"three\": mute.reason is empty; say why",
        "rule \"three\": above = 0.1 is not above below = 0.2: it would always fire",
        "rule \"four\": the reference has no figure for metric = \"traffic_rate\"",
        "rule \"four\": times = 0.5 is not a number from 1 on",
        "rule \"five\": recover.windows = 99 is not 1 to 32",
        "rule \"five\": segments = \"some\" is not \"none\", \"all\", { tag = … } or { tag = …, value = … }",
    ];
    for (got, expected) in faults.iter().zip(expected) {
        assert!(got.starts_with(expected), "{got}\nis not\n{expected}");
    }
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
}

#[test]
fn a_rule_of_the_same_name_takes_the_default_ones_place() {
    let spec = read(serde_json::json!({"without": ["latency"], "rules": [
        {"name": "error_ratio", "metric": "error_ratio", "above": 0.5}]}))
    .unwrap();
    assert_eq!(spec.rules().filter(|name| *name == "error_ratio").count(), 1);
    assert!(spec.rules().all(|name| name != "latency"));
    let found = spec.rules.iter().find(|rule| rule.name == "error_ratio").unwrap();
    assert!(matches!(found.criterion, Criterion::Static { above: Some(0.5), .. }), "{found:?}");
}

#[test]
fn what_is_written_is_what_is_read() {
    let read = rule(serde_json::json!({
        "name": "vip", "metric": "recall", "class": "gold", "basis": "prediction_time", "window": "1d",
        "compare": "auto", "by": 0.05, "deviations": 3.0, "season": "week", "side": "both",
        "for": {"n": 2, "m": 4}, "recover": {"windows": 6}, "min_rows": 50, "severity": "minor",
        "segments": {"tag": "country", "value": "NL"}, "mute": {"reason": "new", "until": "2026-02-01T00:00:00Z"},
        "labels": {"team": "growth"}, "links": {"runbook": "https://example.org"},
        "documentation": "{metric} of {model}"}));
    let basis = crate::Basis::PredictionTime;
    let class = Some("gold".to_owned());
    assert_eq!(read.metric, Metric::Performance { name: "recall".to_owned(), class, basis });
    assert_eq!(read.policy, Policy { n: 2, m: 4, recover: 6 });
    assert_eq!(read.segments, Segments::Tag("country".to_owned(), Some("NL".to_owned())));
    let Criterion::Change(change) = &read.criterion else { panic!("{:?}", read.criterion) };
    assert_eq!((change.base, change.by, change.times, change.deviations), (Base::Normal, 0.05, 1.0, 3.0));
    let drift = rule(serde_json::json!({"name": "x", "metric": "drift", "for": "3"}));
    assert_eq!((drift.criterion, drift.policy.n, drift.policy.m), (Criterion::Verdict, 3, 3));
}
