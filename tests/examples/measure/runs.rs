//! One run for each figure.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use driftline_tests::api::Api;
use driftline_tests::kafka::{Broker, Message};
use driftline_tests::process::ServiceProcess;

use crate::load::{CONNECTIONS, MODEL, ROWS, event, send};

/// Long enough that checkpoints and journal files come and go.
const SECONDS: u64 = 60;

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

/// Mean of a histogram of `/metrics`, and how many it has seen.
async fn mean(api: &Api, histogram: &str) -> (f64, f64) {
    let sum = api.metric(&format!("{histogram}_sum"), "").await.unwrap_or_default();
    let count = api.metric(&format!("{histogram}_count"), "").await.unwrap_or_default();
    (if count > 0.0 { sum / count } else { 0.0 }, count)
}

async fn tell_durability(service: &ServiceProcess) {
    let (checkpoint, checkpoints) = mean(service, "driftline_checkpoint_duration_seconds").await;
    let (append, appends) = mean(service, "driftline_journal_append_duration_seconds").await;
    println!(
        "{checkpoints} checkpoints of {:.0} ms; {appends} group commits of {:.2} ms; {} MiB of memory at most",
        checkpoint * 1e3,
        append * 1e3,
        mebibytes(service.memory("VmHWM"))
    );
}

/// Events a second over HTTP.
pub(crate) async fn http(fsync: &str) {
    let mut service = ServiceProcess::new(&format!("[journal]\nfsync = {fsync:?}\n{MODEL}"));
    service.start().await;
    let next = Arc::new(AtomicU64::new(0));
    // Until files, caches and connections are there.
    send(&service, &next, Duration::from_secs(5), u64::MAX, None).await;
    let sent = send(&service, &next, Duration::from_secs(SECONDS), u64::MAX, None).await;
    println!(
        "http, fsync = {fsync:?}: {:.0} events/s ({} events in {:.0} s, {ROWS} a request, {CONNECTIONS} connections); a \
         request took {:.1} ms (median), {:.1} ms (99 %); {} times 503",
        sent.rate(),
        sent.events,
        sent.elapsed.as_secs_f64(),
        sent.quantile(0.5).as_secs_f64() * 1e3,
        sent.quantile(0.99).as_secs_f64() * 1e3,
        sent.busy
    );
    tell_durability(&service).await;
    service.stop();
}

/// Events a second from Kafka: they are all there before the service starts.
pub(crate) async fn kafka(events: u64) {
    let broker = Broker::start().await;
    let client = broker.client();
    let topic = client.create_topic("predictions", 12).await;
    let now = driftline::now().as_millis();
    for first in (0..events).step_by(20_000) {
        let messages: Vec<Message> = (first..events.min(first + 20_000))
            .map(|id| {
                let mut text = String::new();
                event(&mut text, id, now);
                Message { partition: Some((id % 12) as i32), ..Message::new(&topic, text) }
            })
            .collect();
        client.send_all(&messages).await;
    }
    let mut service = ServiceProcess::new(&format!(
        "{MODEL}[kafka]\nbrokers = \"{}\"\npredictions = [\"{topic}\"]\nproperties = {{ \"broker.address.family\" = \"v4\" }}\n",
        broker.address()
    ));
    service.start().await;
    let accepted =
        || async { service.metric("driftline_events_accepted_total", "").await.unwrap_or_default() };
    while accepted().await == 0.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (started, first) = (Instant::now(), accepted().await);
    while accepted().await < events as f64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rate = (events as f64 - first) / started.elapsed().as_secs_f64();
    println!(
        "kafka: {rate:.0} events/s ({events} messages of one event in 12 partitions, broker on the same machine)"
    );
    tell_durability(&service).await;
    service.stop();
}

/// How long a start takes after a crash: with as much to be replayed as there can be, and with next to nothing.
pub(crate) async fn recovery(events: u64) {
    // Checkpoints are taken only when so much waits for one that it has to be: the start has to replay the most.
    let config = |every: &str| format!("[state]\ncheckpoint_every = \"{every}\"\n{MODEL}");
    let mut service = ServiceProcess::new(&config("12h"));
    service.start().await;
    let next = Arc::new(AtomicU64::new(0));
    let sent = send(&service, &next, Duration::from_secs(7_200), events, None).await;
    println!("{} events sent, {:.0} a second", sent.events, sent.rate());
    service.kill();
    std::fs::write(service.folder().join("driftline.toml"), config("10s"))
        .expect("the folder can be written");
    service.spawn();
    let started = service.ready().await;
    let figure = |name: &'static str| {
        let service = &*service;
        async move { service.metric(name, "").await.unwrap_or_default() }
    };
    let (rows, seconds) =
        (figure("driftline_recovery_rows").await, figure("driftline_recovery_duration_seconds").await);
    println!(
        "start after a crash with {} events: ready after {:.1} s ({rows} rows since the last checkpoint replayed in \
         {seconds:.1} s, {:.0} a second)",
        sent.events,
        started.as_secs_f64(),
        rows / seconds.max(1e-9)
    );
    tell_durability(&service).await;
    let known = figure("driftline_known_predictions").await;
    assert_eq!(known as u64, sent.events, "every event is known");
    // A checkpoint under way has everything; the next ones only what is new.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let state = folder_bytes(&service.state());
    println!(
        "state folder: {} MiB for {known} pending predictions, {:.1} bytes each",
        mebibytes(state),
        state as f64 / known.max(1.0)
    );
    service.kill();
    service.spawn();
    let started = service.ready().await;
    println!("start of the same with a recent checkpoint: ready after {:.2} s", started.as_secs_f64());
    let sent = send(&service, &next, Duration::from_secs(30), u64::MAX, None).await;
    println!("with {known} pending predictions: {:.0} events/s over HTTP", sent.rate());
    tell_durability(&service).await;
    service.stop();
}

/// Bytes of all files in a folder and below it.
fn folder_bytes(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => folder_bytes(&entry.path()),
        Ok(found) => found.len(),
        // Gone since it was listed.
        Err(_) => 0,
    });
    sizes.sum()
}
