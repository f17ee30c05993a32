use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use driftline_events::{Label, Prediction, Timestamp};

use super::*;
use crate::options::SimulateOptions;
use crate::scenario::Scenario;

#[derive(Clone, Default)]
struct Service {
    predictions: Arc<Mutex<Vec<Prediction>>>,
    labels: Arc<Mutex<Vec<Label>>>,
}

/// Takes everything, but knows the first row of each batch already.
async fn take(State(service): State<Service>, uri: Uri, body: String) -> String {
    let rows = body.lines().count();
    match uri.path() {
        "/v1/predictions" => {
            let rows = body.lines().map(|line| serde_json::from_str::<Prediction>(line).unwrap());
            service.predictions.lock().unwrap().extend(rows);
        }
        "/v1/labels" => {
            let rows = body.lines().map(|line| serde_json::from_str::<Label>(line).unwrap());
            service.labels.lock().unwrap().extend(rows);
        }
        other => panic!("{other} is no route"),
    }
    format!(r#"{{"accepted": {}, "duplicates": 1, "rejected": []}}"#, rows - 1)
}

async fn listen(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn options(url: String) -> SimulateOptions {
    SimulateOptions {
        url,
        rate_per_second: 400.0,
        speed: 600.0,
        duration: "1s".parse().unwrap(),
        label_delay: "1m".parse().unwrap(),
        batch_rows: 30,
        ..SimulateOptions::default()
    }
}

const NOW: EventTime = EventTime::from_millis(1_767_225_600_000);

#[tokio::test]
async fn a_run_sends_everything_once_and_counts_it() {
    let service = Service::default();
    let url = listen(axum::Router::new().fallback(take).with_state(service.clone())).await;
    let spec = SimulateSpec::try_from(options(url)).unwrap();
    let handle = SimulatorHandle::new();
    handle.set(Scenario::LatencyRegression, true);
    let progress = run(spec.clone(), NOW, handle.clone(), CancellationToken::new()).await.unwrap();

    // The run is 10 minutes of event time and ends one second of wall time after now.
    let start = spec.start(NOW);
    let end = NOW.saturating_add(Duration::from_secs(1));
    let mut whole = Simulator::try_new(&spec, start).unwrap();
    whole.set(Scenario::LatencyRegression, true);
    let expected = whole.advance(end);
    assert!(!expected.labels.is_empty());
    assert_eq!(*service.predictions.lock().unwrap(), expected.predictions);
    assert_eq!(*service.labels.lock().unwrap(), expected.labels);
    assert!(
        expected.predictions.iter().all(|row| {
            matches!(row.timestamp, Some(Timestamp::Millis(millis)) if millis < end.as_millis())
        })
    );

    assert_eq!(progress, handle.progress());
    assert_eq!(progress.event_time, Some(end));
    assert_eq!(progress.active, [Scenario::LatencyRegression]);
    assert!(progress.elapsed >= Duration::from_secs(1));
    let (predictions, labels) = (progress.predictions, progress.labels);
    assert_eq!(predictions.sent, expected.predictions.len() as u64);
    assert_eq!(labels.sent, expected.labels.len() as u64);
    assert_eq!(predictions.accepted + predictions.duplicates, predictions.sent);
    // Batches of at most 30 rows, one duplicate in each.
    assert!(predictions.duplicates >= predictions.sent.div_ceil(30), "{predictions:?}");
    assert_eq!((predictions.rejected, progress.retries), (0, 0));
}

#[tokio::test]
async fn it_goes_on_after_the_story_until_it_is_shut_down() {
    let service = Service::default();
    let url = listen(axum::Router::new().fallback(take).with_state(service.clone())).await;
    let options = SimulateOptions { keep_running: true, duration: "300ms".parse().unwrap(), ..options(url) };
    let (handle, shutdown) = (SimulatorHandle::new(), CancellationToken::new());
    let spec = SimulateSpec::try_from(options).unwrap();
    let running = tokio::spawn(run(spec, NOW, handle.clone(), shutdown.clone()));
    let reached = NOW.saturating_add(Duration::from_millis(600));
    while handle.progress().event_time.is_none_or(|time| time < reached) {
        assert!(!running.is_finished());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // After the planned time event time goes as fast as the clock.
    let progress = handle.progress();
    assert!(progress.event_time.unwrap() <= NOW.saturating_add(progress.elapsed), "{progress:?}");
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn shutting_down_ends_a_run_that_waits() {
    let busy =
        axum::Router::new().fallback(|| async { (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "20")]) });
    let spec = SimulateSpec::try_from(options(listen(busy).await)).unwrap();
    let (handle, shutdown) = (SimulatorHandle::new(), CancellationToken::new());
    let running = tokio::spawn(run(spec, NOW, handle.clone(), shutdown.clone()));
    while handle.progress().waiting_for.is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), running).await.expect("it does not wait 20 s");
    assert_eq!(ended.unwrap().unwrap().predictions.sent, 0);
}

#[tokio::test]
async fn a_refusal_ends_the_run() {
    let locked = axum::Router::new().fallback(|| async { StatusCode::UNAUTHORIZED });
    let spec = SimulateSpec::try_from(options(listen(locked).await)).unwrap();
    let ended = run(spec, NOW, SimulatorHandle::new(), CancellationToken::new()).await;
    let message = ended.unwrap_err().to_string();
    assert!(message.contains("/v1/predictions answered 401 Unauthorized"), "{message}");
}
