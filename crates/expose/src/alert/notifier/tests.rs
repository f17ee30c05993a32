use std::sync::Mutex;

use driftline_evaluate::{AlertSeverity, EventAction};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::*;
use crate::alert::fixture::{at, event, opened, other, resolved};
use crate::alert::options::NotifyOptions;
use crate::alert::receiver::{Answer, Receiver, until};
use crate::publish::Delivery;

mod people;

type Told = Arc<Mutex<Vec<(u64, Delivery)>>>;

/// Fast enough for a test, with time enough to see the order of things.
const PACE: Pace = Pace {
    first: Duration::from_millis(40),
    longest: Duration::from_millis(160),
    longest_asked: Duration::from_secs(2),
    resend: Duration::from_millis(300),
};

/// A notifier whose clock the test sets.
struct Bench {
    notifier: Notifier,
    told: Told,
    clock: Arc<Mutex<EventTime>>,
}

impl Bench {
    fn start(toml: &str) -> Self {
        Self::with_brokers(toml, "")
    }

    fn with_brokers(toml: &str, brokers: &str) -> Self {
        let options: NotifyOptions = toml::from_str(toml).unwrap();
        let spec = NotifySpec::try_new(options, brokers, &BTreeMap::new(), &|_| None)
            .unwrap_or_else(|faults| panic!("{faults:#?}"));
        let clock = Arc::new(Mutex::new(at("10:00")));
        let told = Told::default();
        let (own_clock, own_told) = (Arc::clone(&clock), Arc::clone(&told));
        let notifier = Notifier::with_pace(
            spec,
            "/driftline/test",
            Arc::new(move || *own_clock.lock().unwrap()),
            Arc::new(move |number, delivery| own_told.lock().unwrap().push((number, delivery))),
            PACE,
        );
        Self { notifier: notifier.unwrap(), told, clock }
    }

    fn notify(&self, number: u64, sink: &str, event: &Arc<AlertEvent>) {
        self.notifier.notify(number, sink, Arc::clone(event)).unwrap();
    }

    fn told(&self) -> Vec<(u64, Delivery)> {
        self.told.lock().unwrap().clone()
    }

    #[track_caller]
    fn until_told(&self, count: usize) -> impl Future<Output = Vec<(u64, Delivery)>> {
        until(format!("{count} told"), move || Some(self.told()).filter(|told| told.len() >= count))
    }

    fn sink(&self, name: &str) -> SinkSnapshot {
        self.notifier.snapshot().into_iter().find(|sink| sink.sink == name).unwrap()
    }
}

fn sink(name: &str, kind: &str, url: &str, more: &str) -> String {
    format!("[[sinks]]\nname = {name:?}\nkind = {kind:?}\nurl = {url:?}\n{more}\n")
}

