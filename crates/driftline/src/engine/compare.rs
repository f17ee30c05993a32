//! Any period of a model against any other, or against its reference.

use std::sync::Arc;

use driftline_evaluate::{Evaluation, ReferenceKind, WindowReport, WindowSpan, evaluate};
use driftline_events::EventTime;
use driftline_expose::{CompareQuery, Period, ReadError, ReferencePeriod, SegmentFilter};
use driftline_summary::SegmentKey;

use super::model::Model;
use super::reference::{Found, fixed, merged, segment_map};

/// Evaluates one period against another.
pub(super) fn compare(model: &Model, query: &CompareQuery) -> Result<Arc<WindowReport>, ReadError> {
    let segment: Option<SegmentKey> = match &query.segment {
        SegmentFilter::Whole => None,
        SegmentFilter::One { tag, value } => Some((tag.as_str().into(), value.as_str().into())),
        SegmentFilter::Any => {
            return Err(ReadError::BadParameter {
                name: "segment",
                value: "*".to_owned(),
                accepted: "one tag=value, or nothing for all rows".to_owned(),
            });
        }
    };
    let segment = segment.as_ref();
    let (name, (start, end)) = period(model, &query.current)?;
    let version = query.version.as_deref();
    let (current, reference) = match &query.reference {
        ReferencePeriod::Reference => {
            let current = rows_of(model, (start, end), version, segment)?;
            let reference = fixed(model, segment, model.config().reference.kind())
                .ok_or_else(|| ReadError::NotFound { what: no_reference(model, segment) })?;
            (current, reference)
        }
        ReferencePeriod::Period(other) => {
            let (_, other) = period(model, other)?;
            let other_version = query.reference_version.as_deref().or(version);
            // Rows wait for the answer: each side is merged on a core of its own.
            let reference = || rows_of(model, other, other_version, segment);
            let (current, found) = std::thread::scope(|scope| {
                let found = std::thread::Builder::new().spawn_scoped(scope, reference);
                let current = rows_of(model, (start, end), version, segment);
                // Where there are no more threads to be had, one after the other.
                let found = match found {
                    Ok(found) => found.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                    Err(_) => reference(),
                };
                (current, found)
            });
            (current?, Found { version: query.reference_version.clone(), ..found? })
        }
    };
    let length_seconds = end.since(start).as_secs_f64();
    Ok(Arc::new(evaluate(&Evaluation {
        model: model.schema().model().as_str(),
        version: version.unwrap_or_default(),
        segment: segment_map(segment),
        window: WindowSpan { name, start, end, length_seconds, reached_back_seconds: None },
        covered_seconds: length_seconds,
        revision: 0,
        is_final: model.windower.watermark().is_some_and(|watermark| watermark >= end),
        current: &current.summary,
        reference: Some(reference.as_summary()),
        drift: &model.config().drift,
        performance: &model.config().performance,
    })))
}

fn no_reference(model: &Model, segment: Option<&SegmentKey>) -> String {
    match (model.status().learning, segment) {
        (Some((rows, needed)), _) => {
            format!("the model has no reference yet: it has learned {rows} of {needed} rows")
        }
        (None, Some((tag, value))) if model.reference().is_some() => {
            format!("the model's reference has no rows of {tag}={value}")
        }
        _ => "the model has no fixed reference; name a period: reference=from..to".to_owned(),
    }
}

/// The period's name and its time, widened to whole panes.
fn period(model: &Model, period: &Period) -> Result<(String, (EventTime, EventTime)), ReadError> {
    let pane = model.config().time.pane();
    match period {
        Period::Range { from, to } => {
            let floor = to.floor(pane);
            let end = if floor == *to { floor } else { floor.saturating_add(pane) };
            Ok(("period".to_owned(), model.windower.whole_panes(from.floor(pane), end)))
        }
        Period::Window(name) => {
            let newest =
                model.shown().into_iter().filter(|report| report.window.name == *name && report.is_final);
            let newest = newest.max_by_key(|report| report.window.end);
            newest.map(|report| (name.clone(), (report.window.start, report.window.end))).ok_or_else(|| {
                let known: Vec<_> =
                    model.config().time.windows().iter().map(|window| window.name().to_string()).collect();
                ReadError::NotFound {
                    what: format!("no window {name:?} has closed; the model's windows: {}", known.join(", ")),
                }
            })
        }
    }
}

fn rows_of<'a>(
    model: &'a Model,
    period: (EventTime, EventTime),
    version: Option<&str>,
    segment: Option<&SegmentKey>,
) -> Result<Found<'a>, ReadError> {
    merged(model, &[period], version, segment, ReferenceKind::Period)
        .map_err(|error| ReadError::NotComparable { why: error.to_string() })?
        .ok_or_else(|| ReadError::NotFound {
            what: format!(
                "no rows of that version and segment are kept between {} and {}",
                period.0, period.1
            ),
        })
}
