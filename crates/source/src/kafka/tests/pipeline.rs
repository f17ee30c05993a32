//! A pipeline that only remembers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use driftline_events::{EventTime, layout};
use tokio::sync::{mpsc, watch};

use super::super::{KafkaSnapshot, KafkaSource, KafkaSpec};
use super::Registry;
use crate::config::{IngestOptions, IngestSpec};
use crate::positions::Positions;
use crate::stats::IngestSnapshot;
use crate::submission::{EventKind, Origin, Receipt, Submission, Taken};
use crate::{Ingest, RejectedPage};

/// What went through, in order: the ids of the rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) predictions: Vec<String>,
    pub(super) labels: Vec<String>,
    pub(super) positions: Positions,
}

struct Shared {
    seen: Mutex<Seen>,
    durable: watch::Sender<Arc<Positions>>,
    /// No checkpoint is made, asked for or not.
    is_held: AtomicBool,
    /// Nothing is taken from the queue.
    is_stuck: AtomicBool,
}

/// A source, and the thread that takes its rows.
pub(super) struct Pipeline {
    shared: Arc<Shared>,
    ingest: Arc<Ingest>,
    source: Option<KafkaSource>,
}

impl Pipeline {
    pub(super) fn start(spec: &KafkaSpec, state_id: &str, positions: Positions) -> Self {
        Self::with_queue(spec, state_id, positions, 64)
    }

    pub(super) fn with_queue(spec: &KafkaSpec, state_id: &str, positions: Positions, queue: usize) -> Self {
        let (channel, submissions) = mpsc::channel(queue);
        let (durable, receiver) = watch::channel(Arc::new(positions.clone()));
        let seen = Seen { positions: positions.clone(), ..Seen::default() };
        let shared = Shared {
            seen: Mutex::new(seen),
            durable,
            is_held: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let (http, _) = mpsc::channel(1);
        let ingest_spec = IngestSpec::try_from(IngestOptions::default()).unwrap();
        let clock = Arc::new(|| EventTime::parse("2030-01-01T12:00:00Z").unwrap());
        let ingest = Arc::new(Ingest::new(ingest_spec, Arc::new(Registry), clock, http));
        let source =
            KafkaSource::start(spec.clone(), &ingest, state_id.to_owned(), positions, channel, receiver)
                .unwrap();
        let taker = Arc::clone(&shared);
        std::thread::spawn(move || taker.take_all(submissions));
        Self { shared, ingest, source: Some(source) }
    }

    pub(super) fn seen(&self) -> Seen {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(super) fn snapshot(&self) -> KafkaSnapshot {
        self.source.as_ref().unwrap().snapshot()
    }

    pub(super) fn ingested(&self) -> IngestSnapshot {
        self.ingest.snapshot()
    }

    pub(super) fn rejected(&self) -> RejectedPage {
        self.ingest.rejected(None, None, 1_000)
    }

    pub(super) fn hold_checkpoints(&self, is_held: bool) {
        self.shared.is_held.store(is_held, Ordering::SeqCst);
    }

    pub(super) fn stick(&self, is_stuck: bool) {
        self.shared.is_stuck.store(is_stuck, Ordering::SeqCst);
    }

    pub(super) fn checkpoint(&self) {
        self.shared.checkpoint(&self.seen());
    }

    /// Stops the source; gives what the last checkpoint would have.
    pub(super) fn stop(mut self) -> Seen {
        let mut source = self.source.take().unwrap();
        source.stop();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(source.ended()), "the source panicked");
        self.seen()
    }
}

impl Shared {
    fn take_all(&self, mut submissions: mpsc::Receiver<Submission>) {
        loop {
            while self.is_stuck.load(Ordering::SeqCst) {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let Some(submission) = submissions.blocking_recv() else { return };
            self.take(submission);
        }
    }

    fn take(&self, submission: Submission) {
        let Submission { event, batches, origin, reply } = submission;
        let mut seen = self.seen.lock().unwrap();
        let mut taken = Vec::new();
        for batch in &batches {
            let ids = layout_ids(&batch.rows);
            taken.push(Taken { accepted: ids.len() as u64, ..Taken::default() });
            match event {
                EventKind::Prediction => seen.predictions.extend(ids),
                EventKind::Label => seen.labels.extend(ids),
            }
        }
        let Origin::Kafka { positions, durable, .. } = origin else { panic!("{origin:?}") };
        positions.iter().for_each(|position| seen.positions.set(position));
        let seen = seen.clone();
        reply.send(Receipt::of(taken));
        if let Some(durable) = durable
            && !self.is_held.load(Ordering::SeqCst)
        {
            self.checkpoint(&seen);
            durable.send(()).unwrap_or_default();
        }
    }

    fn checkpoint(&self, seen: &Seen) {
        self.durable.send_replace(Arc::new(seen.positions.clone()));
    }
}

fn layout_ids(rows: &arrow::record_batch::RecordBatch) -> Vec<String> {
    use arrow::array::AsArray;
    let ids = rows.column_by_name(layout::PREDICTION_ID).unwrap();
    let ids = ids.as_string::<i32>();
    ids.iter().map(|id| id.unwrap_or_default().to_owned()).collect()
}
