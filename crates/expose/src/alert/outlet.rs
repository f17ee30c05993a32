//! The way out of a sink that sends one message at a time.

use std::sync::Arc;
use std::time::Duration;

use driftline_evaluate::AlertEvent;
use driftline_events::EventTime;

use super::cloud_event::{STRUCTURED, structured};
use super::email::Mailer;
use super::endpoint::Endpoint;
use super::failure::SendError;
use super::http::Poster;
use super::lines::{Lines, LinesTarget};
use super::rendered::Rendered;
use super::signature::Signer;
use super::sink::TargetSpec;
use super::{discord, slack, teams};

const JSON: &str = "application/json";

/// What is told in one message: an event, and those of its incident before it that nobody has heard of yet.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    pub(super) earlier: Vec<Arc<AlertEvent>>,
    pub(super) newest: Arc<AlertEvent>,
}

impl Bundle {
    pub(super) const fn of(event: Arc<AlertEvent>) -> Self {
        Self { earlier: Vec::new(), newest: event }
    }
}

/// Sends bundles, one attempt each.
#[derive(Debug)]
pub(super) struct Outlet {
    way: Way,
    source: String,
    timeout: Duration,
}

#[derive(Debug)]
enum Way {
    Lines(Lines),
    Webhook(Poster, Option<Signer>),
    Slack(Poster),
    Discord(Poster),
    Teams(Poster),
    Email(Mailer),
}

impl Outlet {
    /// # Panics
    /// For targets that have another way out: Alertmanagers and topics.
    pub(super) fn start(target: &TargetSpec, timeout: Duration, source: &str) -> std::io::Result<Self> {
        let post = |endpoint: &Endpoint| Poster::try_new(endpoint.clone());
        let way = match target {
            TargetSpec::Stdout => Way::Lines(Lines::start(LinesTarget::Stdout)?),
            TargetSpec::File(path) => Way::Lines(Lines::start(LinesTarget::File(path.clone()))?),
            TargetSpec::Webhook(endpoint, signer) => Way::Webhook(post(endpoint)?, signer.clone()),
            TargetSpec::Slack(endpoint) => Way::Slack(post(endpoint)?),
            TargetSpec::Discord(endpoint) => Way::Discord(post(endpoint)?),
            TargetSpec::Teams(endpoint) => Way::Teams(post(endpoint)?),
            TargetSpec::Email(email) => Way::Email(Mailer::try_new(email, timeout)?),
            TargetSpec::Alertmanager(_) | TargetSpec::Kafka(_) => {
                unreachable!("{target:?} has its own way out")
            }
        };
        Ok(Self { way, source: source.to_owned(), timeout })
    }

    /// What may be shown of where it sends.
    pub(super) fn shown(&self) -> String {
        match &self.way {
            Way::Lines(lines) => lines.shown(),
            Way::Webhook(poster, _) | Way::Slack(poster) | Way::Discord(poster) | Way::Teams(poster) => {
                poster.shown().to_owned()
            }
            Way::Email(mailer) => mailer.shown(),
        }
    }

    /// One attempt, and what was answered. `now` is what the clock says.
    pub(super) async fn send(&self, bundle: &Bundle, now: EventTime) -> Result<String, SendError> {
        let attempt = self.attempt(bundle, now);
        tokio::time::timeout(self.timeout, attempt).await.unwrap_or_else(|_| {
            Err(SendError::later(format!("{}: no answer within {:?}", self.shown(), self.timeout)))
        })
    }

    async fn attempt(&self, bundle: &Bundle, now: EventTime) -> Result<String, SendError> {
        let json = |value: serde_json::Value| value.to_string().into_bytes();
        let rendered = || Rendered::of(bundle);
        match &self.way {
            Way::Lines(lines) => lines.write(structured(&bundle.newest, &self.source)).await,
            Way::Webhook(poster, signer) => {
                let body = structured(&bundle.newest, &self.source);
                let sign = |signer: &Signer| signer.headers(&bundle.newest.id, now, &body);
                let headers = signer.as_ref().map(sign).unwrap_or_default();
                poster.post_with(headers, body, STRUCTURED, now).await
            }
            Way::Slack(poster) => poster.post(json(slack::message(&rendered())), JSON, now).await,
            Way::Discord(poster) => poster.post(json(discord::message(&rendered())), JSON, now).await,
            Way::Teams(poster) => poster.post(json(teams::message(&rendered())), JSON, now).await,
            Way::Email(mailer) => mailer.send(bundle, &rendered(), now).await,
        }
    }
}
