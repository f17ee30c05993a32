//! polars' streaming engine as an iterator.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use polars::prelude::{DataFrame, Engine, LazyFrame, PlanCallback, PolarsError, PolarsResult};

/// The frames of a query, in order, as the streaming engine makes them.
///
/// The engine runs in its own thread and waits while two frames are unread; dropping this stops it.
pub(crate) struct Frames {
    receiver: Receiver<PolarsResult<DataFrame>>,
    engine: Option<JoinHandle<()>>,
}

impl Frames {
    /// Starts a query whose result comes in frames of `rows` rows, the last one shorter.
    pub(crate) fn start(query: LazyFrame, rows: NonZeroUsize) -> PolarsResult<Self> {
        // One frame waits while the next is made: enough to keep both sides busy.
        let (sender, receiver) = sync_channel(1);
        let of_engine = sender.clone();
        let callback = PlanCallback::new(move |frame| Ok(sender.send(Ok(frame)).is_err()));
        let query = query.sink_batches(callback, true, Some(rows))?;
        let engine = std::thread::Builder::new().name("table".into()).spawn(move || {
            if let Err(error) = query.collect_with_engine(Engine::Streaming) {
                // Nobody listens any more: then nobody misses the error.
                of_engine.send(Err(error)).ok();
            }
        })?;
        Ok(Self { receiver, engine: Some(engine) })
    }
}

impl Iterator for Frames {
    type Item = PolarsResult<DataFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Ok(frame) = self.receiver.recv() {
            return Some(frame);
        }
        // The end, unless the engine panicked: half a file must not pass for the whole.
        self.engine.take()?.join().err().map(|panic| {
            let message = panic
                .downcast_ref::<&str>()
                .map(ToString::to_string)
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            Err(PolarsError::ComputeError(format!("the reader panicked: {message}").into()))
        })
    }
}
