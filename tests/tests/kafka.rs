//! The service reads from a real Kafka, and both are disturbed; what was sent is counted exactly once.
//!
//! `DRIFTLINE_TEST_SEED` repeats a run's traffic and moments, `DRIFTLINE_TEST_KAFKA_KILLS` says how often the service is
//! killed.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driftline_tests::api::Api;
use driftline_tests::kafka::{Broker, Load, Message, Sending, Topics};
use driftline_tests::number_from;
use driftline_tests::process::ServiceProcess;
use driftline_tests::reports::{Reports, assert_same};
use driftline_tests::sending::undisturbed;
use driftline_tests::steady::{CONFIG, assert_counted, close_windows, prepare, settled};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// That a service shows exactly what was sent, also after an orderly stop, and as if nothing had disturbed it.
async fn assert_exact(service: &mut ServiceProcess, load: &Load, sending: Sending) {
    let (ledger, poison, steps) = load.finish(sending).await;
    close_windows(service, steps).await;
    let reports = settled(service).await;
    let (rows, labels) = ledger.events();
    println!("{rows} predictions, {labels} labels and {poison} poison messages, {} reports", reports.len());
    assert_counted(&ledger, &BTreeMap::new(), &reports);
    // After a crash a dead letter may be there twice, but each was one message.
    let dead = load.topics().client.read(&load.topics().dead).await;
    let places: BTreeSet<_> = dead
        .iter()
        .map(|record| record.header("driftline_partition").zip(record.header("driftline_offset")))
        .collect();
    assert_eq!(places.len() as u64, poison, "dead letters");
    service.stop();
    service.start().await;
    assert_same("after an orderly stop", &reports, &settled(service).await, 0.0);
    let mut expected = undisturbed(ledger.in_order()).await;
    close_windows(&expected, steps).await;
    assert_same("after an undisturbed run over HTTP", &reports, &settled(&expected).await, 1e-9);
    expected.stop();
}

