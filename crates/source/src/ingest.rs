//! From a request's body to the pipeline's receipt.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use axum::http::{HeaderMap, StatusCode};
use driftline_events::{
    Carrier, DecodeContext, Decoded, Encoding, EventTime, Limits, ModelBatch, ModelId, ModelRegistry,
    PayloadError, RejectedRow, decode_labels, decode_predictions, decompress,
};
use driftline_http::Problem;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::answer::IngestAnswer;
use crate::body;
use crate::config::IngestSpec;
use crate::idempotency::{IDEMPOTENCY_KEY, IdempotencyKey, payload_hash};
use crate::memory::{Memory, Reservation};
use crate::rejected::{RejectedLog, RejectedPage};
use crate::stats::{IngestSnapshot, IngestStats};
use crate::submission::{EventKind, Idempotency, Origin, Receipt, Reply, StorageFault, Submission};
use crate::together::{Small, Together, Told};

/// What the time is.
pub type Clock = Arc<dyn Fn() -> EventTime + Send + Sync>;

/// Plain bodies up to this are decoded on the spot: at some 200 MB/s that takes 0.3 ms, about what a task may
/// hold a runtime thread for, while handing it over and back costs more than decoding the small bodies that are
/// most common. Compressed bodies are always handed over, for nobody knows how large they become.
pub(crate) const INLINE_BYTES: usize = 64 << 10;

const ACCEPTED_TYPES: &str =
    "application/json, application/x-ndjson, text/plain, application/vnd.apache.arrow.stream";
const ACCEPTED_ENCODINGS: &str = "gzip, zstd, identity";

/// The ingest routes' state: decodes what comes in and hands it to the pipeline.
pub struct Ingest {
    spec: IngestSpec,
    intake: Intake,
    pipeline: mpsc::Sender<Submission>,
    memory: Memory,
    decoders: Arc<Semaphore>,
    pub(crate) together: Together,
}

/// What every way in shares: what rows are read with, and where they are counted.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) registry: Arc<dyn ModelRegistry + Send + Sync>,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) max_future: Duration,
    pub(crate) stats: Arc<IngestStats>,
    pub(crate) log: Arc<RejectedLog>,
}

impl Intake {
    pub(crate) fn now(&self) -> EventTime {
        (self.clock)()
    }

    /// Counts rejected rows, of which some are told apart.
    pub(crate) fn count_rejected(&self, event: EventKind, rows: &[RejectedRow], total: u64) {
        for row in rows {
            // A name that no model has may be anything; it does not become a label.
            let known = row.model.as_deref().filter(|model| self.registry.schema(model).is_some());
            self.stats.rejected(event, known.unwrap_or_default(), row.reason, 1);
        }
        let unnamed = total - rows.len() as u64;
        if unnamed > 0 {
            self.stats.rejected(event, "", "not_detailed", unnamed);
        }
    }
}

/// One request's way in, apart from its body.
#[derive(Debug)]
pub(crate) struct Entrance<'a> {
    pub(crate) event: EventKind,
    pub(crate) route: &'static str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) default_model: Option<String>,
    pub(crate) request_id: Option<&'a str>,
}

/// How a payload is to be read.
#[derive(Clone, Copy)]
struct How {
    carrier: Carrier,
    encoding: Encoding,
    event: EventKind,
    arrival: EventTime,
    hashed: bool,
}

/// What a request brought besides the rows that could be placed: counted once those are taken.
pub(crate) struct Unplaced {
    pub(crate) event: EventKind,
    pub(crate) route: &'static str,
    pub(crate) arrival: EventTime,
    pub(crate) request_id: Option<String>,
    pub(crate) rejected: Vec<RejectedRow>,
    pub(crate) rejected_total: u64,
    pub(crate) ignored_fields: u64,
}

