//! A load generator that costs little: requests written beforehand, sent over kept-alive connections of HTTP/1.1.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::data::MODEL;
use crate::options::{figure, quantile};

/// Requests to one path: each with its head, as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    pub(crate) requests: Rc<Vec<Bytes>>,
    /// Rows of each request.
    pub(crate) rows: u64,
}

impl Requests {
    pub(crate) fn new<'a>(
        path: &str,
        content_type: &str,
        bodies: impl IntoIterator<Item = &'a [u8]>,
        rows: u64,
    ) -> Self {
        let request = |body: &[u8]| {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            Bytes::from([head.as_bytes(), body].concat())
        };
        Self { requests: Rc::new(bodies.into_iter().map(request).collect()), rows }
    }

    /// A request; after the last the first comes again, with other ids.
    fn request(&self, number: usize) -> Bytes {
        let request = &self.requests[number % self.requests.len()];
        match number / self.requests.len() {
            0 => request.clone(),
            pass => with_other_ids(request, pass),
        }
    }

    /// Cut in two: the first `count` requests, and the rest.
    pub(crate) fn split(&self, count: usize) -> (Self, Self) {
        let (first, rest) = self.requests.split_at(count.min(self.requests.len()));
        let part = |requests: &[Bytes]| Self { requests: Rc::new(requests.to_vec()), rows: self.rows };
        (part(first), part(rest))
    }
}

/// Events begin alike up to their number, of which the first digit is always 0.
fn with_other_ids(request: &Bytes, pass: usize) -> Bytes {
    let mut other = request.to_vec();
    let mut line = find(&other, b"\r\n\r\n").expect("a head ends") + 4;
    let start = format!(r#"{{"model":"{MODEL}","version":"1","prediction_id":"prediction-"#);
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = *digits.get(pass).expect("it is sent anew less than 62 times");
    while other[line..].starts_with(start.as_bytes()) {
        other[line + start.len()] = digit;
        line += other[line..].iter().position(|byte| *byte == b'\n').map_or(other.len() - line, |at| at + 1);
    }
    other.into()
}

/// What became of requests.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) rows: u64,
    pub(crate) elapsed: Duration,
    /// How long each request took.
    pub(crate) times: Vec<Duration>,
    /// Requests that were answered 503 and sent again.
    pub(crate) busy: u64,
}

impl Sent {
    pub(crate) fn rate(&self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn tell(&mut self, name: &str) {
        figure(name, self.rate(), "rows/s");
        for (share, shown) in [(0.5, "p50"), (0.99, "p99")] {
            figure(&format!("{name}.{shown}"), quantile(&mut self.times, share).as_secs_f64() * 1e3, "ms");
        }
        figure(&format!("{name}.busy"), self.busy as f64, "answers");
    }
}

/// How quickly and how long requests are sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// Rows a second; as quickly as they are answered, if not given.
    pub(crate) rate: Option<f64>,
    /// For so long, beginning anew with other ids at the end; once, if not given.
    pub(crate) time: Option<Duration>,
    /// Requests that were sent before: it goes on behind them.
    pub(crate) before: usize,
}

/// Sends requests over so many connections.
pub(crate) async fn send(address: &str, requests: &Requests, connections: usize, pace: Pace) -> Sent {
    let (next, started) = (Rc::new(Cell::new(pace.before)), Instant::now());
    let local = LocalSet::new();
    let senders: Vec<_> = (0..connections)
        .map(|_| {
            let (address, requests, next) = (address.to_owned(), requests.clone(), Rc::clone(&next));
            local.spawn_local(async move {
                let mut connection = Connection::open(&address).await;
                let mut sent = Sent::default();
                loop {
                    let number = next.replace(next.get() + 1);
                    let over = match pace.time {
                        Some(time) => started.elapsed() >= time,
                        None => number >= requests.requests.len(),
                    };
                    if over {
                        return sent;
                    }
                    let request = requests.request(number);
                    if let Some(rate) = pace.rate {
                        let rows = (number - pace.before) as f64 * requests.rows as f64;
                        let due = Duration::from_secs_f64(rows / rate);
                        tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
                    }
                    let asked = Instant::now();
                    sent.busy += connection.deliver(&request).await;
                    sent.times.push(asked.elapsed());
                    sent.rows += requests.rows;
                }
            })
        })
        .collect();
    local.await;
    let mut all = Sent { elapsed: started.elapsed(), ..Sent::default() };
    for sender in senders {
        let sent = sender.await.expect("a sender does not panic");
        all.rows += sent.rows;
        all.busy += sent.busy;
        all.times.extend(sent.times);
    }
    all
}

/// A kept-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket has the option");
        Self { stream, answer: Vec::new() }
    }

    /// Sends a request until it is taken; gives how often it was not.
    pub(crate) async fn deliver(&mut self, request: &[u8]) -> u64 {
        let mut busy = 0;
        loop {
            match self.ask(request).await {
                200 | 201 => return busy,
                503 => busy += 1,
                status => panic!("{status}: {}", String::from_utf8_lossy(&self.answer)),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a request and reads its answer; gives the status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> u16 {
        self.stream.write_all(request).await.expect("the server reads");
        self.answer.clear();
        let head = loop {
            if let Some(at) = find(&self.answer, b"\r\n\r\n") {
                break at;
            }
            self.read().await;
        };
        let text = String::from_utf8_lossy(&self.answer[..head]).to_ascii_lowercase();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {text}"));
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        match length.and_then(|length| length.trim().parse::<usize>().ok()) {
            Some(length) => {
                while self.answer.len() < head + 4 + length {
                    self.read().await;
                }
            }
            // The last chunk of a chunked answer is empty.
            None => {
                while !self.answer.ends_with(b"0\r\n\r\n") {
                    self.read().await;
                }
            }
        }
        status
    }

    /// The last answer, head and body.
    pub(crate) fn answer(&self) -> &[u8] {
        &self.answer
    }

    async fn read(&mut self) {
        let read = self.stream.read_buf(&mut self.answer).await.expect("the server answers");
        assert!(read > 0, "the server closed the connection");
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|some| some == wanted)
}
