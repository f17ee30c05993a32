//! Alerts: what is sent when a rule fires, and (beside it) the logic that decides.

mod book;
mod causes;
mod defaults;
mod event;
mod id;
mod judge;
mod metric;
mod normal;
mod options;
mod reading;
mod rule;
mod sentence;
mod series;
mod silence;
mod spec;
mod status;

pub use book::{AlertBook, AlertBookError};
pub use event::{
    ALERT_EVENT_SCHEMA, ALERT_EVENT_SCHEMA_ID, Alert, AlertEvent, AlertSeverity, AlertState, Cause,
    CauseKind, EventAction, Incident, IncidentState, Links, Mute, alert_event_schema,
};
pub use options::{
    AlertOptions, Compare, ForOptions, LinkOptions, MuteOptions, RecoverOptions, RuleOptions, Season,
    SegmentOptions, SegmentTag, Side,
};
pub use reading::Unknown;
pub use spec::{AlertSpec, AlertSpecError, AlertWindow};
pub use status::{RuleCounts, RuleStatus};
