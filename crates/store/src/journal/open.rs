//! Opening: what the folder holds, and where it ends.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        let (last_seq, cut) = match last {
            Some(segment) => end_of(segment, &*files)?,
            None => (0, None),
        };
        // New files go behind these, so that these must be durable first, whoever wrote them.
        files.sync_folder(folder).map_err(io_error("write into", folder))?;
        let opened = JournalOpened {
            segments: listing.segments.len(),
            bytes: listing.segments.iter().map(|segment| segment.bytes).sum(),
            first_seq: listing.segments.first().map(|segment| segment.first_seq),
            last_seq,
            cut,
        };
        // It only has to differ, so that the seed of a hash map will do.
        let salt = RandomState::new().hash_one(last_seq) as u32;
        Ok((Self::new(folder.to_owned(), files, spec, listing.segments.into(), last_seq, salt), opened))
    }
}

/// The number of the last frame, after a torn end was cut off and the file made durable.
fn end_of(segment: &mut Segment, files: &dyn Files) -> Result<(u64, Option<JournalCut>), JournalError> {
    let bytes = segment.content(files)?;
    let Some(header) = segment.header_in(&bytes)? else {
        return Ok((segment.first_seq.saturating_sub(1), None));
    };
    let mut frames = Frames::new(&bytes, header);
    if segment.lost {
        while frames.skip_to_frame().is_some() {}
        return Ok((frames.next_seq() - 1, None));
    }
    frames.by_ref().for_each(drop);
    let mut file = files.open(&segment.path).map_err(io_error("write into", &segment.path))?;
    let cut = match frames.ending() {
        Ending::Clean => None,
        Ending::Damaged => return Err(segment.damaged(frames)),
        Ending::Torn => {
            let at_byte = frames.at() as u64;
            let cut = JournalCut { path: segment.path.clone(), at_byte, bytes: bytes.len() as u64 - at_byte };
            tracing::warn!(
                path = %cut.path.display(), at_byte, bytes = cut.bytes,
                "The journal ends in a write that was cut short; it is cut off. It was not acknowledged, unless \
                 fsync = \"interval\" and the power went."
            );
            file.set_len(at_byte).map_err(io_error("cut", &segment.path))?;
            segment.bytes = at_byte;
            Some(cut)
        }
    };
    file.sync_data().map_err(io_error("make durable", &segment.path))?;
    Ok((frames.next_seq() - 1, cut))
}
