//! What a window is compared with, and the report that comes of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use driftline_evaluate::{
    Evaluation, ReferenceKind, ReferenceSpec, ReferenceSummary, WindowReport, WindowSpan, evaluate,
};
use driftline_events::{EventTime, Span};
use driftline_summary::{CellSummary, SegmentKey};
use driftline_window::{WindowError, WindowSummary};

use super::model::Model;

/// A reference found for a window.
pub(super) struct Found<'a> {
    pub(super) kind: ReferenceKind,
    pub(super) summary: Cow<'a, CellSummary>,
    pub(super) version: Option<String>,
    pub(super) period: Option<(EventTime, EventTime)>,
}

impl Found<'_> {
    pub(super) fn as_summary(&self) -> ReferenceSummary<'_> {
        ReferenceSummary {
            kind: self.kind,
            version: self.version.clone(),
            period: self.period,
            summary: &self.summary,
        }
    }
}

/// Evaluates a merged window.
pub(super) fn report(model: &Model, window: &WindowSummary) -> Result<WindowReport, WindowError> {
    let reference = find(model, window)?;
    let passed = match model.windower.greatest() {
        Some(greatest) if !window.is_final => {
            window.end.min(greatest.saturating_add(model.config.time.pane()))
        }
        _ => window.end,
    };
    Ok(evaluate(&Evaluation {
        model: model.schema().model().as_str(),
        version: &window.key.version,
        segment: segment_map(window.key.segment.as_ref()),
        window: WindowSpan {
            name: window.name.to_string(),
            start: window.start,
            end: window.end,
            length_seconds: window.end.since(window.start).as_secs_f64(),
            reached_back_seconds: (!window.reached_back.is_zero())
                .then_some(window.reached_back.as_secs_f64()),
        },
        covered_seconds: passed.since(window.start).as_secs_f64(),
        revision: window.revision,
        is_final: window.is_final,
        current: &window.current,
        reference: reference.as_ref().map(Found::as_summary),
        drift: &model.config.drift,
        performance: &model.config.performance,
    }))
}

pub(super) fn segment_map(segment: Option<&SegmentKey>) -> BTreeMap<String, String> {
    segment.map(|(tag, value)| (tag.to_string(), value.to_string())).into_iter().collect()
}

/// What a window is compared with; `None` while there is nothing yet.
fn find<'a>(model: &'a Model, window: &WindowSummary) -> Result<Option<Found<'a>>, WindowError> {
    let kind = model.config.reference.kind();
    let segment = window.key.segment.as_ref();
    let version = &*window.key.version;
    match &model.config.reference {
        ReferenceSpec::Trailing { windows } => {
            let back = window.length.saturating_mul(windows.get());
            let period = (window.start.saturating_sub(back), window.start);
            merged(model, &[period], Some(version), segment, kind)
        }
        ReferenceSpec::Seasonal { weeks } => {
            let week = Span::from_days(7).duration();
            let periods: Vec<_> = (1..=weeks.get())
                .map(|weeks| week.saturating_mul(weeks))
                .map(|back| (window.start.saturating_sub(back), window.end.saturating_sub(back)))
                .collect();
            merged(model, &periods, None, segment, kind)
        }
        ReferenceSpec::Version { version: other, lookback } => {
            let period = (window.end.saturating_sub(*lookback), window.end);
            let found = merged(model, &[period], Some(other), segment, kind)?;
            // A version is no reference for itself.
            Ok(found
                .filter(|_| other != version)
                .map(|found| Found { version: Some(other.clone()), ..found }))
        }
        _ => Ok(fixed(model, segment, kind)),
    }
}

/// The stored or learned reference.
pub(super) fn fixed<'a>(
    model: &'a Model,
    segment: Option<&SegmentKey>,
    kind: ReferenceKind,
) -> Option<Found<'a>> {
    let reference = model.reference.as_ref()?;
    let summary = match segment {
        None => &reference.overall,
        Some(segment) => reference.segments.get(segment)?,
    };
    Some(Found { kind, summary: Cow::Borrowed(summary), version: None, period: None })
}

/// The panes of some periods, merged; `None` if they have no rows.
pub(super) fn merged<'a>(
    model: &Model,
    periods: &[(EventTime, EventTime)],
    version: Option<&str>,
    segment: Option<&SegmentKey>,
    kind: ReferenceKind,
) -> Result<Option<Found<'a>>, WindowError> {
    let mut sum = CellSummary::new(Arc::clone(model.windower.spec()));
    for &(start, end) in periods {
        if let Some(summary) = model.windower.merged(start, end, version, segment)? {
            sum.merge(&summary)?;
        }
    }
    if sum.traffic.total.rows == 0 {
        return Ok(None);
    }
    let start = periods.iter().map(|period| period.0).min();
    let end = periods.iter().map(|period| period.1).max();
    Ok(Some(Found { kind, summary: Cow::Owned(sum), version: None, period: start.zip(end) }))
}
