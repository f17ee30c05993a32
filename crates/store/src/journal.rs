//! The journal of what came over HTTP: a batch is acknowledged when it is durable here, and shown again after a crash.
//!
//! A folder of files ("segments"), each named after the number of its first frame and closed above a length. A frame
//! is one payload with its number, which counts from 1 without gaps. Invariants:
//!
//! - What [`append`](Journal::append) acknowledged is shown by [`replay`](Journal::replay) exactly once, in order,
//!   until it is forgotten; what it refused is not shown, and its number is given again.
//! - A file appears under its name only when its header is durable. A file that an error left in doubt is never
//!   written again: the journal goes on in a new one, and what stands in the old one from the new one's first number
//!   on does not count.
//! - The newest file is never forgotten, so that numbers are never given twice.

mod config;
mod error;
mod forget;
mod frame;
mod frames;
mod header;
mod open;
mod replay;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub use config::{Fsync, JournalOptions, JournalSpec, JournalSpecError};
pub use error::{JournalError, ReplayError};
pub use open::{JournalCut, JournalOpened};
pub use replay::{JournalFrame, Replayed};

use crate::files::{Files, WritableFile};
use frame::{Frame, MAX_PAYLOAD};
use header::Header;
use segment::{Segment, io_error};

/// With `fsync = "interval"`, more than this is not left to a power cut, and not kept in memory, before it is made
/// durable (16 MiB: a fraction of a second's writing).
const UNSYNCED_BYTES: usize = 16 << 20;

/// The journal of a folder. One thread owns it; all its calls may block on the disk.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    files: Arc<dyn Files>,
    spec: JournalSpec,
    /// The oldest first. If there is an active file, it is the last.
    segments: VecDeque<Segment>,
    active: Option<Active>,
    /// The number of the last frame that was acknowledged.
    last_seq: u64,
    /// The number of the last frame that is durable.
    durable_seq: u64,
    /// The frames between the two as they were written: if they cannot be made durable where they are, they are
    /// written again into a new file.
    unsynced: Vec<u8>,
    /// When the first of them was written.
    unsynced_since: Option<Instant>,
    /// Of the frames: every file of a journal has the same.
    salt: u32,
}

/// The file that is written.
#[derive(Debug)]
struct Active {
    file: Box<dyn WritableFile>,
    /// It ends with the last acknowledged frame, and nothing failed that would leave in doubt what is durable.
    sound: bool,
}

impl Journal {
    /// The number of the last frame that was acknowledged; 0 if there was none yet.
    #[must_use]
    pub const fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The length of all files together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// How many files there are.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// When [`sync_if_due`](Self::sync_if_due) will have something to do; `None` if nothing waits.
    #[must_use]
    pub fn sync_due(&self) -> Option<Instant> {
        self.unsynced_since
            .filter(|_| self.spec.fsync == Fsync::Interval)
            .map(|since| since + self.spec.fsync_interval)
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn files(&self) -> &dyn Files {
        &*self.files
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    /// Appends the payloads, all or none, with one write, and gives the number of the last. With `fsync = "always"`
    /// they are durable then.
    ///
    /// # Errors
    /// [`JournalError`]: nothing of it is acknowledged, and all of it may be appended again. The journal mends itself
    /// here or with the next call.
    pub fn append(&mut self, payloads: &[impl AsRef<[u8]>]) -> Result<u64, JournalError> {
        if let Some(bytes) =
            payloads.iter().map(|payload| payload.as_ref().len()).find(|&bytes| bytes > MAX_PAYLOAD)
        {
            return Err(JournalError::TooLarge { bytes, limit: MAX_PAYLOAD });
        }
        if payloads.is_empty() {
            return Ok(self.last_seq);
        }
        self.sync_if_due()?;
        self.make_ready()?;
        let acknowledged = self.unsynced.len();
        let mut seq = self.last_seq;
        for payload in payloads {
            seq += 1;
            let frame = Frame { seq, durable: self.durable_seq, payload: payload.as_ref() };
            frame.encode(self.salt, &mut self.unsynced);
        }
        if let Err(error) = self.write_after(acknowledged) {
            self.shrink_buffer();
            return Err(error);
        }
        self.last_seq = seq;
        match self.spec.fsync {
            Fsync::Always => self.settle(),
            Fsync::Interval => {
                self.unsynced_since.get_or_insert_with(Instant::now);
            }
        }
        Ok(seq)
    }

    /// Writes the buffer's bytes after those that are acknowledged. After an error they count as not written.
    fn write_after(&mut self, acknowledged: usize) -> Result<(), JournalError> {
        let (Some(active), Some(segment)) = (&mut self.active, self.segments.back_mut()) else {
            return Err(JournalError::Io {
                action: "write into",
                path: self.folder.clone(),
                source: io::ErrorKind::NotFound.into(),
            });
        };
        let new = &self.unsynced[acknowledged..];
        if let Err(error) = active.file.write_all(new) {
            let error = io_error("write into", &segment.path)(error);
            let cut = active.file.set_len(segment.bytes).and_then(|()| active.file.sync_data());
            active.sound = cut.is_ok();
            self.mend_after(&error, acknowledged);
            return Err(error);
        }
        if self.spec.fsync == Fsync::Always
            && let Err(error) = active.file.sync_data()
        {
            let error = io_error("make durable", &segment.path)(error);
            active.sound = false;
            self.mend_after(&error, acknowledged);
            return Err(error);
        }
        segment.bytes += new.len() as u64;
        Ok(())
    }

    /// Goes on in a new file at once if the active one is in doubt, so that what is refused is not shown after a crash.
    fn mend_after(&mut self, error: &JournalError, acknowledged: usize) {
        self.unsynced.truncate(acknowledged);
        if let Err(mending) = self.make_ready() {
            tracing::warn!(%error, %mending, "Cannot go on in a new file of the journal yet; the next batch will try again.");
        }
    }

    /// Makes durable what is not yet, however young it is. With `fsync = "always"` nothing that was acknowledged waits
    /// for it.
    ///
    /// # Errors
    /// [`JournalError`]: it is still only safe from a crash of the service, and tried again with the next call.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.unsynced.is_empty() {
            return Ok(());
        }
        if let (Some(active), Some(segment)) = (&mut self.active, self.segments.back())
            && active.sound
        {
            match active.file.sync_data() {
                Ok(()) => {
                    self.settle();
                    return Ok(());
                }
                Err(error) => {
                    active.sound = false;
                    tracing::warn!(
                        %error, path = %segment.path.display(),
                        "Cannot make the journal durable; its newest batches are written again into a new file."
                    );
                }
            }
        }
        self.start_segment()
    }