#[tokio::test]
async fn a_webhook_gets_cloud_events_in_order() {
    let receiver = Receiver::start([]).await;
    let url = format!("{}/hooks/s3cr3t?key=1", receiver.url);
    let more =
        "token = \"t0ken-t0ken\"\nheaders = { X-Team = \"ml\" }\nsigning_secret = \"sixteen bytes and more\"";
    let bench = Bench::start(&sink("hook", "webhook", &url, more));
    bench.notify(1, "hook", &opened());
    bench.notify(2, "hook", &resolved());
    assert_eq!(bench.until_told(2).await, [(1, Delivery::Delivered), (2, Delivery::Delivered)]);
    let seen = receiver.seen();
    assert_eq!(seen[0].uri.to_string(), "/hooks/s3cr3t?key=1");
    assert_eq!(seen[0].headers["content-type"], "application/cloudevents+json");
    assert_eq!(seen[0].headers["authorization"], "Bearer t0ken-t0ken");
    assert_eq!(seen[0].headers["x-team"], "ml");
    assert_eq!(seen[0].headers["webhook-id"], opened().id.as_str());
    assert_eq!(seen[0].headers["webhook-timestamp"], (at("10:00").as_millis() / 1_000).to_string().as_str());
    assert!(seen[0].headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
    let body = &seen[0].body;
    let event = opened();
    assert_eq!(body["specversion"], "1.0");
    assert_eq!(body["id"], event.id.as_str());
    assert_eq!(body["source"], "/driftline/test");
    assert_eq!(body["type"], "io.driftline.alert.v1");
    assert_eq!((&body["subject"], &body["time"]), (&json!("churn"), &json!("2026-01-05T10:00:00Z")));
    assert_eq!(body["dataschema"], driftline_evaluate::ALERT_EVENT_SCHEMA_ID);
    // What is sent is an event by the type that the schema is made of.
    assert_eq!(serde_json::from_value::<AlertEvent>(body["data"].clone()).unwrap(), *event);
    assert_eq!(seen[1].body["data"]["action"], "resolved");
    let snapshot = bench.sink("hook");
    assert_eq!((snapshot.connected, snapshot.waiting, snapshot.delivered), (Some(true), 0, 2));
}

#[tokio::test]
async fn what_fails_is_tried_again_with_pauses_and_what_is_refused_is_not() {
    let receiver = Receiver::start([500, 503, 408].map(Answer::Status)).await;
    let bench = Bench::start(&sink("hook", "webhook", &receiver.url, ""));
    bench.notify(1, "hook", &opened());
    bench.until_told(1).await;
    let seen = receiver.seen();
    assert_eq!(seen.len(), 4);
    let pauses: Vec<Duration> = seen.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(pauses[0] >= PACE.first / 2 && pauses[2] >= PACE.first * 2, "{pauses:?}");
    let snapshot = bench.sink("hook");
    assert_eq!((snapshot.failures, snapshot.refused, snapshot.connected), (3, 0, Some(true)));

    receiver.then(Answer::Page(410, "gone".into()));
    bench.notify(2, "hook", &resolved());
    bench.notify(3, "hook", &opened());
    let told = bench.until_told(3).await;
    assert_eq!(told[1..], [(2, Delivery::Refused), (3, Delivery::Delivered)]);
    let snapshot = bench.sink("hook");
    assert_eq!((snapshot.refused, snapshot.delivered, snapshot.waiting), (1, 2, 0));
    assert_eq!(snapshot.error.unwrap(), format!("{} answered 410 Gone: gone", receiver.url));
}

#[tokio::test]
async fn an_event_that_the_other_side_cannot_digest_lets_others_pass() {
    let receiver = Receiver::start([500, 500, 500].map(Answer::Status)).await;
    let bench = Bench::start(&sink("hook", "webhook", &receiver.url, ""));
    bench.notify(1, "hook", &opened());
    bench.notify(2, "hook", &other("other", EventAction::Opened, AlertSeverity::Minor, at("10:00")));
    bench.notify(3, "hook", &resolved());
    let told: Vec<u64> = bench.until_told(3).await.into_iter().map(|(number, _)| number).collect();
    assert_eq!(told, [2, 1, 3]);
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let receiver = Receiver::start([Answer::With(429, "retry-after", "1".into())]).await;
    let bench = Bench::start(&sink("hook", "webhook", &receiver.url, ""));
    bench.notify(1, "hook", &opened());
    bench.until_told(1).await;
    let seen = receiver.seen();
    let pause = seen[1].at - seen[0].at;
    assert!(pause >= Duration::from_secs(1), "{pause:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_or_closes_is_tried_again_and_a_slow_one_is_waited_for() {
    let slow = Answer::Slow(Duration::from_millis(150));
    let receiver = Receiver::start([Answer::Hang, slow]).await;
    let closing = Receiver::closing().await;
    let config = sink("hook", "webhook", &receiver.url, "timeout = \"400ms\"")
        + &sink("closing", "webhook", &closing.url, "");
    let bench = Bench::start(&config);
    bench.notify(1, "hook", &opened());
    bench.notify(2, "closing", &opened());
    assert_eq!(bench.until_told(1).await, [(1, Delivery::Delivered)]);
    assert_eq!(receiver.seen().len(), 2);
    let error = bench.sink("hook").error.unwrap();
    assert!(error.ends_with("no answer within 400ms"), "{error}");
    closing.requests(2).await;
    until("failures", || (bench.sink("closing").failures >= 2).then_some(())).await;
    assert_eq!(bench.sink("closing").connected, Some(false));
    assert_eq!(bench.told().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Receiver::start([]).await;
    let receiver = Receiver::start([Answer::With(307, "location", other.url.clone())]).await;
    let bench = Bench::start(&sink("hook", "webhook", &receiver.url, "token = \"t0ken-t0ken\""));
    bench.notify(1, "hook", &opened());
    bench.until_told(1).await;
    assert_eq!((receiver.seen().len(), other.seen().len()), (2, 0));
    assert!(bench.sink("hook").error.unwrap().contains("307"), "{:?}", bench.sink("hook"));
}

#[tokio::test]
async fn no_secret_is_in_what_is_shown() {
    let receiver = Receiver::start([]).await;
    let page = "no such hook: /services/T012/B345/xyzzyx?key=plugh12 with Bearer t0ken-t0ken and hunter2";
    receiver.then(Answer::Page(404, page.into()));
    let url = format!("{}/services/T012/B345/xyzzyx?key=plugh12", receiver.url);
    let more = "token = \"t0ken-t0ken\"\nheaders = { X-Key = \"hunter2\" }";
    let bench = Bench::start(&sink("hook", "webhook", &url, more));
    bench.notify(1, "hook", &opened());
    bench.until_told(1).await;
    let shown = format!("{:?} {:?}", bench.notifier.snapshot(), bench.notifier);
    assert!(shown.contains("404 Not Found: no such hook"), "{shown}");
    for secret in ["xyzzyx", "plugh12", "t0ken-t0ken", "hunter2"] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

#[tokio::test]
async fn a_dead_sink_delays_nobody_and_holds_no_more_than_it_may() {
    let dead = Receiver::start((0..10_000).map(|_| Answer::Status(503))).await;
    let live = Receiver::start([]).await;
    let bench =
        Bench::start(&(sink("dead", "webhook", &dead.url, "") + &sink("live", "webhook", &live.url, "")));
    let mut taken = 0;
    for number in 0..5_000 {
        if bench.notifier.notify(number, "dead", opened()).is_ok() {
            taken += 1;
        }
        if number % 100 == 0 {
            bench.notify(10_000 + number, "live", &opened());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert!((1_024..=1_400).contains(&taken), "{taken}");
    assert_eq!(bench.notifier.notify(1, "dead", opened()), Err(NotTaken::Full));
    assert_eq!(bench.notifier.notify(1, "gone", opened()), Err(NotTaken::UnknownSink));
    assert_eq!(bench.until_told(50).await.len(), 50);
    let snapshot = bench.sink("dead");
    assert_eq!((snapshot.waiting, snapshot.delivered), (taken, 0));
}

#[tokio::test]
async fn what_waits_is_sent_at_the_stop_but_not_waited_for_long() {
    let receiver = Receiver::start([Answer::Slow(Duration::from_millis(100))]).await;
    let hanging = Receiver::start((0..9).map(|_| Answer::Hang)).await;
    let config = sink("live", "webhook", &receiver.url, "") + &sink("hanging", "webhook", &hanging.url, "");
    let mut bench = Bench::start(&config);
    (1..=5).for_each(|number| bench.notify(number, "live", &opened()));
    bench.notify(6, "hanging", &opened());
    hanging.requests(1).await;
    let started = std::time::Instant::now();
    bench.notifier.finish(Duration::from_millis(600)).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let told = bench.told();
    assert_eq!(told, (1..=5).map(|number| (number, Delivery::Delivered)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_gets_lines_and_waits_for_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later/alerts.jsonl");
    let bench = Bench::start(&format!("[[sinks]]\nname = \"log\"\nkind = \"file\"\npath = {path:?}\n"));
    bench.notify(1, "log", &opened());
    bench.notify(2, "log", &resolved());
    until("a failure", || (bench.sink("log").failures > 0).then_some(())).await;
    std::fs::create_dir(folder.path().join("later")).unwrap();
    bench.until_told(2).await;
    let lines = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["type"], &lines[1]["data"]["action"]),
        (&json!("io.driftline.alert.v1"), &json!("resolved"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_gets_messages_by_model() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("alerts", 1, 1).unwrap();
    let config = "[[sinks]]\nname = \"topic\"\nkind = \"kafka\"\ntopic = \"alerts\"\n";
    let mut bench = Bench::with_brokers(config, &cluster.bootstrap_servers());
    bench.notify(1, "topic", &opened());
    bench.notify(2, "topic", &resolved());
    assert_eq!(bench.until_told(2).await, [(1, Delivery::Delivered), (2, Delivery::Delivered)]);
    let snapshot = bench.sink("topic");
    assert_eq!((snapshot.connected, snapshot.waiting, snapshot.delivered), (Some(true), 0, 2));
    bench.notifier.finish(Duration::from_secs(1)).await;

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset("alerts", 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let message = until("a message", || {
        consumer.poll(Duration::from_millis(50)).map(|message| message.unwrap().detach())
    })
    .await;
    assert_eq!(message.key(), Some(b"churn".as_slice()));
    assert_eq!(serde_json::from_slice::<AlertEvent>(message.payload().unwrap()).unwrap(), *opened());
    let headers = message.headers().unwrap();
    let header = |name: &str| {
        let found = headers.iter().find(|header| header.key == name).unwrap();
        String::from_utf8(found.value.unwrap().to_vec()).unwrap()
    };
    assert_eq!(header("ce_id"), opened().id);
    assert_eq!(header("ce_type"), "io.driftline.alert.v1");
    assert_eq!(header("content-type"), "application/json");
}
