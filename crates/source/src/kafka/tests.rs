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
use rdkafka::message::{Header, Message, OwnedHeaders};
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
                ("session.timeout.ms", "6000"),
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
    let deadline = Instant::now() + Duration::from_secs(15);
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

#[test]
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
    let ingested = pipeline.ingested();
    let (received, accepted) = (|rows: &RowCounts| rows.received, |rows: &RowCounts| rows.accepted);
    assert_eq!(ingested.rows.iter().map(received).sum::<u64>(), 501);
    assert_eq!(ingested.rows.iter().map(accepted).sum::<u64>(), 501);
}
