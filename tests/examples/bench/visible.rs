//! From an event's sending to its figure in `/metrics`, while other events come at half of what the service can take.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::client::{Connection, Pace, Requests, send};
use crate::folder::Folder;
use crate::http::{CONNECTIONS, address, requests, service};
use crate::options::{Options, figure, quantile};

/// A model of its own, of which every event is known.
const PROBE: &str = r#"
[[models]]
name = "probe"
task = "regression"
features = [{ name = "x", kind = "numeric" }]
windows = [{ name = "7d", length = "7d" }]
"#;

pub(crate) async fn measure(folder: &Folder, options: &Options) {
    let every = options.text("every", "");
    let seconds = Duration::from_secs(options.number("seconds", 60));
    let requests = requests(folder, "ndjson", options.number("rows", 1_000_000));
    let config = if every.is_empty() {
        PROBE.to_owned()
    } else {
        format!("[metrics]\nevaluate_every = {every:?}\n{PROBE}")
    };
    let mut service = service(folder, &config, "").await;
    let address = address(&service).to_owned();
    let (first, rest) = requests.split(requests.requests.len() / 4);
    let capacity = send(&address, &first, CONNECTIONS, Pace::default()).await.rate();
    let pace = Pace { rate: Some(capacity / 2.0), time: Some(seconds), ..Pace::default() };
    let over = Cell::new(false);
    let load = async {
        let sent = send(&address, &rest, CONNECTIONS, pace).await;
        over.set(true);
        sent
    };
    let (sent, mut seen) = tokio::join!(load, probe(&address, &over));
    let name = if every.is_empty() { "visible.default".to_owned() } else { format!("visible.{every}") };
    for (share, shown) in [(0.5, "p50"), (0.99, "p99")] {
        figure(&format!("{name}.{shown}"), quantile(&mut seen, share).as_secs_f64() * 1e3, "ms");
    }
    figure(&format!("{name}.events"), seen.len() as f64, "events");
    figure(&format!("{name}.load"), sent.rate() / capacity, "of capacity");
    service.stop();
}

/// Sends an event now and then, looks at the figures all the time, and notes when each is first counted.
async fn probe(address: &str, over: &Cell<bool>) -> Vec<Duration> {
    let (mut sender, mut reader) = (Connection::open(address).await, Connection::open(address).await);
    let (mut number, mut shown) = (0_u64, 0_u64);
    let mut waiting: VecDeque<(u64, Instant)> = VecDeque::new();
    let mut seen = Vec::new();
    let mut due = Instant::now();
    while !over.get() || !waiting.is_empty() {
        if !over.get() && due <= Instant::now() {
            number += 1;
            waiting.push_back((number, Instant::now()));
            sender.deliver(&event(number)).await;
            // Not in step with what the service does at whole intervals.
            due = Instant::now() + Duration::from_millis(37 + number * 29 % 23);
        }
        let status = reader.ask(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await;
        assert_eq!(status, 200);
        shown = counted(reader.answer()).unwrap_or(shown);
        while waiting.front().is_some_and(|(number, _)| *number <= shown) {
            seen.extend(waiting.pop_front().map(|(_, sent)| sent.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    seen
}

fn event(number: u64) -> Vec<u8> {
    let now = driftline::now().as_millis();
    let body = format!(
        r#"{{"model":"probe","prediction_id":"probe-{number}","timestamp":{now},"features":{{"x":{number}}},"prediction":{{"value":1.5}}}}"#
    );
    let requests = Requests::new("/v1/predictions", "application/json", [body.as_bytes()], 1);
    requests.requests[0].to_vec()
}

/// Rows that the probe's window shows.
fn counted(metrics: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(metrics);
    let wanted =
        |line: &&str| line.starts_with("driftline_window_rows{") && line.contains(r#"model="probe""#);
    let line = text.lines().find(wanted)?;
    line.rsplit(' ').next()?.parse::<f64>().ok().map(|rows| rows as u64)
}
