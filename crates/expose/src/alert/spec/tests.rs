use driftline_evaluate::{AlertSeverity, Mute};

use super::*;
use crate::alert::fixture::{at, event, incident, opened};

fn spec(toml: &str) -> Result<NotifySpec, Vec<String>> {
    let options: NotifyOptions = toml::from_str(toml).map_err(|error| vec![error.to_string()])?;
    let env = |name: &str| match name {
        "HOOK" => Some("https://example.com/hook/s3cr3t-path".to_owned()),
        "SIGNING" => Some("s3cr3t-s3cr3t-s3cr3t".to_owned()),
        "SMTP" => Some("s3cr3t".to_owned()),
        _ => None,
    };
    NotifySpec::try_new(options, "localhost:9092", &BTreeMap::new(), &env)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

#[test]
fn every_kind_can_be_written() {
    let spec = spec(include_str!("../sinks.toml")).unwrap();
    let kinds: Vec<_> = spec.sinks().map(|(name, kind)| format!("{name} {kind}")).collect();
    let expected = [
        "log file",
        "terminal stdout",
        "hook webhook",
        "alertmanager alertmanager",
        "topic kafka",
        "slack slack",
        "discord discord",
        "teams teams",
        "mail email",
    ];
    assert_eq!(kinds, expected);
    let shown = format!("{spec:?}");
    for secret in ["s3cr3t", "t0ken"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn all_faults_are_found_each_with_its_place() {
    let faults = spec(
        r#"
        [[sinks]]
        name = "a b"
        kind = "slack"
        path = "x"
        topic = "y"
        timeout = "1h"
        signing_secret = "z"
        [[sinks]]
        name = "twice"
        kind = "file"
        [[sinks]]
        name = "twice"
        kind = "webhook"
        url = { env = "NOT_SET" }
        [[sinks]]
        name = "url"
        kind = "discord"
        url = "ftp://example.com/s3cr3t"
        quiet_hours = { from = "25:00", to = "x", offset = "1" }
        [[sinks]]
        name = "user"
        kind = "webhook"
        url = "https://me:s3cr3t@example.com"
        [[sinks]]
        name = "signed"
        kind = "webhook"
        url = "https://example.com"
        signing_secret = "s3cr3t"
        [[sinks]]
        name = "am"
        kind = "alertmanager"
        urls = ["http://a/prefix/", "http://a2", "http://b/?x=1", "nonsense"]
        headers = { Host = "x", "not a header" = "y", Authorization = "Basic eDp5" }
        token = "t"
        [[sinks]]
        name = "none"
        kind = "alertmanager"
        [[sinks]]
        name = "topic"
        kind = "kafka"
        topic = "no topic"
        [[routes]]
        models = ["a[", "b*"]
        sinks = ["twice", "nobody"]
        "#,
    )
    .unwrap_err();
    let places: Vec<&str> = faults.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
    let expected = [
        "sinks[0].name",
        "sinks[0].path",
        "sinks[0].signing_secret",
        "sinks[0].topic",
        "sinks[0].url",
        "sinks[0].timeout",
        "sinks[1].path",
        "sinks[2].name",
        "sinks[2].url",
        "sinks[3].url",
        "sinks[3].quiet_hours.from",
        "sinks[3].quiet_hours.to",
        "sinks[3].quiet_hours.offset",
        "sinks[4].url",
        "sinks[5].signing_secret",
        "sinks[6].headers.Authorization",
        "sinks[6].headers.Host",
        "sinks[6].headers.not a header",
        "sinks[6].urls[2]",
        "sinks[6].urls[3]",
        "sinks[7].urls",
        "sinks[8].topic",
        "routes[0].models[0]",
        "routes[0].sinks[1]",
    ];
    assert_eq!(places, expected, "{faults:#?}");
    assert!(faults.iter().all(|fault| !fault.contains("s3cr3t")), "{faults:#?}");
    assert!(spec("[[sinks]]\nname = \"a\"\nkind = \"slack\"\nurls = 1").is_err());
    assert!(spec("[[sinks]]\nname = \"a\"\nkind = \"stdout\"\nuri = \"x\"").is_err());
    assert!(spec("[[sinks]]\nname = \"a\"\nkind = \"pager\"").is_err());
}

const SINKS: &str = r#"
    [[sinks]]
    name = "pager"
    kind = "stdout"
    [[sinks]]
    name = "chat"
    kind = "stdout"
    [[sinks]]
    name = "log"
    kind = "stdout"
"#;

fn told(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn without_routes_everybody_hears_everything() {
    let spec = spec(SINKS).unwrap();
    assert_eq!(spec.route(&opened(), &told(&[])), ["pager", "chat", "log"]);
}

#[test]
fn the_first_route_that_fits_has_it_unless_it_goes_on() {
    let routes = r#"
        [[routes]]
        sinks = ["log"]
        continue = true
        [[routes]]
        models = ["churn", "fraud-*"]
        severity = "critical"
        sinks = ["pager"]
        [[routes]]
        labels = { team = "risk" }
        sinks = ["chat"]
    "#;
    let spec = spec(&format!("{SINKS}{routes}")).unwrap();
    let route = |model: &str, severity, has_label: bool| {
        let mut event = (*opened()).clone();
        event.incident.model = model.to_owned();
        event.incident.severity = severity;
        if !has_label {
            event.incident.alerts.iter_mut().for_each(|alert| alert.labels.clear());
        }
        spec.route(&event, &told(&[])).join(" ")
    };
    assert_eq!(route("churn", AlertSeverity::Critical, true), "pager log");
    assert_eq!(route("fraud-eu", AlertSeverity::Critical, false), "pager log");
    assert_eq!(route("churn-2", AlertSeverity::Critical, true), "chat log");
    assert_eq!(route("churn", AlertSeverity::Major, true), "chat log");
    assert_eq!(route("churn", AlertSeverity::Major, false), "log");
}

#[test]
fn who_was_told_hears_how_it_ends() {
    let spec = spec(&format!("{SINKS}[[routes]]\nseverity = \"critical\"\nsinks = [\"pager\"]\n")).unwrap();
    let mut resolved = event(EventAction::Resolved, at("12:00"));
    assert_eq!(spec.route(&resolved, &told(&["chat"])), ["pager", "chat"]);
    resolved.incident.severity = AlertSeverity::Minor;
    assert_eq!(spec.route(&resolved, &told(&["chat"])), ["chat"]);
    assert_eq!(spec.route(&resolved, &told(&[])), Vec::<&str>::new());
}

#[test]
fn nobody_is_told_of_what_is_muted_but_that_it_is_over() {
    let spec = spec(SINKS).unwrap();
    let mute = |mut event: AlertEvent, count: usize| {
        for alert in event.incident.alerts.iter_mut().take(count) {
            alert.mute = Some(Mute { reason: "known".into(), until: None });
        }
        event
    };
    let updated = || event(EventAction::Updated, at("11:00"));
    assert_eq!(spec.route(&mute(updated(), 2), &told(&["chat"])), Vec::<&str>::new());
    assert_eq!(spec.route(&mute(updated(), 1), &told(&[])).len(), 3);
    let resolved = mute(event(EventAction::Resolved, at("12:00")), 2);
    assert_eq!(spec.route(&resolved, &told(&["chat"])), ["chat"]);
    assert_eq!(incident().alerts.len(), 2);
}
