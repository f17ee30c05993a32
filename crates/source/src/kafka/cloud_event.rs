//! CloudEvents 1.0 in structured mode: the event's data is inside a JSON envelope. In binary mode the value is the
//! data itself, and needs nothing.

use std::borrow::Cow;

use serde::Deserialize;
use sonic_rs::{JsonValueTrait, LazyValue};

use super::message::{Content, Unusable, carried};

/// The form of structured CloudEvents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloudEvents {
    One,
    Batch,
}

impl CloudEvents {
    /// The form that a media type names.
    pub(super) fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            "application/cloudevents" | "application/cloudevents+json" => Some(Self::One),
            "application/cloudevents-batch" | "application/cloudevents-batch+json" => Some(Self::Batch),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    data: Option<LazyValue<'a>>,
    #[serde(borrow, default)]
    data_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    datacontenttype: Option<Cow<'a, str>>,
}

/// Takes the data out of its envelope.
///
/// # Errors
/// [`Unusable`] if the envelope is none, or has no data.
pub(super) fn open<'m>(plain: Cow<'m, [u8]>, form: CloudEvents) -> Result<Content<'m>, Unusable> {
    let bad = |error: sonic_rs::Error| {
        let error = error.to_string();
        bad_event(error.lines().next().unwrap_or_default())
    };
    match form {
        CloudEvents::One => data(&sonic_rs::from_slice(&plain).map_err(bad)?),
        CloudEvents::Batch => {
            let envelopes: Vec<Envelope<'_>> = sonic_rs::from_slice(&plain).map_err(bad)?;
            let mut all = Vec::with_capacity(envelopes.len());
            for envelope in &envelopes {
                match data(envelope)? {
                    Content::Json(payload) => all.push(payload),
                    Content::JsonBatch(_) | Content::Arrow(_) | Content::Tombstone => {
                        return Err(bad_event("a batch holds JSON data only; send Arrow data by itself"));
                    }
                }
            }
            Ok(Content::JsonBatch(all))
        }
    }
}

fn bad_event(detail: &str) -> Unusable {
    Unusable::new("bad_cloud_event", format!("not a structured CloudEvent with data: {detail}"))
}

fn data<'m>(envelope: &Envelope<'_>) -> Result<Content<'m>, Unusable> {
    if let Some(text) = &envelope.data_base64 {
        let bytes = base64(text).ok_or_else(|| bad_event("data_base64 is not valid Base64"))?;
        return carried(Cow::Owned(bytes), envelope.datacontenttype.as_deref());
    }
    let value = envelope.data.as_ref().ok_or_else(|| bad_event("neither data nor data_base64"))?;
    // A text is data of a type that JSON cannot hold as it is, such as NDJSON.
    let bytes = match value.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => value.as_raw_str().as_bytes().to_vec(),
    };
    Ok(Content::Json(Cow::Owned(bytes)))
}

/// Base64 as in RFC 4648, section 4; the padding may be left out.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    // What is left over must be padding: fewer than six bits, all zero.
    (held < 6 && bits == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_the_standard_writes_it() {
        // RFC 4648, section 10.
        let vectors = [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg", "foob"),
            ("Zm9vYmFy", "foobar"),
        ];
        for (text, bytes) in vectors {
            assert_eq!(base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(base64("+/8="), Some(vec![0xfb, 0xff]));
        for text in ["Z", "Zh", "Zg=a", "Zm9v!", "Zm-v"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
