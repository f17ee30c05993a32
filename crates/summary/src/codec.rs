//! The envelope of everything that is stored.
//!
//! `DLSM`, format version (u16), kind (u8), payload, CRC-32 of all before; numbers little-endian. The payload is
//! the serde form in postcard's encoding. Magic, version and the checksum's place stay in every version.

use serde::Serialize;
use serde::de::DeserializeOwned;

const MAGIC: &[u8; 4] = b"DLSM";
/// The version that is written, and the newest that is read.
const VERSION: u16 = 1;
const HEADER: usize = MAGIC.len() + 2 + 1;
const CHECKSUM: usize = 4;

/// What is in an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Spec = 1,
    Cell = 2,
    Reference = 3,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Spec => "summary spec",
            Self::Cell => "summary",
            Self::Reference => "reference",
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Spec, Self::Cell, Self::Reference].into_iter().find(|&kind| kind as u8 == byte)
    }
}

/// Bytes that are not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes do not begin as ours do.
    #[error("this is no Driftline summary: it does not begin with \"DLSM\"")]
    NotASummary,
    /// Written by a newer version.
    #[error(
        "this has format version {found} and the newest known here is {supported}: upgrade Driftline to read it"
    )]
    Newer {
        /// Its version.
        found: u16,
        /// The newest that can be read.
        supported: u16,
    },
    /// A spec, a summary or a reference where another of them was expected.
    #[error("this is a {found}, not a {expected}: give the file that was written as one")]
    Kind {
        /// What was asked for.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Cut off, or changed since it was written.
    #[error(
        "the checksum does not match its {bytes} bytes: it is cut off or damaged; restore a copy or make it anew"
    )]
    Damaged {
        /// Its length.
        bytes: usize,
    },
    /// The checksum matches, but the content makes no sense.
    #[error("the content is not valid ({detail}): make it anew")]
    Invalid {
        /// What is wrong.
        detail: String,
    },
    /// A summary that was made by another reference.
    #[error(
        "the summary was made with spec {found:016x}, not {expected:016x}: give the spec it was made with, or drop the summary"
    )]
    SpecDiffers {
        /// The id of the spec that was given.
        expected: u64,
        /// The id of the spec that it was made with.
        found: u64,
    },
}

impl DecodeError {
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::Invalid { detail: detail.into() }
    }
}

/// Writes a value into an envelope.
pub(crate) fn seal(kind: Kind, value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4096);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.push(kind as u8);
    let mut bytes =
        postcard::to_extend(value, bytes).expect("plain data of known lengths is written to memory");
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// Reads a value from an envelope.
pub(crate) fn open<T: DeserializeOwned>(expected: Kind, bytes: &[u8]) -> Result<T, DecodeError> {
    if !bytes.starts_with(MAGIC) && !MAGIC.starts_with(bytes) {
        return Err(DecodeError::NotASummary);
    }
    let damaged = DecodeError::Damaged { bytes: bytes.len() };
    let Some((content, checksum)) = bytes.split_last_chunk::<CHECKSUM>() else { return Err(damaged) };
    if content.len() < HEADER || crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
        return Err(damaged);
    }
    let (header, payload) = content.split_at(HEADER);
    let version = u16::from_le_bytes([header[4], header[5]]);
    if version > VERSION {
        return Err(DecodeError::Newer { found: version, supported: VERSION });
    }
    if version == 0 {
        return Err(DecodeError::invalid("format version 0 was never written"));
    }
    let kind =
        Kind::of(header[6]).ok_or_else(|| DecodeError::invalid(format!("unknown kind {}", header[6])))?;
    if kind != expected {
        return Err(DecodeError::Kind { expected: expected.name(), found: kind.name() });
    }
    match postcard::take_from_bytes(payload) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(DecodeError::invalid(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(DecodeError::invalid(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(kind: Kind, version: u16) -> Vec<u8> {
        let mut bytes = seal(kind, &(7_u32, "x"));
        bytes[4..6].copy_from_slice(&version.to_le_bytes());
        let end = bytes.len() - CHECKSUM;
        let checksum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn opened(bytes: &[u8]) -> Result<(u32, String), DecodeError> {
        open(Kind::Cell, bytes)
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let bytes = sealed(Kind::Cell, 1);
        assert_eq!(opened(&bytes), Ok((7, "x".to_owned())));
        for end in 0..bytes.len() {
            assert_eq!(opened(&bytes[..end]), Err(DecodeError::Damaged { bytes: end }));
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = opened(&flipped).unwrap_err();
            let expected =
                if bit < 32 { DecodeError::NotASummary } else { DecodeError::Damaged { bytes: bytes.len() } };
            assert_eq!(error, expected, "bit {bit}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let text = |bytes: &[u8]| opened(bytes).unwrap_err().to_string();
        assert_eq!(opened(&sealed(Kind::Cell, 2)), Err(DecodeError::Newer { found: 2, supported: 1 }));
        assert!(text(&sealed(Kind::Cell, 2)).ends_with("upgrade Driftline to read it"));
        assert_eq!(
            text(&sealed(Kind::Spec, 1)),
            "this is a summary spec, not a summary: give the file that was written as one"
        );
        assert_eq!(text(b"PAR1"), "this is no Driftline summary: it does not begin with \"DLSM\"");
        assert!(text(b"").ends_with("restore a copy or make it anew"));
    }
}
