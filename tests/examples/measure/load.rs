//! As many events as are wanted, written quickly, and sent over a few connections.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use driftline_tests::api::Api;

/// Events of one request: what a model service sends that collects for a moment.
pub(crate) const ROWS: u64 = 500;
/// Requests at the same time.
pub(crate) const CONNECTIONS: u64 = 8;

/// The model that is sent to: five features, a segment and a day of windows.
pub(crate) const MODEL: &str = r#"
[[models]]
name = "m"
task = "binary"
positive = "yes"
segments = ["country"]
features = [
    { name = "age", kind = "numeric" }, { name = "income", kind = "numeric" }, { name = "tenure", kind = "numeric" },
    { name = "plan", kind = "categorical" }, { name = "active", kind = "boolean" },
]
"#;

/// An event with a number of its own, made now.
pub(crate) fn event(text: &mut String, id: u64, now: i64) {
    let (mixed, plan) =
        (id.wrapping_mul(0x9E37_79B9_7F4A_7C15), ["gold", "silver", "lead"][(id % 3) as usize]);
    write!(
        text,
        r#"{{"model":"m","version":"1","prediction_id":"request-{id}","timestamp":{now},"features":{{"age":{},"income":{},"tenure":{}.5,"plan":"{plan}","active":{}}},"prediction":{{"label":"{}","score":0.{:03}}},"latency_ms":{},"tags":{{"country":"{}"}}}}"#,
        18 + mixed % 70,
        (mixed >> 8) % 100_000,
        (mixed >> 16) % 40,
        mixed & 64 == 0,
        ["no", "yes"][(mixed >> 63) as usize],
        (mixed >> 24) % 1_000,
        5 + (mixed >> 40) % 50,
        ["BE", "NL", "LU", "FR"][((mixed >> 50) % 4) as usize],
    )
    .expect("text takes all writes");
}

/// What was sent and how long each request took.
pub(crate) struct Sent {
    /// Events that were acknowledged.
    pub events: u64,
    /// How long it took in all.
    pub elapsed: Duration,
    /// How long each request took, the shortest first.
    pub requests: Vec<Duration>,
    /// Requests that were answered 503 and sent again.
    pub busy: u64,
}

impl Sent {
    /// Events a second.
    pub(crate) fn rate(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }

    /// The time that a share of the requests took at most.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let place = (self.requests.len() as f64 * share) as usize;
        self.requests.get(place.min(self.requests.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Sends events until the time is over or `events` are sent; at most `rate` a second, if given. The ids go on from
/// `next`.
pub(crate) async fn send(
    api: &Api,
    next: &Arc<AtomicU64>,
    time: Duration,
    events: u64,
    rate: Option<f64>,
) -> Sent {
    let started = Instant::now();
    let first = next.load(Ordering::Relaxed);
    let end = first.saturating_add(events);
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (api, next) = (api.clone(), Arc::clone(next));
        sending.spawn(async move {
            let (mut requests, mut busy, mut taken) = (Vec::new(), 0, 0);
            while started.elapsed() < time {
                let id = next.fetch_add(ROWS, Ordering::Relaxed);
                if id >= end {
                    break;
                }
                if let Some(rate) = rate {
                    let due = Duration::from_secs_f64((id - first) as f64 / rate);
                    tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
                }
                let now = driftline::now().as_millis();
                let mut body = String::with_capacity(ROWS as usize * 300);
                for id in id..id + ROWS {
                    event(&mut body, id, now);
                    body.push('\n');
                }
                let body = Bytes::from(body);
                let asked = Instant::now();
                loop {
                    let request = api.client.post(format!("{}/v1/predictions", api.url)).body(body.clone());
                    let answer = request.send().await.expect("the service answers");
                    if answer.status().as_u16() == 503 {
                        busy += 1;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    }
                    assert_eq!(answer.status().as_u16(), 200);
                    break;
                }
                requests.push(asked.elapsed());
                taken += ROWS;
            }
            (requests, busy, taken)
        });
    }
    let mut sent = Sent { events: 0, elapsed: Duration::ZERO, requests: Vec::new(), busy: 0 };
    while let Some(one) = sending.join_next().await {
        let (requests, busy, taken) = one.expect("a sender does not panic");
        sent.requests.extend(requests);
        sent.busy += busy;
        sent.events += taken;
    }
    sent.elapsed = started.elapsed();
    sent.requests.sort_unstable();
    sent
}
