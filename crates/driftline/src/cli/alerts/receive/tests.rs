use serde_json::{Value, json};

use super::message::{State, Teller};
use super::*;

fn now() -> driftline_events::EventTime {
    driftline_events::EventTime::from_millis(1_767_225_600_000)
}

fn notification() -> Value {
    let alert = |status: &str, ends: &str| {
        json!({
            "status": status, "startsAt": "2026-01-01T00:00:00Z", "endsAt": ends, "fingerprint": "f1",
            "labels": {"alertname": "DriftlineAccuracyDrop", "severity": "critical", "model": "churn"},
            "annotations": {
                "summary": "Accuracy of <b>churn</b> fell.", "description": "To 0.7 & below.",
                "runbook_url": "https://example.org/r?a=1&b=\"2\"", "dashboard_url": "javascript:alert(1)"
            },
            "generatorURL": "http://prometheus:9090/graph", "unheard": {"of": 1}
        })
    };
    json!({
        "version": "4", "groupKey": "{}:{model=\"churn\"}", "truncatedAlerts": 0, "status": "firing", "receiver": "inbox",
        "groupLabels": {"model": "churn"}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://x",
        "alerts": [alert("firing", "0001-01-01T00:00:00Z"), alert("resolved", "2026-01-01T01:00:00Z")]
    })
}

fn event(action: &str, state: &str) -> Value {
    json!({
        "specversion": "1.0", "id": "e1", "source": "/driftline", "type": "io.driftline.alert.v1",
        "data": {"action": action, "incident": {
            "id": "i1", "model": "churn", "state": state, "severity": "major", "started": "2026-01-01T00:00:00Z",
            "summary": "churn: 1 input changed\u{1b}[2J\nand a line",
            "causes": [{"text": "income: above 84,000"}], "alerts": [{"links": {"runbook": "http://example.org/r"}}]
        }}
    })
}

fn driftline(event: &Value) -> Message {
    Message::from_driftline(event.to_string().as_bytes(), now()).unwrap()
}

#[test]
fn a_notification_of_alertmanager_is_a_message_an_alert() {
    let messages = Message::from_alertmanager(notification().to_string().as_bytes(), now()).unwrap();
    let [firing, resolved] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(
        (firing.from, firing.state, resolved.state),
        (Teller::Alertmanager, State::Firing, State::Resolved)
    );
    assert_eq!((firing.ended.as_str(), resolved.ended.as_str()), ("", "2026-01-01T01:00:00Z"));
    assert_eq!(
        (firing.name.as_str(), firing.severity.as_str(), firing.model.as_str()),
        ("DriftlineAccuracyDrop", "critical", "churn")
    );
    assert_eq!(firing.group, [("model".to_owned(), "churn".to_owned())].into());
    // What is no address of the web leads nowhere.
    assert_eq!(firing.links.keys().copied().collect::<Vec<_>>(), ["runbook", "source"]);
    assert_eq!(
        firing.to_string(),
        "2026-01-01T00:00:00Z  alertmanager  FIRING        critical  DriftlineAccuracyDrop  Accuracy of <b>churn</b> fell."
    );
}

#[test]
fn an_event_of_driftline_is_one_message_in_one_line() {
    let states = [
        ("opened", "firing"),
        ("acknowledged", "acknowledged"),
        ("retracted", "resolved"),
        ("test", "firing"),
        ("x", "y"),
    ];
    let read: Vec<State> =
        states.iter().map(|(action, state)| driftline(&event(action, state)).state).collect();
    assert_eq!(read, [State::Firing, State::Acknowledged, State::Resolved, State::Test, State::Unknown]);
    let line = driftline(&event("opened", "firing")).to_string();
    assert!(
        line.ends_with("FIRING        major     opened  churn: 1 input changed [2J and a line"),
        "{line}"
    );
}

#[test]
fn a_body_of_another_kind_says_so() {
    let fault = |body: &str| Message::from_alertmanager(body.as_bytes(), now()).unwrap_err().to_string();
    assert!(fault("{").starts_with("the body is not JSON"));
    assert_eq!(fault("{}"), "the body has no alerts; is the address right?");
    let error = Message::from_driftline(b"{}", now()).unwrap_err();
    assert_eq!(error.to_string(), "the body has no data with an incident; is the address right?");
}

#[test]
fn the_page_escapes_what_senders_wrote() {
    let mut messages: VecDeque<Message> =
        Message::from_alertmanager(notification().to_string().as_bytes(), now()).unwrap().into();
    messages[1].name = "'onclick=<script>".to_owned();
    let html = page::page(&messages);
    for part in [
        "Accuracy of &lt;b&gt;churn&lt;/b&gt; fell.",
        "To 0.7 &amp; below.",
        "href=\"https://example.org/r?a=1&amp;b=&quot;2&quot;\"",
        "&#39;onclick=&lt;script&gt;",
        "<span class=\"state firing\">firing</span>",
        "<span class=\"state resolved\">resolved</span>",
    ] {
        assert!(html.contains(part), "{part} is not in\n{html}");
    }
    assert!(!html.contains("javascript:") && !html.contains("<script") && !html.contains("<b>"), "{html}");
    assert!(page::page(&VecDeque::new()).contains("No message has come yet."));
}

#[tokio::test]
async fn messages_come_in_and_the_oldest_are_forgotten() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router(Inbox::default())).await });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, body: String| {
        let answer = client.post(format!("{url}{path}")).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(post("/alertmanager", notification().to_string()).await, (200, r#"{"taken":2}"#.to_owned()));
    assert_eq!(post("/driftline", event("opened", "firing").to_string()).await.0, 200);
    assert_eq!(post("/driftline", "{}".to_owned()).await.0, 422);
    let messages = async || {
        let answer = client.get(format!("{url}/messages")).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["messages"].as_array().unwrap().clone()
    };
    let told: Vec<Value> =
        messages().await.iter().map(|message| json!([message["from"], message["notification"]])).collect();
    assert_eq!(told, [json!(["driftline", 2]), json!(["alertmanager", 1]), json!(["alertmanager", 1])]);
    for _ in 0..100 {
        post("/alertmanager", notification().to_string()).await;
    }
    let kept = messages().await;
    assert_eq!(kept.len(), KEPT);
    assert!(kept.iter().all(|message| message["from"] == "alertmanager"), "{kept:?}");
    let page = client.get(format!("{url}/")).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert!(page.text().await.unwrap().contains("The last 200 of at most 200 messages"));
}
