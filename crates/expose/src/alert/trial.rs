//! A trial of one sink: a test event, one attempt, and what the other side answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use driftline_evaluate::{
    ALERT_EVENT_SCHEMA, Alert, AlertEvent, AlertSeverity, AlertState, Cause, CauseKind, EventAction,
    Incident, IncidentState, Links, WindowSpan,
};
use driftline_events::EventTime;

use super::alertmanager::test_alert;
use super::cloud_event::alert_event_message;
use super::endpoint::Endpoint;
use super::failure::with_causes;
use super::http::Poster;
use super::notifier::NotifyError;
use super::options::SinkKind;
use super::outlet::{Bundle, Outlet};
use super::sink::TargetSpec;
use super::spec::NotifySpec;
use crate::publish::{Delivery, PublishSpec, Publisher};

/// How long brokers may take.
const BROKERS: Duration = Duration::from_secs(15);

/// What came of a trial.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestAnswer {
    /// The sink's name.
    pub sink: String,
    /// Its kind.
    pub kind: SinkKind,
    /// For each place that it sends to, as far as it may be shown, what was answered or what went wrong.
    pub answers: Vec<(String, Result<String, String>)>,
    /// How long it took.
    pub elapsed: Duration,
}

impl TestAnswer {
    /// Whether all took it.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.answers.iter().all(|(_, answer)| answer.is_ok())
    }
}

/// A trial that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// The configuration has no such sink.
    #[error("there is no sink {name:?}; there are: {}", known.join(", "))]
    UnknownSink {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// It cannot even start.
    #[error(transparent)]
    Start(#[from] NotifyError),
}

/// Sends a test event to the sink called `name`, once, past routes and quiet hours. `source` is what the event says of
/// where it comes from, `now` what the clock says.
///
/// # Errors
/// [`TestError`] if there is no such sink, or it cannot start. That the other side did not take it is an answer.
pub async fn test_sink(
    spec: &NotifySpec,
    name: &str,
    source: &str,
    now: EventTime,
) -> Result<TestAnswer, TestError> {
    let Some(sink) = spec.sinks.iter().find(|sink| sink.name == name) else {
        let known = spec.sinks.iter().map(|sink| sink.name.clone()).collect();
        return Err(TestError::UnknownSink { name: name.to_owned(), known });
    };
    let started = Instant::now();
    let failed = |error| NotifyError::Sink { sink: name.to_owned(), error };
    let event = Arc::new(test_event(name, now));
    let answers = match &sink.target {
        TargetSpec::Alertmanager(endpoints) => {
            let mut answers = Vec::new();
            for endpoint in endpoints {
                answers.push(alertmanager(endpoint, sink.timeout, name, now).await.map_err(failed)?);
            }
            answers
        }
        TargetSpec::Kafka(publish) => vec![kafka(publish, &event, source, name).await?],
        target => {
            let outlet = Outlet::start(target, sink.timeout, source).map_err(failed)?;
            let sent = outlet.send(&Bundle::of(event), now).await;
            vec![(outlet.shown(), sent.map_err(|error| error.to_string()))]
        }
    };
    Ok(TestAnswer { sink: name.to_owned(), kind: sink.kind(), answers, elapsed: started.elapsed() })
}

type Answer = (String, Result<String, String>);

async fn alertmanager(
    endpoint: &Endpoint,
    timeout: Duration,
    sink: &str,
    now: EventTime,
) -> std::io::Result<Answer> {
    let poster = Poster::try_new(endpoint.clone())?;
    let body = test_alert(sink, now).to_string().into_bytes();
    let sent = match tokio::time::timeout(timeout, poster.post(body, "application/json", now)).await {
        Ok(sent) => sent.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{}: no answer within {timeout:?}", poster.shown())),
    };
    Ok((poster.shown().to_owned(), sent))
}

async fn kafka(
    spec: &PublishSpec,
    event: &AlertEvent,
    source: &str,
    sink: &str,
) -> Result<Answer, NotifyError> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = Mutex::new(Some(tell));
    let on_delivery = move |_, delivery: Delivery| {
        if let Some(tell) = tell.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Whoever waited may have gone.
            tell.send(delivery).ok();
        }
    };
    let mut publisher = Publisher::start(spec, Box::new(on_delivery))
        .map_err(|error| NotifyError::Publish { sink: sink.to_owned(), error })?;
    let shown = format!("topic {}", spec.topic());
    if let Err(error) = publisher.publish(0, alert_event_message(spec.topic(), event, source)) {
        return Ok((shown, Err(with_causes(&error))));
    }
    let answer = match tokio::time::timeout(BROKERS, told).await {
        Ok(Ok(Delivery::Delivered)) => Ok("every replica that is in step has it".to_owned()),
        Ok(Ok(Delivery::Refused)) => Err("the brokers will never take this message".to_owned()),
        Ok(Err(_)) | Err(_) => {
            let reason = publisher.snapshot().error.map(|error| format!(": {error}")).unwrap_or_default();
            Err(format!("no delivery within {BROKERS:?}{reason}"))
        }
    };
    publisher.finish(Duration::ZERO).await;
    Ok((shown, answer))
}

/// An event that says that it is a test, and shows what a real one has.
fn test_event(sink: &str, now: EventTime) -> AlertEvent {
    let hour = Duration::from_secs(60 * 60);
    let start = now.floor(hour).saturating_sub(hour);
    let alert = Alert {
        fingerprint: "test".to_owned(),
        rule: "sink-test".to_owned(),
        severity: AlertSeverity::Minor,
        state: AlertState::Firing,
        version: String::new(),
        segment: [].into(),
        window: WindowSpan::new("1h", start, start.saturating_add(hour)),
        started: start,
        ended: None,
        metric: "accuracy".to_owned(),
        value: Some(0.85),
        interval: Some((0.83, 0.87)),
        threshold: Some(0.9),
        threshold_source: "an example".to_owned(),
        summary: "Nothing happened: this shows what an alert looks like.".to_owned(),
        description: String::new(),
        labels: [].into(),
        links: Links::default(),
        mute: None,
    };
    let cause = Cause {
        kind: CauseKind::Drift,
        name: "example".to_owned(),
        share: Some(0.62),
        text: "example: an example of a cause".to_owned(),
        since: start,
    };
    let id = format!("test-{sink}-{}", now.as_millis());
    AlertEvent {
        schema: ALERT_EVENT_SCHEMA.to_owned(),
        id: id.clone(),
        action: EventAction::Test,
        time: now,
        incident: Incident {
            id,
            model: "driftline-test".to_owned(),
            state: IncidentState::Firing,
            severity: AlertSeverity::Minor,
            started: start,
            ended: None,
            summary: format!("This is a test of the sink {sink} by Driftline; nothing happened."),
            alerts: vec![alert],
            causes: vec![cause],
            acknowledged: None,
        },
    }
}

#[cfg(test)]
mod tests;
