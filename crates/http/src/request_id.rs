//! The id that ties an answer to the log.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries a request's id, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id: the client's own where it is 1 to 128 of `A-Z a-z 0-9 . _ -`, else one that no other request
/// of this process has. In handlers, `Extension<RequestId>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The id that the request brings, or a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers
            .get(X_REQUEST_ID)
            .and_then(|value| Self::accepted(value.to_str().ok()?))
            .unwrap_or_else(Self::new)
    }

    /// An id that could forge a log line or fill it is not taken over.
    fn accepted(id: &str) -> Option<Self> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        ((1..=128).contains(&id.len()) && id.bytes().all(allowed)).then(|| Self(id.to_owned()))
    }

    /// Unique in the process by its counter, and across processes by a random start.
    fn new() -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let process = PROCESS.get_or_init(|| RandomState::new().hash_one(0));
        Self(format!("{process:016x}-{:x}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0)
            .expect("an id has only letters, digits, points, underscores and dashes")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
        RequestId::of(&headers)
    }

    #[test]
    fn a_sane_id_is_kept() {
        assert_eq!(of(b"req-17.a_B").as_str(), "req-17.a_B");
        assert_eq!(of(&[b'x'; 128]).as_str().len(), 128);
    }

    #[test]
    fn others_are_replaced() {
        for value in [&b""[..], b"a b", b"a\tlevel=ERROR", b"\xc3\xa9", &[b'x'; 129]] {
            assert_ne!(of(value).as_str().as_bytes(), value);
        }
    }

    #[test]
    fn new_ids_differ_and_would_be_accepted() {
        let (a, b) = (RequestId::new(), RequestId::new());
        assert_ne!(a, b);
        assert_eq!(RequestId::accepted(a.as_str()), Some(a));
    }
}
