//! The one task that owns the engine: rows and questions come in by channels, figures go out as a snapshot, and
//! everything that changed goes into checkpoints.

mod checkpoints;
mod evaluation;
mod fold;
mod mailbox;
mod outbox;

use std::sync::Arc;
use std::time::Duration;

use driftline_evaluate::{AlertEvent, WindowReport};
use driftline_events::{EventTime, ModelId};
use driftline_expose::{CompareQuery, Histogram, ModelDetail, ModelOrigin, ReadError};
use driftline_source::{Clock, Submission};
use driftline_store::{HistoryError, HistoryPage, HistoryQuery};
use driftline_summary::Reference;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

pub(crate) use checkpoints::{Checkpoints, LARGE_BYTES, start};
pub(crate) use mailbox::Mailbox;
pub use mailbox::MailboxError;
pub(crate) use outbox::Outbox;
pub use outbox::OutboxError;

use crate::alert_routes::ModelAlerts;
use crate::config::ModelConfig;
use crate::durability::{Health, Journaled, Requests, causes};
use crate::engine::{AlertChangeError, Engine, EngineError};
use crate::registry::Registry;
use crate::status::{self, Published};

/// Questions that may wait at once; each is answered in milliseconds, and whoever asks waits for the answer.
const QUESTIONS: usize = 64;

/// Closed windows are looked for this often, and counters published.
const TICK: Duration = Duration::from_secs(1);

/// At the end, the brokers have this long to take what is on its way.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Something asked of the pipeline. Who asked may have gone: an answer that nobody takes is dropped.
pub(crate) enum Question {
    Find(HistoryQuery, oneshot::Sender<Option<Result<HistoryPage, HistoryError>>>),
    Compare(Box<CompareQuery>, oneshot::Sender<Result<Arc<WindowReport>, ReadError>>),
    Models(oneshot::Sender<Vec<ModelDetail>>),
    Settings(ModelId, oneshot::Sender<Option<Box<ModelConfig>>>),
    PutModel(Box<ModelConfig>, Option<Arc<Reference>>, oneshot::Sender<Result<(), EngineError>>),
    PutReference(ModelId, Arc<Reference>, oneshot::Sender<Result<(), EngineError>>),
    Checkpoint(oneshot::Sender<()>),
    Alerts(oneshot::Sender<Vec<ModelAlerts>>),
    ChangeAlerts(ModelId, AlertChange, EventTime, oneshot::Sender<Result<(), AlertChangeError>>),
}

/// What somebody says to alerts.
#[derive(Clone, Debug)]
pub enum AlertChange {
    /// Somebody looks after the incident.
    Acknowledge {
        /// Its id.
        incident: String,
        /// Why.
        reason: String,
        /// Until when.
        until: Option<EventTime>,
    },
    /// Nobody is to be told of a rule's alerts.
    Mute {
        /// The rule.
        rule: String,
        /// Why.
        reason: String,
        /// Until when.
        until: Option<EventTime>,
    },
    /// People are to be told of them again.
    Unmute {
        /// The rule.
        rule: String,
    },
}

/// Asks the pipeline.
#[derive(Clone, Debug)]
pub struct PipelineHandle(mpsc::Sender<Question>);

/// The pipeline has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service is stopping")]
pub struct Stopped;

impl PipelineHandle {
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Result<T, Stopped> {
        let (sender, answer) = oneshot::channel();
        self.0.send(question(sender)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Kept window reports; `None` if there is no such model.
    ///
    /// # Errors
    /// [`Stopped`]; the inner error says that they cannot be read.
    pub async fn find(
        &self,
        query: HistoryQuery,
    ) -> Result<Option<Result<HistoryPage, HistoryError>>, Stopped> {
        self.ask(|answer| Question::Find(query, answer)).await
    }

    /// Any period against another.
    ///
    /// # Errors
    /// [`Stopped`]; the inner error says what cannot be compared.
    pub async fn compare(
        &self,
        query: CompareQuery,
    ) -> Result<Result<Arc<WindowReport>, ReadError>, Stopped> {
        self.ask(|answer| Question::Compare(Box::new(query), answer)).await
    }

    /// Every model, with how far it has come.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn models(&self) -> Result<Vec<ModelDetail>, Stopped> {
        self.ask(Question::Models).await
    }

    /// A model's settings, with the features learned from events; `None` if there is no such model.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn settings(&self, model: ModelId) -> Result<Option<Box<ModelConfig>>, Stopped> {
        self.ask(|answer| Question::Settings(model, answer)).await
    }

