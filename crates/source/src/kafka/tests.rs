//! The source against librdkafka's pretended broker.

use std::sync::Arc;

use driftline_events::{Feature, FeatureKind, ModelId, ModelRegistry, ModelSchema, RegisterError, Task};

/// Knows `churn`, and takes no other model.
pub(super) struct Registry;

impl ModelRegistry for Registry {
    fn schema(&self, model: &str) -> Option<Arc<ModelSchema>> {
        (model == "churn").then(|| {
            let features = vec![Feature { name: "age".into(), kind: FeatureKind::Numeric }];
            let model = ModelId::try_new(model).unwrap();
            Arc::new(ModelSchema::new(model, Task::Binary, Some("yes".into()), features, Vec::new(), false))
        })
    }

    fn register(&self, _: ModelSchema) -> Result<Arc<ModelSchema>, RegisterError> {
        Err(RegisterError::Off)
    }
}

mod pipeline;

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Offset, TopicPartitionList};

use self::pipeline::{Pipeline, Seen};
use super::{KafkaOptions, KafkaSnapshot, KafkaSpec, KafkaStart};
use crate::positions::{Position, Positions};
use crate::stats::RowCounts;

/// A pretended broker, and a producer to it.
struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
}

impl Broker {
    fn with(topics: &[(&str, i32)]) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for (topic, partitions) in topics {
            cluster.create_topic(topic, *partitions, 1).unwrap();
        }
        let producer = client(&cluster).set("linger.ms", "0").create().unwrap();
        Self { cluster, producer }
    }

    fn spec(&self) -> KafkaSpec {
        let options = KafkaOptions {
            brokers: self.cluster.bootstrap_servers(),
            predictions: vec!["predictions".to_owned()],
            labels: vec!["labels".to_owned()],
            dead_letter_topic: Some("dead".to_owned()),
            properties: [
                ("session.timeout.ms", "4000"),
                ("heartbeat.interval.ms", "200"),
                ("reconnect.backoff.max.ms", "300"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into_iter()
            .collect(),
            ..KafkaOptions::default()
        };
        let mut spec = KafkaSpec::try_from(options).unwrap();
        spec.tuning.statistics_every = Duration::from_millis(200);
        spec.tuning.topics_every = Duration::from_millis(300);
        spec.tuning.queue_wait = Duration::from_millis(100);
        spec.tuning.handover_wait = Duration::from_secs(3);
        spec
    }

    fn send(&self, topic: &str, partition: i32, value: &str) {
        self.send_with(topic, partition, value, None);
    }

    fn send_with(&self, topic: &str, partition: i32, value: &str, headers: Option<OwnedHeaders>) {
        let mut record = BaseRecord::to(topic).partition(partition).key("key").payload(value);
        record.headers = headers;
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
    }

    /// Predictions named `prefix0`, … in turn over the partitions.
    fn predict(&self, prefix: &str, count: usize, partitions: i32) -> Vec<String> {
        let names: Vec<String> = (0..count).map(|number| format!("{prefix}{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            self.send("predictions", number as i32 % partitions, &prediction(name));
        }
        self.flush();
        names
    }

    fn flush(&self) {
        self.producer.flush(Duration::from_secs(5)).unwrap();
    }

    /// What the group has committed for a partition, and whose it is.
    fn committed(&self, topic: &str, partition: i32) -> Option<(i64, String)> {
        let consumer: BaseConsumer = client(&self.cluster).set("group.id", "driftline").create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let committed = consumer.committed_offsets(list, Duration::from_secs(5)).unwrap();
        let element = &committed.elements()[0];
        match element.offset() {
            Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
            _ => None,
        }
    }

    fn commit(&self, partition: i32, offset: i64, metadata: &str) {
        let consumer: BaseConsumer = client(&self.cluster).set("group.id", "driftline").create().unwrap();
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition("predictions", partition);
        element.set_offset(Offset::Offset(offset)).unwrap();
        element.set_metadata(metadata);
        consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
    }
}

fn client(cluster: &MockCluster<'static, DefaultProducerContext>) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    config
}

fn prediction(id: &str) -> String {
    format!(
        r#"{{"model":"churn","prediction_id":"{id}","features":{{"age":41}},"prediction":{{"score":0.8}}}}"#
    )
}

/// Waits until it is so.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: it never came to be so");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn at(partition: i32, next: i64) -> Position {
    Position { topic: "predictions".into(), partition, next }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// The pretended broker lets three seconds pass before a group's first assignment: all at once, they pass once.
///
/// How partitions go from one member of a group to another is tested with a real broker only (`tests/tests/kafka.rs`,
/// two processes). The pretended one refuses a member whose SyncGroup comes after the leader's, has all join anew, and
/// meanwhile takes nobody's commit: `REBALANCE_IN_PROGRESS` for three seconds, then `ILLEGAL_GENERATION`. Kafka answers
/// such a SyncGroup, and takes commits while members join.
#[test]
fn the_source_keeps_its_promises() {
    let scenarios: [(&str, fn()); 10] = [
        (
            "rows_come_once_with_their_positions_and_commits_follow_checkpoints",
            rows_come_once_with_their_positions_and_commits_follow_checkpoints,
        ),
        (
            "what_a_checkpoint_has_is_not_read_again_and_what_it_lacks_is",
            what_a_checkpoint_has_is_not_read_again_and_what_it_lacks_is,
        ),
        (
            "a_partition_that_another_state_had_is_read_on_where_that_one_committed",
            a_partition_that_another_state_had_is_read_on_where_that_one_committed,
        ),
        ("faulty_messages_are_counted_shown_and_put_aside", faulty_messages_are_counted_shown_and_put_aside),
        ("a_broker_that_is_away_is_waited_for", a_broker_that_is_away_is_waited_for),
        (
            "topics_of_a_pattern_are_found_when_they_are_made",
            topics_of_a_pattern_are_found_when_they_are_made,
        ),
        (
            "a_full_queue_pauses_partitions_and_loses_nothing",
            a_full_queue_pauses_partitions_and_loses_nothing,
        ),
        ("a_gap_is_counted_and_reading_goes_on_behind_it", a_gap_is_counted_and_reading_goes_on_behind_it),
        (
            "latest_is_the_end_as_it_was_when_the_partition_came",
            latest_is_the_end_as_it_was_when_the_partition_came,
        ),
        (
            "rows_are_handed_over_unconfirmed_when_no_checkpoint_comes",
            rows_are_handed_over_unconfirmed_when_no_checkpoint_comes,
        ),
    ];
    let threads = scenarios
        .map(|(name, scenario)| std::thread::Builder::new().name(name.to_owned()).spawn(scenario).unwrap());
    let failed = threads.map(|thread| {
        let name = thread.thread().name().unwrap_or_default().to_owned();
        thread.join().is_err().then_some(name)
    });
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    assert!(failed.is_empty(), "failed: {failed:?}");
}

fn rows_come_once_with_their_positions_and_commits_follow_checkpoints() {
    let broker = Broker::with(&[("predictions", 2), ("labels", 1)]);
    let pipeline = Pipeline::start(&broker.spec(), "state-a", Positions::default());
    pipeline.hold_checkpoints(true);
    let names = broker.predict("p", 500, 2);
    broker.send("labels", 0, r#"{"model":"churn","prediction_id":"p0","label":"yes"}"#);
    broker.flush();
    until("rows", || pipeline.seen().predictions.len() == 500 && pipeline.seen().labels == ["p0"]);
    let Seen { predictions, positions, .. } = pipeline.seen();
    assert_eq!(sorted(predictions), sorted(names));
    assert_eq!((positions.next("predictions", 0), positions.next("predictions", 1)), (Some(250), Some(250)));
    assert_eq!(positions.next("labels", 0), Some(1));
    assert_eq!(broker.committed("predictions", 0), None, "no checkpoint has the rows yet");
    pipeline.hold_checkpoints(false);
    pipeline.checkpoint();
    until("commit", || broker.committed("predictions", 1).is_some());
    assert_eq!(broker.committed("predictions", 0), Some((250, "state-a".to_owned())));
    until("no lag", || pipeline.snapshot().partitions.iter().all(|partition| partition.lag == Some(0)));
    let KafkaSnapshot { connected, counts, partitions, .. } = pipeline.snapshot();
    assert!(connected && partitions.len() == 3, "{partitions:?}");
    assert!(partitions.iter().all(|partition| partition.behind == Some(Duration::ZERO)), "{partitions:?}");
    assert_eq!((counts.folded, counts.rejected, counts.rebalances), (501, 0, 1));
    assert_eq!((counts.commits, counts.commit_failures), (1, 0));
    let ingested = pipeline.ingested();
    let (received, accepted) = (|rows: &RowCounts| rows.received, |rows: &RowCounts| rows.accepted);
    assert_eq!(ingested.rows.iter().map(received).sum::<u64>(), 501);
    assert_eq!(ingested.rows.iter().map(accepted).sum::<u64>(), 501);
}

fn what_a_checkpoint_has_is_not_read_again_and_what_it_lacks_is() {
    let broker = Broker::with(&[("predictions", 2), ("labels", 1)]);
    let names = broker.predict("p", 100, 2);
    let first = Pipeline::start(&broker.spec(), "state-a", Positions::default());
    until("rows", || first.seen().predictions.len() == 100);
    let last = first.stop();
    assert_eq!(sorted(last.predictions), sorted(names));
    assert_eq!(broker.committed("predictions", 1), Some((50, "state-a".to_owned())), "stopping commits");

    // A backup of the same state: it lacks ten messages of each partition that were committed since.
    let later = broker.predict("q", 20, 2);
    let backup: Positions = [at(0, 40), at(1, 40)].into_iter().collect();
    let second = Pipeline::start(&broker.spec(), "state-a", backup);
    until("rows", || second.seen().predictions.len() >= 40);
    let mut expected: Vec<String> = (80..100).map(|number| format!("p{number}")).collect();
    expected.extend(later);
    assert_eq!(sorted(second.stop().predictions), sorted(expected));
}

fn a_partition_that_another_state_had_is_read_on_where_that_one_committed() {
    let broker = Broker::with(&[("predictions", 2), ("labels", 1)]);
    broker.predict("p", 100, 2);
    broker.commit(0, 45, "state-b");
    broker.commit(1, 45, "state-a");
    let known: Positions = [at(0, 10), at(1, 48)].into_iter().collect();
    let pipeline = Pipeline::start(&broker.spec(), "state-a", known);
    until("rows", || pipeline.seen().predictions.len() >= 7);
    let expected = [90, 92, 94, 96, 97, 98, 99].map(|number| format!("p{number}"));
    assert_eq!(sorted(pipeline.stop().predictions), sorted(expected.to_vec()));
}

fn faulty_messages_are_counted_shown_and_put_aside() {
    let broker = Broker::with(&[("predictions", 1), ("labels", 1), ("dead", 1)]);
    broker.send("predictions", 0, &prediction("a"));
    let headers = OwnedHeaders::new().insert(Header { key: "trace", value: Some("t-1") });
    broker.send_with("predictions", 0, "{\"model\":", Some(headers));
    broker.send("predictions", 0, &format!("[{},{{}}]", prediction("b")));
    broker.send("predictions", 0, "\0\0\0\0\u{1}");
    broker.send("predictions", 0, &prediction("c"));
    broker.flush();
    let pipeline = Pipeline::start(&broker.spec(), "state-a", Positions::default());
    until("rows", || pipeline.seen().positions.next("predictions", 0) == Some(5));
    assert_eq!(sorted(pipeline.seen().predictions), ["a", "b", "c"]);

    let dead: BaseConsumer = client(&broker.cluster)
        .set("group.id", "reader")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    dead.subscribe(&["dead"]).unwrap();
    let mut letters = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    while letters.len() < 3 && Instant::now() < deadline {
        let Some(message) = dead.poll(Duration::from_millis(50)) else { continue };
        letters.push(message.unwrap().detach());
    }
    let told: Vec<Vec<String>> = letters.iter().map(told).collect();
    let expected = [
        ["predictions", "0", "1", "invalid_json", "1"],
        ["predictions", "0", "2", "missing_model", "1"],
        ["predictions", "0", "3", "schema_registry_frame", "all"],
    ];
    assert_eq!(told, expected);
    assert_eq!((letters[0].payload(), letters[0].key()), (Some(&b"{\"model\":"[..]), Some(&b"key"[..])));
    assert_eq!(header(&letters[0], "trace").as_deref(), Some("t-1"));

    let counts = pipeline.snapshot().counts;
    assert_eq!(
        (counts.folded, counts.rejected, counts.dead_letters, counts.dead_letter_failures),
        (2, 3, 3, 0)
    );
    let page = serde_json::to_value(pipeline.rejected()).unwrap();
    assert_eq!(page["total"], 3);
    let newest = &page["rejected"][0];
    assert_eq!(
        (&newest["route"], &newest["topic"], &newest["offset"]),
        (&"kafka".into(), &"predictions".into(), &3.into())
    );
    let ingested = pipeline.ingested();
    let reasons: Vec<_> = ingested.rejected.iter().map(|rejected| (rejected.reason, rejected.rows)).collect();
    assert_eq!(reasons, [("invalid_json", 1), ("missing_model", 1)]);
    assert_eq!(ingested.payloads_rejected[0].reason, "schema_registry_frame");
}

/// The headers that say where a dead letter comes from and why.
fn told(letter: &rdkafka::message::OwnedMessage) -> Vec<String> {
    ["topic", "partition", "offset", "reason", "rejected_rows"]
        .iter()
        .filter_map(|name| header(letter, &format!("driftline_{name}")))
        .collect()
}

fn header(letter: &rdkafka::message::OwnedMessage, name: &str) -> Option<String> {
    let found = letter.headers()?.iter().find(|header| header.key == name)?;
    found.value.map(|value| String::from_utf8_lossy(value).into_owned())
}

fn a_broker_that_is_away_is_waited_for() {
    let broker = Broker::with(&[("predictions", 1), ("labels", 1)]);
    broker.cluster.broker_down(-1).unwrap();
    let pipeline = Pipeline::start(&broker.spec(), "state-a", Positions::default());
    until("an error", || pipeline.snapshot().error.is_some());
    assert!(!pipeline.snapshot().connected);
    broker.cluster.broker_up(-1).unwrap();
    let mut names = broker.predict("p", 10, 1);
    until("rows", || pipeline.seen().predictions.len() == 10);
    assert!(pipeline.snapshot().connected);
    broker.cluster.broker_down(-1).unwrap();
    until("away", || !pipeline.snapshot().connected);
    broker.cluster.broker_up(-1).unwrap();
    names.extend(broker.predict("q", 10, 1));
    until("more rows", || pipeline.seen().predictions.len() >= 20);
    assert_eq!(pipeline.stop().predictions, names);
}

fn topics_of_a_pattern_are_found_when_they_are_made() {
    let broker = Broker::with(&[("events.a", 1)]);
    let mut spec = broker.spec();
    let options = KafkaOptions {
        brokers: spec.brokers().to_owned(),
        predictions: vec!["^events\\..*".to_owned()],
        labels: vec!["not-there-yet".to_owned()],
        properties: spec.properties().clone(),
        models: [("events.b".to_owned(), "churn".to_owned())].into(),
        ..KafkaOptions::default()
    };
    spec = KafkaSpec { tuning: spec.tuning, ..KafkaSpec::try_from(options).unwrap() };
    broker.send("events.a", 0, &prediction("a"));
    broker.flush();
    let pipeline = Pipeline::start(&spec, "state-a", Positions::default());
    until("a row", || pipeline.seen().predictions == ["a"]);
    broker.cluster.create_topic("events.b", 1, 1).unwrap();
    broker.cluster.create_topic("not-there-yet", 1, 1).unwrap();
    broker.send("events.b", 0, r#"{"prediction_id":"b"}"#);
    broker.send("not-there-yet", 0, r#"{"model":"churn","prediction_id":"b","label":"no"}"#);
    broker.flush();
    until("the others", || pipeline.seen().predictions == ["a", "b"] && pipeline.seen().labels == ["b"]);
}

fn a_full_queue_pauses_partitions_and_loses_nothing() {
    let broker = Broker::with(&[("predictions", 2), ("labels", 1)]);
    let mut spec = broker.spec();
    spec.tuning.batch_messages = 10;
    let pipeline = Pipeline::with_queue(&spec, "state-a", Positions::default(), 2);
    pipeline.stick(true);
    let names = broker.predict("p", 1_000, 2);
    until("a pause", || pipeline.snapshot().paused);
    std::thread::sleep(Duration::from_millis(300));
    assert!(pipeline.seen().predictions.len() <= 10);
    pipeline.stick(false);
    until("rows", || pipeline.seen().predictions.len() >= 1_000);
    assert!(!pipeline.snapshot().paused);
    assert_eq!(sorted(pipeline.stop().predictions), sorted(names));
}

fn a_gap_is_counted_and_reading_goes_on_behind_it() {
    let broker = Broker::with(&[("predictions", 1), ("labels", 1)]);
    // The pretended broker keeps some 5 MB of a partition.
    let filler = " ".repeat(100_000);
    for number in 0..100 {
        broker.send("predictions", 0, &format!("{}{filler}", prediction(&format!("p{number}"))));
        broker.flush();
    }
    let pipeline = Pipeline::start(&broker.spec(), "state-a", [at(0, 3)].into_iter().collect());
    until("the end", || pipeline.seen().positions.next("predictions", 0) == Some(100));
    let (counts, read) = (pipeline.snapshot().counts, pipeline.seen().predictions.len() as u64);
    assert!(counts.gap_messages > 0, "{counts:?}");
    assert_eq!(counts.gap_messages + read, 97);
    drop(pipeline.stop());
    // The topic was made anew: it ends before the position.
    let spec = KafkaSpec { group: "another".to_owned(), ..broker.spec() };
    let pipeline = Pipeline::start(&spec, "state-a", [at(0, 5_000)].into_iter().collect());
    until("the end", || pipeline.seen().positions.next("predictions", 0) == Some(100));
    assert_eq!((pipeline.snapshot().counts.resets, pipeline.seen().predictions.len() as u64), (1, read));
}

fn latest_is_the_end_as_it_was_when_the_partition_came() {
    let broker = Broker::with(&[("predictions", 1), ("labels", 1)]);
    broker.predict("old", 5, 1);
    let mut spec = broker.spec();
    spec.start = KafkaStart::Latest;
    let first = Pipeline::start(&spec, "state-a", Positions::default());
    until("a position", || first.seen().positions.next("predictions", 0) == Some(5));
    let positions = first.stop().positions;
    let names = broker.predict("new", 5, 1);
    let second = Pipeline::start(&spec, "state-a", positions);
    until("rows", || second.seen().predictions.len() >= 5);
    assert_eq!(second.stop().predictions, names);
}

fn rows_are_handed_over_unconfirmed_when_no_checkpoint_comes() {
    let broker = Broker::with(&[("predictions", 1), ("labels", 1)]);
    let mut spec = broker.spec();
    spec.tuning.handover_wait = Duration::from_millis(300);
    broker.predict("p", 5, 1);
    let pipeline = Pipeline::start(&spec, "state-a", Positions::default());
    pipeline.hold_checkpoints(true);
    until("rows", || pipeline.seen().predictions.len() == 5);
    pipeline.stop();
    assert_eq!(broker.committed("predictions", 0), None);
}
