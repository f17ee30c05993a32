//! Alerts: what is sent when a rule fires, and (beside it) the logic that decides.

mod event;

pub use event::{
    ALERT_EVENT_SCHEMA, ALERT_EVENT_SCHEMA_ID, Alert, AlertEvent, AlertSeverity, AlertState, Cause,
    CauseKind, EventAction, Incident, IncidentState, Links, Mute, alert_event_schema,
};
