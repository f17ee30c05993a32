//! POST requests: one attempt, and what the answer means.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use driftline_events::EventTime;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::endpoint::Endpoint;
use super::failure::{SendError, with_causes};
use super::words::{clip, one_line};

/// The agent that receivers see.
const AGENT: &str = concat!("driftline/", env!("CARGO_PKG_VERSION"));

/// So much of an answer is read.
const ANSWER_BYTES: usize = 16 << 10;

/// So much of it is shown.
const ANSWER_SHOWN: usize = 200;

/// A connection that lay idle for longer may have been closed by the other side just now.
const IDLE: Duration = Duration::from_secs(15);

type Client<C> = legacy::Client<C, Full<Bytes>>;

/// Sends to one endpoint. Redirects are not followed: a secret address is nobody else's business.
#[derive(Clone, Debug)]
pub(super) struct Poster {
    endpoint: Endpoint,
    client: EitherClient,
}

#[derive(Clone, Debug)]
enum EitherClient {
    Plain(Client<HttpConnector>),
    Tls(Client<HttpsConnector<HttpConnector>>),
}

impl Poster {
    /// Certificates are held against those that the system trusts.
    pub(super) fn try_new(endpoint: Endpoint) -> std::io::Result<Self> {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(1);
        let client = if endpoint.is_https() {
            let connector =
                HttpsConnectorBuilder::new().with_native_roots()?.https_only().enable_http1().build();
            EitherClient::Tls(builder.build(connector))
        } else {
            EitherClient::Plain(builder.build(HttpConnector::new()))
        };
        Ok(Self { endpoint, client })
    }

    /// What may be shown of where it sends.
    pub(super) fn shown(&self) -> &str {
        self.endpoint.shown()
    }

    /// Sends a body, and gives what was answered. It ends when the other side does: the caller sets a limit.
    pub(super) async fn post(
        &self,
        body: Vec<u8>,
        content_type: &str,
        now: EventTime,
    ) -> Result<String, SendError> {
        self.post_with(HeaderMap::new(), body, content_type, now).await
    }

    /// The same with more headers.
    pub(super) async fn post_with(
        &self,
        headers: HeaderMap,
        body: Vec<u8>,
        content_type: &str,
        now: EventTime,
    ) -> Result<String, SendError> {
        let response = self.request(headers, body, content_type).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = self.text(response.into_body()).await;
        let answer = format!("{status}{}{text}", if text.is_empty() { "" } else { ": " });
        if status.is_success() {
            return Ok(answer);
        }
        let reason = format!("{} answered {answer}", self.endpoint.shown());
        if is_for_ever(status) {
            return Err(SendError::Never { reason });
        }
        Err(SendError::Later { reason, after: retry_after(&headers, now) })
    }

    async fn request(
        &self,
        headers: HeaderMap,
        body: Vec<u8>,
        content_type: &str,
    ) -> Result<Response<Incoming>, SendError> {
        let mut request = Request::post(self.endpoint.uri().clone())
            .header(CONTENT_TYPE, content_type)
            .header(USER_AGENT, AGENT)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| SendError::later(with_causes(&error)))?;
        request.headers_mut().extend(self.endpoint.headers().clone());
        request.headers_mut().extend(headers);
        let sent = match &self.client {
            EitherClient::Plain(client) => client.request(request).await,
            EitherClient::Tls(client) => client.request(request).await,
        };
        sent.map_err(|error| {
            let reason = self.endpoint.scrub(&with_causes(&error));
            SendError::later(format!("{}: {reason}", self.endpoint.shown()))
        })
    }

    /// The beginning of an answer, for people; whatever is wrong with the rest of it, the status counts.
    async fn text(&self, mut body: Incoming) -> String {
        let mut bytes = Vec::new();
        while bytes.len() < ANSWER_BYTES
            && let Some(Ok(frame)) = body.frame().await
        {
            bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        }
        let text = String::from_utf8_lossy(&bytes);
        clip(&self.endpoint.scrub(&one_line(&text)), ANSWER_SHOWN)
    }
}

/// Whether sending the same again is in vain. A redirect says nothing of the event: it is tried again, and seen.
fn is_for_ever(status: StatusCode) -> bool {
    status.is_client_error()
        && ![StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status)
}

/// How long to wait, in seconds (Discord's may have a fraction) or up to a date.
fn retry_after(headers: &HeaderMap, now: EventTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(EventTime::from_millis(date.timestamp().as_millisecond()).since(now))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::alert::secret::{Secret, SecretOptions};

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = EventTime::parse("2026-01-01T10:00:00Z").unwrap();
        let of = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]), now);
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of(" 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(of("Thu, 01 Jan 2026 10:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(of("Thu, 01 Jan 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!((of("-1"), of("NaN"), of("soon")), (None, None, None));
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[tokio::test]
    async fn half_an_answer_is_shown_as_far_as_it_came() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 64]).await.unwrap();
            let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\nno_service";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            // What is still to be read would end the connection with an error.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.unwrap();
        });
        let secret = Secret::read(&SecretOptions::from(url.as_str()), &|_| None).unwrap();
        let poster = Poster::try_new(Endpoint::try_new(&secret).unwrap()).unwrap();
        let error = poster.post(vec![b' '; 64], "text/plain", EventTime::from_millis(0)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{url} answered 404 Not Found: no_service"));
        server.await.unwrap();
    }

    #[test]
    fn what_is_wrong_with_the_request_is_for_ever() {
        for status in [400, 401, 403, 404, 410, 413, 422] {
            assert!(is_for_ever(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [301, 307, 408, 429, 500, 502, 503, 504] {
            assert!(!is_for_ever(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }
}