impl Unplaced {
    fn of(
        entrance: &Entrance<'_>,
        arrival: EventTime,
        rejected: Vec<RejectedRow>,
        rejected_total: u64,
        ignored_fields: u64,
    ) -> Self {
        Self {
            event: entrance.event,
            route: entrance.route,
            arrival,
            request_id: entrance.request_id.map(str::to_owned),
            rejected,
            rejected_total,
            ignored_fields,
        }
    }
}

impl Ingest {
    /// Decodes with `registry`, reads the time of arrival from `clock`, and sends into `pipeline`, whose length is
    /// [`IngestSpec::queue_length`].
    #[must_use]
    pub fn new(
        spec: IngestSpec,
        registry: Arc<dyn ModelRegistry + Send + Sync>,
        clock: Clock,
        pipeline: mpsc::Sender<Submission>,
    ) -> Self {
        // More at once would not be faster, and each may hold a decompressed body beyond the memory's bound.
        let decoders = std::thread::available_parallelism().map_or(1, usize::from);
        let intake = Intake {
            registry,
            clock,
            limits: spec.limits.clone(),
            max_future: spec.max_future,
            stats: Arc::default(),
            log: Arc::new(RejectedLog::new(spec.rejected_kept)),
        };
        Self {
            memory: Memory::new(spec.bytes_in_flight, spec.queue_wait),
            decoders: Arc::new(Semaphore::new(decoders)),
            together: Together::default(),
            intake,
            spec,
            pipeline,
        }
    }

    pub(crate) const fn intake(&self) -> &Intake {
        &self.intake
    }

    /// Everything counted since the start, and how full memory and queue are.
    #[must_use]
    pub fn snapshot(&self) -> IngestSnapshot {
        IngestSnapshot {
            in_flight_bytes: self.memory.used_bytes(),
            in_flight_bytes_limit: self.memory.capacity_bytes(),
            queue_depth: (self.pipeline.max_capacity() - self.pipeline.capacity()) as u64,
            queue_capacity: self.pipeline.max_capacity() as u64,
            ..self.intake.stats.snapshot()
        }
    }

    pub(crate) fn rejected(&self, model: Option<&str>, reason: Option<&str>, limit: usize) -> RejectedPage {
        self.intake.log.page(model, reason, limit)
    }

    pub(crate) fn answered(&self, event: EventKind, status: StatusCode) {
        self.intake.stats.answered(event, status.as_u16());
    }

    /// Takes a body in: reads, decodes, submits, waits for the receipt.
    pub(crate) async fn take(
        self: &Arc<Self>,
        entrance: Entrance<'_>,
        body: Body,
    ) -> Result<IngestAnswer, Problem> {
        let carrier = carrier(entrance.headers)?;
        let encoding = encoding(entrance.headers)?;
        let key = IdempotencyKey::of(entrance.headers)?;
        if let Some(model) = &entrance.default_model {
            ModelId::try_new(model)
                .map_err(|error| Problem::bad_parameter("model", model, &error.to_string()))?;
        }
        let (mut payload, mut memory) =
            body::read(body, self.spec.limits.body_bytes, self.spec.body_timeout, &self.memory).await?;
        self.intake.stats.read(payload.len());
        let mut arrival = self.intake.now();
        if key.is_none() && self.is_small(&payload, entrance.event, carrier, encoding) {
            let small = Small {
                payload,
                arrival,
                default_model: entrance.default_model.clone(),
                route: entrance.route,
                request_id: entrance.request_id.map(str::to_owned),
                memory,
            };
            match self.take_together(small).await.ok_or_else(pipeline_gone)? {
                Told::Of(answer, receipt) => return answered(answer, &receipt),
                Told::Busy => return Err(queue_full()),
                Told::NoMemory(problem) => return Err(problem),
                Told::Alone(small) => Small { payload, arrival, memory, .. } = small,
            }
        }
        let (decoded, payload_hash, memory) =
            self.decode(payload, carrier, encoding, arrival, &entrance, memory).await?;
        let Decoded { batches, rejected, rejected_total, ignored_fields, .. } = decoded;
        let answer = IngestAnswer::new(rejected.clone(), rejected_total, ignored_fields);
        let idempotency = key.zip(payload_hash).map(|(key, payload)| Idempotency {
            key: key.of_route(entrance.route),
            payload,
            answer: answer.encode(),
        });
        let unplaced = Unplaced::of(&entrance, arrival, rejected, rejected_total, ignored_fields);
        let receipt = if batches.is_empty() {
            self.count(&unplaced);
            Receipt::default()
        } else {
            let origin = Origin::Http { arrival, idempotency };
            let receipt = self.submit(entrance.event, batches, origin, unplaced, memory).await?;
            receipt.await.map_err(|_| pipeline_gone())?
        };
        answered(answer, &receipt)
    }

