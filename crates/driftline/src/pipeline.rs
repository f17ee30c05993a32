//! The one task that owns the engine: rows and questions come in by channels, figures go out as a snapshot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftline_evaluate::WindowReport;
use driftline_events::ModelId;
use driftline_expose::{CompareQuery, Histogram, ModelDetail, ModelOrigin, ReadError};
use driftline_source::{Clock, EventKind, Receipt, Submission, Taken};
use driftline_store::{HistoryPage, HistoryQuery};
use driftline_summary::Reference;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::config::ModelConfig;
use crate::engine::{Engine, EngineError};
use crate::registry::Registry;
use crate::status::{self, Published};

/// Questions that may wait at once; each is answered in milliseconds, and whoever asks waits for the answer.
const QUESTIONS: usize = 64;

/// Closed windows are looked for this often, and counters published.
const TICK: Duration = Duration::from_secs(1);

/// Something asked of the pipeline. Who asked may have gone: an answer that nobody takes is dropped.
pub(crate) enum Question {
    Find(HistoryQuery, oneshot::Sender<Option<HistoryPage>>),
    Compare(Box<CompareQuery>, oneshot::Sender<Result<Arc<WindowReport>, ReadError>>),
    Models(oneshot::Sender<Vec<ModelDetail>>),
    Settings(ModelId, oneshot::Sender<Option<Box<ModelConfig>>>),
    PutModel(Box<ModelConfig>, Option<Arc<Reference>>, oneshot::Sender<Result<(), EngineError>>),
    PutReference(ModelId, Arc<Reference>, oneshot::Sender<Result<(), EngineError>>),
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
    /// [`Stopped`].
    pub async fn find(&self, query: HistoryQuery) -> Result<Option<HistoryPage>, Stopped> {
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

/// The engine and the ends of its channels.
pub(crate) struct Pipeline {
    engine: Engine,
    registry: Arc<Registry>,
    submissions: mpsc::Receiver<Submission>,
    questions: mpsc::Receiver<Question>,
    clock: Clock,
    evaluate_every: Duration,
    published: watch::Sender<Arc<Published>>,
    evaluation: Histogram,
    /// Rows that the engine refused, and evaluations that failed: faults of the program, counted to be seen.
    refused_rows: u64,
    failures: u64,
}

impl Pipeline {
    /// A pipeline around an engine, the handle to ask it, and what it publishes.
    pub(crate) fn new(
        engine: Engine,
        registry: Arc<Registry>,
        submissions: mpsc::Receiver<Submission>,
        clock: Clock,
        evaluate_every: Duration,
    ) -> (Self, PipelineHandle, watch::Receiver<Arc<Published>>) {
        let (sender, questions) = mpsc::channel(QUESTIONS);
        let (published, receiver) = watch::channel(Arc::new(Published::default()));
        let evaluation = Histogram::default();
        let pipeline = Self {
            engine,
            registry,
            submissions,
            questions,
            clock,
            evaluate_every,
            published,
            evaluation,
            refused_rows: 0,
            failures: 0,
        };
        (pipeline, PipelineHandle(sender), receiver)
    }

    /// Runs until every source has gone; then evaluates what closed, and ends.
    pub(crate) async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK.min(self.evaluate_every));
        // After a long fold one tick is enough to catch up.
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut evaluated_open: Option<Instant> = None;
        loop {
            tokio::select! {
                submission = self.submissions.recv() => match submission {
                    Some(submission) => self.take(submission),
                    None => break,
                },
                Some(question) = self.questions.recv() => self.answer(question),
                _ = tick.tick() => {
                    self.evaluate(&mut evaluated_open);
                }
            }
        }
        self.evaluate(&mut None);
    }

    fn take(&mut self, submission: Submission) {
        let now = (self.clock)();
        let mut taken: Vec<Taken> = Vec::with_capacity(submission.batches.len());
        for batch in &submission.batches {
            let outcome = match submission.event {
                EventKind::Prediction => self.engine.push_predictions(batch, Some(now)),
                EventKind::Label => self.engine.push_labels(batch),
            };
            taken.push(outcome.unwrap_or_else(|error| {
                // One model's fault takes neither the service nor the other models with it.
                self.refused_rows += batch.rows.num_rows() as u64;
                report_failure(&error);
                Taken::default()
            }));
        }
        submission.reply.send(Receipt::of(taken));
    }

    fn evaluate(&mut self, evaluated_open: &mut Option<Instant>) {
        let started = Instant::now();
        let (mut evaluated, mut failures) = self.engine.tick((self.clock)());
        if evaluated_open.is_none_or(|at| at.elapsed() >= self.evaluate_every) {
            *evaluated_open = Some(started);
            let (open, failed) = self.engine.evaluate_open();
            evaluated += open;
            failures.extend(failed);
        }
        failures.iter().for_each(report_failure);
        self.failures += failures.len() as u64;
        if evaluated > 0 {
            self.evaluation.observe(started.elapsed().as_secs_f64());
        }
        let faults = (self.refused_rows, self.failures);
        let published = Published::of(&self.engine, (self.clock)(), &self.evaluation, faults);
        self.published.send_replace(Arc::new(published));
    }

    fn answer(&mut self, question: Question) {
        match question {
            Question::Find(query, answer) => {
                let known = self.engine.model(&query.model).is_some();
                drop(answer.send(known.then(|| self.engine.find(&query))));
            }
            Question::Compare(query, answer) => drop(answer.send(self.engine.compare(&query))),
            Question::Models(answer) => drop(answer.send(status::details(&self.engine))),
            Question::Settings(model, answer) => {
                let settings = self.engine.model(model.as_str()).map(|model| {
                    let mut config = model.config().clone();
                    config.schema = Arc::clone(model.schema());
                    Box::new(config)
                });
                drop(answer.send(settings));
            }
            Question::PutModel(config, reference, answer) => {
                let schema = Arc::clone(&config.schema);
                let put = self.engine.put_model(*config, reference, ModelOrigin::Api);
                // Both at once, also when whoever asked has gone.
                if put.is_ok() {
                    self.registry.put(schema);
                }
                drop(answer.send(put));
            }
            Question::PutReference(model, reference, answer) => {
                drop(answer.send(self.engine.put_reference(&model, reference)));
            }
        }
    }
}

/// Logs a fault of the program with its causes.
fn report_failure(error: &EngineError) {
    let mut causes = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        causes = format!("{causes}: {source}");
        cause = source.source();
    }
    tracing::error!(%error, causes, "Failed to fold or evaluate; the rest goes on.");
}