async fn wait_for_metric(api: &Api, name: &str, labels: &str, wanted: f64) {
    api.wait_for(&format!("{name}{{{labels}}} to be {wanted}"), || async {
        (api.metric(name, labels).await == Some(wanted)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_counted_once_though_the_service_is_killed() {
    let kills = number_from("DRIFTLINE_TEST_KAFKA_KILLS", 15);
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_104);
    println!("DRIFTLINE_TEST_SEED={seed} DRIFTLINE_TEST_KAFKA_KILLS={kills}");
    let broker = Broker::shared().await;
    let load = Load::new(Topics::make(&broker).await);
    let mut service = ServiceProcess::new(&load.topics().config(broker.address()));
    prepare(&mut service).await;
    let sending = load.start(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 2);
    for kill in 0..kills {
        // Some times before the partitions are there, mostly while they are read.
        if kill % 4 != 0 {
            wait_for_metric(&service, "driftline_kafka_assigned_partitions", "", 16.0).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..1_500))).await;
        service.kill();
        service.start().await;
    }
    assert_exact(&mut service, &load, sending).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_comes_back_loses_nothing() {
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_105);
    println!("DRIFTLINE_TEST_SEED={seed}");
    let mut broker = Broker::start().await;
    let load = Load::new(Topics::make(&broker).await);
    let mut service = ServiceProcess::new(&load.topics().config(broker.address()));
    prepare(&mut service).await;
    let sending = load.start(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 2);
    for round in 0..4 {
        wait_for_metric(&service, "driftline_kafka_assigned_partitions", "", 16.0).await;
        tokio::time::sleep(Duration::from_millis(rng.random_range(500..2_000))).await;
        // Messages are in flight: the senders go on, and wait for the broker.
        if round % 2 == 0 {
            broker.kill()
        } else {
            broker.stop()
        }
        wait_for_metric(&service, "driftline_kafka_connected", "", 0.0).await;
        let (_, text) = service.get("/readyz").await;
        assert!(text.to_lowercase().contains("kafka"), "it says what is down: {text}");
        if round == 2 {
            service.kill();
            service.spawn();
        }
        broker.restart().await;
        wait_for_metric(&service, "driftline_kafka_connected", "", 1.0).await;
    }
    assert_exact(&mut service, &load, sending).await;
}

/// What a process shows, without asking Kafka for more.
async fn alone(service: &mut ServiceProcess) -> Reports {
    std::fs::write(service.folder().join("driftline.toml"), CONFIG).unwrap();
    service.start().await;
    let reports = settled(service).await;
    service.stop();
    reports
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_of_a_group_share_the_partitions_and_count_each_message_once() {
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_106);
    println!("DRIFTLINE_TEST_SEED={seed}");
    let broker = Broker::shared().await;
    let load = Load::new(Topics::make(&broker).await);
    let config = load.topics().config(broker.address());
    let (mut one, mut other) = (ServiceProcess::new(&config), ServiceProcess::new(&config));
    prepare(&mut one).await;
    let sending = load.start(seed);
    wait_for_metric(&one, "driftline_kafka_assigned_partitions", "", 16.0).await;
    for round in 0..3 {
        // It comes, reads its share, and goes.
        if round == 0 {
            prepare(&mut other).await
        } else {
            other.start().await
        }
        wait_for_metric(&one, "driftline_kafka_assigned_partitions", "", 8.0).await;
        wait_for_metric(&other, "driftline_kafka_assigned_partitions", "", 8.0).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        for service in [&one, &other] {
            let unconfirmed = service.metric("driftline_kafka_unconfirmed_handovers_total", "").await;
            let lost = service.metric("driftline_kafka_lost_partitions_total", "").await;
            assert_eq!((unconfirmed, lost), (Some(0.0), Some(0.0)), "partitions are handed over in order");
        }
        if round < 2 {
            other.stop();
            wait_for_metric(&one, "driftline_kafka_assigned_partitions", "", 16.0).await;
        }
    }
    let (ledger, poison, steps) = load.finish(sending).await;
    println!("{:?} predictions and labels, {poison} poison messages", ledger.events());
    close_windows(&one, steps).await;
    close_windows(&other, steps).await;
    // In this order: the one that is left takes the other's partitions, of which nothing is left to read.
    other.stop();
    one.stop();
    let shown = [alone(&mut one).await, alone(&mut other).await];
    let mut wrong = Vec::new();
    for ((model, start, country), count) in ledger.counts(driftline_tests::steady::window_millis) {
        let key = driftline_tests::steady::key(model, start, country);
        let rows: u64 = shown.iter().filter_map(|reports| reports.get(&key)?["rows"].as_u64()).sum();
        let sum: f64 = shown
            .iter()
            .filter_map(|reports| Some(driftline_tests::ledger::shown(reports.get(&key)?).sum_x))
            .sum();
        if rows != count.rows || (sum - count.sum_x).abs() > 1e-9 * count.sum_x {
            wrong.push(format!("{key}: {rows} rows with a sum of {sum} in both, {count:?} sent"));
        }
    }
    assert!(shown.iter().all(|reports| !reports.is_empty()), "both had their share");
    assert!(wrong.is_empty(), "{} windows, such as {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}

fn event(id: u64) -> String {
    json!({
        "model": "served", "version": "1", "prediction_id": format!("p{id}"), "timestamp": "2026-01-01T10:00:00Z",
        "features": {"x": id, "y": 1.0, "plan": "gold"}, "prediction": {"label": "yes", "score": 0.75}
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_goes_to_the_dead_letter_topic_and_stops_nothing() {
    let broker = Broker::shared().await;
    let topics = Topics::make(&broker).await;
    let mut service = ServiceProcess::new(&topics.config(broker.address()));
    prepare(&mut service).await;
    let sound = |id: u64| Message { partition: Some(3), ..Message::new(&topics.predictions, event(id)) };
    let poison = |payload: &str, headers: &[(&str, &str)]| Message {
        partition: Some(3),
        key: Some("the key".to_owned()),
        headers: headers.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect(),
        ..Message::new(&topics.predictions, payload)
    };
    let half_good = format!("[{},{}]", event(2), json!({"model": "served", "prediction": {"score": 7.0}}));
    let messages = [
        sound(1),
        poison("no JSON at all", &[("trace", "17")]),
        poison(&half_good, &[]),
        poison("\u{0}\u{0}\u{0}\u{0}\u{1}schema registry", &[]),
        poison("ARROW1 or not", &[("content-type", "application/vnd.apache.arrow.stream")]),
        poison("{\"prediction\": {}}", &[]),
        sound(3),
    ];
    let places = topics.client.send_all(&messages).await;
    topics.wait_until_read().await;
    let letters = topics.client.read(&topics.dead).await;
    assert_eq!(letters.len(), 5, "{letters:#?}");
    for (letter, (message, place)) in letters.iter().zip(messages[1..6].iter().zip(&places[1..6])) {
        assert_eq!(letter.payload, message.payload, "as it was");
        assert_eq!(letter.key.as_deref(), Some(&b"the key"[..]));
        for (key, value) in &message.headers {
            assert_eq!(letter.header(key).unwrap().as_bytes(), value, "its own headers stay");
        }
        let header = |name: &str| letter.header(name).unwrap_or_else(|| panic!("no {name}: {letter:?}"));
        assert_eq!(header("driftline_topic"), topics.predictions);
        assert_eq!(header("driftline_partition"), place.0.to_string());
        assert_eq!(header("driftline_offset"), place.1.to_string());
        assert!(!header("driftline_reason").is_empty() && !header("driftline_detail").is_empty());
    }
    let accepted = service.metric("driftline_events_accepted_total", "model=\"served\"").await;
    assert_eq!(accepted, Some(3.0), "the sound ones, and the good row of the array");
    let dead = service.metric("driftline_kafka_messages_total", "outcome=\"dead_letter\"").await;
    println!("dead letters by the metric: {dead:?}");
    service.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_were_deleted_before_they_were_read_are_counted() {
    let broker = Broker::shared().await;
    let topics = Topics::make(&broker).await;
    let mut service = ServiceProcess::new(&topics.config(broker.address()));
    prepare(&mut service).await;
    let message = |id: u64| Message {
        partition: Some(i32::try_from(id % 12).unwrap()),
        ..Message::new(&topics.predictions, event(id))
    };
    topics.client.send_all(&(0..120).map(message).collect::<Vec<_>>()).await;
    topics.wait_until_read().await;
    service.stop();
    topics.client.send_all(&(120..240).map(message).collect::<Vec<_>>()).await;
    // Partition 4 had 10 read of 20 messages; 10 to 16 are deleted.
    topics.client.delete_records(&topics.predictions, 4, 17).await;
    service.start().await;
    topics.wait_until_read().await;
    wait_for_metric(&service, "driftline_kafka_gap_messages_total", "", 7.0).await;
    close_windows(&service, 0).await;
    let reports = settled(&service).await;
    let key = driftline_tests::steady::key("served", 1_767_261_600_000, "");
    assert_eq!(reports[&key]["rows"].as_u64(), Some(240 - 7), "{:?}", reports.keys());
    assert!(service.log().contains("deleted"), "it is told");
    service.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_starts_without_its_broker_and_reads_once_it_is_there() {
    let mut broker = Broker::start().await;
    let topics = Topics::make(&broker).await;
    topics.client.send_all(&[Message::new(&topics.predictions, event(1))]).await;
    broker.stop();
    let mut service = ServiceProcess::new(&topics.config(broker.address()));
    std::fs::write(service.folder().join("reference.ndjson"), driftline_tests::traffic::reference(100))
        .unwrap();
    service.spawn();
    service
        .wait_for("the service to be up", || async {
            let asked = service.client.get(format!("{}/readyz", service.url)).send().await;
            asked.is_ok().then_some(())
        })
        .await;
    wait_for_metric(&service, "driftline_kafka_connected", "", 0.0).await;
    let (status, text) = service.get("/readyz").await;
    println!("/readyz without a broker: {status} {text}");
    assert!(text.to_lowercase().contains("kafka"), "it says what is down: {text}");
    // HTTP does not wait for Kafka.
    let (status, answer) = service.post("/v1/predictions", "application/json", event(2)).await;
    assert_eq!((status, &answer["accepted"]), (200, &Value::from(1)), "{answer}");
    broker.restart().await;
    topics.wait_until_read().await;
    let accepted = service.metric("driftline_events_accepted_total", "model=\"served\"").await;
    assert_eq!(accepted, Some(2.0));
    let (status, text) = service.get("/readyz").await;
    assert_eq!(status, 200, "{text}");
    service.stop();
}