    /// Waits until everything that was folded before is on disk.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn checkpoint(&self) -> Result<(), Stopped> {
        self.ask(Question::Checkpoint).await
    }

    /// The alerts of all models.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn alerts(&self) -> Result<Vec<ModelAlerts>, Stopped> {
        self.ask(Question::Alerts).await
    }

    /// Takes somebody's word on a model's alerts.
    ///
    /// # Errors
    /// [`Stopped`]; the inner error says why it is refused.
    pub async fn change_alerts(
        &self,
        model: ModelId,
        change: AlertChange,
        now: EventTime,
    ) -> Result<Result<(), AlertChangeError>, Stopped> {
        self.ask(|answer| Question::ChangeAlerts(model, change, now, answer)).await
    }

    /// Whether the pipeline still answers.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.0.is_closed()
    }

    /// Adds or replaces a model.
    ///
    /// # Errors
    /// [`Stopped`]; the inner error says why the engine refused.
    pub async fn put_model(
        &self,
        config: ModelConfig,
        reference: Option<Arc<Reference>>,
    ) -> Result<Result<(), EngineError>, Stopped> {
        self.ask(|answer| Question::PutModel(Box::new(config), reference, answer)).await
    }

    /// Gives a model another reference.
    ///
    /// # Errors
    /// [`Stopped`]; the inner error says why the engine refused.
    pub async fn put_reference(
        &self,
        model: ModelId,
        reference: Arc<Reference>,
    ) -> Result<Result<(), EngineError>, Stopped> {
        self.ask(|answer| Question::PutReference(model, reference, answer)).await
    }
}

/// What the pipeline is made of.
pub(crate) struct PipelineParts {
    pub(crate) engine: Engine,
    pub(crate) registry: Arc<Registry>,
    pub(crate) journaled: mpsc::Receiver<Journaled>,
    /// Rows from Kafka; its sender is gone where there is no Kafka.
    pub(crate) kafka: mpsc::Receiver<Submission>,
    pub(crate) clock: Clock,
    pub(crate) evaluate_every: Duration,
    pub(crate) checkpoints: Checkpoints,
    /// Reports on their way out, where they are published.
    pub(crate) outbox: Option<Outbox>,
    /// Alert events on their way to sinks.
    pub(crate) mailbox: Mailbox,
    pub(crate) requests: Requests,
    pub(crate) health: Arc<Health>,
}

/// The engine and the ends of its channels.
pub(crate) struct Pipeline {
    parts: PipelineParts,
    questions: mpsc::Receiver<Question>,
    published: watch::Sender<Arc<Published>>,
    evaluation: Histogram,
    /// When open windows are evaluated next.
    open_due: Option<Instant>,
    /// Reports that were made since figures were published.
    unpublished: usize,
    /// Whether closed windows wait for a checkpoint to make room for their reports, from the model after this one on.
    held_up: bool,
    closed_through: Option<ModelId>,
    recovered: bool,
    /// Rows that the engine refused, and evaluations that failed: faults of the program, counted to be seen.
    refused_rows: u64,
    failures: u64,
}

impl Pipeline {
    /// A pipeline, the handle to ask it, and what it publishes.
    pub(crate) fn new(parts: PipelineParts) -> (Self, PipelineHandle, watch::Receiver<Arc<Published>>) {
        let (sender, questions) = mpsc::channel(QUESTIONS);
        let (published, receiver) = watch::channel(Arc::new(Published::default()));
        let pipeline = Self {
            parts,
            questions,
            published,
            evaluation: Histogram::default(),
            open_due: None,
            unpublished: 0,
            held_up: false,
            closed_through: None,
            recovered: false,
            refused_rows: 0,
            failures: 0,
        };
        (pipeline, PipelineHandle(sender), receiver)
    }

    /// Runs until every source has gone; then evaluates what closed, commits a last checkpoint, and ends.
    pub(crate) async fn run(mut self) {
        let mut tick =
            tokio::time::interval(TICK.min(self.parts.evaluate_every).min(self.parts.checkpoints.every()));
        // After a long fold one tick is enough to catch up.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut http, mut kafka) = (true, true);
        while http || kafka {
            // With checkpoints that cannot be committed, what waits for one must not grow without bound.
            let room = self.parts.checkpoints.has_room();
            let folded = tokio::select! {
                input = self.parts.journaled.recv(), if http && room => match input {
                    Some(input) => self.take(input),
                    None => { http = false; true }
                },
                submission = self.parts.kafka.recv(), if kafka && room && self.recovered => match submission {
                    Some(submission) => self.take_submission(submission, None),
                    None => { kafka = false; true }
                },
                Some(question) = self.questions.recv() => { self.answer(question); true }
                () = self.parts.checkpoints.committed() => {
                    self.publish();
                    if self.held_up {
                        self.evaluate(Instant::now());
                    }
                    true
                }
                due = tick.tick() => {
                    self.evaluate(due);
                    self.publish();
                    true
                }
            };
            if !folded {
                // The disk cannot be read and nobody waits any longer: the journal and Kafka still have the rows.
                return;
            }
            self.checkpoint_if_due();
        }
        self.evaluate(Instant::now());
        self.finish().await;
    }

