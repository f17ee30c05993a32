//! The service's own settings.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use driftline_events::Span;
use driftline_expose::{NotifyFault, NotifyOptions, NotifySpec, PublishSpec, PublishSpecError, SinkOptions};
use driftline_http::{TokenOptions, Tokens};
use driftline_source::{IngestSpec, KafkaSpec, KafkaSpecError};
use driftline_store::JournalSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Options;
use super::fault::Faults;

/// Where the service listens, and who may use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerOptions {
    /// Address and port. Loopback by default: another address needs tokens, or `--insecure`.
    pub listen: SocketAddr,
    /// Bearer tokens. With none, whoever reaches the address may do everything.
    pub tokens: Vec<TokenOptions>,
    /// A request that takes longer is answered 503.
    pub request_timeout: Span,
    /// How long a shutdown waits for what still runs.
    pub shutdown_timeout: Span,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tokens: Vec::new(),
            request_timeout: Span::from_secs(30),
            shutdown_timeout: Span::from_secs(20),
        }
    }
}

/// Where the service keeps what must outlive it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StateOptions {
    /// The state folder; made if it is not there.
    pub path: PathBuf,
    /// How often everything that changed goes to disk: what a start after a crash has to replay.
    pub checkpoint_every: Span,
    /// Window reports kept for each model; the oldest go first. A report of 25 features takes about 5 KB on disk.
    pub reports_per_model: usize,
    /// How long window reports are kept.
    pub reports_retention: Span,
    /// Predictions of one model whose ids are kept for labels and de-duplication, about 60 bytes each on disk; the
    /// oldest go first.
    pub pending_predictions: usize,
    /// Blocks of the disk that are kept in memory.
    pub cache_bytes: u64,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self {
            path: PathBuf::from("driftline-state"),
            checkpoint_every: Span::from_secs(10),
            reports_per_model: 20_000,
            reports_retention: Span::from_days(90),
            // A week at a thousand a second.
            pending_predictions: 700_000_000,
            cache_bytes: 64 << 20,
        }
    }
}

/// Models that nobody configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrationOptions {
    /// Whether an unknown model is registered from its first events; if not, its events are rejected.
    pub enabled: bool,
    /// Models there may be in all.
    pub max_models: usize,
}

impl Default for RegistrationOptions {
    fn default() -> Self {
        Self { enabled: true, max_models: 1_000 }
    }
}

/// What the service shows to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsOptions {
    /// Series of window statistics that `/metrics` may have; what is cut is counted.
    pub max_series: usize,
    /// How often open windows are evaluated. Where they are so many that this would take more than a tenth of the time,
    /// less often.
    pub evaluate_every: Span,
}

impl Default for MetricsOptions {
    fn default() -> Self {
        Self { max_series: 20_000, evaluate_every: Span::from_secs(1) }
    }
}

/// What the service says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// `text` for people, `json` for log stores.
    pub format: LogFormat,
    /// Least level, also by part: `info`, `warn,driftline_source=debug`.
    pub level: String,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Options {
    /// What is read from Kafka. A `[kafka]` table without topics only says where to publish.
    pub(crate) fn kafka_spec(&self) -> Option<Result<KafkaSpec, Vec<KafkaSpecError>>> {
        let kafka = self.kafka.as_ref()?;
        let reads = !kafka.predictions.is_empty() || !kafka.labels.is_empty();
        (reads || self.publish.is_none()).then(|| KafkaSpec::try_from(kafka.clone()))
    }

    /// Where events are published.
    pub(crate) fn publish_spec(&self) -> Option<Result<PublishSpec, Vec<PublishSpecError>>> {
        let kafka = self.kafka.clone().unwrap_or_default();
        let properties = kafka.properties.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.publish.clone().map(|publish| PublishSpec::try_new(publish, &kafka.brokers, properties))
    }
}

impl Options {
    /// Who is told of alerts; `state` is the state folder.
    pub(crate) fn notify_spec(&self, state: &Path) -> Result<NotifySpec, Vec<NotifyFault>> {
        let mut options = NotifyOptions { sinks: self.sinks.clone(), routes: self.routes.clone() };
        if options.sinks.is_empty() {
            options.sinks.push(SinkOptions::file("file", state.join("alerts.ndjson")));
        }
        let kafka = self.kafka.clone().unwrap_or_default();
        let properties = kafka.properties.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        NotifySpec::try_new(options, &kafka.brokers, &properties.collect(), &|name| std::env::var(name).ok())
    }
}

/// Adds the faults of the service's settings.
pub(super) fn check(options: &Options, faults: &mut Faults) {
    if let Err(errors) = Tokens::try_new(options.server.tokens.clone()) {
        for error in errors {
            faults.add_error("server.tokens", &error);
        }
    }
    let positive = [
        ("state.reports_per_model", options.state.reports_per_model),
        ("state.pending_predictions", options.state.pending_predictions),
        ("registration.max_models", options.registration.max_models),
    ];
    for (place, value) in positive {
        if value == 0 {
            faults.add(place, "0 would stop everything; it must be at least 1");
        }
    }
    if let Err(errors) = IngestSpec::try_from(options.ingest.clone()) {
        for error in errors {
            faults.add_error("ingest", &error);
        }
    }
    if let Err(errors) = JournalSpec::try_from(options.journal.clone()) {
        for error in errors {
            faults.add_error("journal", &error);
        }
    }
    if let Some(Err(errors)) = options.kafka_spec() {
        for error in errors {
            faults.add_error("kafka", &error);
        }
    }
    if let Some(Err(errors)) = options.publish_spec() {
        for error in errors {
            faults.add_error("publish", &error);
        }
    }
    if let Err(found) = options.notify_spec(&options.state.path) {
        found.iter().for_each(|fault| faults.add_error(fault.place.clone(), &fault.error));
    }
    for (place, span) in [
        ("state.checkpoint_every", options.state.checkpoint_every),
        ("state.reports_retention", options.state.reports_retention),
        ("metrics.evaluate_every", options.metrics.evaluate_every),
        ("server.request_timeout", options.server.request_timeout),
    ] {
        if span.duration().is_zero() {
            faults.add(place, "must be longer than 0s");
        }
    }
    if options.log.level.parse::<tracing_subscriber::EnvFilter>().is_err() {
        faults.add(
            "log.level",
            format!("{:?} is no level; write error, warn, info, debug or trace", options.log.level),
        );
    }
}
