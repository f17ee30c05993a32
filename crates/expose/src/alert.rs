//! Alert events out to those who want to know: people, pagers and programs.
//!
//! [`NotifyOptions`] say which sinks there are and which events go where; a [`Notifier`] sends them, each sink by a task
//! of its own, and tells the caller what became of each. The caller keeps events until then, so that none is lost when
//! the service stops; where one is sent twice, its id is the same.
//!
//! Secrets are read once and never shown: not in logs, errors, snapshots or `Debug`.

mod alertmanager;
mod cloud_event;
mod discord;
mod email;
mod endpoint;
mod failure;
mod fault;
#[cfg(test)]
mod fixture;
mod http;
mod kafka;
mod ledger;
mod letter;
mod lines;
mod notifier;
mod options;
mod outlet;
mod pace;
mod queue;
mod quiet;
#[cfg(test)]
mod receiver;
mod rendered;
mod route;
#[cfg(test)]
mod sample;
mod secret;
mod signature;
mod sink;
mod slack;
mod spec;
mod teams;
mod trial;
mod words;

pub use cloud_event::{ALERT_EVENT_TYPE, alert_event_message};
pub use fault::{NotifyFault, NotifySpecError};
pub use ledger::{OnAlertDelivery, SinkSnapshot};
pub use notifier::{AlertClock, NotTaken, Notifier, NotifyError};
pub use options::{
    NotifyOptions, QuietHoursOptions, RouteOptions, SinkKind, SinkOptions, SmtpOptions, SmtpTls,
};
pub use secret::{SecretError, SecretFromEnv, SecretFromFile, SecretOptions};
pub use spec::NotifySpec;
pub use trial::{TestAnswer, TestError, test_sink};
