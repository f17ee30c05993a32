//! A simulated model service with known drift: a seeded telecom with customers who churn, a really fitted
//! model that scores them, labels that arrive later, and scenarios that break one thing each.
//!
//! [`Simulator`] is the pure core: the same seed, options and span of event time give the same bytes.
//! [`run`] paces it by the wall clock and sends what it yields over HTTP, like any client of Driftline, or over Kafka
//! (rdkafka is used here, in `source` and in `expose`, and nowhere else). [`serve_model`] is the same service as a
//! server of its own, which shows from outside what Driftline is told. A [`Story`] strings scenarios together.

mod client;
mod customer;
mod events;
mod fate;
mod handle;
mod inputs;
mod kafka;
mod model;
mod options;
mod outlet;
mod regression;
mod run;
mod scenario;
mod schedule;
mod serving;
mod simulator;
mod story;

pub use client::{Client, ClientError, Receipt};
pub use events::Events;
pub use handle::{Progress, Sent, SimulatorHandle};
pub use inputs::{MODEL, NEGATIVE, POSITIVE, churn_schema};
pub use kafka::{KafkaClientError, KafkaTarget};
pub use model::ChurnModel;
pub use options::{DEFAULT_URL, SimulateError, SimulateOptions, SimulateSpec, SimulateSpecError, Token};
pub use regression::{FitError, LogisticRegression};
pub use run::run;
pub use scenario::{Scenario, UnknownScenario};
pub use schedule::{Schedule, ScheduleError, ScheduledScenario};
pub use serving::serve_model;
pub use simulator::Simulator;
pub use story::{Phase, Story};
