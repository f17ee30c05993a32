//! Events out to Kafka, each to be had once and in order.
//!
//! The caller keeps what it has not heard of as delivered (in its checkpoint), hands messages over in order, each with a
//! number, and is told the numbers. After a crash it hands the rest over again: a reader tells those by their CloudEvents
//! id, which is the same.

mod config;
mod message;
mod sender;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

pub use config::{PublishOptions, PublishSpec, PublishSpecError};
pub use message::{Message, WINDOW_REPORT_TYPE, window_report_message};

use self::sender::{Sender, Shared};

/// Messages that may wait for the thread that sends; the caller keeps what has no room.
const QUEUE: usize = 1_024;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Every replica that is in step has it.
    Delivered,
    /// The brokers will never take it: it is too large, or is no message to them. Counted and logged.
    Refused,
}

/// Is told what became of each message, on the publisher's thread.
pub type OnDelivery = Box<dyn Fn(u64, Delivery) + Send>;

/// A publisher that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// librdkafka does not take the settings together.
    #[error("publish: librdkafka does not take the settings; see brokers and properties")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no thread for it.
    #[error("publish: cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// There is no room for a message now, or the publisher has stopped. It is given back.
#[derive(Debug, thiserror::Error)]
#[error("the publisher's queue is full")]
pub struct QueueFull(pub Message);

/// How it stands with publishing, and what was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishSnapshot {
    /// Whether the brokers answered when something was last sent; `None` before that.
    pub connected: Option<bool>,
    /// Messages that were handed over and not heard of yet.
    pub waiting: u64,
    /// Messages that were delivered.
    pub delivered: u64,
    /// Attempts that failed, and were or will be made again.
    pub failures: u64,
    /// Messages that the brokers will never take.
    pub refused: u64,
    /// What went wrong last; it may be over.
    pub error: Option<String>,
}

/// Sends messages on a thread of its own, in order, until the brokers have them.
pub struct Publisher {
    messages: mpsc::Sender<(u64, Message)>,
    shared: Arc<Shared>,
    stop: CancellationToken,
    ended: tokio::sync::oneshot::Receiver<()>,
}

impl Publisher {
    /// Starts to send; brokers that cannot be reached are tried for ever.
    ///
    /// # Errors
    /// [`PublishError`] if librdkafka refuses the settings.
    pub fn start(spec: &PublishSpec, on_delivery: OnDelivery) -> Result<Self, PublishError> {
        let shared = Arc::new(Shared::default());
        let stop = CancellationToken::new();
        let (messages, queue) = mpsc::channel(QUEUE);
        let sender = Sender::try_new(spec.clone(), Arc::clone(&shared), on_delivery, queue, stop.clone())
            .map_err(|error| PublishError::Client(Box::new(error)))?;
        let (at_end, ended) = tokio::sync::oneshot::channel();
        let run = move || {
            sender.run();
            // Whoever waited may have gone.
            at_end.send(()).unwrap_or_default();
        };
        std::thread::Builder::new().name("publish".to_owned()).spawn(run).map_err(PublishError::Thread)?;
        Ok(Self { messages, shared, stop, ended })
    }

    /// Hands over a message. Numbers must grow from one message to the next.
    ///
    /// # Errors
    /// [`QueueFull`] with the message, which is to be handed over later, before those that follow.
    pub fn publish(&self, number: u64, message: Message) -> Result<(), QueueFull> {
        self.shared.handed_over();
        self.messages.try_send((number, message)).map_err(|error| {
            self.shared.given_back();
            match error {
                TrySendError::Full((_, message)) | TrySendError::Closed((_, message)) => QueueFull(message),
            }
        })
    }

    /// How many messages it would take now.
    #[must_use]
    pub fn room(&self) -> usize {
        self.messages.capacity()
    }

    /// How it stands.
    #[must_use]
    pub fn snapshot(&self) -> PublishSnapshot {
        self.shared.snapshot()
    }

    /// Stops: what was handed over is sent within `patience`, the rest is left to the caller's next start.
    pub async fn finish(&mut self, patience: Duration) {
        self.shared.set_patience(patience);
        self.stop.cancel();
        // Ended without a word is ended too: it panicked, and the log has the place.
        (&mut self.ended).await.unwrap_or_default();
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("shared", &self.shared).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
