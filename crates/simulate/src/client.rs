//! Sends batches to the service, patiently.

use std::io::Write;
use std::time::Duration;

use driftline_events::{Label, Prediction};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::events::ndjson;
use crate::handle::SimulatorHandle;
use crate::options::{SimulateSpec, Token};

/// A client of the two ingest routes.
///
/// A batch is tried again while the service is not there, closes the connection, takes longer than 10 seconds, or
/// answers 429 or 5xx: after the Retry-After that it asks for (at most 30 s), else after 0.1 s and twice as long
/// each time, up to 5 s. It gives up when the next attempt would come later than the spec allows. Trying again
/// counts nothing twice, since events carry ids. Proxies of the environment are not used.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Token>,
    gzip: bool,
    give_up_after: Duration,
    handle: SimulatorHandle,
    shutdown: CancellationToken,
}

/// What the service said of a batch; the three add up to its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Rows that it took.
    pub accepted: u64,
    /// Rows that it had already.
    pub duplicates: u64,
    /// Rows that it did not take: rejected or too late.
    pub rejected: u64,
    /// Why it did not take the first of them, where it says so.
    pub first_rejection: Option<String>,
}

/// A batch that was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The HTTP client could not be set up.
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
    /// The service was not there, or busy, for too long.
    #[error("{url} did not take events within {waited:.1?} and {attempts} attempts: {reason}")]
    Unavailable {
        /// Where the batch was sent.
        url: String,
        /// How long it was tried.
        waited: Duration,
        /// How often.
        attempts: u64,
        /// What happened last.
        reason: String,
    },
    /// The service will not take such a request, however often it is sent.
    #[error("{url} answered {status}: {detail}")]
    Refused {
        /// Where the batch was sent.
        url: String,
        /// The status.
        status: StatusCode,
        /// What the answer says, cut short.
        detail: String,
    },
    /// The answer to an accepted batch is not what Driftline answers.
    #[error("{url} answered 200 with something else than counts of rows")]
    Answer {
        /// Where the batch was sent.
        url: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);
/// Characters of an error answer that are shown.
const DETAIL_CHARS: usize = 300;

#[derive(Deserialize)]
struct Accepted {
    accepted: u64,
    #[serde(default)]
    duplicates: u64,
    #[serde(default)]
    rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Rejected {
    row: u64,
    reason: String,
    #[serde(default)]
    detail: String,
}

/// How one attempt ended, short of an error.
enum Attempt {
    Taken(Receipt),
    TryAgain { reason: String, after: Option<Duration> },
}

impl Client {
    /// A client of the spec's service; retries are counted and shown by `handle`, waits end with `shutdown`.
    ///
    /// # Errors
    /// [`ClientError::Setup`].
    pub fn try_new(
        spec: &SimulateSpec,
        handle: SimulatorHandle,
        shutdown: CancellationToken,
    ) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(ClientError::Setup)?;
        let options = &spec.options;
        Ok(Self {
            http,
            base: spec.url.clone(),
            token: options.token.clone(),
            gzip: options.gzip,
            give_up_after: options.give_up_after.duration(),
            handle,
            shutdown,
        })
    }

    /// Sends predictions as one batch; `None` if it was shut down while it waited.
    ///
    /// # Errors
    /// [`ClientError`] if the batch was not taken.
    pub async fn send_predictions(&self, rows: &[Prediction]) -> Result<Option<Receipt>, ClientError> {
        self.send("v1/predictions", rows).await
    }

    /// Sends labels as one batch; `None` if it was shut down while it waited.
    ///
    /// # Errors
    /// [`ClientError`] if the batch was not taken.
    pub async fn send_labels(&self, rows: &[Label]) -> Result<Option<Receipt>, ClientError> {
        self.send("v1/labels", rows).await
    }

    async fn send<T: Serialize>(&self, route: &str, rows: &[T]) -> Result<Option<Receipt>, ClientError> {
        if rows.is_empty() {
            return Ok(Some(Receipt::default()));
        }
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{route}", self.base.path().trim_end_matches('/')));
        let body = bytes::Bytes::from(self.encoded(ndjson(rows)));
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        for attempts in 1.. {
            let (reason, after) = match self.attempt(&url, body.clone(), rows.len() as u64).await? {
                Attempt::Taken(receipt) => {
                    self.handle.update(|progress| progress.waiting_for = None);
                    return Ok(Some(receipt));
                }
                Attempt::TryAgain { reason, after } => (reason, after),
            };
            let wait = after.map_or(pause, |after| after.min(LONGEST_RETRY_AFTER));
            pause = (pause * 2).min(LONGEST_PAUSE);
            let waited = began.elapsed();
            if waited + wait > self.give_up_after {
                return Err(ClientError::Unavailable { url: url.to_string(), waited, attempts, reason });
            }
            let message = format!("waiting for {url}: {reason}; trying again in {:.1} s", wait.as_secs_f64());
            warn!(attempts, "The simulated service is {message}.");
            self.handle.update(|progress| {
                progress.retries += 1;
                progress.waiting_for = Some(message);
            });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shutdown.cancelled() => return Ok(None),
            }
        }
        unreachable!("attempts are not counted to the end of u64")
    }

    async fn attempt(&self, url: &Url, body: bytes::Bytes, rows: u64) -> Result<Attempt, ClientError> {
        let mut request = self.http.post(url.clone()).header(CONTENT_TYPE, "application/x-ndjson").body(body);
        if self.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.secret());
        }
        let try_again = |reason, after| Ok(Attempt::TryAgain { reason, after });
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return try_again(root_cause(&error), None),
        };
        let (status, after) = (response.status(), retry_after(response.headers()));
        let answer = match response.bytes().await {
            Ok(answer) => answer,
            Err(error) => return try_again(root_cause(&error), None),
        };
        if status.is_success() {
            return match serde_json::from_slice(&answer) {
                Ok(accepted) => Ok(Attempt::Taken(receipt(accepted, rows))),
                Err(source) => Err(ClientError::Answer { url: url.to_string(), source }),
            };
        }
        let detail = || String::from_utf8_lossy(&answer).chars().take(DETAIL_CHARS).collect::<String>();
        if status == StatusCode::UNPROCESSABLE_ENTITY {
            let refused = match serde_json::from_slice(&answer) {
                Ok(accepted) => receipt(accepted, rows),
                Err(_) => Receipt { rejected: rows, first_rejection: Some(detail()), ..Receipt::default() },
            };
            return Ok(Attempt::Taken(refused));
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return try_again(format!("it answered {status}"), after);
        }
        Err(ClientError::Refused { url: url.to_string(), status, detail: detail() })
    }

    fn encoded(&self, body: Vec<u8>) -> Vec<u8> {
        if !self.gzip {
            return body;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body).expect("memory takes every byte");
        encoder.finish().expect("memory takes every byte")
    }
}

/// The list of rejected rows may be cut short, so their number is what is left of the batch.
fn receipt(answer: Accepted, rows: u64) -> Receipt {
    let rejected = rows.saturating_sub(answer.accepted).saturating_sub(answer.duplicates);
    let first = answer.rejected.first();
    let first_rejection = first.map(|row| format!("row {}: {} {}", row.row, row.reason, row.detail));
    Receipt { accepted: answer.accepted, duplicates: answer.duplicates, rejected, first_rejection }
}

/// Whole seconds above zero; the form with a date is not understood and gives `None`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The innermost message: "connection refused" rather than "error sending request".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
