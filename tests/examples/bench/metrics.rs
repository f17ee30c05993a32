//! A scrape of as many series as there may be, and what ingest notices of it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use driftline_tests::process::ServiceProcess;

use crate::client::{Connection, Pace, Requests, Sent, send};
use crate::data::{MODEL, Part, rows};
use crate::folder::{Folder, model};
use crate::http::{CONNECTIONS, address, requests};
use crate::inference::{START_MILLIS, event};
use crate::options::{Options, figure, quantile};

const SCRAPE: &[u8] = b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
/// Rows of each further model: enough for every statistic.
const ROWS: u64 = 500;

pub(crate) async fn measure(folder: &Folder, options: &Options) {
    let further: Vec<String> =
        (0..options.number("models", 30)).map(|number| format!("m{number:02}")).collect();
    let reference = format!("kind = \"file\", path = {:?}", folder.path("reference.parquet"));
    let windows = "windows = [{ name = \"1h\", length = \"1h\" }]";
    let mut config = "[metrics]\nevaluate_every = \"1s\"\n".to_owned() + &folder.model(windows);
    further.iter().for_each(|name| config.push_str(&model(name, &reference, windows)));
    let mut service = ServiceProcess::new(&config);
    folder.give_reference(&service.state(), further.iter().map(String::as_str).chain([MODEL]));
    service.start().await;
    let address = address(&service).to_owned();
    send(&address, &traffic(&further), CONNECTIONS, Pace::default()).await;
    let series = settled(&service).await;
    figure("metrics.series", series, "series");

    let mut scraper = Connection::open(&address).await;
    let mut times = Vec::new();
    for _ in 0..options.number("scrapes", 100) {
        let asked = Instant::now();
        assert_eq!(scraper.ask(SCRAPE).await, 200);
        times.push(asked.elapsed());
    }
    for (share, shown) in [(0.5, "p50"), (0.99, "p99")] {
        figure(&format!("metrics.scrape.{shown}"), quantile(&mut times, share).as_secs_f64() * 1e3, "ms");
    }
    figure("metrics.bytes", scraper.answer().len() as f64 / 1e6, "MB");

    // By turns without and with a scrape each second, which is more often than any Prometheus asks. In each round one kind
    // comes first and last and the other twice between: later ones have more ids to be held against, and a machine that
    // becomes slower or faster for a while does so for both.
    let requests = requests(folder, "ndjson", options.number("rows", 1_000_000));
    send(&address, &requests, CONNECTIONS, Pace::default()).await;
    let time = Duration::from_secs_f64(options.number("part_seconds", 3.0));
    let mut before = requests.requests.len();
    for round in 0..options.number("rounds", 5) {
        let mut sums = [Sent::default(), Sent::default()];
        for is_scraped in [false, true, true, false].map(|is_between| is_between != (round % 2 == 1)) {
            let over = Cell::new(!is_scraped);
            let load = async {
                let pace = Pace { time: Some(time), before, ..Pace::default() };
                let sent = send(&address, &requests, CONNECTIONS, pace).await;
                over.set(true);
                sent
            };
            let (sent, ()) = tokio::join!(load, scrape(&mut scraper, &over));
            before += sent.times.len();
            let sum = &mut sums[usize::from(is_scraped)];
            sum.rows += sent.rows;
            sum.elapsed += sent.elapsed;
        }
        for (name, sum) in ["metrics.ingest_alone", "metrics.ingest_scraped"].iter().zip(sums) {
            figure(name, sum.rate(), "rows/s");
        }
    }
    service.stop();
}

async fn scrape(scraper: &mut Connection, over: &Cell<bool>) {
    let mut due = Instant::now();
    while !over.get() {
        if due <= Instant::now() {
            assert_eq!(scraper.ask(SCRAPE).await, 200);
            due += Duration::from_secs(1);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Some rows of every model, a request each.
fn traffic(models: &[String]) -> Requests {
    let body = |name: &String| {
        let mut text = String::new();
        for (number, row) in (0..).zip(rows(Part::Current, ROWS)) {
            event(&mut text, name, number, START_MILLIS + number as i64, &row, "");
            text.push('\n');
        }
        text
    };
    let bodies: Vec<String> = models.iter().map(body).collect();
    Requests::new("/v1/predictions", "application/x-ndjson", bodies.iter().map(String::as_bytes), ROWS)
}

/// The number of series once it does not change any more.
async fn settled(service: &ServiceProcess) -> f64 {
    let mut last = 0.0;
    for _ in 0..60 {
        let series = service.metric("driftline_series", "").await.unwrap_or_default();
        if series > 0.0 && series == last {
            break;
        }
        last = series;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    last
}
