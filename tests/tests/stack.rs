//! The stack, from the files of `deploy/`: an alert's way from a drift to whoever is told, and what is said when Driftline
//! itself is gone.
//!
//! Prints the times of that way; `docs/stack.md` has them.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use driftline_expose::METRICS;
use driftline_tests::census::project;
use driftline_tests::dashboards::{Allowed, Look, markdown, shown_in_time};
use driftline_tests::stack::{MODEL, Stack, Transcript, names_of};
use serde_json::Value;

/// Metrics of rules that this test does not see, and why.
const UNSEEN: &[(&str, &str)] = &[
    ("driftline_mae_low", "the simulated model is no regression"),
    ("driftline_mae_high", "the simulated model is no regression"),
];

/// Every rule evaluates, and every metric and label that it names is there.
async fn assert_rules_hold(stack: &Stack) {
    let mut last = BTreeSet::new();
    // Some are there only once something was delivered, or evaluated.
    for _ in 0..60 {
        last = missing(stack).await;
        if last.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(last.is_empty(), "{last:#?}");
}

/// What is wrong with rules, or not there.
async fn missing(stack: &Stack) -> BTreeSet<String> {
    let rules = stack.prometheus.rules().await;
    let mut missing = BTreeSet::new();
    let mut unseen: BTreeSet<&str> = UNSEEN.iter().map(|(metric, _)| *metric).collect();
    let mut there = BTreeMap::new();
    for rule in &rules {
        let (name, query) = (&rule["name"], rule["query"].as_str().unwrap());
        if rule["health"] != "ok" {
            missing.insert(format!("{name} is {}: {}", rule["health"], rule["lastError"]));
        }
        let names = names_of(query);
        assert!(!names.metrics.is_empty(), "{name} names no metric: {query}");
        let mut of_all = BTreeSet::new();
        for (metric, labels) in &names.metrics {
            let live = if unseen.remove(metric.as_str()) || UNSEEN.iter().any(|(known, _)| known == metric) {
                documented_labels(metric)
            } else {
                live_labels(stack, metric, &mut there).await
            };
            if live.is_empty() {
                missing.insert(metric.clone());
            }
            missing.extend(labels.difference(&live).map(|label| format!("{metric}{{{label}}}")));
            of_all.extend(live);
        }
        missing.extend(names.grouped.difference(&of_all).map(|label| format!("{name} by {label}")));
    }
    missing.extend(unseen.iter().map(|metric| format!("{metric} is in UNSEEN and in no rule")));
    if !rules.iter().any(|rule| rule["name"] == "DriftlineIncident") {
        missing.insert("the rules of incidents.yml".to_owned());
    }
    println!(
        "{} rules, {} metrics that they name, {} of these missing",
        rules.len(),
        there.len(),
        missing.len()
    );
    missing
}

/// The labels of a metric that Prometheus has scraped, or recorded.
async fn live_labels(
    stack: &Stack,
    metric: &str,
    there: &mut BTreeMap<String, BTreeSet<String>>,
) -> BTreeSet<String> {
    if let Some(known) = there.get(metric) {
        return known.clone();
    }
    let series = stack.prometheus.series(metric).await;
    let labels: BTreeSet<String> =
        series.iter().filter_map(Value::as_object).flat_map(|one| one.keys().cloned()).collect();
    there.insert(metric.to_owned(), labels.clone());
    labels
}

/// The labels that a metric has by the catalogue, once it is scraped.
fn documented_labels(metric: &str) -> BTreeSet<String> {
    let Some(documented) = METRICS.iter().find(|one| one.name == metric) else { return BTreeSet::new() };
    documented.labels.iter().copied().chain(["job", "instance"]).map(str::to_owned).collect()
}

/// Queries of dashboards that this test sees no series of, and why.
const EMPTY: &[Allowed] = &[
    Allowed {
        dashboard: "driftline",
        panel: "Journal writes",
        legend: "*",
        reason: "events come from Kafka, and the journal is for those over HTTP",
    },
    Allowed {
        dashboard: "driftline",
        panel: "Prometheus alerts",
        legend: "*",
        reason: "the service was well so far",
    },
    Allowed { dashboard: "host", panel: "Prometheus alerts", legend: "*", reason: "the machine may be well" },
];

/// Every query of every dashboard gives series. Prints how many; `docs/dashboards.md` has them.
async fn assert_dashboards_show(stack: &Stack) {
    let how = Look {
        prometheus: &stack.prometheus.api.url,
        deploy: &project().join("deploy"),
        chosen: &[("window", "5m")],
        rate_interval: "10s",
        range: Duration::from_secs(600),
    };
    let shown = shown_in_time(&how, EMPTY, Duration::from_secs(120)).await;
    println!("{}", markdown(&shown));
}

/// Something of each kind that a healthy stack has none of.
async fn post_what_is_refused(stack: &Stack) {
    stack.driftline.post("/v1/predictions", "application/x-ndjson", "nonsense\n").await;
    stack.driftline.post("/v1/predictions", "application/vnd.apache.arrow.stream", "nonsense\n").await;
}

/// A drift is told, and that it is over.
async fn a_drift_is_told(stack: &mut Stack, told: &Transcript) {
    let since = Instant::now();
    stack.scenario("covariate-shift", true);
    told.say("the drift begins: monthly_charges is one standard deviation higher");
    stack.wait_for_alert("DriftlineFeatureDrift", "pending").await;
    told.say("Prometheus: DriftlineFeatureDrift is pending");
    let labels = stack.wait_for_alert("DriftlineFeatureDrift", "firing").await;
    told.say("Prometheus: DriftlineFeatureDrift fires");
    assert_eq!((&labels["model"], &labels["severity"]), (&Value::from(MODEL), &Value::from("info")));
    let found = stack
        .wait_for("Alertmanager to have it", || async {
            let alerts = stack.alertmanager.alerts().await;
            alerts.into_iter().find(|alert| alert["labels"]["alertname"] == "DriftlineFeatureDrift")
        })
        .await;
    told.say("Alertmanager has it");
    assert_eq!(found["receivers"][0]["name"], "digest", "{found}");
    let message = stack.wait_for_message("DriftlineFeatureDrift", "firing", since).await;
    told.say_at(message.at, "the receiver is told");
    assert_eq!(message.body["groupLabels"], serde_json::json!({"model": MODEL, "tier": "model"}));
    let alert = message.alerts().next().unwrap();
    let description = alert["annotations"]["description"].as_str().unwrap();
    assert!(description.contains("monthly_charges"), "it says which feature: {description}");
    // Both windows drift, and are one message.
    let both = stack
        .wait_for("one message of both windows", || async {
            let messages = stack.inbox.messages();
            messages.into_iter().find(|message| {
                let windows: BTreeSet<&str> = message
                    .alerts()
                    .filter(|alert| alert["labels"]["alertname"] == "DriftlineFeatureDrift")
                    .filter_map(|alert| alert["labels"]["window"].as_str())
                    .collect();
                windows == ["15m", "5m"].into()
            })
        })
        .await;
    told.say_at(both.at, "both windows, 5m and 15m, are in one message");
    stack.scenario("covariate-shift", false);
    let healthy = Instant::now();
    told.say("the drift ends");
    stack.wait_until_over("DriftlineFeatureDrift").await;
    told.say("Prometheus: DriftlineFeatureDrift is over");
    let over = stack
        .wait_for("the inbox to be told that all of it is over", || async {
            stack.inbox.messages().into_iter().find(|message| {
                let mut alerts = message.alerts();
                message.at >= healthy
                    && message.body["status"] == "resolved"
                    && alerts.any(|alert| alert["labels"]["alertname"] == "DriftlineFeatureDrift")
            })
        })
        .await;
    told.say_at(over.at, "the receiver is told that all of it is over");
}

/// What is told while Driftline is down, and what is not.
async fn its_own_death_is_told_and_mutes_its_models(stack: &mut Stack, told: &Transcript) {
    // The shift was out of the reference's range too, which is another alert.
    stack.wait_until_over("DriftlineDataQuality").await;
    let since = Instant::now();
    stack.scenario("broken-upstream", true);
    told.say("another fault begins: data_gb is null in 90 % of the predictions");
    stack.wait_for_alert("DriftlineDataQuality", "firing").await;
    told.say("Prometheus: DriftlineDataQuality fires");
    let message = stack.wait_for_message("DriftlineDataQuality", "firing", since).await;
    told.say_at(message.at, "the receiver is told");
    let attachment = stack
        .wait_for("the message as Slack gets it", || async {
            let messages = stack.inbox.messages().into_iter();
            let mut to_slack = messages.filter(|message| message.path == "/slack" && message.at >= since);
            to_slack.find_map(|message| {
                let attachment = &message.body["attachments"][0];
                attachment["text"].as_str()?.contains("data_gb").then(|| attachment.clone())
            })
        })
        .await;
    let text = attachment["text"].as_str().unwrap();
    for wanted in ["/docs/runbooks/DriftlineDataQuality.md", "/d/driftline-model?var-model=churn"] {
        assert!(text.contains(wanted), "Slack's message has no {wanted}: {text}");
    }
    assert!(attachment["title"].as_str().unwrap().contains(MODEL), "{attachment}");

    let since = Instant::now();
    stack.driftline.stop();
    told.say("Driftline is stopped");
    stack.wait_for_alert("DriftlineDown", "firing").await;
    told.say("Prometheus: DriftlineDown fires");
    let message = stack.wait_for_message("DriftlineDown", "firing", since).await;
    told.say_at(message.at, "the receiver is told");
    let muted = stack
        .wait_for("the alerts of its models to be muted", || async {
            let alerts = stack.alertmanager.alerts().await;
            let of_models: Vec<Value> =
                alerts.into_iter().filter(|alert| alert["labels"]["tier"] == "model").collect();
            let muted = |alert: &Value| !alert["status"]["inhibitedBy"].as_array().unwrap().is_empty();
            (!of_models.is_empty() && of_models.iter().all(muted)).then_some(of_models.len())
        })
        .await;
    let down = Instant::now();
    told.say(&format!("Alertmanager: the {muted} alerts of its models are muted"));

    stack.driftline.start().await;
    told.say("Driftline is started again");
    stack.wait_until_over("DriftlineDown").await;
    told.say("Prometheus: DriftlineDown is over");
    let message = stack.wait_for_message("DriftlineDown", "resolved", down).await;
    told.say_at(message.at, "the receiver is told that it is over");
    let said = stack.inbox.messages().into_iter().any(|one| {
        one.at >= down && one.at <= message.at && one.alerts().any(|alert| alert["labels"]["tier"] == "model")
    });
    assert!(!said, "nobody was told of models while Driftline was down");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_gets_from_a_drift_to_the_receiver_and_driftline_is_missed_when_it_is_gone() {
    let told = Transcript::default();
    let mut stack = Stack::start().await;
    told.say("the stack is up, traffic is on");
    post_what_is_refused(&stack).await;
    stack
        .wait_for("what is usual to be known", || async {
            stack.prometheus.value("count(driftline:performance:shortfall)").await
        })
        .await;
    told.say("what is usual is known");
    let early = stack.prometheus.alerts().await;
    let of_models: Vec<&Value> = early.iter().filter(|alert| alert["labels"]["tier"] == "model").collect();
    assert!(of_models.is_empty(), "a healthy model is quiet: {of_models:#?}");
    a_drift_is_told(&mut stack, &told).await;
    // The model has run for a while, drifted and recovered, and traffic is on: whatever looks at a whole stack has its
    // place here, with `stack.prometheus`.
    assert_rules_hold(&stack).await;
    assert_dashboards_show(&stack).await;
    its_own_death_is_told_and_mutes_its_models(&mut stack, &told).await;
}