    fn checkpoint_if_due(&mut self) {
        let sealed = self.parts.checkpoints.begin_if_due(&mut self.parts.engine);
        sealed.into_iter().for_each(|number| self.sealed(number));
    }

    fn sealed(&mut self, number: u64) {
        self.parts.mailbox.sealed(number);
        self.parts.outbox.iter_mut().for_each(|outbox| outbox.sealed(number));
    }

    /// Lets reports go out, as far as they are on disk.
    fn publish(&mut self) {
        let committed = self.parts.checkpoints.number();
        self.parts.mailbox.pump(committed, &self.parts.health);
        if let Some(outbox) = &mut self.parts.outbox {
            outbox.pump(committed, &self.parts.health);
        }
    }

    /// Tells whoever is to be told, as soon as it is on disk.
    fn tell(&mut self, events: Vec<AlertEvent>) {
        let mut is_anybody_told = false;
        for event in events {
            is_anybody_told |= self.parts.mailbox.put(event);
        }
        if is_anybody_told {
            // Nobody waits for the answer: the checkpoint is what counts.
            self.parts.checkpoints.wait(oneshot::channel().0);
        }
    }

    /// Commits what is left, and lets it go out as far as the brokers take it at once.
    async fn finish(&mut self) {
        let sealed = self.parts.checkpoints.finish(&mut self.parts.engine).await;
        sealed.into_iter().for_each(|number| self.sealed(number));
        self.publish();
        let outbox = async {
            if let Some(outbox) = &mut self.parts.outbox {
                outbox.finish(LAST_WORDS).await;
            }
        };
        tokio::join!(outbox, self.parts.mailbox.finish(LAST_WORDS));
        // What was delivered must not go out again.
        self.parts.checkpoints.finish(&mut self.parts.engine).await;
    }

    fn answer(&mut self, question: Question) {
        match question {
            Question::Find(query, answer) => {
                let known = self.parts.engine.model(&query.model).is_some();
                drop(answer.send(known.then(|| self.parts.engine.find(&query))));
            }
            Question::Compare(query, answer) => drop(answer.send(self.parts.engine.compare(&query))),
            Question::Models(answer) => drop(answer.send(status::details(&self.parts.engine))),
            Question::Settings(model, answer) => {
                let settings = self.parts.engine.model(model.as_str()).map(|model| {
                    let mut config = model.config().clone();
                    config.schema = Arc::clone(model.schema());
                    Box::new(config)
                });
                drop(answer.send(settings));
            }
            Question::PutModel(.., answer) | Question::PutReference(.., answer) if !self.recovered => {
                drop(answer.send(Err(EngineError::Recovering)));
            }
            Question::PutModel(config, reference, answer) => {
                let schema = Arc::clone(&config.schema);
                let put = self.parts.engine.put_model(*config, reference, ModelOrigin::Api);
                // Both at once, also when whoever asked has gone.
                if put.is_ok() {
                    self.parts.registry.put(schema);
                }
                self.answer_when_durable(put, answer);
            }
            Question::PutReference(model, reference, answer) => {
                let put = self.parts.engine.put_reference(&model, reference);
                self.answer_when_durable(put, answer);
            }
            Question::Checkpoint(answer) => self.parts.checkpoints.wait(answer),
            Question::Alerts(answer) => drop(answer.send(status::alerts(&self.parts.engine))),
            Question::ChangeAlerts(model, change, now, answer) => {
                let changed = self.parts.engine.change_alerts(&model, |book| match change {
                    AlertChange::Acknowledge { incident, reason, until } => {
                        book.acknowledge(&incident, &reason, until, now).map(Some)
                    }
                    AlertChange::Mute { rule, reason, until } => book.mute(&rule, &reason, until, now),
                    AlertChange::Unmute { rule } => book.unmute(&rule, now),
                });
                let changed = changed.map(|event| self.tell(event.into_iter().collect()));
                self.answer_when_durable(changed, answer);
            }
        }
    }

    /// What was put must outlive a crash once its sender has heard of it.
    fn answer_when_durable<E: Send + 'static>(
        &mut self,
        put: Result<(), E>,
        answer: oneshot::Sender<Result<(), E>>,
    ) {
        if put.is_err() {
            return drop(answer.send(put));
        }
        let (durable, waiting) = oneshot::channel();
        self.parts.checkpoints.wait(durable);
        tokio::spawn(async move {
            if waiting.await.is_ok() {
                drop(answer.send(put));
            }
        });
    }
}

/// Logs a fault of the program with its causes.
fn report_failure(error: &EngineError) {
    tracing::error!(cause = causes(error), "Failed to fold or evaluate; the rest goes on.");
}
