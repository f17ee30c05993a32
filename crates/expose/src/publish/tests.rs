use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use driftline_evaluate::WindowReport;
use driftline_events::EventTime;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message as _, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::*;
use crate::fixture;

type Told = Arc<Mutex<Vec<(u64, Delivery)>>>;

fn broker() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("reports", 1, 1).unwrap();
    cluster
}

fn publisher(cluster: &MockCluster<'static, DefaultProducerContext>) -> (Publisher, Told) {
    let properties = [("reconnect.backoff.max.ms", "200"), ("retry.backoff.max.ms", "200")];
    let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let options = PublishOptions { topic: "reports".to_owned() };
    let spec = PublishSpec::try_new(options, &cluster.bootstrap_servers(), properties).unwrap();
    let told = Told::default();
    let own = Arc::clone(&told);
    let on_delivery: OnDelivery =
        Box::new(move |number, delivery| own.lock().unwrap().push((number, delivery)));
    (Publisher::start(&spec, on_delivery).unwrap(), told)
}

fn message(value: &str) -> Message {
    Message { topic: "reports".into(), key: "churn".into(), value: value.into(), headers: Vec::new() }
}

fn stop(mut publisher: Publisher, patience: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(publisher.finish(patience));
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: it never came to be so");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn read(cluster: &MockCluster<'static, DefaultProducerContext>, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "reader")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset("reports", 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let mut messages = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    while messages.len() < count && Instant::now() < deadline {
        if let Some(message) = consumer.poll(Duration::from_millis(50)) {
            messages.push(message.unwrap().detach());
        }
    }
    messages
}

fn values(messages: &[OwnedMessage]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8(message.payload().unwrap().to_vec()).unwrap()).collect()
}

fn report() -> WindowReport {
    serde_json::from_value(fixture::report()).unwrap()
}

#[test]
fn a_report_is_an_event_with_a_stable_id() {
    let time = EventTime::parse("2026-01-01T01:02:03Z").unwrap();
    let of = |report: &WindowReport| window_report_message("reports", report, "/driftline", time);
    let first = of(&report());
    let header = |message: &Message, name: &str| {
        message.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!(header(&first, "ce_type"), "io.driftline.window_report.v1");
    assert_eq!(header(&first, "ce_time"), "2026-01-01T01:02:03Z");
    assert_eq!((first.key.as_str(), header(&first, "content-type").as_str()), ("churn", "application/json"));
    assert_eq!(serde_json::from_slice::<WindowReport>(&first.value).unwrap(), report());
    let id = header(&first, "ce_id");
    assert_eq!(header(&of(&report()), "ce_id"), id);
    let changes: [fn(&mut WindowReport); 6] = [
        |report| report.revision += 1,
        |report| report.model = "other".into(),
        |report| report.version = "4".into(),
        |report| report.window.name = "2h".into(),
        |report| report.window.end = EventTime::from_millis(0),
        |report| drop(report.segment.insert("country".into(), "BE".into())),
    ];
    for change in changes {
        let mut other = report();
        change(&mut other);
        assert_ne!(header(&of(&other), "ce_id"), id);
    }
}

#[test]
fn messages_arrive_in_order_and_are_told_of() {
    let cluster = broker();
    let (publisher, told) = publisher(&cluster);
    let time = EventTime::from_millis(0);
    publisher.publish(1, window_report_message("reports", &report(), "/driftline", time)).unwrap();
    for number in 2..=500 {
        publisher.publish(number, message(&number.to_string())).unwrap();
    }
    until("deliveries", || told.lock().unwrap().len() == 500);
    let expected: Vec<_> = (1..=500).map(|number| (number, Delivery::Delivered)).collect();
    assert_eq!(*told.lock().unwrap(), expected);
    let messages = read(&cluster, 500);
    let header = messages[0].headers().unwrap().iter().find(|header| header.key == "ce_type").unwrap();
    assert_eq!(header.value, Some(WINDOW_REPORT_TYPE.as_bytes()));
    assert_eq!(values(&messages[1..]), (2..=500).map(|number| number.to_string()).collect::<Vec<_>>());
    let PublishSnapshot { connected, waiting, delivered, failures, .. } = publisher.snapshot();
    assert_eq!((connected, waiting, delivered, failures), (Some(true), 0, 500, 0));
    stop(publisher, Duration::from_secs(1));
}

#[test]
fn a_broker_that_is_away_or_refuses_is_tried_again_in_order() {
    let cluster = broker();
    cluster.broker_down(-1).unwrap();
    let (publisher, told) = publisher(&cluster);
    (1..=10).for_each(|number| publisher.publish(number, message(&number.to_string())).unwrap());
    until("away", || publisher.snapshot().connected == Some(false));
    assert_eq!((publisher.snapshot().waiting, told.lock().unwrap().len()), (10, 0));
    cluster.broker_up(-1).unwrap();
    until("deliveries", || told.lock().unwrap().len() == 10);
    // Refused once: told as failed, and sent again after a pause.
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::Produce, &[refusal]);
    (11..=20).for_each(|number| publisher.publish(number, message(&number.to_string())).unwrap());
    until("more deliveries", || told.lock().unwrap().len() == 20);
    assert!(publisher.snapshot().failures > 0, "{:?}", publisher.snapshot());
    assert_eq!(values(&read(&cluster, 20)), (1..=20).map(|number| number.to_string()).collect::<Vec<_>>());
    stop(publisher, Duration::from_secs(1));
}

#[test]
fn what_no_broker_takes_is_left_out() {
    let cluster = broker();
    let (publisher, told) = publisher(&cluster);
    publisher.publish(1, message("a")).unwrap();
    publisher.publish(2, message(&"x".repeat(65 << 20))).unwrap();
    publisher.publish(3, message("c")).unwrap();
    until("word of all", || told.lock().unwrap().len() == 3);
    let mut told = told.lock().unwrap().clone();
    told.sort_by_key(|(number, _)| *number);
    assert_eq!(told, [(1, Delivery::Delivered), (2, Delivery::Refused), (3, Delivery::Delivered)]);
    assert_eq!(values(&read(&cluster, 2)), ["a", "c"]);
    assert_eq!((publisher.snapshot().refused, publisher.snapshot().waiting), (1, 0));
    stop(publisher, Duration::from_secs(1));
}

#[test]
fn stopping_waits_no_longer_than_it_is_told() {
    let cluster = broker();
    cluster.broker_down(-1).unwrap();
    let (publisher, told) = publisher(&cluster);
    publisher.publish(1, message("a")).unwrap();
    let started = Instant::now();
    stop(publisher, Duration::from_millis(100));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(told.lock().unwrap().len(), 0);
}

#[test]
fn options_are_checked_and_secrets_not_shown() {
    let errors = PublishSpec::try_new(PublishOptions { topic: "a b".into() }, " ", []).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    let properties = [("sasl.password".to_owned(), "hunter2".to_owned())];
    let spec = PublishSpec::try_new(PublishOptions { topic: "a".into() }, "b:1", properties).unwrap();
    assert!(!format!("{spec:?}").contains("hunter2"));
    assert!(toml::from_str::<PublishOptions>("topics = 1").is_err());
}
