use driftline_events::Span;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;

use super::*;
use crate::options::SimulateOptions;

fn client(brokers: &str, give_up_after: Span) -> (KafkaClient, SimulatorHandle, CancellationToken) {
    let target = KafkaTarget { brokers: brokers.to_owned(), ..KafkaTarget::default() };
    let options =
        SimulateOptions { kafka: Some(target.clone()), give_up_after, ..SimulateOptions::default() };
    let spec = SimulateSpec::try_from(options).unwrap();
    let (handle, shutdown) = (SimulatorHandle::new(), CancellationToken::new());
    (KafkaClient::try_new(&spec, &target, handle.clone(), shutdown.clone()).unwrap(), handle, shutdown)
}

fn rows() -> [Prediction; 2] {
    [Some("a"), None]
        .map(|id| Prediction { prediction_id: id.map(str::to_owned), ..Prediction::new("churn") })
}

/// Nothing listens on this port of loopback.
const NOBODY: &str = "127.0.0.1:1";

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_with_their_keys_and_are_counted_when_confirmed() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("predictions", 1, 1).unwrap();
    cluster.create_topic("labels", 1, 1).unwrap();
    let (client, handle, _) = client(&cluster.bootstrap_servers(), Span::from_secs(60));
    let taken = client.send_predictions(&rows()).await.unwrap().unwrap();
    assert_eq!(taken, Receipt { accepted: 2, ..Receipt::default() });
    let label = Label { model: "churn".to_owned(), prediction_id: "a".to_owned(), ..Label::default() };
    assert_eq!(client.send_labels(&[label]).await.unwrap().unwrap().accepted, 1);
    assert_eq!(handle.progress().waiting_for, None);

    let brokers = cluster.bootstrap_servers();
    let read = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "test")
            .set("auto.offset.reset", "earliest")
            .create()
            .unwrap();
        consumer.subscribe(&["predictions", "labels"]).unwrap();
        let mut read = Vec::new();
        let began = Instant::now();
        while read.len() < 3 {
            assert!(began.elapsed() < Duration::from_secs(60), "read only {read:?}");
            let Some(message) = consumer.poll(Duration::from_secs(1)) else { continue };
            let message = message.unwrap().detach();
            let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            read.push((message.topic().to_owned(), text(message.key()), text(message.payload())));
        }
        read.sort();
        read
    });
    let message = |topic: &str, key: &str, value: &str| (topic.to_owned(), key.to_owned(), value.to_owned());
    assert_eq!(
        read.await.unwrap(),
        [
            message("labels", "a", r#"{"model":"churn","prediction_id":"a"}"#),
            message("predictions", "a", r#"{"model":"churn","prediction_id":"a"}"#),
            message("predictions", "churn", r#"{"model":"churn"}"#),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_are_away_are_waited_for_and_told_of() {
    let (client, handle, _) = client(NOBODY, Span::from_secs(3));
    let error = client.send_predictions(&rows()).await.unwrap_err();
    let waiting = handle.progress().waiting_for.unwrap();
    assert!(
        waiting.contains("waiting for Kafka at 127.0.0.1:1 to take 2 events of topic predictions"),
        "{waiting}"
    );
    assert!(matches!(&error, KafkaClientError::Unavailable { events: 2, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_ends_the_wait() {
    let (client, handle, shutdown) = client(NOBODY, Span::from_secs(600));
    let sending = tokio::spawn(async move { client.send_predictions(&rows()).await });
    while handle.progress().waiting_for.is_none() {
        assert!(!sending.is_finished());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.cancel();
    let sent = tokio::time::timeout(Duration::from_secs(30), sending).await.expect("it does not wait 600 s");
    assert_eq!(sent.unwrap(), Ok(None));
}

#[test]
fn a_bad_property_is_named_without_its_value() {
    let properties = [("sasl.mechanismm".to_owned(), "s3cret".to_owned())].into();
    let target = KafkaTarget { brokers: NOBODY.to_owned(), properties, ..KafkaTarget::default() };
    let Err(error) = target.producer(Told::default()) else { panic!("librdkafka knows no such property") };
    assert!(error.to_string().contains("sasl.mechanismm"), "{error}");
    assert!(!format!("{error:?}{target:?}").contains("s3cret"), "{error:?}");
}

#[test]
fn a_target_without_brokers_or_topic_is_none() {
    let fault = |target: KafkaTarget| target.check().unwrap_err().to_string();
    assert_eq!(
        fault(KafkaTarget::default()),
        "kafka has no brokers; write host:port, with commas between several"
    );
    let target =
        KafkaTarget { brokers: NOBODY.to_owned(), labels_topic: "a b".to_owned(), ..KafkaTarget::default() };
    assert!(fault(target).starts_with("topic \"a b\" is no topic name"));
}
