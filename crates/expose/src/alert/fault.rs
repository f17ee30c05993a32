//! What can be wrong with sinks and routes.

use super::options::SinkKind;
use super::secret::SecretError;
use crate::publish::PublishSpecError;

/// A fault, with its place: `sinks[1].url`.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {error}")]
pub struct NotifyFault {
    /// The key that is wrong.
    pub place: String,
    /// What is wrong with it.
    pub error: NotifySpecError,
}

/// Options that cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifySpecError {
    /// A name that is no name.
    #[error("{name:?} is no name for a sink: 1 to 64 letters, digits, dots, underscores and hyphens")]
    BadName {
        /// The name.
        name: String,
    },
    /// Two sinks of one name.
    #[error("another sink is called {name:?} too")]
    SameName {
        /// The name.
        name: String,
    },
    /// A key that the kind needs.
    #[error("a sink of kind {kind} needs it")]
    Missing {
        /// The kind.
        kind: SinkKind,
    },
    /// A key that the kind knows nothing of.
    #[error("a sink of kind {kind} does not have it")]
    NotOfKind {
        /// The kind.
        kind: SinkKind,
    },
    /// A secret that cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Text that is no address on the web. It may be a secret: it is not shown.
    #[error("it is no URL of the form http://host or https://host, with an optional port, path and query")]
    BadUrl,
    /// A name and password in a URL.
    #[error("a URL with a user name in it is not taken; write headers = {{ Authorization = … }}")]
    UserInUrl,
    /// An Alertmanager's URL with a query.
    #[error("an Alertmanager's URL has no query; write it up to its path prefix")]
    QueryInUrl,
    /// Something that is no header.
    #[error("it is no HTTP header, or one that is set by the sender")]
    BadHeader,
    /// A secret that nothing can be signed with.
    #[error("it is shorter than 16 bytes, or begins with whsec_ and is not Base64")]
    BadSigningSecret,
    /// What Kafka does not take.
    #[error(transparent)]
    Publish(#[from] PublishSpecError),
    /// No host name.
    #[error("{host:?} is no host name")]
    BadHost {
        /// The name.
        host: String,
    },
    /// Something that is no e-mail address.
    #[error("{address:?} is no e-mail address")]
    BadAddress {
        /// The address.
        address: String,
    },
    /// One of the two that belong together.
    #[error("username and password belong together")]
    HalfLogin,
    /// A password that everybody on the way could read.
    #[error("tls = \"none\" would send the password in the clear to {host}; use starttls or wrapped")]
    ClearPassword {
        /// Where it would go.
        host: String,
    },
    /// A duration that cannot work.
    #[error("it must be from 100ms to 5m")]
    BadTimeout,
    /// Text that is no time of day.
    #[error("{text:?} is no time of day; write it like 22:00")]
    BadTimeOfDay {
        /// The text.
        text: String,
    },
    /// Text that is no distance from UTC.
    #[error("{text:?} is no distance from UTC; write it like +01:00")]
    BadOffset {
        /// The text.
        text: String,
    },
    /// Quiet hours that end as they begin.
    #[error("quiet hours that end when they begin are none")]
    NoQuiet,
    /// Text that is no pattern.
    #[error("{pattern:?} is no pattern: {reason}")]
    BadPattern {
        /// The text.
        pattern: String,
        /// Why.
        reason: &'static str,
    },
    /// A sink that is not there.
    #[error("there is no sink {name:?}")]
    UnknownSink {
        /// Its name.
        name: String,
    },
}
