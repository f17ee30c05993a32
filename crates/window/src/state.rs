//! What a windower is on disk: its panes one by one as they change, and the small rest as a whole.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use driftline_events::EventTime;
use driftline_summary::{DecodeError, SummarySpec};
use serde::{Deserialize, Serialize};

use crate::key::{KeyTable, StoredKeys};
use crate::learning::Learning;
use crate::panes::PaneKey;
use crate::schedule::{Schedule, StoredSchedule};
use crate::windower::Windower;

/// The newest layout of the rest that is known here.
const VERSION: u8 = 1;

/// Stored state that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Written by a newer version.
    #[error(
        "the windows' state has version {found} and the newest known here is {VERSION}: upgrade Driftline"
    )]
    Newer {
        /// Its version.
        found: u8,
    },
    /// The bytes do not make sense.
    #[error("the windows' state is damaged: {what}; restore the state folder from a backup")]
    Damaged {
        /// Which part.
        what: &'static str,
    },
    /// A summary or a spec that cannot be read.
    #[error("a stored summary cannot be used; restore the state folder from a backup")]
    Summary(#[from] DecodeError),
}

/// All but the panes and what is pending, version 1.
#[derive(Serialize, Deserialize)]
struct Stored {
    spec: Vec<u8>,
    keys: StoredKeys,
    watermark: [Option<EventTime>; 3],
    learning: Option<(u64, Vec<Vec<u8>>)>,
    /// By the window's name, length and step in milliseconds: a window that was changed starts anew.
    schedules: Vec<(String, u64, u64, StoredSchedule)>,
    earliest: Option<EventTime>,
    latest_version: Arc<str>,
}

impl Windower {
    /// Notes from now on which panes change, for [`Windower::take_pane_changes`].
    pub fn note_changes(&mut self) {
        self.panes.note_changes();
    }

    /// Shows every pane summary that changed since the last call, encoded; `None` for one that is gone.
    pub fn take_pane_changes(&mut self, show: &mut dyn FnMut(PaneKey, Option<Vec<u8>>)) {
        self.panes.take_changes(show);
    }

    /// Everything but panes and what is pending.
    #[must_use]
    pub fn encode_state(&self) -> Vec<u8> {
        let learning = self
            .learning
            .as_ref()
            .map(|learning| (learning.rows_needed(), learning.batches().iter().map(batch_bytes).collect()));
        let schedules = self.time.windows.iter().zip(&self.schedules).map(|(window, schedule)| {
            let (length, every) = (window.length.as_millis() as u64, window.every.as_millis() as u64);
            (window.name.to_string(), length, every, schedule.stored())
        });
        let stored = Stored {
            spec: self.spec.encode(),
            keys: self.keys.stored(),
            watermark: self.watermark.parts(),
            learning,
            schedules: schedules.collect(),
            earliest: self.earliest,
            latest_version: Arc::clone(&self.latest_version),
        };
        postcard::to_extend(&stored, vec![VERSION]).expect("a vector takes all")
    }

    /// Goes on from [`Windower::encode_state`]: for a windower of the same model that has seen no event yet. The
    /// panes come after it, by [`Windower::restore_pane`].
    ///
    /// # Errors
    /// [`RestoreError`]; the windower must not be used then.
    pub fn restore_state(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let damaged = |what| RestoreError::Damaged { what };
        let (&version, bytes) = bytes.split_first().ok_or(damaged("it is empty"))?;
        if version > VERSION {
            return Err(RestoreError::Newer { found: version });
        }
        let stored: Stored = postcard::from_bytes(bytes).map_err(|_| damaged("its parts"))?;
        self.spec = SummarySpec::decode(&stored.spec)?;
        self.keys =
            KeyTable::restored(self.schema.segments().to_vec(), self.keys.max_segment_values(), stored.keys)
                .ok_or(damaged("its keys"))?;
        self.watermark.restore(stored.watermark);
        self.learning = match stored.learning {
            Some((rows_needed, batches)) => {
                let batches: Option<Vec<RecordBatch>> =
                    batches.iter().map(|bytes| read_batch(bytes)).collect();
                Some(Learning::restored(rows_needed, batches.ok_or(damaged("the rows to learn from"))?))
            }
            None => None,
        };
        for (name, length, every, schedule) in stored.schedules {
            let same = self.time.windows.iter().position(|window| {
                *window.name == *name
                    && window.length.as_millis() as u64 == length
                    && window.every.as_millis() as u64 == every
            });
            if let Some(place) = same {
                self.schedules[place] = Schedule::restored(schedule);
            }
        }
        self.earliest = stored.earliest;
        self.latest_version = stored.latest_version;
        Ok(())
    }

    /// Puts a stored pane summary back.
    ///
    /// # Errors
    /// [`RestoreError::Summary`].
    pub fn restore_pane(&mut self, key: PaneKey, bytes: &[u8]) -> Result<(), RestoreError> {
        Ok(self.panes.restore(key, bytes, &self.spec)?)
    }
}

fn batch_bytes(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("a vector takes all");
    writer.write(batch).expect("the batch has the schema it says");
    writer.into_inner().expect("a vector takes all")
}

fn read_batch(bytes: &[u8]) -> Option<RecordBatch> {
    StreamReader::try_new(Cursor::new(bytes), None).ok()?.next()?.ok()
}
