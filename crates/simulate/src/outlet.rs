//! Where events go: to the service itself, or to Kafka.

use driftline_events::{Label, Prediction};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Receipt};
use crate::handle::SimulatorHandle;
use crate::kafka::KafkaClient;
use crate::options::{SimulateError, SimulateSpec};

/// One way out, chosen by the spec. What is answered for is counted in the handle's progress.
pub(crate) struct Outlet {
    carrier: Carrier,
    handle: SimulatorHandle,
}

enum Carrier {
    Http(Client),
    Kafka(KafkaClient),
}

impl Outlet {
    /// The way that the spec says; waits end with `shutdown`.
    pub(crate) fn try_new(
        spec: &SimulateSpec,
        handle: SimulatorHandle,
        shutdown: CancellationToken,
    ) -> Result<Self, SimulateError> {
        let carrier = match &spec.options.kafka {
            None => Carrier::Http(Client::try_new(spec, handle.clone(), shutdown)?),
            Some(target) => Carrier::Kafka(KafkaClient::try_new(spec, target, handle.clone(), shutdown)?),
        };
        Ok(Self { carrier, handle })
    }

    /// Sends predictions as one batch; `None` if it was shut down while it waited.
    pub(crate) async fn send_predictions(
        &self,
        rows: &[Prediction],
    ) -> Result<Option<Receipt>, SimulateError> {
        let receipt = match &self.carrier {
            Carrier::Http(client) => client.send_predictions(rows).await?,
            Carrier::Kafka(client) => client.send_predictions(rows).await?,
        };
        if let Some(receipt) = &receipt {
            self.handle.count_predictions(receipt);
        }
        Ok(receipt)
    }

    /// Sends labels as one batch; `None` if it was shut down while it waited.
    pub(crate) async fn send_labels(&self, rows: &[Label]) -> Result<Option<Receipt>, SimulateError> {
        let receipt = match &self.carrier {
            Carrier::Http(client) => client.send_labels(rows).await?,
            Carrier::Kafka(client) => client.send_labels(rows).await?,
        };
        if let Some(receipt) = &receipt {
            self.handle.count_labels(receipt);
        }
        Ok(receipt)
    }
}
