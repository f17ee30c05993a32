use std::collections::BTreeMap;

use driftline_evaluate::{AlertSeverity, AlertState, Mute};
use serde_json::{Value, json};

use super::labels::alert_name;
use super::*;
use crate::alert::fixture::{at, drift, event, incident, opened, performance, resolved};
use crate::alert::options::SinkKind;
use crate::alert::receiver::{Answer, Receiver, until};
use crate::alert::secret::{Secret, SecretOptions};
use crate::publish::Delivery;

mod real;

const PACE: Pace = Pace {
    first: Duration::from_millis(40),
    longest: Duration::from_millis(160),
    longest_asked: Duration::from_secs(2),
    resend: Duration::from_millis(250),
};

/// A sink on its own.
struct Bench {
    sink: Alertmanagers,
    ledger: Arc<Ledger>,
    told: Arc<Mutex<Vec<(u64, Delivery)>>>,
    clock: Arc<Mutex<EventTime>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Bench {
    fn start(urls: &[&str]) -> Self {
        let clock = Arc::new(Mutex::new(at("10:00")));
        let own = Arc::clone(&clock);
        Self::with_clock(urls, clock, Arc::new(move || *own.lock().unwrap()))
    }

    fn with_clock(urls: &[&str], clock: Arc<Mutex<EventTime>>, now: AlertClock) -> Self {
        let endpoint = |url: &&str| {
            let url = Secret::read(&SecretOptions::from(*url), &|_| None).unwrap();
            Endpoint::try_new(&url).unwrap().with_path("/api/v2/alerts").unwrap()
        };
        let endpoints: Vec<Endpoint> = urls.iter().map(endpoint).collect();
        let told = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&told);
        let on_delivery = Arc::new(move |number, delivery| own.lock().unwrap().push((number, delivery)));
        let ledger = Arc::new(Ledger::new("am", SinkKind::Alertmanager, on_delivery));
        let stop = CancellationToken::new();
        let settings = Settings {
            sink: "am".into(),
            timeout: Duration::from_secs(1),
            clock: now,
            pace: PACE,
            stop: stop.clone(),
        };
        let mut tasks = JoinSet::new();
        let sink = Alertmanagers::start(&endpoints, &settings, Arc::clone(&ledger), &mut tasks).unwrap();
        Self { sink, ledger, told, clock, stop, tasks }
    }

    fn told(&self) -> Vec<(u64, Delivery)> {
        self.told.lock().unwrap().clone()
    }

    #[track_caller]
    fn until_told(&self, count: usize) -> impl Future<Output = Vec<(u64, Delivery)>> {
        until(format!("{count} told"), move || Some(self.told()).filter(|told| told.len() >= count))
    }
}

fn named<'a>(body: &'a Value, name: &str) -> &'a Value {
    let alerts = body.as_array().unwrap();
    alerts.iter().find(|alert| alert["labels"]["alertname"] == name).unwrap_or_else(|| panic!("{body:#}"))
}

