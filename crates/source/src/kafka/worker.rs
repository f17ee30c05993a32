//! The consumer's thread: it polls, and everything else it does is short enough to poll on.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftline_events::{DecodeContext, EventTime, RejectedRow};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::commit::Committer;
use super::config::KafkaSpec;
use super::context::{Change, Context};
use super::dead_letter::DeadLetters;
use super::decode::{Faulty, decode};
use super::message::{RawMessage, Unusable};
use super::stats::{KafkaStats, PartitionState};
use crate::ingest::Intake;
use crate::positions::{Position, Positions};
use crate::rejected::MessagePlace;
use crate::submission::{EventKind, Origin, Reply, Submission};

/// The longest that a poll waits: what else there is to do, is done this often.
const POLL: Duration = Duration::from_millis(50);

/// Messages taken before the thread looks up from polling.
const AT_A_STRETCH: usize = 1_000;

/// A pause between two looks at a queue that is full or an answer that is awaited.
const BREATH: Duration = Duration::from_millis(2);

/// A commit that failed is tried again after this.
const COMMIT_AGAIN: Duration = Duration::from_secs(5);

const KINDS: [EventKind; 2] = [EventKind::Prediction, EventKind::Label];

/// What the thread is given.
pub(super) struct Job {
    pub(super) spec: Arc<KafkaSpec>,
    pub(super) intake: Intake,
    pub(super) stats: Arc<KafkaStats>,
    pub(super) state_id: String,
    pub(super) positions: Positions,
    pub(super) channel: mpsc::Sender<Submission>,
    pub(super) durable: watch::Receiver<Arc<Positions>>,
    pub(super) dead_letters: Option<DeadLetters>,
    pub(super) stop: CancellationToken,
}

/// A topic of which partitions are read.
#[derive(Debug)]
pub(super) struct ReadTopic {
    pub(super) event: EventKind,
    pub(super) default_model: Option<Arc<str>>,
    /// By partition the offset that comes next; `None` until the first message shows it.
    pub(super) expected: BTreeMap<i32, Option<i64>>,
}

/// The thread's state.
pub(super) struct Worker<'c> {
    pub(super) job: Job,
    pub(super) consumer: &'c BaseConsumer<Context>,
    committer: Committer,
    pub(super) topics: HashMap<Arc<str>, ReadTopic>,
    batches: [Batch<'c>; 2],
    /// Submissions that the pipeline had no room for, oldest first.
    outbox: VecDeque<Submission>,
    /// Since when it has had none.
    full_since: Option<Instant>,
    pub(super) is_paused: bool,
    /// Positions that are durable and committed, as far as is known.
    pub(super) committed: Positions,
    pub(super) commit_after: Option<Instant>,
    /// Changes of the assignment wait until then for a broker that did not answer.
    pub(super) change_after: Option<Instant>,
    /// The pipeline has gone.
    is_abandoned: bool,
}

impl<'c> Worker<'c> {
    pub(super) fn new(job: Job, consumer: &'c BaseConsumer<Context>, committer: Committer) -> Self {
        Self {
            job,
            consumer,
            committer,
            topics: HashMap::new(),
            batches: Default::default(),
            outbox: VecDeque::new(),
            full_since: None,
            is_paused: false,
            committed: Positions::default(),
            commit_after: None,
            change_after: None,
            is_abandoned: false,
        }
    }

    /// Reads until it is told to stop, then hands over everything.
    pub(super) fn run(mut self) {
        while !self.job.stop.is_cancelled() && !self.is_abandoned {
            self.carry_out_changes();
            self.flush_what_is_due();
            self.hand_on();
            self.commit();
            if let Some(letters) = &self.job.dead_letters {
                letters.poll();
            }
            if self.holds_back() {
                std::thread::sleep(BREATH);
            } else {
                self.poll();
            }
        }
        self.finish();
    }