    /// Makes durable what is not yet if the oldest of it is as old as `fsync_interval`, or if it is much. To be called
    /// at [`sync_due`](Self::sync_due).
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    pub fn sync_if_due(&mut self) -> Result<(), JournalError> {
        let due = self.sync_due().is_some_and(|due| due <= Instant::now());
        if due || self.unsynced.len() >= UNSYNCED_BYTES { self.sync() } else { Ok(()) }
    }

    fn is_full(&self) -> bool {
        self.segments.back().is_some_and(|segment| segment.bytes >= self.spec.segment_bytes)
    }

    /// Sees to it that there is an active file that ends where it should and has room.
    fn make_ready(&mut self) -> Result<(), JournalError> {
        let full = self.is_full();
        match (&mut self.active, self.segments.back()) {
            (Some(active), _) if active.sound && !full => return Ok(()),
            (Some(active), _) if active.sound => {
                self.sync()?;
                if !self.is_full() {
                    return Ok(());
                }
            }
            (Some(active), Some(segment)) => {
                // Should the service end before there is a new file, this keeps what was refused from being shown.
                // It cannot do harm, and the new file does without it.
                if let Err(error) = active.file.set_len(segment.bytes) {
                    tracing::debug!(%error, path = %segment.path.display(), "Cannot cut the journal's file.");
                }
            }
            _ => {}
        }
        self.start_segment()
    }

    /// Goes on in a new file, which begins with the acknowledged frames that are not durable in the file before.
    fn start_segment(&mut self) -> Result<(), JournalError> {
        let first_seq = self.durable_seq + 1;
        let path = segment::path_of(&self.folder, first_seq);
        let new_path = segment::new_path_of(&self.folder, first_seq);
        let mut content = Header { first_seq, salt: self.salt }.encode().to_vec();
        content.extend_from_slice(&self.unsynced);
        let made = self.files.create(&new_path).and_then(|mut file| {
            file.write_all(&content)?;
            file.sync_data()?;
            Ok(file)
        });
        let file = made.map_err(|error| {
            // It is made anew next time, so that this only frees the disk.
            self.files.remove(&new_path).ok();
            io_error("make", &new_path)(error)
        })?;
        // From here on the new file may be found after a crash, whatever is answered. The one before is full or in
        // doubt, so that nothing is written into it any more.
        self.files.rename(&new_path, &path).map_err(io_error("make", &path))?;
        self.files.sync_folder(&self.folder).map_err(io_error("write into", &self.folder))?;
        self.segments.pop_back_if(|replaced| replaced.first_seq == first_seq);
        self.segments.push_back(Segment { first_seq, path, bytes: content.len() as u64, lost: false });
        self.active = Some(Active { file, sound: true });
        self.settle();
        Ok(())
    }

    /// All that was acknowledged is durable.
    fn settle(&mut self) {
        self.durable_seq = self.last_seq;
        self.unsynced.clear();
        self.unsynced_since = None;
        self.shrink_buffer();
    }

    /// A large batch must not keep its memory for ever.
    fn shrink_buffer(&mut self) {
        self.unsynced.shrink_to(UNSYNCED_BYTES);
    }

    /// Lets the numbers go on after one that the journal has not reached: the checkpoint outlived the journal's end.
    fn go_on_after(&mut self, seq: u64) {
        tracing::warn!(
            last_seq = self.last_seq,
            checkpoint = seq,
            "The journal ends before the checkpoint; what is missing is in the checkpoint. It goes on in a new file."
        );
        self.active = None;
        self.last_seq = seq;
        self.settle();
    }
}
