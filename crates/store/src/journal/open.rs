//! Opening: what the folder holds, and where it ends.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::Journal;
use super::config::JournalSpec;
use super::error::JournalError;
use super::frames::{Ending, Frames};
use super::segment::{self, Segment, io_error};
use crate::files::Files;

/// What was found when the journal was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalOpened {
    /// Files.
    pub segments: usize,
    /// Their length together.
    pub bytes: u64,
    /// The number of the first frame that may be there.
    pub first_seq: Option<u64>,
    /// The number of the last frame; 0 if there was none yet.
    pub last_seq: u64,
    /// What was cut off at the end.
    pub cut: Option<JournalCut>,
}

/// The rest of a write that was cut short, and is cut off now. It was never acknowledged, unless `fsync = "interval"`
/// and the power went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalCut {
    /// In which file.
    pub path: PathBuf,
    /// The file's length now.
    pub at_byte: u64,
    /// How much was cut off.
    pub bytes: u64,
}

impl Journal {
    /// Opens the journal of a folder, or makes it. A torn end is cut off, with a warning.
    ///
    /// # Errors
    /// [`JournalError`] if a file cannot be read, is damaged or of a newer version.
    pub fn open(
        folder: &Path,
        spec: JournalSpec,
        files: Arc<dyn Files>,
    ) -> Result<(Self, JournalOpened), JournalError> {
        files.make_folder(folder).map_err(io_error("make the folder", folder))?;
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            files.sync_folder(parent).map_err(io_error("write into", parent))?;
        }
        let mut listing = segment::list(folder, &*files)?;
        for path in &listing.unfinished {
            files.remove(path).map_err(io_error("remove the unfinished file", path))?;
        }
        let (last, earlier) = match listing.segments.split_last_mut() {
            Some((last, earlier)) => (Some(last), earlier),
            None => (None, &mut [][..]),
        };
        for segment in earlier.iter() {
            segment.header(&*files)?;
        }
        let end = match last {
            Some(segment) => end_of(segment, &*files)?,
            None => End::default(),
        };
        let opened = JournalOpened {
            segments: listing.segments.len(),
            bytes: listing.segments.iter().map(|segment| segment.bytes).sum(),
            first_seq: listing.segments.first().map(|segment| segment.first_seq),
            last_seq: end.last_seq,
            cut: end.cut,
        };
        let journal = Self {
            folder: folder.to_owned(),
            files,
            unsynced_since: (!end.unsynced.is_empty()).then(Instant::now),
            spec,
            segments: listing.segments.into(),
            active: None,
            last_seq: end.last_seq,
            durable_seq: end.durable_seq,
            unsynced: end.unsynced,
            // It only has to differ from others', so that the seed of a hash map will do.
            salt: end.salt.unwrap_or_else(|| RandomState::new().hash_one(0) as u32),
        };
        Ok((journal, opened))
    }
}

/// How the newest file ends.
#[derive(Debug, Default)]
struct End {
    last_seq: u64,
    durable_seq: u64,
    /// The frames between the two. A sync that succeeds now would not make them durable if one failed before: so they
    /// go into a new file, as after a failed sync.
    unsynced: Vec<u8>,
    salt: Option<u32>,
    cut: Option<JournalCut>,
}

/// How the newest file ends, after a torn end was cut off.
fn end_of(segment: &mut Segment, files: &dyn Files) -> Result<End, JournalError> {
    let before = segment.first_seq.saturating_sub(1);
    let bytes = segment.content(files)?;
    let Some(header) = segment.header_in(&bytes)? else {
        return Ok(End { last_seq: before, durable_seq: before, ..End::default() });
    };
    let salt = Some(header.salt);
    let mut frames = Frames::new(&bytes, header);
    if segment.lost {
        while frames.skip_to_frame().is_some() {}
        let last_seq = frames.next_seq() - 1;
        return Ok(End { last_seq, durable_seq: last_seq, salt, ..End::default() });
    }
    let durable_seq = frames.by_ref().last().map_or(before, |last| last.durable.max(before));
    let cut = match frames.ending() {
        Ending::Clean => None,
        Ending::Damaged => return Err(segment.damaged(frames)),
        Ending::Torn => Some(warn_of(segment, frames.at() as u64)),
    };
    // Not only after a cut: an earlier one may not be durable yet, and what it took away must not come back.
    let cutting = files.open(&segment.path).and_then(|mut file| {
        file.set_len(frames.at() as u64)?;
        file.sync_data()
    });
    cutting.map_err(io_error("cut", &segment.path))?;
    segment.bytes = frames.at() as u64;
    let mut durable = Frames::new(&bytes, header);
    while durable.next_seq() <= durable_seq && durable.next().is_some() {}
    let unsynced = bytes[durable.at()..frames.at()].to_vec();
    Ok(End { last_seq: frames.next_seq() - 1, durable_seq, unsynced, salt, cut })
}

fn warn_of(segment: &Segment, at_byte: u64) -> JournalCut {
    let cut = JournalCut { path: segment.path.clone(), at_byte, bytes: segment.bytes - at_byte };
    tracing::warn!(
        path = %cut.path.display(), at_byte, bytes = cut.bytes,
        "The journal ends in a write that was cut short; it is cut off. It was not acknowledged, unless \
         fsync = \"interval\" and the power went."
    );
    cut
}
