//! One alert, as it was told.

use std::collections::BTreeMap;
use std::fmt;

use driftline_events::EventTime;
use serde::Serialize;
use serde_json::Value;

/// An alert of Alertmanager or an incident of Driftline, at the moment it was told. Texts are the sender's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Message {
    /// When it came, by the clock.
    #[serde(serialize_with = "as_text")]
    pub(super) received: EventTime,
    /// The number of the notification that it came in, from 1 on; Alertmanager tells of a group at once.
    pub(super) notification: u64,
    pub(super) from: Teller,
    pub(super) state: State,
    /// `critical`, `warning`, …; empty where none is told.
    pub(super) severity: String,
    /// The alert's name, or what happened to the incident.
    pub(super) name: String,
    /// Empty where none is told.
    pub(super) model: String,
    pub(super) summary: String,
    pub(super) description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) started: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) ended: String,
    /// The alert's labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    /// What Alertmanager grouped by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) group: BTreeMap<String, String>,
    /// Alertmanager's receiver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) receiver: String,
    /// Addresses by what they lead to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) links: BTreeMap<&'static str, String>,
    /// Driftline's event id or Alertmanager's fingerprint.
    pub(super) id: String,
}

/// Who told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Teller {
    Alertmanager,
    Driftline,
}

/// Where the alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Firing,
    Acknowledged,
    Resolved,
    Test,
    Unknown,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Test => "test",
            Self::Unknown => "unknown",
        }
    }
}

impl Teller {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Driftline => "driftline",
        }
    }
}

/// A body that tells nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    /// No JSON.
    #[error("the body is not JSON: {0}")]
    Json(serde_json::Error),
    /// JSON of another kind.
    #[error("the body has no {0}; is the address right?")]
    Kind(&'static str),
}

fn as_text<S: serde::Serializer>(time: &EventTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn parsed(body: &[u8]) -> Result<Value, MessageError> {
    serde_json::from_slice(body).map_err(MessageError::Json)
}

/// The text at a place, empty if there is none.
fn text(value: &Value, place: &str) -> String {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The texts of an object.
fn texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// Those that are there and lead to the web.
fn links(found: [(&'static str, String); 3]) -> BTreeMap<&'static str, String> {
    let leads = |address: &str| address.starts_with("http://") || address.starts_with("https://");
    found.into_iter().filter(|(_, address)| leads(address)).collect()
}

impl Message {
    /// Reads a notification of Alertmanager's webhook, version 4; unknown fields are ignored.
    pub(super) fn from_alertmanager(body: &[u8], received: EventTime) -> Result<Vec<Self>, MessageError> {
        let whole = parsed(body)?;
        let alerts = whole.get("alerts").and_then(Value::as_array).ok_or(MessageError::Kind("alerts"))?;
        let group = texts(whole.get("groupLabels"));
        let read = |alert: &Value| {
            let state = match alert.get("status").and_then(Value::as_str) {
                Some("firing") => State::Firing,
                Some("resolved") => State::Resolved,
                _ => State::Unknown,
            };
            // While it fires, the end is the year 1.
            let ended = if state == State::Resolved { text(alert, "/endsAt") } else { String::new() };
            Self {
                received,
                notification: 0,
                from: Teller::Alertmanager,
                state,
                severity: text(alert, "/labels/severity"),
                name: text(alert, "/labels/alertname"),
                model: text(alert, "/labels/model"),
                summary: text(alert, "/annotations/summary"),
                description: text(alert, "/annotations/description"),
                started: text(alert, "/startsAt"),
                ended,
                labels: texts(alert.get("labels")),
                group: group.clone(),
                receiver: text(&whole, "/receiver"),
                links: links([
                    ("runbook", text(alert, "/annotations/runbook_url")),
                    ("dashboard", text(alert, "/annotations/dashboard_url")),
                    ("source", text(alert, "/generatorURL")),
                ]),
                id: text(alert, "/fingerprint"),
            }
        };
        Ok(alerts.iter().map(read).collect())
    }

    /// Reads a CloudEvent in structured mode whose data is an alert event; unknown fields are ignored.
    pub(super) fn from_driftline(body: &[u8], received: EventTime) -> Result<Self, MessageError> {
        let whole = parsed(body)?;
        let incident = whole.pointer("/data/incident").ok_or(MessageError::Kind("data with an incident"))?;
        let action = text(&whole, "/data/action");
        let state = match action.as_str() {
            "test" => State::Test,
            _ => match incident.get("state").and_then(Value::as_str) {
                Some("firing") => State::Firing,
                Some("acknowledged") => State::Acknowledged,
                Some("resolved") => State::Resolved,
                _ => State::Unknown,
            },
        };
        let causes = incident.get("causes").and_then(Value::as_array).into_iter().flatten();
        let causes: Vec<String> = causes.map(|cause| text(cause, "/text")).collect();
        Ok(Self {
            received,
            notification: 0,
            from: Teller::Driftline,
            state,
            severity: text(incident, "/severity"),
            name: action,
            model: text(incident, "/model"),
            summary: text(incident, "/summary"),
            description: causes.join("; "),
            started: text(incident, "/started"),
            ended: text(incident, "/ended"),
            labels: BTreeMap::new(),
            group: BTreeMap::new(),
            receiver: String::new(),
            links: links([
                ("runbook", text(incident, "/alerts/0/links/runbook")),
                ("dashboard", text(incident, "/alerts/0/links/dashboard")),
                ("source", text(&whole, "/source")),
            ]),
            id: text(&whole, "/id"),
        })
    }
}

/// One line. Control characters are left out: they could change what a terminal shows.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.as_str().to_uppercase();
        let line = format!(
            "{}  {:<12}  {state:<12}  {:<8}  {}  {}",
            self.received,
            self.from.as_str(),
            self.severity,
            self.name,
            self.summary
        );
        line.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .try_for_each(|c| fmt::Write::write_char(f, c))
    }
}
