//! The first bytes of a journal file.

/// How a journal file begins.
const MAGIC: [u8; 4] = *b"DLJN";
/// The version this build writes, and the newest it reads.
pub(super) const VERSION: u16 = 1;
/// Magic, version, two zero bytes, first sequence number, salt, CRC-32 of all that; numbers are little-endian.
pub(super) const HEADER_BYTES: usize = 24;

/// What a journal file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The sequence number of its first frame.
    pub(super) first_seq: u64,
    /// Goes into the checksum of every frame: the bytes of another journal, as they were on the disk before or as
    /// somebody sends them for a payload, are not taken for frames of this one.
    pub(super) salt: u32,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Too short, another kind of file, or a checksum that fails.
    Damaged,
    /// A version after [`VERSION`].
    Newer(u16),
}

impl Header {
    pub(super) fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.salt.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..20]);
        bytes[20..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header at the start of a file's bytes. The version comes before the checksum: a newer one may have the
    /// checksum elsewhere.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(HeaderFault::Damaged)?;
        let (version, _) = rest.split_first_chunk().ok_or(HeaderFault::Damaged)?;
        if *magic != MAGIC {
            return Err(HeaderFault::Damaged);
        }
        let version = u16::from_le_bytes(*version);
        if version > VERSION {
            return Err(HeaderFault::Newer(version));
        }
        let (bytes, _) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(HeaderFault::Damaged)?;
        let [.., s0, s1, s2, s3, _, _, _, _] = *bytes;
        let [_, _, _, _, _, _, _, _, f0, f1, f2, f3, f4, f5, f6, f7, ..] = *bytes;
        let header = Self {
            first_seq: u64::from_le_bytes([f0, f1, f2, f3, f4, f5, f6, f7]),
            salt: u32::from_le_bytes([s0, s1, s2, s3]),
        };
        if header.encode() == *bytes { Ok(header) } else { Err(HeaderFault::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { first_seq: 0x0102_0304_0506_0708, salt: 0xdead_beef };

    #[test]
    fn it_survives() {
        assert_eq!(Header::decode(&HEADER.encode()), Ok(HEADER));
    }

    #[test]
    fn any_flipped_bit_and_any_truncation_is_noticed() {
        let bytes = HEADER.encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..length]), Err(HeaderFault::Damaged), "{length} bytes");
        }
    }

    #[test]
    fn a_newer_version_is_told_apart() {
        let mut bytes = HEADER.encode();
        bytes[4] = 2;
        assert_eq!(Header::decode(&bytes), Err(HeaderFault::Newer(2)));
        assert_eq!(Header::decode(&bytes[..6]), Err(HeaderFault::Newer(2)));
    }
}
