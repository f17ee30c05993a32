//! The running service: sources, pipeline and server, wired and watched.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use driftline_events::EventTime;
use driftline_expose::{
    ExposeOptions, ExposeSpec, Metrics, ModelOrigin, ServiceSnapshot, Snapshot, SnapshotSource, read_router,
};
use driftline_http::{ExposureError, Shell, Tokens, check_exposure};
use driftline_source::{Clock, Ingest, IngestSpec, ingest_router};
use driftline_store::{MemoryHistory, ReferenceFolder};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::config::Config;
use crate::engine::{Engine, EngineError, EngineLimits};
use crate::pipeline::{Pipeline, PipelineHandle};
use crate::read_model::PipelineModel;
use crate::reference_files::{ReferenceFileError, load_or_build};
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
    /// The engine refused a configured model.
    #[error("a configured model cannot be watched")]
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
    stop: CancellationToken,
    server: JoinHandle<Result<(), std::io::Error>>,
    pipeline: oneshot::Receiver<()>,
    shutdown_timeout: Duration,
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
        let options = &config.options;
        let listen = options.server.listen;
        check_exposure(listen, !options.server.tokens.is_empty(), insecure)?;
        let tokens = Tokens::try_new(options.server.tokens.clone()).map_err(config_error)?;
        let ingest_spec = IngestSpec::try_from(options.ingest.clone()).map_err(config_error)?;
        let max_series = options.metrics.max_series;
        let expose_spec =
            ExposeSpec::try_from(ExposeOptions { max_series }).map_err(|error| config_error(vec![error]))?;
        let clock = system_clock();
        let references = ReferenceFolder::of(&config.resolve(&options.state.path));

        let limits = EngineLimits {
            pending_predictions: options.state.pending_predictions,
            max_models: options.registration.max_models.max(config.models.len()),
        };
        let mut engine = Engine::new(Box::new(MemoryHistory::new(options.state.reports_per_model)), limits);
        let registry = Arc::new(Registry::new(options.registration));
        for model in &config.models {
            let (model, references) = (model.clone(), references.clone());
            let name = model.schema.model().to_string();
            let loaded = tokio::task::spawn_blocking(move || {
                let reference = load_or_build(&model, &references, now())?;
                Ok((model, reference))
            });
            let loaded = loaded.await.map_err(|_| ServiceError::Panicked { part: "loading a reference" })?;
            let (model, reference) =
                loaded.map_err(|source| ServiceError::Reference { model: name, source })?;
            registry.put(Arc::clone(&model.schema));
            engine.put_model(model, reference, ModelOrigin::Config)?;
        }

        let listener =
            TcpListener::bind(listen).await.map_err(|source| ServiceError::Listen { listen, source })?;
        let address = listener.local_addr().map_err(ServiceError::Server)?;
        let (sender, submissions) = mpsc::channel(ingest_spec.queue_length());
        let ingest =
            Arc::new(Ingest::new(ingest_spec, Arc::clone(&registry) as _, Arc::clone(&clock), sender));
        let evaluate_every = options.metrics.evaluate_every.duration();
        let (pipeline, handle, published) =
            Pipeline::new(engine, Arc::clone(&registry), submissions, Arc::clone(&clock), evaluate_every);

        let metrics = Metrics::new(expose_spec, snapshot_source(&ingest, &published, &clock));
        let read = Arc::new(PipelineModel::new(handle.clone()));
        let admin = Admin {
            handle: handle.clone(),
            registry,
            references,
            folder: config.folder.clone(),
            max_upload_bytes: options.ingest.max_decompressed_bytes,
        };
        let routes =
            ingest_router(ingest).merge(read_router(read, Arc::new(metrics))).merge(admin::router(admin));
        let app = Shell::new(tokens).timeout(options.server.request_timeout.duration()).around(routes);

        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server =
            tokio::spawn(async move { axum::serve(listener, app).with_graceful_shutdown(stopped).await });
        Ok(Self {
            address,
            handle,
            published,
            stop,
            server,
            pipeline: spawn_pipeline(pipeline),
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

    /// Runs until `stop` is done or a part fails, then shuts down in the data's order: the server takes no more
    /// requests and answers those it has, the pipeline folds what it was given, evaluates what closed, and ends.
    ///
    /// # Errors
    /// [`ServiceError`] of the part that failed or did not end in time.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), ServiceError> {
        let (mut server, mut pipeline) = (None, None);
        tokio::select! {
            () = stop => tracing::info!("Stopping."),
            ended = &mut self.server => server = Some(ended),
            ended = &mut self.pipeline => pipeline = Some(ended),
        }
        if server.is_some() || pipeline.is_some() {
            let part = if server.is_some() { "server" } else { "pipeline" };
            tracing::error!(part, "A part ended by itself; stopping.");
        }
        self.stop.cancel();
        let timeout = self.shutdown_timeout;
        if server.is_none() {
            server = tokio::time::timeout(timeout, &mut self.server).await.ok();
        }
        // A server that hangs holds the pipeline's input open; what the pipeline has is folded all the same.
        if pipeline.is_none() && server.is_some() {
            pipeline = tokio::time::timeout(timeout, &mut self.pipeline).await.ok();
        }
        let server = server.ok_or(ServiceError::Stuck { part: "the server", timeout })?;
        pipeline
            .ok_or(ServiceError::Stuck { part: "the pipeline", timeout })?
            .map_err(|_| ServiceError::Panicked { part: "the pipeline" })?;
        server.map_err(|_| ServiceError::Panicked { part: "the server" })?.map_err(ServiceError::Server)
    }
}

fn config_error<E: std::error::Error>(errors: Vec<E>) -> ServiceError {
    ServiceError::Config(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// Runs the pipeline on a thread of its own: folding and evaluating are computation, and must not hold up the
/// threads that answer requests.
fn spawn_pipeline(pipeline: Pipeline) -> oneshot::Receiver<()> {
    let (sender, ended) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let spawned = std::thread::Builder::new().name("pipeline".to_owned()).spawn(move || {
        runtime.block_on(pipeline.run());
        // Whoever waited may have gone.
        sender.send(()).unwrap_or_default();
    });
    // Without a thread the sender is gone, and whoever waits sees that the pipeline ended.
    if let Err(error) = spawned {
        tracing::error!(%error, "Failed to start the pipeline's thread.");
    }
    ended
}

/// What a scrape shows: what the pipeline published, and the source's counts of this moment.
fn snapshot_source(
    ingest: &Arc<Ingest>,
    published: &watch::Receiver<Arc<Published>>,
    clock: &Clock,
) -> SnapshotSource {
    let started = clock();
    let (ingest, published, clock) = (Arc::clone(ingest), published.clone(), Arc::clone(clock));
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
