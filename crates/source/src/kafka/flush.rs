//! From messages to a submission: decode, count, put dead letters aside.

use std::sync::Arc;

use driftline_events::{DecodeContext, EventTime, RejectedRow};
use rdkafka::message::{BorrowedMessage, Message};

use super::batch::{Run, positions_after};
use super::decode::{Faulty, decode};
use super::message::{RawMessage, Unusable};
use super::stats::PartitionState;
use super::worker::{Worker, place};
use crate::rejected::MessagePlace;
use crate::submission::{EventKind, Origin, Reply, Submission};

impl Worker<'_> {
    /// Decodes the messages of a kind, writes dead letters, and queues the rows for the pipeline.
    pub(super) fn flush(&mut self, event: EventKind) {
        let (messages, runs) = self.batches[place(event)].take();
        if messages.is_empty() {
            return;
        }
        let now = self.job.intake.now();
        let topics = &self.topics;
        let mut raws = Vec::with_capacity(messages.len());
        for run in &runs {
            let default_model = topics.get(&run.topic).and_then(|topic| topic.default_model.as_deref());
            let of_run = &messages[raws.len()..raws.len() + run.messages];
            raws.extend(of_run.iter().map(|message| RawMessage::of(message, default_model)));
        }
        let intake = &self.job.intake;
        let context = DecodeContext {
            registry: &*intake.registry,
            limits: &intake.limits,
            arrival: now,
            max_future: intake.max_future,
            default_model: None,
        };
        let read = decode(event, &raws, &context);
        intake.stats.ignored(read.ignored_fields);
        intake.stats.read(messages.iter().map(BorrowedMessage::payload_len).sum());
        for faulty in &read.faulty {
            self.tell(event, faulty, &messages[faulty.message], now);
        }
        self.note(&messages, &runs, read.faulty.len() as u64, read.tombstones);
        if !read.faulty.is_empty()
            && let Some(letters) = &mut self.job.dead_letters
        {
            let faulty = read.faulty.iter().map(|faulty| (faulty, &messages[faulty.message]));
            letters.write(faulty, now, &self.job.stop);
        }
        let origin = Origin::Kafka { arrival: now, positions: positions_after(&runs), durable: None };
        let reply = Reply::unheard(event, &read.batches, Arc::clone(&self.job.intake.stats));
        self.queue(Submission { event, batches: read.batches, origin, reply });
    }

    /// Counts and remembers what is wrong with a message.
    fn tell(&self, event: EventKind, faulty: &Faulty, message: &BorrowedMessage<'_>, now: EventTime) {
        let intake = &self.job.intake;
        let place = MessagePlace {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
        };
        match &faulty.unusable {
            Some(Unusable { reason, detail }) => {
                intake.stats.payload_rejected(event, reason);
                let row = RejectedRow { row: 0, model: None, reason, detail: detail.clone() };
                intake.log.add_message(&place, &[row], 1, event, now);
            }
            None => {
                intake.count_rejected(event, &faulty.rows, faulty.rows_total);
                intake.log.add_message(&place, &faulty.rows, faulty.rows_total, event, now);
            }
        }
    }

    /// Keeps the figures of messages that are handed on.
    fn note(&self, messages: &[BorrowedMessage<'_>], runs: &[Run], rejected: u64, tombstones: u64) {
        let mut state = self.job.stats.state();
        state.counts.rejected += rejected;
        state.counts.tombstones += tombstones;
        state.counts.folded += (messages.len() as u64).saturating_sub(rejected + tombstones);
        let mut end = 0;
        for run in runs {
            end += run.messages;
            let of: &mut PartitionState =
                state.partitions.entry((Arc::clone(&run.topic), run.partition)).or_default();
            of.position = Some(run.next);
            let written = messages[end - 1].timestamp().to_millis().map(EventTime::from_millis);
            of.last = written.or(of.last);
            of.is_at_end = false;
        }
    }
}
