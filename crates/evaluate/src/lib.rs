//! Figures and verdicts from summaries: the reference against the current window.
//!
//! Pure: a report is a function of the summaries and options that went in. Statistics are plain functions of
//! counts, each with its formula and source; a figure that does not exist is a [`Reason`], never NaN or 0.

mod alert;
mod config;
mod drift;
mod drift_report;
mod evaluation;
mod feature;
mod feature_report;
mod features;
mod figure;
mod performance;
mod performance_report;
mod quantiles;
mod reference;
mod report;
mod rfc3339;
mod schema;
mod traffic;
mod words;

pub use alert::{
    ALERT_EVENT_SCHEMA, ALERT_EVENT_SCHEMA_ID, Alert, AlertBook, AlertBookError, AlertEvent, AlertOptions,
    AlertSeverity, AlertSpec, AlertSpecError, AlertState, AlertWindow, Cause, CauseKind, Compare,
    EventAction, ForOptions, Incident, IncidentState, LinkOptions, Links, Mute, MuteOptions, RecoverOptions,
    RuleCounts, RuleOptions, RuleStatus, Season, SegmentOptions, SegmentTag, Side, Unknown,
    alert_event_schema,
};
pub use config::{
    DriftOptions, DriftSpec, DriftSpecError, FeatureDriftOptions, FeatureDriftSpec, PerformanceOptions,
    PerformanceSpec, PerformanceSpecError,
};
pub use evaluation::{Evaluation, ReferenceSummary, compare, evaluate};
pub use feature_report::{
    BinChange, BinShare, Chi2Report, FeatureReport, KsReport, PsiReport, QualityReport, Severity,
    UnseenValue, Verdict, WassersteinReport,
};
pub use figure::{Estimate, Figure, Interval, Reason};
pub use performance_report::{Basis, ClassReport, ConfusionReport, PerformanceReport};
pub use quantiles::Quantiles;
pub use reference::{DEFAULT_LEARN_ROWS, ReferenceOptions, ReferenceSpec, ReferenceSpecError};
pub use report::{
    DriftReport, LabelsReport, LatencyReport, MeasureReport, ReferenceKind, ReferenceReport,
    SaturationReport, TrafficReport, WindowReport, WindowSpan,
};
pub use schema::{WINDOW_REPORT_SCHEMA, WINDOW_REPORT_SCHEMA_ID, window_report_schema};

/// The 0.975 quantile of the standard normal distribution: half-width of a 95 % interval in standard errors.
const Z_95: f64 = 1.959_963_984_540_054;
