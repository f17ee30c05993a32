//! One payload as it stands in a journal file.

/// Length of the payload (4), CRC-32 (4), sequence number (8), durable sequence number (8); little-endian. The
/// checksum is over the file's salt, the other three, and the payload.
pub(super) const FRAME_HEAD: usize = 24;
/// The longest payload. A longer one is a mistake: bodies are bounded far below.
pub(super) const MAX_PAYLOAD: usize = 1 << 30;

/// A frame whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Counts the payloads of a journal from 1.
    pub(super) seq: u64,
    /// The frames up to this one were durable when this one was written. It tells damage from a torn end: what is
    /// broken although a later frame says that it was durable was whole once.
    pub(super) durable: u64,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Length of the whole frame.
    pub(super) const fn bytes(&self) -> usize {
        FRAME_HEAD + self.payload.len()
    }

    /// Writes it at the end of a buffer. The payload is [`MAX_PAYLOAD`] at most.
    pub(super) fn encode(&self, salt: u32, into: &mut Vec<u8>) {
        let length = u32::try_from(self.payload.len()).expect("a payload is bounded far below 4 GiB");
        into.reserve(self.bytes());
        into.extend_from_slice(&length.to_le_bytes());
        into.extend_from_slice(&checksum(salt, length, self.seq, self.durable, self.payload).to_le_bytes());
        into.extend_from_slice(&self.seq.to_le_bytes());
        into.extend_from_slice(&self.durable.to_le_bytes());
        into.extend_from_slice(self.payload);
    }

    /// The frame at the start of the bytes; `None` if it is not complete or its checksum fails.
    pub(super) fn decode(bytes: &'a [u8], salt: u32) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (expected, rest) = rest.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        let (durable, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let payload = rest.get(..usize::try_from(length).ok()?)?;
        let (seq, durable) = (u64::from_le_bytes(*seq), u64::from_le_bytes(*durable));
        let holds =
            durable < seq && checksum(salt, length, seq, durable, payload) == u32::from_le_bytes(*expected);
        holds.then_some(Self { seq, durable, payload })
    }
}

fn checksum(salt: u32, length: u32, seq: u64, durable: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(&seq.to_le_bytes());
    hasher.update(&durable.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn encoded(frame: Frame<'_>, salt: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame.encode(salt, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn it_survives(seq in 1..u64::MAX, behind in 1..50_u64, payload in vec(any::<u8>(), 0..300), salt: u32, rest in vec(any::<u8>(), 0..40)) {
            let frame = Frame { seq, durable: seq.saturating_sub(behind), payload: &payload };
            let mut bytes = encoded(frame, salt);
            prop_assert_eq!(bytes.len(), frame.bytes());
            bytes.extend(&rest);
            prop_assert_eq!(Frame::decode(&bytes, salt), Some(frame));
            prop_assert_eq!(Frame::decode(&bytes, salt ^ 1), None);
        }

        #[test]
        fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..200), salt: u32) {
            prop_assert_eq!(Frame::decode(&bytes, salt), None);
        }
    }

    #[test]
    fn any_flipped_bit_and_any_truncation_is_noticed() {
        for payload in [&b""[..], b"x", b"{\"model\": \"churn\"}", &[0; 100]] {
            let bytes = encoded(Frame { seq: 7, durable: 6, payload }, 99);
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Frame::decode(&flipped, 99), None, "bit {bit}");
            }
            for length in 0..bytes.len() {
                assert_eq!(Frame::decode(&bytes[..length], 99), None, "{length} bytes");
            }
        }
        assert_eq!(Frame::decode(&[0; 100], 0), None);
    }
}
