//! E-mail: who it goes to, and how it gets there.

use std::time::{Duration, SystemTime};

use driftline_evaluate::EventAction;
use driftline_events::EventTime;
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::failure::{SendError, with_causes};
use super::fault::NotifySpecError;
use super::letter::{self, Letter};
use super::options::{SmtpOptions, SmtpTls};
use super::outlet::Bundle;
use super::rendered::Rendered;
use super::secret::Secret;
use super::sink::Check;
use super::words::{clip, one_line};

/// Checked settings of a sink that sends e-mail.
#[derive(Clone, Debug)]
pub(super) struct EmailSpec {
    host: String,
    port: u16,
    tls: SmtpTls,
    login: Option<(String, Secret)>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl EmailSpec {
    /// Checks an entry; faults are noted there.
    pub(super) fn check(check: &mut Check<'_>) -> Option<Self> {
        let options = check.options;
        let from = match &options.from {
            Some(from) => mailbox(check, "from", from),
            None => {
                check.missing("from");
                None
            }
        };
        if options.to.is_empty() {
            check.missing("to");
        }
        let mut to = Vec::new();
        for (index, address) in options.to.iter().enumerate() {
            to.extend(mailbox(check, &format!("to[{index}]"), address));
        }
        let Some(smtp) = &options.smtp else {
            check.missing("smtp");
            return None;
        };
        let login = login(check, smtp);
        let is_host = |character: char| character.is_ascii_alphanumeric() || ".-:".contains(character);
        if smtp.host.is_empty() || !smtp.host.chars().all(is_host) {
            check.fault("smtp.host", NotifySpecError::BadHost { host: smtp.host.clone() });
        }
        let port = smtp.port.unwrap_or(match smtp.tls {
            SmtpTls::Wrapped => 465,
            SmtpTls::Starttls => 587,
            SmtpTls::None => 25,
        });
        Some(Self { host: smtp.host.clone(), port, tls: smtp.tls, login, from: from?, to })
    }
}

fn mailbox(check: &mut Check<'_>, key: &str, address: &str) -> Option<Mailbox> {
    let parsed = address.parse().ok();
    if parsed.is_none() {
        check.fault(key, NotifySpecError::BadAddress { address: address.to_owned() });
    }
    parsed
}

fn login(check: &mut Check<'_>, smtp: &SmtpOptions) -> Option<(String, Secret)> {
    match (&smtp.username, &smtp.password) {
        (None, None) => None,
        (Some(username), Some(password)) => {
            let is_here = ["localhost", "127.0.0.1", "::1"].contains(&smtp.host.as_str());
            if smtp.tls == SmtpTls::None && !is_here {
                check.fault("smtp.tls", NotifySpecError::ClearPassword { host: smtp.host.clone() });
            }
            Some((username.clone(), check.secret("smtp.password", password)?))
        }
        _ => {
            check.fault("smtp", NotifySpecError::HalfLogin);
            None
        }
    }
}

/// Sends letters to a mail server, each over a connection of its own.
#[derive(Debug)]
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    spec: EmailSpec,
}

impl Mailer {
    /// Certificates are held against those that the system trusts. Each step has `timeout`.
    pub(super) fn try_new(spec: &EmailSpec, timeout: Duration) -> std::io::Result<Self> {
        let parameters = || TlsParameters::new(spec.host.clone()).map_err(std::io::Error::other);
        let tls = match spec.tls {
            SmtpTls::Wrapped => Tls::Wrapper(parameters()?),
            SmtpTls::Starttls => Tls::Required(parameters()?),
            SmtpTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&spec.host)
            .port(spec.port)
            .tls(tls)
            .timeout(Some(timeout));
        if let Some((username, password)) = &spec.login {
            builder = builder.credentials(Credentials::new(username.clone(), password.reveal().to_owned()));
        }
        Ok(Self { transport: builder.build(), spec: spec.clone() })
    }

    pub(super) fn shown(&self) -> String {
        format!("smtp://{}:{}", self.spec.host, self.spec.port)
    }

    /// One letter to all, and what the server answered.
    pub(super) async fn send(
        &self,
        bundle: &Bundle,
        rendered: &Rendered,
        now: EventTime,
    ) -> Result<String, SendError> {
        let message = self.message(bundle, rendered, now).map_err(|error| SendError::Never {
            reason: format!("no letter can be made of it: {}", with_causes(&error)),
        })?;
        match self.transport.send(message).await {
            Ok(response) => {
                let text: Vec<_> = response.message().map(one_line).collect();
                Ok(clip(&format!("{} {}", response.code(), text.join(" ")), 200))
            }
            Err(error) => {
                let reason = format!("{}: {}", self.shown(), self.scrub(&one_line(&with_causes(&error))));
                // A login that fails says nothing of the letter.
                let code = error.status().map(u16::from);
                let is_login = matches!(code, Some(530 | 534 | 535 | 538));
                if error.is_permanent() && !is_login {
                    Err(SendError::Never { reason })
                } else {
                    Err(SendError::later(reason))
                }
            }
        }
    }

    fn scrub(&self, text: &str) -> String {
        match &self.spec.login {
            Some((_, password)) => text.replace(password.reveal(), "***"),
            None => text.to_owned(),
        }
    }

    fn message(
        &self,
        bundle: &Bundle,
        rendered: &Rendered,
        now: EventTime,
    ) -> Result<Message, lettre::error::Error> {
        let event = &bundle.newest;
        let opens = bundle.earlier.iter().chain([event]).any(|event| event.action == EventAction::Opened);
        let domain = self.spec.from.email.domain();
        let root = letter::message_id("incident", &event.incident.id, domain);
        let Letter { subject, plain, html } = letter::of(rendered, event);
        let since_epoch = Duration::from_millis(now.as_millis().try_into().unwrap_or(0));
        let mut builder = Message::builder()
            .from(self.spec.from.clone())
            .subject(subject)
            .date(SystemTime::UNIX_EPOCH + since_epoch);
        for to in &self.spec.to {
            builder = builder.to(to.clone());
        }
        // The letter that opens the incident has the incident's id, and the others answer it.
        builder = if opens && event.action != EventAction::Test {
            builder.message_id(Some(root))
        } else {
            let own = letter::message_id("event", &event.id, domain);
            builder.message_id(Some(own)).in_reply_to(root.clone()).references(root)
        };
        builder
            .raw_header(letter::header("Auto-Submitted", "auto-generated"))
            .multipart(MultiPart::alternative_plain_html(plain, html))
    }
}

#[cfg(test)]
mod tests;
