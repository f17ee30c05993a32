//! Showing what was appended.

use std::path::Path;

use super::Journal;
use super::error::{JournalError, ReplayError};
use super::frame::Frame;
use super::frames::Frames;
use super::segment::{self, Segment};

/// A payload of the journal, and how far the replay is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct JournalFrame<'a> {
    /// Its number.
    pub seq: u64,
    /// What was appended.
    pub payload: &'a [u8],
    /// Bytes of the journal read so far, this frame included.
    pub done_bytes: u64,
    /// Bytes to read.
    pub total_bytes: u64,
}

/// What was shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// Payloads.
    pub frames: u64,
    /// Their length together.
    pub bytes: u64,
    /// Payloads that could not be shown, in files that an operator gave up.
    pub lost: u64,
}

impl Journal {
    /// Shows what was appended after a position, in order: the frames with a number above `after`. To be called once,
    /// with the checkpoint's position, before the first [`append`](Self::append): numbers go on after the position
    /// even if the journal ends before it.
    ///
    /// # Errors
    /// [`ReplayError::Journal`] if a frame is damaged or missing; those before it have been shown then.
    /// [`ReplayError::Refused`] with what `show` gave.
    pub fn replay<E>(
        &mut self,
        after: u64,
        mut show: impl FnMut(JournalFrame<'_>) -> Result<(), E>,
    ) -> Result<Replayed, ReplayError<E>> {
        if after > self.last_seq() {
            self.go_on_after(after);
            return Ok(Replayed::default());
        }
        let parts = self.parts_after(after);
        let total_bytes = parts.iter().map(|(segment, _)| segment.bytes).sum();
        if let Some((segment, _)) = parts.first()
            && segment.first_seq > after + 1
        {
            return Err(missing(self.folder(), after + 1, segment.first_seq - 1).into());
        }
        let mut replayed = Replayed::default();
        let mut read_bytes = 0;
        for (segment, last_seq) in parts {
            let mut show = |frame: Frame<'_>, end: usize| {
                if frame.seq <= after {
                    return Ok(());
                }
                replayed.frames += 1;
                replayed.bytes += frame.payload.len() as u64;
                let done_bytes = read_bytes + end as u64;
                let shown = JournalFrame { seq: frame.seq, payload: frame.payload, done_bytes, total_bytes };
                show(shown).map_err(|source| ReplayError::Refused { seq: frame.seq, source })
            };
            let bytes = segment.content(self.files())?;
            match segment.header_in(&bytes)? {
                Some(header) if segment.lost => {
                    let mut frames = Frames::new(&bytes, header);
                    while let Some(frame) = frames.skip_to_frame().filter(|frame| frame.seq <= last_seq) {
                        show(frame, frames.at())?;
                    }
                }
                Some(header) => {
                    show_all(self.folder(), segment, Frames::new(&bytes, header), last_seq, &mut show)?
                }
                None => {}
            }
            if segment.lost {
                replayed.lost = last_seq - after - replayed.frames;
                tracing::error!(
                    path = %segment.path.display(), lost = replayed.lost,
                    "Went on without the acknowledged batches that cannot be read in the journal."
                );
            }
            read_bytes += segment.bytes;
        }
        Ok(replayed)
    }

    /// The files with frames after a position, each with the number of its last.
    fn parts_after(&self, after: u64) -> Vec<(&Segment, u64)> {
        let next_firsts = self.segments().skip(1).map(|next| next.first_seq - 1).chain([self.last_seq()]);
        self.segments()
            .zip(next_firsts)
            .filter(|(segment, last)| *last > after && *last >= segment.first_seq)
            .collect()
    }
}

/// Shows the frames of a file up to a number; they must all be there.
fn show_all<E>(
    folder: &Path,
    segment: &Segment,
    mut frames: Frames<'_>,
    last_seq: u64,
    show: &mut impl FnMut(Frame<'_>, usize) -> Result<(), ReplayError<E>>,
) -> Result<(), ReplayError<E>> {
    while frames.next_seq() <= last_seq {
        let Some(frame) = frames.next() else {
            let at_end = frames.at() as u64 >= segment.bytes;
            let error =
                if at_end { missing(folder, frames.next_seq(), last_seq) } else { segment.damaged(frames) };
            return Err(error.into());
        };
        show(frame, frames.at())?;
    }
    Ok(())
}

fn missing(folder: &Path, from: u64, to: u64) -> JournalError {
    JournalError::Missing { from, to, path: segment::path_of(folder, from) }
}
