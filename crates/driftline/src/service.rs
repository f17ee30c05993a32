//! The running service: sources, pipeline and server, wired and watched.

mod opening;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftline_events::EventTime;
use driftline_expose::{
    ExposeOptions, ExposeSpec, Metrics, ServiceSnapshot, Snapshot, SnapshotSource, read_router,
};
use driftline_http::{ExposureError, Shell, Tokens, check_exposure};
use driftline_source::{
    Clock, Ingest, IngestSpec, KafkaSource, KafkaStartError, KafkaStatus, Positions, ingest_router,
};
use driftline_store::{
    Files, HistoryError, JournalError, JournalSpec, OsFiles, ReferenceFolder, StateError, StateFaults,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::opening::{Opened, Opening};
use crate::admin::{self, Admin};
use crate::alert_routes;
use crate::config::Config;
use crate::durability::{Committer, Health, JournalTask, JournalTaskError, Requests};
use crate::engine::EngineError;
use crate::pipeline::{
    Checkpoints, LARGE_BYTES, Mailbox, MailboxError, Outbox, OutboxError, Pipeline, PipelineHandle,
    PipelineParts,
};
use crate::read_model::PipelineModel;
use crate::reference_files::ReferenceFileError;
use crate::registry::Registry;
use crate::status::{self, Published};

/// What ends the service, or keeps it from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Open to the network without tokens.
    #[error(transparent)]
    Exposure(#[from] ExposureError),
    /// Settings that `Config` should have refused.
    #[error("the configuration does not hold: {0}")]
    Config(String),
    /// A model's reference cannot be had.
    #[error("model {model}: its reference cannot be loaded")]
    Reference {
        /// The model.
        model: String,
        /// Why not.
        #[source]
        source: ReferenceFileError,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}; is another driftline running? Choose another with server.listen")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The reports cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Where the sources go on cannot be told.
    #[error("the positions in the state folder {} are damaged; restore it from a backup", path.display())]
    Positions {
        /// The state folder.
        path: PathBuf,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal cannot be replayed.
    #[error(transparent)]
    Replay(#[from] JournalTaskError),
    /// Kafka cannot be read.
    #[error(transparent)]
    Kafka(#[from] KafkaStartError),
    /// Nothing can be published.
    #[error(transparent)]
    Publish(#[from] OutboxError),
    /// Nobody can be told of alerts.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    /// The engine refused a configured or stored model.
    #[error("a model cannot be watched")]
    Model(#[from] EngineError),
    /// The server failed.
    #[error("the server failed")]
    Server(#[source] std::io::Error),
    /// A part panicked; the log has the place.
    #[error("{part} panicked")]
    Panicked {
        /// Which part.
        part: &'static str,
    },
    /// A part did not end in time.
    #[error("{part} did not end within {} seconds", timeout.as_secs())]
    Stuck {
        /// Which part.
        part: &'static str,
        /// How long it was given.
        timeout: Duration,
    },
}

/// A service that runs.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    handle: PipelineHandle,
    published: watch::Receiver<Arc<Published>>,
    health: Arc<Health>,
    stop: CancellationToken,
    give_up: watch::Sender<bool>,
    server: JoinHandle<Result<(), std::io::Error>>,
    kafka: Option<KafkaSource>,
    journal: oneshot::Receiver<Result<(), JournalTaskError>>,
    pipeline: oneshot::Receiver<()>,
    committer: oneshot::Receiver<()>,
    shutdown_timeout: Duration,
}

/// What a service stands on.
#[derive(Clone)]
pub struct Surroundings {
    /// Tells the time.
    pub clock: Clock,
    /// Where the journal is.
    pub files: Arc<dyn Files>,
    /// What tests break of checkpoints.
    pub state_faults: Option<Arc<dyn StateFaults>>,
    /// A checkpoint is taken before its time when this many bytes wait for it.
    pub checkpoint_bytes: usize,
}

impl Default for Surroundings {
    /// The system's clock and files.
    fn default() -> Self {
        let (clock, files) = (system_clock(), Arc::new(OsFiles));
        Self { clock, files, state_faults: None, checkpoint_bytes: LARGE_BYTES }
    }
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("files", &self.files).finish_non_exhaustive()
    }
}

/// What the time is, by the system.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(now)
}

/// The system's time: the one place where it is read.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
pub fn now() -> EventTime {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    EventTime::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

impl Service {
    /// Loads references, binds the address and starts every part. `insecure` lets it listen beyond loopback without
    /// tokens.
    ///
    /// # Errors
    /// [`ServiceError`] that says what to change; nothing runs then.
    pub async fn start(config: Config, insecure: bool) -> Result<Self, ServiceError> {
        Self::start_in(config, insecure, Surroundings::default()).await
    }

    /// As [`Service::start`], in other surroundings: for tests of clocks that jump and disks that fail.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub async fn start_in(
        config: Config,
        insecure: bool,
        surroundings: Surroundings,
    ) -> Result<Self, ServiceError> {
        let Surroundings { clock, files, state_faults, checkpoint_bytes } = surroundings;
        let options = &config.options;
        let listen = options.server.listen;
        check_exposure(listen, !options.server.tokens.is_empty(), insecure)?;
        let tokens = Tokens::try_new(options.server.tokens.clone()).map_err(config_error)?;
        let ingest_spec = IngestSpec::try_from(options.ingest.clone()).map_err(config_error)?;
        let max_series = options.metrics.max_series;
        let expose_spec =
            ExposeSpec::try_from(ExposeOptions { max_series }).map_err(|error| config_error(vec![error]))?;
        let kafka_spec = options.kafka_spec().transpose().map_err(config_error)?;
        let folder = config.resolve(&options.state.path);
        let notify_spec = options.notify_spec(&folder).map_err(config_error)?;
        let publish_spec = options.publish_spec().transpose().map_err(config_error)?;
        let journal_spec = JournalSpec::try_from(options.journal.clone()).map_err(config_error)?;
        let references = ReferenceFolder::of(&folder);
        let registry = Arc::new(Registry::new(options.registration));
        let health = Arc::new(Health::default());

        let opening = Opening {
            config: config.clone(),
            folder,
            references: references.clone(),
            journal_spec,
            files,
            state_faults,
        };
        let opened = tokio::task::spawn_blocking(move || opening.open()).await;
        let Opened { state, engine, journal, start, cut_bytes } =
            opened.map_err(|_| ServiceError::Panicked { part: "opening the state folder" })??;
        health.note(|health| health.figures.journal_cut_bytes = cut_bytes);
        engine.models().for_each(|model| registry.put(Arc::clone(model.schema())));

        let listener =
            TcpListener::bind(listen).await.map_err(|source| ServiceError::Listen { listen, source })?;
        let address = listener.local_addr().map_err(ServiceError::Server)?;
        let (sender, submissions) = mpsc::channel(ingest_spec.queue_length());
        let (journaled_sender, journaled) = mpsc::channel(ingest_spec.queue_length());
        let ingest =
            Arc::new(Ingest::new(ingest_spec, Arc::clone(&registry) as _, Arc::clone(&clock), sender));
        let (give_up, given_up) = watch::channel(false);
        let (committer, committing, durable_positions) =
            Committer::new(state.clone(), start.clone(), Arc::clone(&health), given_up.clone());
        let journal_task = JournalTask {
            journal,
            after: start.journal,
            submissions,
            pipeline: journaled_sender,
            committed: committing.committed.clone(),
            health: Arc::clone(&health),
        };
        let (kafka_sender, kafka) = mpsc::channel(KAFKA_SUBMISSIONS);
        let checkpoint_every = options.state.checkpoint_every.duration();
        let source = format!("/driftline/{}", state.id());
        let mailbox =
            Mailbox::open(state.clone(), notify_spec, &source, Arc::clone(&clock), &engine.incidents())?;
        let outbox = publish_spec.map(|spec| Outbox::open(state.clone(), &spec, source)).transpose()?;
        let (pipeline, handle, published) = Pipeline::new(PipelineParts {
            engine,
            registry: Arc::clone(&registry),
            journaled,
            kafka,
            clock: Arc::clone(&clock),
            evaluate_every: options.metrics.evaluate_every.duration(),
            checkpoints: Checkpoints::new(
                state.clone(),
                committing,
                (checkpoint_every, checkpoint_bytes),
                &start,
                given_up,
            ),
            outbox,
            mailbox,
            requests: Requests::new(state.clone()),
            health: Arc::clone(&health),
        });

        // Without Kafka its sender is dropped here, and the pipeline does not wait for it.
        let kafka = match kafka_spec {
            Some(spec) => Some(KafkaSource::start(
                spec,
                &ingest,
                state.id().to_owned(),
                Positions::clone(&start.positions),
                kafka_sender,
                durable_positions,
            )?),
            None => None,
        };
        let kafka_status = kafka.as_ref().map(KafkaSource::status);

        let metrics = Metrics::new(
            expose_spec,
            snapshot_source(&ingest, &published, &health, kafka_status.clone(), &clock),
        );
        let read = Arc::new(PipelineModel::new(handle.clone(), Arc::clone(&health), kafka_status));
        let admin = Admin {
            handle: handle.clone(),
            registry,
            references,
            defaults: config.model_defaults(),
            max_upload_bytes: options.ingest.max_decompressed_bytes,
            state: state.clone(),
        };
        let routes = ingest_router(ingest)
            .merge(read_router(read, Arc::new(metrics)))
            .merge(admin::router(admin))
            .merge(alert_routes::router(handle.clone(), Arc::clone(&clock)));
        let app = Shell::new(tokens).timeout(options.server.request_timeout.duration()).around(routes);

        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server =
            tokio::spawn(async move { axum::serve(listener, app).with_graceful_shutdown(stopped).await });
        let runtime = tokio::runtime::Handle::current();
        let journal_runtime = runtime.clone();
        Ok(Self {
            address,
            handle,
            published,
            health,
            stop,
            give_up,
            server,
            kafka,
            journal: spawn("journal", move || journal_task.run(&journal_runtime)),
            // Folding and evaluating are computation, and must not hold up the threads that answer requests.
            pipeline: spawn("pipeline", move || runtime.block_on(pipeline.run())),
            committer: spawn("committer", move || committer.run()),
            shutdown_timeout: options.server.shutdown_timeout.duration(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks the pipeline.
    #[must_use]
    pub const fn handle(&self) -> &PipelineHandle {
        &self.handle
    }

    /// What the pipeline published last.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Arc<Published>> {
        self.published.clone()
    }

    /// How what must be safe fares.
    #[must_use]
    pub const fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Runs until `stop` is done or a part fails, then shuts down in the data's order: the server takes no more
    /// requests and answers those it has, the journal hands on what it has, the pipeline folds it and commits a last
    /// checkpoint.
    ///
    /// # Errors
    /// [`ServiceError`] of the part that failed or did not end in time.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), ServiceError> {
        let (mut server, mut journal, mut pipeline, mut committer) = (None, None, None, None);
        let mut kafka_ended = false;
        tokio::select! {
            () = stop => tracing::info!("Stopping."),
            true = ended_by_itself(&mut self.kafka) => kafka_ended = true,
            ended = &mut self.server => server = Some(ended),
            ended = &mut self.journal => journal = Some(ended),
            ended = &mut self.pipeline => pipeline = Some(ended),
            ended = &mut self.committer => committer = Some(ended),
        }
        if kafka_ended || server.is_some() || journal.is_some() || pipeline.is_some() || committer.is_some() {
            tracing::error!("A part ended by itself; stopping.");
        }
        self.stop.cancel();
        if let Some(kafka) = &self.kafka {
            kafka.stop();
        }
        // What is not safe by then is still in the journal.
        let (give_up, timeout) = (self.give_up, self.shutdown_timeout);
        tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            give_up.send_replace(true);
        });
        // Each part ends when the one before it has; one that hangs holds up the rest.
        let server = ended("the server", timeout, server, self.server).await?;
        if let Some(kafka) = self.kafka.as_mut().filter(|_| !kafka_ended)
            && !kafka.ended().await
        {
            return Err(ServiceError::Panicked { part: "the Kafka source" });
        }
        let journal = ended("the journal", timeout, journal, self.journal).await?;
        ended("the pipeline", timeout, pipeline, self.pipeline).await?;
        ended("the committer", timeout, committer, self.committer).await?;
        journal?;
        server.map_err(ServiceError::Server)
    }
}

/// Done when the Kafka source ends, which it should only when it is stopped; never without one.
async fn ended_by_itself(kafka: &mut Option<KafkaSource>) -> bool {
    match kafka {
        Some(kafka) => {
            kafka.ended().await;
            true
        }
        None => std::future::pending().await,
    }
}

/// Rows from Kafka that wait for the pipeline: few, for each holds thousands of messages.
const KAFKA_SUBMISSIONS: usize = 4;

/// Waits for a part to end, unless it has.
async fn ended<T, E>(
    part: &'static str,
    timeout: Duration,
    known: Option<Result<T, E>>,
    ending: impl Future<Output = Result<T, E>>,
) -> Result<T, ServiceError> {
    let ended = match known {
        Some(ended) => ended,
        // A little longer than what the part itself is given.
        None => tokio::time::timeout(timeout + Duration::from_secs(2), ending)
            .await
            .map_err(|_| ServiceError::Stuck { part, timeout })?,
    };
    ended.map_err(|_| ServiceError::Panicked { part })
}

fn config_error<E: std::error::Error>(errors: Vec<E>) -> ServiceError {
    ServiceError::Config(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// Runs a part on a thread of its own, and tells when and how it ended.
fn spawn<T: Send + 'static>(
    name: &'static str,
    part: impl FnOnce() -> T + Send + 'static,
) -> oneshot::Receiver<T> {
    let (sender, ended) = oneshot::channel();
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Whoever waited may have gone.
        drop(sender.send(part()));
    });
    // Without a thread the sender is gone, and whoever waits sees that the part ended.
    if let Err(error) = spawned {
        tracing::error!(%error, name, "Failed to start a thread.");
    }
    ended
}

/// What a scrape shows: what the pipeline published, and the source's counts of this moment.
fn snapshot_source(
    ingest: &Arc<Ingest>,
    published: &watch::Receiver<Arc<Published>>,
    health: &Arc<Health>,
    kafka: Option<KafkaStatus>,
    clock: &Clock,
) -> SnapshotSource {
    let started = clock();
    let (ingest, published, clock) = (Arc::clone(ingest), published.clone(), Arc::clone(clock));
    let health = Arc::clone(health);
    Arc::new(move || {
        let published = Arc::clone(&published.borrow());
        let service = ServiceSnapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("DRIFTLINE_COMMIT").unwrap_or_default().to_owned(),
            started: Some(started),
            evaluation: published.evaluation.clone(),
            last_evaluation: Some(published.time),
            reports_dropped: published.reports_dropped,
            refused_rows: published.faults.0,
            failed_evaluations: published.faults.1,
            durability: health.snapshot().shown(),
            kafka: kafka.as_ref().map(|kafka| status::kafka(kafka.snapshot())),
            alert_sinks: health.snapshot().sinks.into_iter().map(Into::into).collect(),
            ..status::service(ingest.snapshot())
        };
        Arc::new(Snapshot {
            time: clock(),
            reports: published.reports.clone(),
            models: published.models.clone(),
            service,
        })
    })
}