    pub(crate) const fn limits(&self) -> &Limits {
        &self.spec.limits
    }

    pub(crate) fn stats(&self) -> Arc<IngestStats> {
        Arc::clone(&self.intake.stats)
    }

    async fn decode(
        self: &Arc<Self>,
        payload: Vec<u8>,
        carrier: Carrier,
        encoding: Encoding,
        arrival: EventTime,
        entrance: &Entrance<'_>,
        mut memory: Reservation,
    ) -> Result<(Decoded, Option<u64>, Reservation), Problem> {
        let event = entrance.event;
        let hashed = entrance.headers.contains_key(&IDEMPOTENCY_KEY);
        let how = How { carrier, encoding, event, arrival, hashed };
        let decoded = if encoding == Encoding::Identity && payload.len() <= INLINE_BYTES {
            self.decode_now(&payload, how, entrance.default_model.as_deref())
        } else {
            let permit =
                Arc::clone(&self.decoders).acquire_owned().await.expect("this semaphore is never closed");
            let (ingest, default_model) = (Arc::clone(self), entrance.default_model.clone());
            // The permit and the memory go along: a sender that hangs up does not end the decoding.
            let decoding = tokio::task::spawn_blocking(move || {
                let decoded = ingest.decode_now(&payload, how, default_model.as_deref());
                drop((permit, payload));
                (decoded, memory)
            });
            match decoding.await {
                Ok((decoded, held)) => {
                    memory = held;
                    decoded
                }
                Err(error) => {
                    tracing::error!(%error, %event, "Decoding panicked.");
                    return Err(Problem::internal());
                }
            }
        };
        let (decoded, hash) = decoded.map_err(|error| self.unusable(event, &error))?;
        let bytes = decoded.batches.iter().map(|batch| batch.rows.get_array_memory_size()).sum();
        memory.resize(bytes).await?;
        Ok((decoded, hash, memory))
    }

    fn decode_now(
        &self,
        payload: &[u8],
        how: How,
        default_model: Option<&str>,
    ) -> Result<(Decoded, Option<u64>), PayloadError> {
        let plain = decompress(payload, how.encoding, &self.spec.limits)?;
        let context = DecodeContext {
            registry: &*self.intake.registry,
            limits: &self.spec.limits,
            arrival: how.arrival,
            max_future: self.spec.max_future,
            default_model,
        };
        let decoded = match how.event {
            EventKind::Prediction => decode_predictions(&plain, how.carrier, &context),
            EventKind::Label => decode_labels(&plain, how.carrier, &context),
        }?;
        Ok((decoded, how.hashed.then(|| payload_hash(&plain, default_model))))
    }

    /// Hands the rows to the pipeline.
    async fn submit(
        self: &Arc<Self>,
        event: EventKind,
        batches: Vec<ModelBatch>,
        origin: Origin,
        unplaced: Unplaced,
        memory: Reservation,
    ) -> Result<oneshot::Receiver<Receipt>, Problem> {
        let ingest = Arc::clone(self);
        // Only once the rows are taken: a request that is refused comes again, and is counted then.
        let on_taken = Box::new(move || ingest.count(&unplaced));
        let (reply, receipt) = Reply::new(event, &batches, Arc::clone(&self.intake.stats), memory, on_taken);
        match self.hand_over(Submission { event, batches, origin, reply }).await {
            Ok(()) => Ok(receipt),
            Err(Some(_)) => Err(queue_full()),
            Err(None) => Err(pipeline_gone()),
        }
    }