#[tokio::test]
async fn what_fires_is_told_again_and_again_and_so_is_its_end() {
    let receiver = Receiver::start([]).await;
    let bench = Bench::start(&[&format!("{}/prefix/", receiver.url)]);
    assert!(bench.sink.notify(1, &opened()));
    assert_eq!(bench.until_told(1).await, [(1, Delivery::Delivered)]);
    let seen = receiver.requests(3).await;
    assert_eq!(seen[0].uri, "/prefix/api/v2/alerts");
    assert_eq!(seen[0].headers["content-type"], "application/json");
    let pause = seen[2].at - seen[1].at;
    assert!(pause >= PACE.resend - Duration::from_millis(20), "{pause:?}");
    let alert = named(&seen[0].body, "DriftlinePerformanceDrop");
    let labels = json!({
        "alertname": "DriftlinePerformanceDrop", "model": "churn", "version": "3", "severity": "critical",
        "segment_country": "NL", "team": "risk", "cost_centre": "7"
    });
    assert_eq!(alert["labels"], labels);
    assert_eq!(alert["startsAt"], "2026-01-05T09:00:00Z");
    assert_eq!(alert["endsAt"], "2026-01-05T10:04:00Z");
    assert_eq!(alert["generatorURL"], "https://grafana.example.com/d/driftline?var-model=churn");
    let annotations = &alert["annotations"];
    assert_eq!(annotations["summary"], performance().summary.as_str());
    assert_eq!(annotations["runbook_url"], "https://wiki.example.com/runbooks/accuracy?a=1&b=2");
    assert_eq!(annotations["dashboard_url"], alert["generatorURL"]);
    assert!(annotations["description"].as_str().unwrap().starts_with("accuracy 0.8512 (95 % interval"));
    assert!(annotations["causes"].as_str().unwrap().starts_with("income: above 84,000: 10 % -> 2 %; plan: "));
    assert_eq!(named(&seen[0].body, "DriftlineFeatureDrift")["labels"]["severity"], "info");

    *bench.clock.lock().unwrap() = at("12:30");
    assert!(bench.sink.notify(2, &resolved()));
    bench.until_told(2).await;
    let ended = receiver.seen().last().unwrap().body.clone();
    assert_eq!(named(&ended, "DriftlinePerformanceDrop")["endsAt"], "2026-01-05T12:30:00Z");
    // A quarter of an hour long, with the same end.
    *bench.clock.lock().unwrap() = at("12:45");
    let count = receiver.seen().len();
    let seen = receiver.requests(count + 2).await;
    assert_eq!(named(&seen[count + 1].body, "DriftlinePerformanceDrop")["endsAt"], "2026-01-05T12:30:00Z");
    *bench.clock.lock().unwrap() = at("12:46");
    tokio::time::sleep(PACE.resend).await;
    let count = receiver.seen().len();
    tokio::time::sleep(PACE.resend * 3).await;
    assert_eq!(receiver.seen().len(), count);
}

#[tokio::test]
async fn each_instance_is_told_and_one_that_is_down_holds_up_nobody() {
    let (one, two) = (Receiver::start([]).await, Receiver::start([Answer::Hang, Answer::Status(500)]).await);
    let bench = Bench::start(&[&one.url, "http://127.0.0.1:9", &two.url]);
    assert!(bench.sink.notify(1, &opened()));
    assert_eq!(bench.until_told(1).await, [(1, Delivery::Delivered)]);
    let snapshot = until("a failure", || {
        Some(bench.ledger.snapshot()).filter(|snapshot| snapshot.connected == Some(false))
    });
    let snapshot = snapshot.await;
    assert_eq!((snapshot.waiting, snapshot.delivered), (0, 1));
    assert!(snapshot.error.unwrap().starts_with("http://127.0.0.1:9: "));
    let (seen, late) = (one.requests(2).await, two.requests(3).await);
    assert_eq!(seen[0].body, late[2].body);
}

#[tokio::test]
async fn what_no_instance_takes_is_refused() {
    let (one, two) = (Receiver::start([]).await, Receiver::start([]).await);
    (0..99)
        .for_each(|_| [&one, &two].into_iter().for_each(|am| am.then(Answer::Page(400, "bad label".into()))));
    let bench = Bench::start(&[&one.url, &two.url]);
    assert!(bench.sink.notify(1, &opened()));
    assert_eq!(bench.until_told(1).await, [(1, Delivery::Refused)]);
    let snapshot = bench.ledger.snapshot();
    assert_eq!((snapshot.refused, snapshot.waiting), (1, 0));
    assert!(snapshot.error.unwrap().ends_with("answered 400 Bad Request: bad label"));
}

#[tokio::test]
async fn a_request_has_no_more_than_256_alerts() {
    let receiver = Receiver::start([]).await;
    let bench = Bench::start(&[&receiver.url]);
    let mut event = event(EventAction::Opened, at("10:00"));
    event.incident.alerts = (0..600)
        .map(|index| {
            let mut alert = drift();
            alert.segment = BTreeMap::from([("user group".to_owned(), index.to_string())]);
            alert
        })
        .collect();
    assert!(bench.sink.notify(1, &event));
    bench.until_told(1).await;
    let sizes: Vec<usize> = receiver.bodies().iter().map(|body| body.as_array().unwrap().len()).collect();
    assert_eq!(sizes[..3], [256, 256, 88]);
    assert_eq!(receiver.bodies()[0][0]["labels"]["segment_user_group"], "0");
}

