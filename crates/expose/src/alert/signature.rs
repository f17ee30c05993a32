//! Signatures of webhooks, by the Standard Webhooks specification: an HMAC-SHA256 over id, time and body.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use driftline_events::EventTime;
use ring::hmac;

use super::fault::NotifySpecError;
use super::secret::Secret;

/// Secrets that begin so are Base64, as the specification writes them; others are taken as they are.
const PREFIX: &str = "whsec_";

/// Shorter keys can be guessed.
const SHORTEST: usize = 16;

/// Signs requests with a secret that the receiver knows too.
#[derive(Clone)]
pub(super) struct Signer {
    key: hmac::Key,
}

impl Signer {
    pub(super) fn try_new(secret: &Secret) -> Result<Self, NotifySpecError> {
        let key = match secret.reveal().strip_prefix(PREFIX) {
            Some(text) => STANDARD.decode(text).map_err(|_| NotifySpecError::BadSigningSecret)?,
            None => secret.reveal().as_bytes().to_vec(),
        };
        if key.len() < SHORTEST {
            return Err(NotifySpecError::BadSigningSecret);
        }
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key) })
    }

    /// The headers that go with `body`, which is sent `now` as the event `id`.
    pub(super) fn headers(&self, id: &str, now: EventTime, body: &[u8]) -> HeaderMap {
        let time = now.as_millis().div_euclid(1_000).to_string();
        let mut context = hmac::Context::with_key(&self.key);
        for part in [id.as_bytes(), b".", time.as_bytes(), b".", body] {
            context.update(part);
        }
        let signature = format!("v1,{}", STANDARD.encode(context.sign()));
        let headers = [("webhook-id", id), ("webhook-timestamp", &time), ("webhook-signature", &signature)];
        // An id that no header can carry is not sent, and the receiver will say what it misses.
        let header = |(name, value): (&'static str, &str)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
        };
        headers.into_iter().filter_map(header).collect()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::secret::SecretOptions;

    fn signer(secret: &str) -> Result<Signer, NotifySpecError> {
        Signer::try_new(&Secret::read(&SecretOptions::from(secret), &|_| None).unwrap())
    }

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // CPython 3 hmac: base64.b64encode(hmac.new(key, b"ID.TIME.BODY", "sha256").digest())
        let now = EventTime::from_millis(1_614_265_330_999);
        let body = br#"{"test": 2432232314}"#;
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let headers = signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().headers(id, now, body);
        assert_eq!(
            (&headers["webhook-id"], &headers["webhook-timestamp"]),
            (&id.parse().unwrap(), &"1614265330".parse().unwrap())
        );
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let headers = signer("sixteen bytes and more").unwrap().headers(id, now, body);
        assert_eq!(headers["webhook-signature"], "v1,HvIj2Rf+ADOVaNS0Lntv/f1m9ufalT3c3Nszh2a0e9I=");
    }

    #[test]
    fn a_secret_that_is_none_is_not_taken() {
        assert!(signer("short").is_err());
        assert!(signer("whsec_not base64 at all!").is_err());
        assert!(signer("whsec_c2hvcnQ=").is_err());
        assert!(!format!("{:?}", signer("sixteen bytes and more")).contains("sixteen"));
    }
}
