//! polars' streaming engine as an iterator.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use polars::prelude::{DataFrame, Engine, LazyFrame, PlanCallback, PolarsError, PolarsResult};

/// The frames of queries, one after another and in order, as the streaming engine makes them.
///
/// The engine runs in its own thread and waits while two frames are unread; dropping this stops it.
pub(crate) struct Frames {
    receiver: Receiver<PolarsResult<DataFrame>>,
    engine: Option<JoinHandle<()>>,
}

impl Frames {
    /// Starts queries whose results come in frames of `rows` rows, the last one of each shorter.
    pub(crate) fn start(queries: Vec<LazyFrame>, rows: NonZeroUsize) -> PolarsResult<Self> {
        // One frame waits while the next is made: enough to keep both sides busy.
        let (sender, receiver) = sync_channel(1);
        let run = move || {
            for query in queries {
                let of_query = sender.clone();
                // Nobody listens any more: then the rest of the query is for nobody, and so are the others.
                let gone = Arc::new(AtomicBool::new(false));
                let is_gone = Arc::clone(&gone);
                let callback = PlanCallback::new(move |frame| {
                    let failed = of_query.send(Ok(frame)).is_err();
                    gone.store(failed, Ordering::Relaxed);
                    Ok(failed)
                });
                let done = query
                    .sink_batches(callback, true, Some(rows))
                    .and_then(|query| query.collect_with_engine(Engine::Streaming));
                if let Err(error) = done {
                    sender.send(Err(error)).ok();
                    return;
                }
                if is_gone.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        let engine = std::thread::Builder::new().name("table".into()).spawn(run)?;
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
            let message = crate::ahead::message_of(panic.as_ref());
            Err(PolarsError::ComputeError(format!("the reader panicked: {message}").into()))
        })
    }
}
