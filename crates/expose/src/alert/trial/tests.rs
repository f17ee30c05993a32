use std::collections::BTreeMap;

use driftline_events::EventTime;
use rdkafka::mocking::MockCluster;

use super::*;
use crate::alert::fixture::at;
use crate::alert::options::NotifyOptions;
use crate::alert::receiver::{Answer, Receiver};

async fn answer(toml: &str, brokers: &str) -> TestAnswer {
    let options: NotifyOptions = toml::from_str(toml).unwrap();
    let spec = NotifySpec::try_new(options, brokers, &BTreeMap::new(), &|_| None).unwrap();
    let now: EventTime = at("10:00");
    test_sink(&spec, "it", "/driftline/test", now).await.unwrap()
}

#[tokio::test]
async fn what_the_other_side_says_is_told() {
    for kind in ["webhook", "slack", "discord", "teams"] {
        let receiver = Receiver::start([Answer::Page(200, "ok".into())]).await;
        let config =
            format!("[[sinks]]\nname = \"it\"\nkind = {kind:?}\nurl = \"{}/secret-path\"", receiver.url);
        let answered = answer(&config, "").await;
        assert!(answered.is_ok(), "{answered:?}");
        assert_eq!(answered.answers, [(receiver.url.clone(), Ok("200 OK: ok".to_owned()))]);
        assert!(receiver.bodies()[0].to_string().contains("est of"), "{:#?}", receiver.bodies());
        receiver.then(Answer::Page(404, "no_service".into()));
        let answered = answer(&config, "").await;
        let reason = format!("{} answered 404 Not Found: no_service", receiver.url);
        assert_eq!(answered.answers, [(receiver.url.clone(), Err(reason))]);
        assert!(!answered.is_ok());
    }
}

#[tokio::test]
async fn every_alertmanager_is_tried() {
    let receiver = Receiver::start([]).await;
    let config = format!(
        "[[sinks]]\nname = \"it\"\nkind = \"alertmanager\"\nurls = [\"http://127.0.0.1:9\", {:?}]",
        receiver.url
    );
    let answered = answer(&config, "").await;
    assert_eq!(answered.answers.iter().map(|(_, answer)| answer.is_ok()).collect::<Vec<_>>(), [false, true]);
    let alert = &receiver.bodies()[0][0];
    assert_eq!(
        (&alert["labels"]["alertname"], &alert["endsAt"]),
        (&"DriftlineSinkTest".into(), &"2026-01-05T10:01:00Z".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_and_a_file_are_tried() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("alerts", 1, 1).unwrap();
    let config = "[[sinks]]\nname = \"it\"\nkind = \"kafka\"\ntopic = \"alerts\"";
    let answered = answer(config, &cluster.bootstrap_servers()).await;
    assert!(answered.is_ok(), "{answered:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts.jsonl");
    let answered = answer(&format!("[[sinks]]\nname = \"it\"\nkind = \"file\"\npath = {path:?}"), "").await;
    assert!(answered.is_ok() && std::fs::read_to_string(&path).unwrap().contains("\"test\""), "{answered:?}");
}

#[tokio::test]
async fn a_sink_that_is_not_there_is_answered_with_those_that_are() {
    let options: NotifyOptions = toml::from_str("[[sinks]]\nname = \"a\"\nkind = \"stdout\"").unwrap();
    let spec = NotifySpec::try_new(options, "", &BTreeMap::new(), &|_| None).unwrap();
    let error = test_sink(&spec, "b", "/", at("10:00")).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no sink \"b\"; there are: a");
}
