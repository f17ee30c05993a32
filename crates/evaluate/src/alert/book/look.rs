//! What a rule finds in a report.

use std::collections::BTreeMap;

use driftline_events::EventTime;

use super::stored::{Key, NormalKey};
use super::{AlertBook, Finding};
use crate::alert::causes::{self, Candidate};
use crate::alert::judge::{Judged, judge};
use crate::alert::metric::Metric;
use crate::alert::reading::{self, Reading, Unknown};
use crate::alert::rule::{Base, Criterion, Rule};
use crate::alert::sentence;
use crate::alert::series::Vote;
use crate::report::{WindowReport, WindowSpan};

/// Most histories of what is normal.
const MAX_NORMALS: usize = 256;
/// What is out of order is not learned as normal, until it has been so for so long.
const LEARN_AGAIN_MILLIS: i64 = 7 * 86_400_000;

impl AlertBook {
    /// Reads and judges a rule's figures in a report: the worst counts. `None`: not for such a model.
    pub(super) fn look(
        &mut self,
        rule: &Rule,
        report: &WindowReport,
        learns: bool,
    ) -> Option<Result<Finding, Unknown>> {
        let readings = match reading::read(&rule.metric, report, rule.min_rows)? {
            Ok(readings) => readings,
            Err(unknown) => return Some(Err(unknown)),
        };
        let firing = self.state.series.get(&Key::of(rule, report)).and_then(|series| series.phase.fired);
        Some(self.judge(rule, &report.window, &report.segment, readings, (learns, firing)))
    }

    pub(super) fn judge(
        &mut self,
        rule: &Rule,
        span: &WindowSpan,
        segment: &BTreeMap<String, String>,
        readings: Vec<Reading>,
        (learns, firing): (bool, Option<EventTime>),
    ) -> Result<Finding, Unknown> {
        let mut worst: Result<Finding, Unknown> = Err(Unknown::NoFigure);
        for reading in readings {
            let key = NormalKey::new(rule, segment, &reading.item);
            let history = self.state.normals.get(&key);
            let judged = judge(&rule.metric, &rule.criterion, &reading, || {
                let Criterion::Change(change) = &rule.criterion else { return None };
                let history = history?;
                history.normal(span.end, rule.length, change.season, rule.metric.is_relative())
            });
            let is_fine = judged.as_ref().map_or(true, |judged| judged.vote < Vote::Likely);
            let long = firing.is_some_and(|at| span.end.as_millis() - at.as_millis() > LEARN_AGAIN_MILLIS);
            if learns && needs_normal(rule) && (long || is_fine) {
                self.learn(key, span.end, rule, reading.value);
            }
            worst = match (judged, worst) {
                (Err(unknown), Err(Unknown::NoFigure)) => Err(unknown),
                (Err(_), worst) => worst,
                (Ok(judged), Ok(known)) if !is_worse(&judged, &known.judged) => Ok(known),
                (Ok(judged), _) => {
                    let summary = sentence::of_alert(&rule.metric, &reading, &judged);
                    Ok(Finding { reading, judged, summary })
                }
            };
        }
        worst
    }

    fn learn(&mut self, key: NormalKey, end: EventTime, rule: &Rule, value: f64) {
        if self.state.normals.len() < MAX_NORMALS || self.state.normals.contains_key(&key) {
            self.state.normals.entry(key).or_default().learn(end, rule.length, value);
        }
    }
}

fn needs_normal(rule: &Rule) -> bool {
    match &rule.criterion {
        Criterion::Change(change) => change.base != Base::Reference,
        _ => rule.metric == Metric::Traffic,
    }
}

fn is_worse(one: &Judged, other: &Judged) -> bool {
    one.vote.cmp(&other.vote).then(one.strength.total_cmp(&other.strength)).is_gt()
}

/// The segments of the same version that are worse than the whole.
pub(super) fn segments(
    rule: &Rule,
    whole: &WindowReport,
    finding: &Finding,
    reports: &[&WindowReport],
) -> Vec<Candidate> {
    if !matches!(rule.metric, Metric::Performance { .. } | Metric::Inputs | Metric::Drift(_)) {
        return Vec::new();
    }
    let own = reports.iter().filter(|report| !report.segment.is_empty() && report.version == whole.version);
    own.filter_map(|report| {
        let reading = reading::read(&rule.metric, report, 30).and_then(Result::ok);
        let reading = reading.as_ref().and_then(|readings| readings.first());
        causes::of_segment(&rule.metric, (whole, &finding.reading, &finding.judged), (report, reading))
    })
    .collect()
}
