//! Giving the disk back.

use std::io;

use super::Journal;
use super::error::JournalError;
use super::segment::io_error;

impl Journal {
    /// Removes the files all of whose frames have a number up to `through`, and gives the bytes that became free.
    /// The newest file stays.
    ///
    /// # Errors
    /// [`JournalError`]; what could not be removed is tried again with the next call.
    pub fn forget(&mut self, through: u64) -> Result<u64, JournalError> {
        let mut freed = self.forget_closed(through)?;
        if self.is_full() && self.last_seq <= through {
            self.make_ready()?;
            freed += self.forget_closed(through)?;
        }
        Ok(freed)
    }

    fn forget_closed(&mut self, through: u64) -> Result<u64, JournalError> {
        let mut freed = 0;
        while let (Some(segment), Some(next)) = (self.segments.front(), self.segments.get(1)) {
            if next.first_seq - 1 > through {
                break;
            }
            match self.files.remove(&segment.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error("remove", &segment.path)(error));
                }
                _ => freed += segment.bytes,
            }
            self.segments.pop_front();
        }
        Ok(freed)
    }
}
