//! Handing submissions to the pipeline, in order, whether it has room or not.

use std::sync::Arc;
use std::time::Instant;

use rdkafka::consumer::Consumer;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::worker::{BREATH, Worker, list};
use crate::positions::Position;
use crate::submission::{EventKind, Origin, Reply, Submission};

impl Worker<'_> {
    pub(super) fn queue(&mut self, submission: Submission) {
        if let Origin::Kafka { positions, .. } = &submission.origin {
            positions.iter().for_each(|position| self.job.positions.set(position));
        }
        self.outbox.push_back(submission);
        self.hand_on();
    }

    /// Queues word of positions, without rows.
    pub(super) fn queue_positions(&mut self, positions: Vec<Position>, durable: Option<oneshot::Sender<()>>) {
        let origin = Origin::Kafka { arrival: self.job.intake.now(), positions, durable };
        let event = EventKind::Prediction;
        let reply = Reply::unheard(event, &[], Arc::clone(&self.job.intake.stats));
        self.queue(Submission { event, batches: Vec::new(), origin, reply });
    }

    /// Hands submissions to the pipeline, in order, as far as it has room.
    pub(super) fn hand_on(&mut self) {
        while let Some(submission) = self.outbox.pop_front() {
            match self.job.channel.try_send(submission) {
                Ok(()) => {}
                Err(TrySendError::Full(submission)) => {
                    self.outbox.push_front(submission);
                    self.full_since.get_or_insert_with(Instant::now);
                    return;
                }
                Err(TrySendError::Closed(_)) => {
                    self.is_abandoned = true;
                    return;
                }
            }
        }
        self.full_since = None;
    }

    /// Whether to wait without polling; partitions are paused when that has lasted, and read again when there is room.
    pub(super) fn holds_back(&mut self) -> bool {
        match self.full_since {
            Some(since) if !self.is_paused => {
                if since.elapsed() < self.job.spec.tuning.queue_wait {
                    return true;
                }
                tracing::debug!("The queue to the pipeline is full; pausing the partitions.");
                self.set_paused(true);
            }
            None if self.is_paused && self.job.channel.capacity() * 2 >= self.job.channel.max_capacity() => {
                self.set_paused(false);
            }
            _ => {}
        }
        false
    }

    fn set_paused(&mut self, is_paused: bool) {
        let all = list(self.assigned());
        let result = if is_paused { self.consumer.pause(&all) } else { self.consumer.resume(&all) };
        if let Err(error) = result {
            tracing::warn!(%error, is_paused, "Failed to pause or resume partitions; trying again.");
            return;
        }
        self.is_paused = is_paused;
        self.job.stats.state().paused = is_paused;
    }

    /// Hands on everything that was read, and waits until a checkpoint has it. `false` if that took too long.
    pub(super) fn make_durable(&mut self) -> bool {
        self.flush_all();
        let (sender, mut durable) = oneshot::channel();
        self.queue_positions(Vec::new(), Some(sender));
        // The group throws out who does not poll for that long.
        let wait = self.job.spec.tuning.handover_wait.min(self.job.spec.max_poll_interval() / 3);
        let deadline = Instant::now() + wait;
        while Instant::now() < deadline && !self.is_abandoned {
            self.hand_on();
            match durable.try_recv() {
                Ok(()) => return true,
                Err(oneshot::error::TryRecvError::Closed) if self.outbox.is_empty() => return false,
                Err(_) => std::thread::sleep(BREATH),
            }
        }
        false
    }
}
