//! Batches of a table, read and decoded while the ones before are used.

use std::any::Any;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use crate::batches::{Reading, TableBatch};
use crate::table::TableError;

/// The batches of a table; see [`crate::Table::predictions`]. Ends after the first error.
///
/// They are read and decoded in a thread of their own, which begins with the first that is asked for and has the next
/// ready while one is used. Dropping this stops it.
pub struct Batches {
    /// Until the first is asked for.
    reading: Option<Reading>,
    receiver: Option<Receiver<Result<TableBatch, TableError>>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").field("begun", &self.reading.is_none()).finish_non_exhaustive()
    }
}

impl Batches {
    pub(crate) const fn new(reading: Reading) -> Self {
        Self { reading: Some(reading), receiver: None, thread: None }
    }

    fn start(&mut self, reading: Reading) -> std::io::Result<()> {
        // None lies in between: one is used while the next is made, and a batch is some megabytes.
        let (sender, receiver) = sync_channel(0);
        let run = move || {
            for batch in reading {
                // Nobody listens any more.
                if sender.send(batch).is_err() {
                    return;
                }
            }
        };
        self.thread = Some(std::thread::Builder::new().name("decode".into()).spawn(run)?);
        self.receiver = Some(receiver);
        Ok(())
    }
}

impl Iterator for Batches {
    type Item = Result<TableBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(reading) = self.reading.take()
            && let Err(error) = self.start(reading)
        {
            return Some(Err(TableError::Thread(error)));
        }
        if let Ok(batch) = self.receiver.as_ref()?.recv() {
            return Some(batch);
        }
        // The end, unless the thread panicked: half a file must not pass for the whole.
        self.receiver = None;
        let panic = self.thread.take()?.join().err()?;
        Some(Err(TableError::Panicked { message: message_of(panic.as_ref()) }))
    }
}

/// What a panic said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}