    /// Puts a submission into the queue; gives it back if that is full, and drops it if the pipeline has gone.
    pub(crate) async fn hand_over(&self, submission: Submission) -> Result<(), Option<Box<Submission>>> {
        let sent = self.pipeline.send_timeout(submission, self.spec.queue_wait).await;
        sent.map_err(|error| match error {
            SendTimeoutError::Timeout(submission) => Some(Box::new(submission)),
            SendTimeoutError::Closed(_) => None,
        })
    }

    pub(crate) fn count(&self, unplaced: &Unplaced) {
        let Unplaced { event, route, arrival, request_id, rejected, rejected_total, ignored_fields } =
            unplaced;
        self.intake.stats.ignored(*ignored_fields);
        self.intake.count_rejected(*event, rejected, *rejected_total);
        if *rejected_total > 0 {
            let request_id = request_id.as_deref();
            self.intake.log.add(rejected, *rejected_total, *event, route, *arrival, request_id);
        }
    }

    fn unusable(&self, event: EventKind, error: &PayloadError) -> Problem {
        self.intake.stats.payload_rejected(event, error.reason());
        let problem = if error.is_too_large() {
            Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE)
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "unusable_payload", "The payload cannot be read.")
        };
        let detail = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        problem.detail(detail).with("reason", error.reason())
    }
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest")
            .field("spec", &self.spec)
            .field("pipeline", &self.pipeline)
            .finish_non_exhaustive()
    }
}

/// Sent again elsewhere or after a restart, the same rows with ids are counted once.
fn pipeline_gone() -> Problem {
    Problem::unavailable("stopping", "the service stopped before it took the rows; send again", 5)
}

fn queue_full() -> Problem {
    Problem::unavailable("busy", "the queue to the pipeline is full; send again", 1)
}

/// What the pipeline says of the rows, laid over what was known before.
fn answered(answer: IngestAnswer, receipt: &Receipt) -> Result<IngestAnswer, Problem> {
    if let Some(problem) = refusal(receipt) {
        return Err(problem);
    }
    let first = receipt.answered.as_deref().and_then(IngestAnswer::decode);
    Ok(first.unwrap_or(answer).taken(receipt.total()))
}

/// What a sender is told whose rows were not looked at.
fn refusal(receipt: &Receipt) -> Option<Problem> {
    if receipt.conflict {
        return Some(
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "The idempotency key was used for another payload.",
            )
            .detail("no row was taken; send another payload with another Idempotency-Key"),
        );
    }
    Some(match receipt.storage? {
        StorageFault::Full => {
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", "The disk of the service is full.")
                .detail("no row was taken; send again when there is space on the disk of the state folder")
                .header(RETRY_AFTER, HeaderValue::from_static("30"))
        }
        StorageFault::Failed => Problem::unavailable(
            "storage_failed",
            "no row was taken, for it cannot be made safe; send again",
            5,
        ),
    })
}

/// The text of a header; an empty one where it is not ASCII, which is no known type.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("not ASCII"))
}

fn carrier(headers: &HeaderMap) -> Result<Carrier, Problem> {
    let sent = text(headers, CONTENT_TYPE);
    Carrier::from_content_type(sent).ok_or_else(|| {
        Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail(format!("content type {:?} is not read here", sent.unwrap_or_default()))
            .with("accepted", ACCEPTED_TYPES)
            .header(HeaderName::from_static("accept-post"), HeaderValue::from_static(ACCEPTED_TYPES))
    })
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let sent = text(headers, CONTENT_ENCODING);
    Encoding::from_content_encoding(sent).ok_or_else(|| {
        Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail(format!("content encoding {:?} is not read here", sent.unwrap_or_default()))
            .with("accepted", ACCEPTED_ENCODINGS)
            .header(ACCEPT_ENCODING, HeaderValue::from_static(ACCEPTED_ENCODINGS))
    })
}
