use std::sync::Mutex;

use axum::extract::State;
use axum::http::Uri;
use driftline_events::{Prediction, Status};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::figures::{Figures, Outcome};
use super::log::{Log, LogEvent};
use super::*;
use crate::options::SimulateOptions;

const NOW: EventTime = EventTime::from_millis(1_767_225_600_000);

/// What Driftline was sent, row by row.
type Rows = Arc<Mutex<Vec<(String, Value)>>>;

async fn take(State(rows): State<Rows>, uri: Uri, body: String) -> String {
    let taken = body.lines().count();
    let parsed = body.lines().map(|line| (uri.path().to_owned(), serde_json::from_str(line).unwrap()));
    rows.lock().unwrap().extend(parsed);
    format!(r#"{{"accepted": {taken}}}"#)
}

struct Running {
    url: String,
    client: reqwest::Client,
    rows: Rows,
    shutdown: CancellationToken,
    ended: JoinHandle<Result<Progress, SimulateError>>,
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

impl Running {
    async fn start(options: SimulateOptions) -> Self {
        let rows = Rows::default();
        let (listener, driftline) = listen().await;
        let router = axum::Router::new().fallback(take).with_state(Arc::clone(&rows));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (listener, url) = listen().await;
        let spec = SimulateSpec::try_from(SimulateOptions { url: driftline, ..options }).unwrap();
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(serve_model(spec, listener, NOW, SimulatorHandle::new(), shutdown.clone()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url, client, rows, shutdown, ended }
    }

    async fn ask(&self, body: &Value) -> (u16, Value) {
        let asked = self.client.post(format!("{}/predict", self.url)).body(body.to_string());
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn stop(self) -> (Progress, Vec<(String, Value)>) {
        self.shutdown.cancel();
        let progress = self.ended.await.unwrap().unwrap();
        let rows = self.rows.lock().unwrap().clone();
        (progress, rows)
    }
}

/// Hardly any customers: one at the start.
fn quiet() -> SimulateOptions {
    SimulateOptions { rate_per_second: 1e-6, speed: 1.0, keep_running: true, ..SimulateOptions::default() }
}

fn customer() -> Value {
    json!({
        "age": 41, "tenure_months": 3, "monthly_charges": 49.9, "plan": "plus", "contract": "monthly",
        "payment_method": "card", "device": "ios", "autopay": true, "country": "BE"
    })
}

fn is_from_outside(row: &Value) -> bool {
    row["prediction_id"].as_str().is_some_and(|id| id.contains("outside"))
}

#[tokio::test]
async fn what_is_answered_is_what_is_logged() {
    let running = Running::start(quiet()).await;
    let (mut answered, mut failed) = (Vec::new(), 0);
    for _ in 0..40 {
        match running.ask(&customer()).await {
            (200, answer) => answered.push(answer),
            (500 | 504, _) => failed += 1,
            other => panic!("{other:?}"),
        }
    }
    let score = answered[0]["score"].as_f64().unwrap();
    assert!(score > 0.0 && score < 1.0, "{score}");
    assert_eq!(answered[0]["label"], if score >= 0.5 { "yes" } else { "no" });
    assert_eq!(answered[0]["version"], "1");
    let health = running.client.get(format!("{}/healthz", running.url)).send().await.unwrap();
    assert!(health.status().is_success());

    let (_, rows) = running.stop().await;
    let rows: Vec<_> = rows.into_iter().filter(|(_, row)| is_from_outside(row)).collect();
    assert_eq!(rows.len(), 40, "{failed} failed");
    let ok: Vec<&Value> = rows.iter().map(|(_, row)| row).filter(|row| row["status"] == "ok").collect();
    assert_eq!(ok.len(), answered.len());
    for answer in &answered {
        let row = ok.iter().find(|row| row["prediction_id"] == answer["prediction_id"]).unwrap();
        assert_eq!(
            (&row["prediction"]["label"], &row["prediction"]["score"]),
            (&answer["label"], &answer["score"])
        );
        assert_eq!((&row["features"]["age"], &row["tags"]["country"]), (&json!(41.0), &json!("BE")));
        // It takes as long as it says: the median is 12 ms, and 1 in a million is below 1 ms.
        assert!(row["latency_ms"].as_f64().unwrap() > 1.0, "{row}");
        assert!(row["timestamp"].as_i64().unwrap() >= NOW.as_millis(), "{row}");
    }
}

#[tokio::test]
async fn bad_input_is_answered_with_a_reason_and_is_not_logged() {
    let running = Running::start(quiet()).await;
    let mut bad = customer();
    bad["age"] = json!("old");
    let (status, problem) = running.ask(&bad).await;
    assert_eq!(
        (status, &problem["detail"]),
        (422, &json!("age is text; it must be a number or null")),
        "{problem}"
    );
    let metrics = running.client.get(format!("{}/metrics", running.url)).send().await.unwrap();
    assert_eq!(
        metrics.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains(r#"code="422"} 1"#), "{metrics}");
    let (_, rows) = running.stop().await;
    assert!(!rows.iter().any(|(_, row)| is_from_outside(row)), "{rows:?}");
}

#[tokio::test]
async fn customers_ask_until_their_time_is_over_and_labels_follow() {
    let running = Running::start(SimulateOptions {
        rate_per_second: 200.0,
        speed: 1.0,
        duration: "2s".parse().unwrap(),
        label_delay: "100ms".parse().unwrap(),
        schedule: "latency-regression".parse().unwrap(),
        ..SimulateOptions::default()
    })
    .await;
    let spec_end = NOW.saturating_add(Duration::from_secs(2)).as_millis();
    let requests = async || {
        let text = running
            .client
            .get(format!("{}/metrics", running.url))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        text.lines().filter(|line| line.starts_with("model_server_requests_total")).map(count).sum::<u64>()
    };
    let mut seen = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let now = requests().await;
        if now == seen && now > 0 {
            break;
        }
        seen = now;
    }
    // Poisson with a mean of 400: five standard deviations.
    assert!((300..500).contains(&seen), "{seen} requests");
    let (progress, rows) = running.stop().await;
    let (predictions, labels): (Vec<_>, Vec<_>) =
        rows.iter().partition(|(path, _)| path == "/v1/predictions");
    assert_eq!((predictions.len() as u64, progress.predictions.accepted), (seen, seen));
    assert!(!labels.is_empty() && labels.iter().all(|(path, _)| path == "/v1/labels"));
    let mut latencies: Vec<f64> =
        predictions.iter().map(|(_, row)| row["latency_ms"].as_f64().unwrap()).collect();
    latencies.sort_by(f64::total_cmp);
    // Five times 12 ms, and what the machine adds.
    assert!(latencies[latencies.len() / 2] >= 50.0, "{latencies:?}");
    assert!(predictions.iter().all(|(_, row)| row["timestamp"].as_i64().unwrap() <= spec_end));
}

#[test]
fn a_full_log_drops_and_counts_and_never_waits() {
    let figures = Figures::new();
    let (log, logged) = Log::new(figures.clone());
    for _ in 0..20_005 {
        log.push(LogEvent::Label(Box::default()));
    }
    let text = figures.text();
    assert!(text.contains("model_server_log_events_total{outcome=\"dropped\"} 5\n"), "{text}");
    assert_eq!(logged.len(), 20_000);
    figures.logged(Outcome::Dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn more_than_the_workers_wait_and_still_more_are_turned_away() {
    let spec = SimulateSpec::try_from(quiet()).unwrap();
    let clock = EventClock { start: NOW, began: Instant::now(), spec: spec.clone() };
    let simulator = Simulator::try_new(&spec, NOW).unwrap();
    let (service, _logged) = ModelService::new(&simulator, SimulatorHandle::new(), clock);
    let service = Arc::new(service);
    let request =
        || Prediction { latency_ms: Some(100.0), status: Some(Status::Ok), ..Prediction::new("churn") };
    let mut handled = tokio::task::JoinSet::new();
    for _ in 0..64 * 17 + 3 {
        let (service, request) = (Arc::clone(&service), request());
        handled.spawn(async move { service.handle(request).await });
    }
    let answered = handled.join_all().await;
    let of = |code| answered.iter().filter(|(own, _)| *own == code).count();
    assert_eq!((of(200), of(503)), (64 * 17, 3));
    // 17 rounds of 64 workers, each of 100 ms.
    let longest = answered.iter().filter_map(|(_, row)| row.latency_ms).fold(0.0, f64::max);
    assert!((1_700.0..1_800.0).contains(&longest), "{longest}");
}
