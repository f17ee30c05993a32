//! One checked sink.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::email::EmailSpec;
use super::endpoint::Endpoint;
use super::fault::{NotifyFault, NotifySpecError};
use super::options::{SinkKind, SinkOptions};
use super::quiet::QuietHours;
use super::secret::{Secret, SecretOptions};
use super::signature::Signer;
use crate::publish::{PublishOptions, PublishSpec};

/// The brokers of `[kafka]`.
pub(super) struct Brokers<'a> {
    pub(super) addresses: &'a str,
    pub(super) properties: &'a BTreeMap<String, String>,
}

/// A sink that is in order.
#[derive(Clone, Debug)]
pub(super) struct SinkSpec {
    pub(super) name: String,
    pub(super) target: TargetSpec,
    pub(super) timeout: Duration,
    pub(super) quiet_hours: Option<QuietHours>,
}

/// Where a sink's events go.
#[derive(Clone, Debug)]
pub(super) enum TargetSpec {
    Stdout,
    File(PathBuf),
    Webhook(Endpoint, Option<Signer>),
    Alertmanager(Vec<Endpoint>),
    Kafka(PublishSpec),
    Slack(Endpoint),
    Discord(Endpoint),
    Teams(Endpoint),
    Email(EmailSpec),
}

impl SinkSpec {
    pub(super) const fn kind(&self) -> SinkKind {
        match self.target {
            TargetSpec::Stdout => SinkKind::Stdout,
            TargetSpec::File(_) => SinkKind::File,
            TargetSpec::Webhook(..) => SinkKind::Webhook,
            TargetSpec::Alertmanager(_) => SinkKind::Alertmanager,
            TargetSpec::Kafka(_) => SinkKind::Kafka,
            TargetSpec::Slack(_) => SinkKind::Slack,
            TargetSpec::Discord(_) => SinkKind::Discord,
            TargetSpec::Teams(_) => SinkKind::Teams,
            TargetSpec::Email(_) => SinkKind::Email,
        }
    }

    /// Checks an entry at `place`; its name is the caller's to check.
    pub(super) fn try_new(
        options: &SinkOptions,
        place: &str,
        brokers: &Brokers<'_>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<NotifyFault>> {
        let mut check = Check { options, place, env, faults: Vec::new() };
        check.keys();
        let target = check.target(brokers);
        let timeout = check.timeout();
        let quiet_hours = check.quiet_hours();
        match target {
            Some(target) if check.faults.is_empty() => {
                Ok(Self { name: options.name.clone(), target, timeout, quiet_hours })
            }
            _ => Err(check.faults),
        }
    }
}

/// The check of one entry: what is wrong is noted, and the check goes on.
pub(super) struct Check<'a> {
    pub(super) options: &'a SinkOptions,
    pub(super) place: &'a str,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) faults: Vec<NotifyFault>,
}

