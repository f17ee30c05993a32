//! What tells a request that is sent again from a new one.

use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use driftline_http::Problem;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// The header by which a sender says that a request is the same as one before.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Characters of a key: a UUID has 36, and what is remembered of a key is its hash.
const MOST_CHARACTERS: usize = 255;

/// A sender's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key that a request has, if any.
    ///
    /// # Errors
    /// 400 if it is there more than once, is empty or too long, or has characters that cannot be seen.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let key = text(value).filter(|_| values.next().is_none()).ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "bad_idempotency_key",
                "The idempotency key cannot be used.",
            )
            .detail("send one Idempotency-Key of 1 to 255 visible ASCII characters, such as a UUID")
        })?;
        Ok(Some(Self(key.to_owned())))
    }

    /// What stands for the key among the requests of a route.
    pub(crate) fn of_route(&self, route: &str) -> u128 {
        // A route has no line break, and a key neither.
        xxh3_128(format!("{route}\n{}", self.0).as_bytes())
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_visible && (1..=MOST_CHARACTERS).contains(&text.len())).then_some(text)
}

/// What stands for a payload: its bytes after decompression, and the model that the request names for its events.
pub(crate) fn payload_hash(plain: &[u8], default_model: Option<&str>) -> u64 {
    let mut hash = Xxh3::new();
    // The model's name has no line break, so that the two cannot be told apart in more than one way.
    hash.update(default_model.unwrap_or_default().as_bytes());
    hash.update(b"\n");
    hash.update(plain);
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Option<IdempotencyKey>, u16> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        IdempotencyKey::of(&headers).map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        assert_eq!(of(&[]), Ok(None));
        let longest = "k".repeat(255);
        for key in ["k", "3f0c-17", &longest] {
            assert_eq!(of(&[key]), Ok(Some(IdempotencyKey(key.to_owned()))));
        }
        for keys in [&[""][..], &[&"k".repeat(256)], &["a b"], &["\u{e9}"], &["a", "a"]] {
            assert_eq!(of(keys), Err(400), "{keys:?}");
        }
    }

    #[test]
    fn a_key_is_another_on_another_route() {
        let key = IdempotencyKey("k".to_owned());
        assert_eq!(key.of_route("/v1/labels"), key.of_route("/v1/labels"));
        assert_ne!(key.of_route("/v1/labels"), key.of_route("/v1/predictions"));
    }

    #[test]
    fn a_payload_is_its_bytes_and_its_model() {
        let known = payload_hash(b"{}", None);
        assert_eq!(known, payload_hash(b"{}", None));
        assert_ne!(known, payload_hash(b"{} ", None));
        assert_ne!(known, payload_hash(b"{}", Some("churn")));
    }
}
