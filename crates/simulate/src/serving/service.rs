//! The model service itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use driftline_events::{Prediction, Status};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::EventClock;
use super::asked::Asked;
use super::figures::Figures;
use super::log::{Log, LogEvent};
use crate::customer::normal;
use crate::fate::{CAPACITY, Fate, rounded};
use crate::handle::SimulatorHandle;
use crate::inputs::{MODEL, VERSION};
use crate::model::{ChurnModel, OUTSIDE_STREAM, generator};
use crate::scenario::Active;
use crate::simulator::Simulator;

/// Requests that may wait for a worker: about what the workers answer in three seconds when all is well. Those beyond
/// are answered 503 at once.
const MOST_WAITING: u32 = 16 * CAPACITY;

/// A model server with as many workers as the simulated model has capacity.
pub(super) struct ModelService {
    model: ChurnModel,
    figures: Figures,
    log: Log,
    workers: Semaphore,
    handle: SimulatorHandle,
    clock: EventClock,
    /// Outside requests are as often slow or failed as those of the customers.
    outside: Mutex<ChaCha8Rng>,
    outside_requests: AtomicU64,
    run_id: String,
}

/// Lowers the gauge also when the request is cut off.
struct InFlight<'a>(&'a Figures);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

impl ModelService {
    /// The service, and the other end of its log.
    pub(super) fn new(
        simulator: &Simulator,
        handle: SimulatorHandle,
        clock: EventClock,
    ) -> (Self, mpsc::Receiver<LogEvent>) {
        let figures = Figures::new();
        let (log, logged) = Log::new(figures.clone());
        let service = Self {
            model: simulator.model().clone(),
            figures,
            log,
            workers: Semaphore::new(CAPACITY as usize),
            handle,
            outside: Mutex::new(generator(clock.spec.options.seed, OUTSIDE_STREAM)),
            clock,
            outside_requests: AtomicU64::new(0),
            run_id: simulator.run_id(),
        };
        (service, logged)
    }

    pub(super) const fn figures(&self) -> &Figures {
        &self.figures
    }

    pub(super) const fn log(&self) -> &Log {
        &self.log
    }

    /// A request from outside, with its fate drawn as the simulator draws a customer's.
    pub(super) fn outside(&self, asked: Asked) -> Prediction {
        let active = Active::of(&self.handle.progress().active);
        let fate = {
            let mut draws = self.outside.lock().unwrap_or_else(PoisonError::into_inner);
            Fate::of(draws.random(), normal(&mut *draws), active)
        };
        let number = self.outside_requests.fetch_add(1, Ordering::Relaxed);
        Prediction {
            version: VERSION.to_owned(),
            prediction_id: Some(format!("{}-outside-{number}", self.run_id)),
            timestamp: Some(self.clock.now().into()),
            features: asked.inputs.features(),
            prediction: fate.answer(&self.model, &asked.inputs),
            latency_ms: Some(fate.latency_ms),
            status: Some(fate.status),
            tags: asked.tags,
            ..Prediction::new(MODEL)
        }
    }

    /// Answers a request: it waits for a worker, takes as long as its fate says, and is counted and logged with the time
    /// that it really took. Gives back the HTTP status and what was logged.
    pub(super) async fn handle(&self, mut request: Prediction) -> (u16, Prediction) {
        let began = Instant::now();
        self.figures.in_flight.inc();
        let in_flight = InFlight(&self.figures);
        let busy = self.figures.in_flight.get();
        let overloaded = busy > i64::from(CAPACITY + MOST_WAITING);
        if overloaded {
            request.prediction = None;
            request.status = Some(Status::Error);
        } else {
            let _worker = self.workers.acquire().await.expect("the semaphore is never closed");
            let works = Duration::from_secs_f64(request.latency_ms.unwrap_or_default() / 1e3);
            tokio::time::sleep(works).await;
        }
        drop(in_flight);
        let latency_ms = rounded(began.elapsed().as_secs_f64() * 1e3, 1e3);
        request.latency_ms = Some(latency_ms);
        // Without itself, and no more than are worked on: the others wait.
        request.in_flight = Some(f64::from(u32::try_from(busy - 1).unwrap_or(0).min(CAPACITY)));
        request.capacity = Some(f64::from(CAPACITY));
        let code = if overloaded { 503 } else { code_of(request.status.unwrap_or(Status::Ok)) };
        self.figures.answered(code, latency_ms / 1e3);
        self.log.push(LogEvent::Prediction(Box::new(request.clone())));
        (code, request)
    }
}

/// The status that a request's end has over HTTP.
const fn code_of(status: Status) -> u16 {
    match status {
        Status::Timeout => 504,
        Status::Error => 500,
        _ => 200,
    }
}
