//! The service reading Kafka, beside a consumer that only counts.

use std::time::{Duration, Instant};

use driftline_tests::kafka::{Broker, Message};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::folder::Folder;
use crate::http::service;
use crate::ndjson::payloads;
use crate::options::{Options, figure};

const PARTITIONS: i32 = 12;
/// How often the service is asked how far it is: seldom enough to cost nothing.
const ASK_EVERY: Duration = Duration::from_millis(50);

pub(crate) async fn measure(folder: &Folder, options: &Options) {
    let rows: usize = options.number("rows", 1_000_000);
    let broker = Broker::start().await;
    let client = broker.client();
    let topic = client.create_topic("predictions", PARTITIONS).await;
    let text = folder.read("current.ndjson");
    let mut events = 0;
    for payload in payloads(&text, rows).chunks(20) {
        let lines = payload.iter().flat_map(|some| some.trim_ascii_end().split(|byte| *byte == b'\n'));
        let messages: Vec<Message> = lines
            .zip(events..)
            .map(|(line, number)| Message {
                partition: Some((number % PARTITIONS as u64) as i32),
                ..Message::new(&topic, line)
            })
            .collect();
        client.send_all(&messages).await;
        events += messages.len() as u64;
    }
    for round in 0..options.number("rounds", 5) {
        let (address, of_topic) = (broker.address().to_owned(), topic.clone());
        let counted = tokio::task::spawn_blocking(move || count(&address, &of_topic, events)).await;
        figure("kafka.bare", counted.expect("counting does not panic"), "rows/s");
        figure("kafka.service", read(folder, &broker, &topic, events, round).await, "rows/s");
    }
}

/// Messages a second of a consumer that does nothing with them, from the first one on.
fn count(address: &str, topic: &str, events: u64) -> f64 {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("group.id", "bare").set("enable.auto.commit", "false");
    config.set("broker.address.family", "v4").set("log_level", "3");
    let consumer: BaseConsumer = config.create().expect("the settings are librdkafka's");
    let mut assigned = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assigned.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset can be written");
    }
    consumer.assign(&assigned).expect("partitions can be assigned");
    let (mut started, mut counted) = (None, 0_u64);
    while counted < events {
        let Some(message) = consumer.poll(Duration::from_millis(200)) else { continue };
        drop(message.expect("the broker answers"));
        started.get_or_insert_with(Instant::now);
        counted += 1;
    }
    events as f64 / started.map_or(f64::INFINITY, |started: Instant| started.elapsed().as_secs_f64())
}

/// Events a second of the service, from the first ones that it took on.
async fn read(folder: &Folder, broker: &Broker, topic: &str, events: u64, round: u32) -> f64 {
    let config = format!(
        "[kafka]\nbrokers = {:?}\ngroup = \"driftline-{round}\"\npredictions = [{topic:?}]\nproperties = {{ \
         \"broker.address.family\" = \"v4\" }}\n",
        broker.address()
    );
    let mut service = service(folder, &config, "").await;
    let accepted =
        || async { service.metric("driftline_events_accepted_total", "").await.unwrap_or_default() };
    while accepted().await == 0.0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (started, first) = (Instant::now(), accepted().await);
    let mut taken = first;
    while taken < events as f64 {
        assert!(started.elapsed() < Duration::from_secs(600), "{taken} of {events} were read");
        tokio::time::sleep(ASK_EVERY).await;
        taken = accepted().await;
    }
    let rate = (events as f64 - first) / started.elapsed().as_secs_f64();
    figure("kafka.service.memory", service.memory("VmHWM") as f64 / 1e6, "MB");
    service.stop();
    rate
}
