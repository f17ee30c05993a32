//! Sinks and routes as the configuration writes them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use driftline_evaluate::AlertSeverity;
use driftline_events::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretOptions;

/// Who is told of alerts: the `[[sinks]]` and `[[routes]]` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyOptions {
    /// Where alerts may go.
    pub sinks: Vec<SinkOptions>,
    /// Which go where; without any, all go to every sink.
    pub routes: Vec<RouteOptions>,
}

/// What sort of place alerts go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SinkKind {
    /// Lines of JSON added to a file.
    File,
    /// Lines of JSON on standard output.
    Stdout,
    /// Each event by HTTP POST.
    Webhook,
    /// Alertmanagers, by their API v2.
    Alertmanager,
    /// A topic.
    Kafka,
    /// A channel of Slack.
    Slack,
    /// A channel of Discord.
    Discord,
    /// A channel of Microsoft Teams.
    Teams,
    /// E-mail by SMTP.
    Email,
}

impl SinkKind {
    /// As the configuration writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Stdout => "stdout",
            Self::Webhook => "webhook",
            Self::Alertmanager => "alertmanager",
            Self::Kafka => "kafka",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
            Self::Email => "email",
        }
    }

    /// Whether people read it: they are told of an incident as it is now, once, and not woken for minor ones.
    #[must_use]
    pub const fn is_for_people(self) -> bool {
        matches!(self, Self::Slack | Self::Discord | Self::Teams | Self::Email)
    }
}

impl fmt::Display for SinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An entry of `[[sinks]]`. Which keys it may have depends on its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SinkOptions {
    /// What routes and metrics call it.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
    /// `file`: the file that lines are added to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// `webhook`, `slack`, `discord`, `teams`: where to send. It is kept as a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretOptions>,
    /// `alertmanager`: every instance, up to its path prefix; never a load balancer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<SecretOptions>,
    /// `webhook`, `alertmanager`: a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretOptions>,
    /// `webhook`: what requests are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<SecretOptions>,
    /// `webhook`, `alertmanager`: more headers; their values are kept as secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, SecretOptions>,
    /// `kafka`: the topic, at the brokers of `[kafka]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// `email`: the server, and how it is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<SmtpOptions>,
    /// `email`: the sender, such as `Driftline <driftline@example.com>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `email`: who gets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// All but `file`, `stdout` and `kafka`: how long one attempt may take (default 10s; e-mail 30s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// `slack`, `discord`, `teams`, `email`: when minor alerts wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHoursOptions>,
}

impl SinkOptions {
    /// A file that lines are added to.
    #[must_use]
    pub fn file(name: &str, path: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            kind: SinkKind::File,
            path: Some(path),
            url: None,
            urls: Vec::new(),
            signing_secret: None,
            token: None,
            headers: BTreeMap::new(),
            topic: None,
            smtp: None,
            from: None,
            to: Vec::new(),
            timeout: None,
            quiet_hours: None,
        }
    }
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmtpOptions {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port (default: 465 with `wrapped`, 587 with `starttls`, 25 with `none`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection is made secret (default `starttls`).
    #[serde(default)]
    pub tls: SmtpTls,
    /// Who logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// With which password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretOptions>,
}

/// How a connection to a mail server is made secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// TLS from the first byte.
    Wrapped,
    /// In the clear until STARTTLS, which must work before anything is sent.
    #[default]
    Starttls,
    /// Never. With a password only to this machine.
    None,
}

/// When minor alerts wait. They are sent when it ends, unless their incident is over by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHoursOptions {
    /// When it begins, such as `22:00`.
    pub from: String,
    /// When it ends, such as `07:00`; before `from` it is that of the next day.
    pub to: String,
    /// The time zone as its distance from UTC, such as `+01:00` (default `+00:00`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
}

/// An entry of `[[routes]]`. Events go to the sinks of the first that fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteOptions {
    /// Names of models, or patterns such as `churn-*`; without any, all fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// The least severity of the incident (default `minor`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<AlertSeverity>,
    /// Labels that a rule must have, of which one alert of the incident is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Names of sinks; none means that nobody is told.
    pub sinks: Vec<String>,
    /// Whether the routes after it are looked at too.
    #[serde(default, rename = "continue")]
    pub goes_on: bool,
}
