//! The inference log, streamed in the background.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use driftline_events::{Label, Prediction};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::figures::{Figures, Outcome};
use crate::client::Receipt;
use crate::handle::SimulatorHandle;
use crate::options::{SimulateError, SimulateSpec};
use crate::outlet::Outlet;

/// Events that may wait: some minutes at the usual rates, some tens of megabytes. When it is full, the newest are
/// dropped and counted: no request waits for the log.
const QUEUE: usize = 20_000;
/// How long events are gathered before they are sent together.
const LINGER: Duration = Duration::from_millis(50);
/// Before a way out that failed is made anew.
const PAUSE: Duration = Duration::from_secs(1);
/// Drops that go on are told of again after this.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// One event of the log.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LogEvent {
    Prediction(Box<Prediction>),
    Label(Box<Label>),
}

/// The end of the log that takes events.
#[derive(Debug)]
pub(super) struct Log {
    queue: mpsc::Sender<LogEvent>,
    figures: Figures,
    told: Mutex<Option<Instant>>,
}

impl Log {
    pub(super) fn new(figures: Figures) -> (Self, mpsc::Receiver<LogEvent>) {
        let (queue, logged) = mpsc::channel(QUEUE);
        (Self { queue, figures, told: Mutex::new(None) }, logged)
    }

    /// Takes an event, or drops and counts it: it never waits.
    pub(super) fn push(&self, event: LogEvent) {
        let Err(full) = self.queue.try_send(event) else { return };
        self.figures.logged(Outcome::Dropped, 1);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            *told = Some(Instant::now());
            let why = match full {
                TrySendError::Full(_) => "too many events wait",
                TrySendError::Closed(_) => "the server stops",
            };
            warn!("The inference log drops events: {why}; model_server_log_events_total counts them.");
        }
    }
}

/// Sends what is logged until `closing` is cancelled and the queue is empty.
pub(super) async fn run(
    mut logged: mpsc::Receiver<LogEvent>,
    mut sender: Sender,
    closing: CancellationToken,
) {
    let mut events = Vec::new();
    let most = sender.spec.options.batch_rows;
    loop {
        let taken = tokio::select! {
            taken = logged.recv_many(&mut events, most) => taken,
            () = closing.cancelled(), if !logged.is_closed() => {
                logged.close();
                continue;
            }
        };
        if taken == 0 {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LINGER) => {}
            () = closing.cancelled() => {}
        }
        while events.len() < most
            && let Ok(event) = logged.try_recv()
        {
            events.push(event);
        }
        sender.send(std::mem::take(&mut events)).await;
    }
}

/// Sends batches, and counts what became of them.
pub(super) struct Sender {
    /// A way out that failed is made anew.
    outlet: Option<Outlet>,
    spec: SimulateSpec,
    handle: SimulatorHandle,
    figures: Figures,
    abandon: CancellationToken,
}

impl Sender {
    /// Sends where the spec says; `abandon` cuts off what waits.
    pub(super) fn try_new(
        spec: SimulateSpec,
        handle: SimulatorHandle,
        figures: Figures,
        abandon: CancellationToken,
    ) -> Result<Self, SimulateError> {
        let outlet = Some(Outlet::try_new(&spec, handle.clone(), abandon.clone())?);
        Ok(Self { outlet, spec, handle, figures, abandon })
    }

    /// Predictions first, so that most labels find theirs.
    async fn send(&mut self, events: Vec<LogEvent>) {
        let (mut predictions, mut labels) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                LogEvent::Prediction(prediction) => predictions.push(*prediction),
                LogEvent::Label(label) => labels.push(*label),
            }
        }
        if let Some(outlet) = self.outlet().await {
            let sent = outlet.send_predictions(&predictions).await;
            self.count(predictions.len(), sent);
        } else {
            self.figures.logged(Outcome::Dropped, predictions.len() as u64);
        }
        if let Some(outlet) = self.outlet().await {
            let sent = outlet.send_labels(&labels).await;
            self.count(labels.len(), sent);
        } else {
            self.figures.logged(Outcome::Dropped, labels.len() as u64);
        }
    }

    /// `None` once the server gives up.
    async fn outlet(&mut self) -> Option<&Outlet> {
        while self.outlet.is_none() && !self.abandon.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.abandon.cancelled() => break,
            }
            match Outlet::try_new(&self.spec, self.handle.clone(), self.abandon.clone()) {
                Ok(outlet) => self.outlet = Some(outlet),
                Err(error) => warn!(%error, "The inference log has no way out; trying again."),
            }
        }
        self.outlet.as_ref().filter(|_| !self.abandon.is_cancelled())
    }

    fn count(&mut self, events: usize, sent: Result<Option<Receipt>, SimulateError>) {
        let all = events as u64;
        match sent {
            Ok(Some(receipt)) => {
                self.figures.logged(Outcome::Delivered, receipt.accepted);
                self.figures.logged(Outcome::Duplicate, receipt.duplicates);
                self.figures.logged(Outcome::Refused, receipt.rejected);
            }
            Ok(None) => self.figures.logged(Outcome::Dropped, all),
            Err(error) => {
                warn!(%error, events, "The inference log lost events.");
                self.figures.logged(Outcome::Refused, all);
                self.outlet = None;
            }
        }
    }
}
