//! The frames of one file, from its bytes.

use super::frame::{FRAME_HEAD, Frame};
use super::header::{HEADER_BYTES, Header};

/// Shows the frames of a file one after the other, as long as each is whole and the next in number.
#[derive(Clone, Debug)]
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    salt: u32,
    at: usize,
    next_seq: u64,
}

/// How a file ends after its last good frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the frame.
    Clean,
    /// With bytes that nobody says were durable: the rest of a write that was cut short.
    Torn,
    /// With bytes that were a durable frame once.
    Damaged,
}

impl<'a> Frames<'a> {
    /// The frames of a file whose header is known.
    pub(super) const fn new(bytes: &'a [u8], header: Header) -> Self {
        Self { bytes, salt: header.salt, at: HEADER_BYTES, next_seq: header.first_seq }
    }

    /// The byte after the last good frame.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The number after that of the last good frame.
    pub(super) const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// What is after the last good frame.
    pub(super) fn ending(&self) -> Ending {
        if self.rest().is_empty() {
            return Ending::Clean;
        }
        // A whole frame with a wrong number is no rest of a write either.
        if Frame::decode(self.rest(), self.salt).is_some() || self.clone().skip_damage(self.next_seq) {
            return Ending::Damaged;
        }
        Ending::Torn
    }

    /// Goes on at the next whole frame after the bytes that are not one, if a frame from there on tells that the frame
    /// `durable` was durable. Numbers only grow.
    fn skip_damage(&mut self, durable: u64) -> bool {
        while let Some(frame) = self.skip_to_frame() {
            if frame.durable >= durable {
                return true;
            }
        }
        false
    }

    /// The next whole frame after the bytes that are not one, wherever it begins, with a number that can be.
    pub(super) fn skip_to_frame(&mut self) -> Option<Frame<'a>> {
        while self.rest().len() >= FRAME_HEAD {
            let rest = self.rest();
            // The number is looked at first: a checksum at every byte would take for ever.
            let seq = u64::from_le_bytes(*rest[8..].first_chunk()?);
            let most = self.next_seq.saturating_add((self.bytes.len() / FRAME_HEAD) as u64);
            if (self.next_seq..=most).contains(&seq)
                && let Some(frame) = Frame::decode(rest, self.salt)
            {
                self.at += frame.bytes();
                self.next_seq = seq + 1;
                return Some(frame);
            }
            self.at += 1;
        }
        self.at = self.bytes.len();
        None
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let frame = Frame::decode(self.rest(), self.salt).filter(|frame| frame.seq == self.next_seq)?;
        self.at += frame.bytes();
        self.next_seq += 1;
        Some(frame)
    }
}