#[tokio::test]
async fn the_active_set_is_taken_up_again_and_what_waits_is_sent_at_the_stop() {
    let receiver = Receiver::start([]).await;
    let mut bench = Bench::start(&[&receiver.url]);
    bench.sink.restore(&incident());
    let seen = receiver.requests(1).await;
    assert_eq!(seen[0].body.as_array().unwrap().len(), 2);
    assert_eq!(bench.ledger.snapshot().connected, Some(true));
    assert!(bench.sink.notify(1, &resolved()));
    bench.stop.cancel();
    while bench.tasks.join_next().await.is_some() {}
    assert_eq!(bench.told(), [(1, Delivery::Delivered)]);
    let last = receiver.seen().last().unwrap().body.clone();
    assert_eq!(named(&last, "DriftlineFeatureDrift")["endsAt"], "2026-01-05T10:00:00Z");
}

#[test]
fn the_active_set_follows_the_incident() {
    let mut active = ActiveSet::default();
    let ends = |active: &mut ActiveSet, now: EventTime| -> BTreeMap<String, String> {
        let of = |alert: &Value, key: &str| alert[key].as_str().unwrap().to_owned();
        let name = |alert: &Value| {
            format!("{} {}", of(&alert["labels"], "alertname"), of(&alert["labels"], "severity"))
        };
        active.alerts(now).iter().map(|alert| (name(alert), of(alert, "endsAt"))).collect()
    };
    let (drop, feature) = ("DriftlinePerformanceDrop critical", "DriftlineFeatureDrift info");
    let mut now_is = incident();
    active.apply(&now_is, at("10:00"));
    assert_eq!(ends(&mut active, at("10:01"))[drop], "2026-01-05T10:05:00Z");
    // Its severity rose: to Alertmanager that is another alert, and the first has ended.
    now_is.alerts[1].severity = AlertSeverity::Major;
    active.apply(&now_is, at("10:02"));
    let told = ends(&mut active, at("10:03"));
    assert_eq!(told[feature], "2026-01-05T10:02:00Z");
    assert_eq!(told["DriftlineFeatureDrift warning"], "2026-01-05T10:07:00Z");
    // Muted: nobody is to be told on.
    now_is.alerts[0].mute = Some(Mute { reason: "known".into(), until: None });
    active.apply(&now_is, at("10:04"));
    active.apply(&now_is, at("10:05"));
    assert_eq!(ends(&mut active, at("10:06"))[drop], "2026-01-05T10:04:00Z");
    // Pending ones were never told.
    let mut pending = drift();
    (pending.rule, pending.state) = ("later".into(), AlertState::Pending);
    now_is.alerts.push(pending);
    active.apply(&now_is, at("10:07"));
    assert_eq!(ends(&mut active, at("10:07")).len(), 3);
    // What is long over is forgotten, and not taken up again.
    assert_eq!(ends(&mut active, at("10:30")).len(), 1);
    now_is.alerts[0].mute = None;
    now_is.alerts[0].state = AlertState::Resolved;
    now_is.alerts[0].ended = Some(at("10:04"));
    active.apply(&now_is, at("10:31"));
    assert_eq!(ends(&mut active, at("10:31")).len(), 1);
}

#[test]
fn names_are_those_of_prometheus() {
    assert_eq!(alert_name("feature-drift"), "DriftlineFeatureDrift");
    assert_eq!(alert_name("p99 latency/eu"), "DriftlineP99LatencyEu");
    assert_eq!(alert_name(""), "Driftline");
    let mut alert = performance();
    alert.labels = ["severity", "model", "__name__", "9lives", "é", "a-b", "a_b", "empty"]
        .map(|name| (name.to_owned(), if name == "empty" { String::new() } else { format!("own {name}") }))
        .into();
    alert.version.clear();
    let labels = labels::labels(&incident(), &alert);
    let names: Vec<&str> = labels.keys().map(String::as_str).collect();
    let expected = ["_9lives", "a_b", "alertname", "label", "model", "name__", "segment_country", "severity"];
    assert_eq!(names, expected);
    assert_eq!((labels["severity"].as_str(), labels["a_b"].as_str()), ("critical", "own a-b"));
}
