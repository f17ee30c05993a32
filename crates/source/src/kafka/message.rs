//! What a message carries: its payload's form, told by headers and by its first bytes.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use driftline_events::{Carrier, Encoding, EventTime, Limits, PayloadError, decompress};
use rdkafka::message::{BorrowedMessage, Headers, Message};

use super::cloud_event::{self, CloudEvents};

/// The parts of a message that say what its rows are.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawMessage<'m> {
    pub(crate) value: Option<&'m [u8]>,
    pub(crate) content_type: Option<Cow<'m, str>>,
    pub(crate) content_encoding: Option<Cow<'m, str>>,
    /// When it was written, where the broker knows.
    pub(crate) time: Option<EventTime>,
    pub(crate) default_model: Option<&'m str>,
    /// The names of its headers are no text.
    pub(crate) bad_headers: bool,
}

/// What a message carries.
#[derive(Debug)]
pub(crate) enum Content<'m> {
    /// No value: in a compacted topic, a key that was deleted.
    Tombstone,
    /// A JSON payload, to be read together with those of other messages.
    Json(Cow<'m, [u8]>),
    /// Several of them: the data of a batch of CloudEvents.
    JsonBatch(Vec<Cow<'m, [u8]>>),
    /// An Arrow IPC stream.
    Arrow(Cow<'m, [u8]>),
}

/// A message of which nothing can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
}

impl Unusable {
    pub(crate) fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl From<PayloadError> for Unusable {
    fn from(error: PayloadError) -> Self {
        let detail = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self { reason: error.reason(), detail }
    }
}

impl<'m> RawMessage<'m> {
    pub(crate) fn of(message: &'m BorrowedMessage<'_>, default_model: Option<&'m str>) -> Self {
        let time = message.timestamp().to_millis().map(EventTime::from_millis);
        let mut raw = Self { value: message.payload(), time, default_model, ..Self::default() };
        let Some(headers) = message.headers() else { return raw };
        // The library panics on a header whose name is not UTF-8, which any producer may write.
        let read = catch_unwind(AssertUnwindSafe(|| {
            for header in headers.iter() {
                let Some(value) = header.value else { continue };
                let field = match header.key {
                    key if key.eq_ignore_ascii_case("content-type") => &mut raw.content_type,
                    key if key.eq_ignore_ascii_case("content-encoding") => &mut raw.content_encoding,
                    _ => continue,
                };
                field.get_or_insert_with(|| String::from_utf8_lossy(value));
            }
        }));
        raw.bad_headers = read.is_err();
        raw
    }

    /// What it carries.
    ///
    /// # Errors
    /// [`Unusable`] if that cannot be told, or is nothing that is read here.
    pub(crate) fn content(&self, limits: &Limits) -> Result<Content<'m>, Unusable> {
        if self.bad_headers {
            return Err(Unusable::new("bad_headers", "the name of a header is not valid UTF-8"));
        }
        let Some(value) = self.value else { return Ok(Content::Tombstone) };
        let plain = decompress(value, self.encoding(value)?, limits)?;
        if plain.first() == Some(&0) {
            return Err(schema_registry_frame(&plain));
        }
        let content_type = self.content_type.as_deref().map(media_type);
        match content_type.as_deref().and_then(CloudEvents::of_media_type) {
            Some(form) => cloud_event::open(plain, form),
            None => carried(plain, content_type.as_deref()),
        }
    }

    fn encoding(&self, value: &[u8]) -> Result<Encoding, Unusable> {
        let named = self.content_encoding.as_deref();
        let known = Encoding::from_content_encoding(named).ok_or_else(|| {
            let named = named.unwrap_or_default();
            Unusable::new(
                "unknown_encoding",
                format!("content-encoding {named:?}; known: gzip, zstd, identity"),
            )
        })?;
        // What was compressed twice, or not said to be: JSON and Arrow begin with neither.
        Ok(match known {
            Encoding::Identity if value.starts_with(&[0x1f, 0x8b]) => Encoding::Gzip,
            Encoding::Identity if value.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) => Encoding::Zstd,
            known => known,
        })
    }
}

/// A media type without its parameters, in small letters.
fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Every message of an Arrow IPC stream begins with this, the first one too.
const ARROW_CONTINUATION: [u8; 4] = [0xff; 4];

/// Payloads of one form, as `content_type` says or as they begin.
pub(super) fn carried<'m>(plain: Cow<'m, [u8]>, content_type: Option<&str>) -> Result<Content<'m>, Unusable> {
    let named = Carrier::from_content_type(content_type);
    if named == Some(Carrier::ArrowStream) || plain.starts_with(&ARROW_CONTINUATION) {
        return Ok(Content::Arrow(plain));
    }
    let begins = plain.trim_ascii_start().first();
    let looks_like_json = matches!(begins, Some(b'{' | b'[') | None);
    match (named, content_type) {
        // Whatever it is called: many producers name a type that their serializer happens to have.
        (Some(_), _) => Ok(Content::Json(plain)),
        (None, _) if looks_like_json => Ok(Content::Json(plain)),
        (None, named) => Err(Unusable::new(
            "unknown_content_type",
            format!("content-type {:?}; known: JSON, NDJSON, Arrow IPC streams", named.unwrap_or_default()),
        )),
    }
}

fn schema_registry_frame(value: &[u8]) -> Unusable {
    let schema = match value {
        [0, a, b, c, d, ..] => format!(" (schema {})", u32::from_be_bytes([*a, *b, *c, *d])),
        _ => String::new(),
    };
    Unusable::new(
        "schema_registry_frame",
        format!(
            "the value begins with the zero byte of a Schema Registry frame{schema}, which is not read here: have the \
             producer write plain JSON, or put a converter in between"
        ),
    )
}