    fn poll(&mut self) {
        let patience = self.batches.iter().filter_map(|batch| batch.patience(&self.job.spec.tuning)).min();
        let mut wait = patience.unwrap_or(POLL).min(POLL);
        for _ in 0..AT_A_STRETCH {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => self.take(message),
                Some(Err(error)) => self.stumble(&error),
                None => return,
            }
            wait = Duration::ZERO;
            if self.batches.iter().any(|batch| batch.is_full(&self.job.spec.tuning)) {
                return;
            }
        }
    }

    fn take(&mut self, message: BorrowedMessage<'c>) {
        let Some((topic, read)) = self.topics.get_key_value(message.topic()) else { return };
        let (topic, event) = (Arc::clone(topic), read.event);
        let Some(read) = self.topics.get_mut(&topic) else { return };
        let Some(expected) = read.expected.get_mut(&message.partition()) else { return };
        // Offsets may be left out (marks of transactions, compaction), but never come again.
        if expected.is_some_and(|expected| message.offset() < expected) {
            return;
        }
        *expected = Some(message.offset() + 1);
        self.batches[place(event)].push(&topic, message);
    }

    fn stumble(&mut self, error: &KafkaError) {
        match error {
            KafkaError::PartitionEOF(_) => {}
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => self.find_gaps(),
            // Told by the context already, which has librdkafka's words for it.
            _ => tracing::debug!(%error, "Failed to read from Kafka."),
        }
    }

    fn flush_what_is_due(&mut self) {
        for event in KINDS {
            if self.batches[place(event)].patience(&self.job.spec.tuning) == Some(Duration::ZERO) {
                self.flush(event);
            }
        }
    }

    pub(super) fn flush_all(&mut self) {
        KINDS.into_iter().for_each(|event| self.flush(event));
    }

    /// Decodes the messages of a kind, writes dead letters, and queues the rows for the pipeline.
    fn flush(&mut self, event: EventKind) {
        let (messages, positions) = self.batches[place(event)].take();
        if messages.is_empty() {
            return;
        }
        self.consumer.context().heard();
        let now = self.job.intake.now();
        let topics = &self.topics;
        let default_model = |topic: &str| topics.get(topic).and_then(|topic| topic.default_model.as_deref());
        let raws: Vec<_> =
            messages.iter().map(|message| RawMessage::of(message, default_model(message.topic()))).collect();
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
        self.note(&messages, read.faulty.len() as u64, read.tombstones);
        if !read.faulty.is_empty()
            && let Some(letters) = &mut self.job.dead_letters
        {
            letters.write(read.faulty.iter().map(|faulty| (faulty, &messages[faulty.message])));
        }
        let origin = Origin::Kafka { arrival: now, positions, durable: None };
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
    fn note(&self, messages: &[BorrowedMessage<'_>], rejected: u64, tombstones: u64) {
        let mut state = self.job.stats.state();
        state.counts.rejected += rejected;
        state.counts.tombstones += tombstones;
        state.counts.folded += (messages.len() as u64).saturating_sub(rejected + tombstones);
        let mut last: HashMap<(&str, i32), &BorrowedMessage<'_>> = HashMap::new();
        for message in messages {
            last.insert((message.topic(), message.partition()), message);
        }
        for ((topic, partition), message) in last {
            let of: &mut PartitionState = state.partitions.entry((topic.into(), partition)).or_default();
            of.position = Some(message.offset() + 1);
            of.last = message.timestamp().to_millis().map(EventTime::from_millis).or(of.last);
            of.is_at_end = false;
        }
    }

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
    fn hand_on(&mut self) {
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
    fn holds_back(&mut self) -> bool {
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

    /// The partitions that are read.
    pub(super) fn assigned(&self) -> impl Iterator<Item = (&Arc<str>, i32)> {
        self.topics
            .iter()
            .flat_map(|(topic, read)| read.expected.keys().map(move |&partition| (topic, partition)))
    }

    /// Commits what has become durable since the last time.
    fn commit(&mut self) {
        if self.committer.is_busy() {
            return;
        }
        if self.committer.take_failure() {
            self.committed = Positions::default();
            self.commit_after = Some(Instant::now() + COMMIT_AGAIN);
        }
        let is_due = self.commit_after.is_some_and(|after| Instant::now() >= after);
        if !is_due && !self.job.durable.has_changed().unwrap_or(false) {
            return;
        }
        self.commit_after = None;
        let durable = Arc::clone(&self.job.durable.borrow_and_update());
        let due: Vec<Position> = durable.iter().filter(|position| self.is_due(position)).collect();
        self.commit_now(&due);
    }

    fn is_due(&self, position: &Position) -> bool {
        let Position { topic, partition, next } = position;
        let is_ours = self.topics.get(topic).is_some_and(|read| read.expected.contains_key(partition));
        is_ours && self.committed.next(topic, *partition) != Some(*next)
    }

    fn commit_now(&mut self, positions: &[Position]) {
        if positions.is_empty() {
            return;
        }
        let mut offsets = TopicPartitionList::with_capacity(positions.len());
        for Position { topic, partition, next } in positions {
            let mut element = offsets.add_partition(topic, *partition);
            element.set_metadata(&self.job.state_id);
            if let Err(error) = element.set_offset(rdkafka::Offset::Offset(*next)) {
                tracing::error!(%error, %topic, partition, next, "Failed to write an offset.");
                return;
            }
        }
        self.committer.send(offsets);
        positions.iter().for_each(|position| self.committed.set(position));
    }

    /// Commits positions, and waits until the broker has them.
    pub(super) fn commit_and_wait(&mut self, positions: &[Position]) {
        self.commit_now(positions);
        let deadline = Instant::now() + self.job.spec.tuning.goodbye_wait;
        while self.committer.is_busy() && Instant::now() < deadline {
            std::thread::sleep(BREATH);
        }
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

    /// Forgets messages of partitions that are not read any more.
    pub(super) fn forget_unassigned(&mut self) {
        let topics = &self.topics;
        let keep = |topic: &str, partition: i32| {
            topics.get(topic).is_some_and(|read| read.expected.contains_key(&partition))
        };
        self.batches.iter_mut().for_each(|batch| batch.retain(keep));
        self.job.stats.state().partitions.retain(|(topic, partition), _| keep(topic, *partition));
    }

    /// Hands over everything before the consumer leaves its group.
    fn finish(&mut self) {
        let is_durable = !self.is_abandoned && self.make_durable();
        if !is_durable {
            tracing::warn!(
                "No checkpoint has what was read last from Kafka; it is read again at the next start."
            );
        }
        let positions = self.safe_positions(is_durable);
        let ours: Vec<Position> = positions.into_iter().filter(|position| self.is_due(position)).collect();
        self.commit_and_wait(&ours);
        if let Some(letters) = &self.job.dead_letters {
            letters.finish(self.job.spec.tuning.goodbye_wait);
        }
        self.consumer.context().close();
        // librdkafka waits for the answer to what it asked, and cannot be closed before it has one.
        while let Some(change) = self.consumer.context().next_change() {
            let answered = match change {
                Change::Assign(partitions) => self.consumer.incremental_assign(&partitions),
                Change::Revoke { partitions, .. } => self.consumer.incremental_unassign(&partitions),
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "Failed to answer a change of the assignment while closing.");
            }
        }
    }

    /// The positions that are in a checkpoint: all that were handed on, if that is known; else those that were told of.
    pub(super) fn safe_positions(&self, is_durable: bool) -> Vec<Position> {
        if is_durable {
            self.job.positions.iter().collect()
        } else {
            self.job.durable.borrow().iter().collect()
        }
    }
}

const fn place(event: EventKind) -> usize {
    match event {
        EventKind::Prediction => 0,
        EventKind::Label => 1,
    }
}

/// A list of partitions for librdkafka.
pub(super) fn list<T: AsRef<str>>(partitions: impl Iterator<Item = (T, i32)>) -> TopicPartitionList {
    let mut all = TopicPartitionList::new();
    partitions.for_each(|(topic, partition)| {
        all.add_partition(topic.as_ref(), partition);
    });
    all
}