impl Check<'_> {
    pub(super) fn fault(&mut self, key: &str, error: impl Into<NotifySpecError>) {
        let fault = NotifyFault { place: format!("{}.{key}", self.place), error: error.into() };
        // What several Alertmanagers share is checked for each, and told once.
        if self.faults.iter().all(|other| other.to_string() != fault.to_string()) {
            self.faults.push(fault);
        }
    }

    /// Keys that the kind does not have.
    fn keys(&mut self) {
        use SinkKind::{Alertmanager, Discord, Email, File, Kafka, Slack, Teams, Webhook};
        let options = self.options;
        let keys: [(&str, bool, &[SinkKind]); 12] = [
            ("path", options.path.is_some(), &[File]),
            ("url", options.url.is_some(), &[Webhook, Slack, Discord, Teams]),
            ("urls", !options.urls.is_empty(), &[Alertmanager]),
            ("token", options.token.is_some(), &[Webhook, Alertmanager]),
            ("signing_secret", options.signing_secret.is_some(), &[Webhook]),
            ("headers", !options.headers.is_empty(), &[Webhook, Alertmanager]),
            ("topic", options.topic.is_some(), &[Kafka]),
            ("smtp", options.smtp.is_some(), &[Email]),
            ("from", options.from.is_some(), &[Email]),
            ("to", !options.to.is_empty(), &[Email]),
            ("timeout", options.timeout.is_some(), &[Webhook, Alertmanager, Slack, Discord, Teams, Email]),
            ("quiet_hours", options.quiet_hours.is_some(), &[Slack, Discord, Teams, Email]),
        ];
        for (key, _, _) in
            keys.iter().filter(|(_, is_there, kinds)| *is_there && !kinds.contains(&options.kind))
        {
            self.fault(key, NotifySpecError::NotOfKind { kind: options.kind });
        }
    }

    /// Notes that a key is missing.
    pub(super) fn missing(&mut self, key: &str) {
        self.fault(key, NotifySpecError::Missing { kind: self.options.kind });
    }

    fn target(&mut self, brokers: &Brokers<'_>) -> Option<TargetSpec> {
        Some(match self.options.kind {
            SinkKind::Stdout => TargetSpec::Stdout,
            SinkKind::File => match self.options.path.clone().filter(|path| !path.as_os_str().is_empty()) {
                Some(path) => TargetSpec::File(path),
                None => {
                    self.missing("path");
                    return None;
                }
            },
            SinkKind::Webhook => {
                let endpoint = self.url()?;
                let endpoint = self.with_access(endpoint)?;
                TargetSpec::Webhook(endpoint, self.signer()?)
            }
            SinkKind::Alertmanager => TargetSpec::Alertmanager(self.alertmanagers()?),
            SinkKind::Kafka => TargetSpec::Kafka(self.kafka(brokers)?),
            SinkKind::Slack => TargetSpec::Slack(self.url()?),
            SinkKind::Discord => TargetSpec::Discord(self.url()?),
            SinkKind::Teams => TargetSpec::Teams(self.url()?),
            SinkKind::Email => TargetSpec::Email(EmailSpec::check(self)?),
        })
    }

    pub(super) fn secret(&mut self, key: &str, options: &SecretOptions) -> Option<Secret> {
        Secret::read(options, self.env).map_err(|error| self.fault(key, error)).ok()
    }

    fn endpoint(&mut self, key: &str, options: &SecretOptions) -> Option<Endpoint> {
        let url = self.secret(key, options)?;
        Endpoint::try_new(&url).map_err(|error| self.fault(key, error)).ok()
    }

    fn url(&mut self) -> Option<Endpoint> {
        match &self.options.url {
            Some(url) => self.endpoint("url", url),
            None => {
                self.missing("url");
                None
            }
        }
    }

    /// `None` where the secret is wrong.
    #[expect(clippy::option_option, reason = "what may be absent may also be wrong")]
    fn signer(&mut self) -> Option<Option<Signer>> {
        let Some(secret) = &self.options.signing_secret else { return Some(None) };
        let secret = self.secret("signing_secret", secret)?;
        Signer::try_new(&secret).map(Some).map_err(|error| self.fault("signing_secret", error)).ok()
    }

    /// The endpoint with the token and the headers.
    fn with_access(&mut self, mut endpoint: Endpoint) -> Option<Endpoint> {
        let options = self.options;
        if let Some(token) = &options.token {
            let token = self.secret("token", token)?;
            endpoint = endpoint.with_token(&token).map_err(|error| self.fault("token", error)).ok()?;
        }
        let mut is_right = true;
        for (name, value) in &options.headers {
            let key = format!("headers.{name}");
            let Some(value) = self.secret(&key, value) else {
                is_right = false;
                continue;
            };
            match endpoint.clone().with_header(name, value.reveal()) {
                Ok(with_header) => endpoint = with_header,
                Err(error) => {
                    self.fault(&key, error);
                    is_right = false;
                }
            }
        }
        is_right.then_some(endpoint)
    }

    fn alertmanagers(&mut self) -> Option<Vec<Endpoint>> {
        let options = self.options;
        if options.urls.is_empty() {
            self.missing("urls");
            return None;
        }
        let mut endpoints = Vec::new();
        for (index, url) in options.urls.iter().enumerate() {
            let key = format!("urls[{index}]");
            let Some(endpoint) = self.endpoint(&key, url) else { continue };
            match endpoint.with_path("/api/v2/alerts") {
                Ok(endpoint) => endpoints.extend(self.with_access(endpoint)),
                Err(error) => self.fault(&key, error),
            }
        }
        Some(endpoints)
    }

    fn kafka(&mut self, brokers: &Brokers<'_>) -> Option<PublishSpec> {
        let Some(topic) = self.options.topic.clone() else {
            self.missing("topic");
            return None;
        };
        let properties = brokers.properties.iter().map(|(key, value)| (key.clone(), value.clone()));
        match PublishSpec::try_new(PublishOptions { topic }, brokers.addresses, properties) {
            Ok(spec) => Some(spec),
            Err(errors) => {
                errors.into_iter().for_each(|error| self.fault("topic", error));
                None
            }
        }
    }

    fn timeout(&mut self) -> Duration {
        let default = if self.options.kind == SinkKind::Email { 30 } else { 10 };
        let Some(timeout) = self.options.timeout else { return Duration::from_secs(default) };
        let timeout = timeout.duration();
        if !(Duration::from_millis(100)..=Duration::from_secs(300)).contains(&timeout) {
            self.fault("timeout", NotifySpecError::BadTimeout);
        }
        timeout
    }

    fn quiet_hours(&mut self) -> Option<QuietHours> {
        let options = self.options.quiet_hours.as_ref()?;
        match QuietHours::try_new(options) {
            Ok(quiet) => Some(quiet),
            Err(errors) => {
                errors.into_iter().for_each(|(key, error)| self.fault(&format!("quiet_hours{key}"), error));
                None
            }
        }
    }
}
