//! The Kafka broker that other tests rely on: it takes messages, gives them back, and survives being killed.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeSet;

use driftline_tests::kafka::{Broker, Message};

fn numbered(topic: &str, numbers: std::ops::Range<u32>) -> Vec<Message> {
    numbers.map(|number| Message::new(topic, number.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_read_again() {
    let broker = Broker::shared().await;
    let client = broker.client();
    let topic = client.create_topic("smoke", 3).await;
    let message = Message {
        topic: topic.clone(),
        partition: Some(2),
        key: Some("k".to_owned()),
        payload: b"v".to_vec(),
        headers: vec![("reason".to_owned(), b"none".to_vec())],
    };
    assert_eq!(client.send(&message).await, (2, 0));
    assert_eq!(client.send(&message).await, (2, 1));
    let records = client.read(&topic).await;
    assert_eq!(records.len(), 2);
    assert_eq!((records[1].partition, records[1].offset), (2, 1));
    assert_eq!((records[1].key.as_deref(), &*records[1].payload), (Some(&b"k"[..]), &b"v"[..]));
    assert_eq!(records[1].header("reason").as_deref(), Some("none"));
    client.delete_records(&topic, 2, 1).await;
    assert_eq!(client.offsets(&topic).await, [(0, 0), (0, 0), (1, 2)]);
    assert_eq!(client.read(&topic).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_comes_back_with_what_it_took() {
    let mut broker = Broker::start().await;
    let client = broker.client();
    let topic = client.create_topic("killed", 4).await;
    client.send_all(&numbered(&topic, 0..100)).await;
    broker.kill();
    // Sent while it is down: they wait for it.
    let waiting = tokio::spawn({
        let (client, messages) = (client.clone(), numbered(&topic, 100..200));
        async move { client.send_all(&messages).await }
    });
    broker.restart().await;
    assert_eq!(waiting.await.unwrap().len(), 100);
    broker.stop();
    broker.restart().await;
    let records = client.read(&topic).await;
    assert_eq!(records.len(), 200);
    let numbers: BTreeSet<u32> =
        records.iter().map(|record| str::from_utf8(&record.payload).unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (0..200).collect());
}
