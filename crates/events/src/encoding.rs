//! Content encodings, and decompression that a bomb cannot abuse.

use std::borrow::Cow;
use std::io::{self, Read};

use crate::{Limits, PayloadError};

/// How a payload is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Not at all.
    #[default]
    Identity,
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 8878, one or more frames.
    Zstd,
}

impl Encoding {
    /// The encoding that a `Content-Encoding` names; `None` for one that is not known, or a list of several.
    #[must_use]
    pub fn from_content_encoding(content_encoding: Option<&str>) -> Option<Self> {
        match content_encoding.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The largest window that a zstd frame may ask for, as a power of two: 8 MiB, what RFC 9659 allows in HTTP.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// A payload's plain bytes; borrowed where it is not compressed.
///
/// # Errors
/// [`PayloadError`] if the payload, or what comes out of it, is over the limits, or if the compressed data
/// is broken, cut short, or followed by bytes that do not belong to it.
pub fn decompress<'a>(
    payload: &'a [u8],
    encoding: Encoding,
    limits: &Limits,
) -> Result<Cow<'a, [u8]>, PayloadError> {
    if payload.len() > limits.body_bytes {
        return Err(PayloadError::BodyTooLarge { bytes: payload.len(), limit: limits.body_bytes });
    }
    let plain = match encoding {
        Encoding::Identity => return Ok(Cow::Borrowed(payload)),
        Encoding::Gzip => {
            let decoder = flate2::bufread::MultiGzDecoder::new(payload);
            read_all(decoder, payload.len(), limits).map_err(|fault| fault.named("gzip"))
        }
        Encoding::Zstd => zstd_decoder(payload)
            .map_err(Fault::Broken)
            .and_then(|decoder| read_all(decoder, payload.len(), limits))
            .map_err(|fault| fault.named("zstd")),
    };
    plain.map(Cow::Owned)
}

fn zstd_decoder(payload: &[u8]) -> io::Result<zstd::stream::read::Decoder<'static, &[u8]>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(payload)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

enum Fault {
    Broken(io::Error),
    TooLarge { limit: usize },
}

impl Fault {
    fn named(self, encoding: &'static str) -> PayloadError {
        match self {
            Self::Broken(source) => PayloadError::Compression { encoding, source },
            Self::TooLarge { limit } => PayloadError::DecompressedTooLarge { limit },
        }
    }
}

/// Reads to the end, and never more than one byte past the limit.
fn read_all(decoder: impl Read, compressed_bytes: usize, limits: &Limits) -> Result<Vec<u8>, Fault> {
    let limit = limits.decompressed_bytes;
    // Events compress about eightfold; the cap keeps the first allocation honest whatever the body says.
    let mut plain = Vec::with_capacity(compressed_bytes.saturating_mul(8).min(limit));
    decoder.take(limit as u64 + 1).read_to_end(&mut plain).map_err(Fault::Broken)?;
    if plain.len() > limit { Err(Fault::TooLarge { limit }) } else { Ok(plain) }
}

#[cfg(test)]
mod tests;
