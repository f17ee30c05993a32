//! The alerts of one model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftline_events::EventTime;

use self::stored::{Key, NormalKey, State};
use super::causes::{self, Candidate};
use super::event::AlertEvent;
use super::judge::{Judged, judge};
use super::metric::Metric;
use super::reading::{self, Reading, Unknown};
use super::rule::{Base, Criterion, Rule};
use super::sentence;
use super::series::{Condition, Series, Vote};
use super::spec::AlertSpec;
use crate::report::{WindowReport, WindowSpan};

mod incident;
mod people;
mod silent;
mod stored;

pub use people::AlertBookError;

/// Most rules times versions times segments that are followed; what comes later is not.
const MAX_SERIES: usize = 512;
/// Most histories of what is normal.
const MAX_NORMALS: usize = 256;
/// Windows without a version or segment after which it is no more.
const GONE_AFTER: u32 = 12;
/// What is out of order is not learned as normal, until it has been so for so long.
const LEARN_AGAIN_MILLIS: i64 = 7 * 86_400_000;
/// Versions whose first window is remembered.
const MAX_VERSIONS: usize = 64;

/// The alerts of one model: what each rule said of each window, which alerts fire, and the incident they make.
///
/// Pure and deterministic: the same reports in the same order give the same events with the same ids, also when it
/// is encoded and decoded in between. Bounded: 512 rules times versions times segments, 96 windows of each.
#[derive(Clone, Debug)]
pub struct AlertBook {
    spec: Arc<AlertSpec>,
    state: State,
    /// Since when this process looks: its own absence is no silence of the model.
    awake: Option<EventTime>,
}

/// What a rule found in a window.
#[derive(Clone, Debug)]
struct Finding {
    reading: Reading,
    judged: Judged,
    summary: String,
}

/// What changed about the alerts.
#[derive(Debug, Default)]
struct Changes {
    fired: Vec<String>,
    ended: bool,
    retracted: bool,
    confirmed: bool,
    told: bool,
}

impl AlertBook {
    /// A model's alerts before its first window.
    #[must_use]
    pub fn new(model: impl Into<String>, spec: Arc<AlertSpec>) -> Self {
        Self { spec, state: State::new(model.into()), awake: None }
    }

    /// Takes other rules. Alerts of rules that are no more end with the next window.
    pub fn set_spec(&mut self, spec: Arc<AlertSpec>) {
        self.spec = spec;
    }

    /// Takes the reports that one evaluation of the model's windows gave, of all versions and segments, new and
    /// revised, and gives the events that follow. Those of open windows say nothing yet and are left out.
    ///
    /// New windows are taken in order of their ends, each with all its versions and segments together, so give them
    /// all at once: causes are looked for among them. Then revisions, in the order given.
    pub fn take<'a>(&mut self, reports: impl IntoIterator<Item = &'a WindowReport>) -> Vec<AlertEvent> {
        let (mut new, mut late): (Vec<&WindowReport>, Vec<&WindowReport>) = (Vec::new(), Vec::new());
        for report in reports.into_iter().filter(|report| report.is_final && report.model == self.state.model)
        {
            let through = self.state.through.get(&report.window.name);
            let is_new = report.revision == 0 && through.is_none_or(|through| report.window.end > *through);
            if is_new { new.push(report) } else { late.push(report) }
        }
        let order = |report: &WindowReport| {
            let span = &report.window;
            (span.end, span.length_seconds.to_bits(), span.name.clone())
        };
        new.sort_by_cached_key(|report| (order(report), report.version.clone(), report.segment.clone()));
        let mut events = Vec::new();
        let same = |a: &&WindowReport, b: &&WindowReport| {
            (a.window.end, &a.window.name) == (b.window.end, &b.window.name)
        };
        for group in new.chunk_by(same) {
            events.extend(self.window(group));
        }
        for report in late {
            events.extend(self.revision(report));
        }
        events
    }

    /// One new window: its reports of all versions and segments.
    fn window(&mut self, reports: &[&WindowReport]) -> Option<AlertEvent> {
        let spec = Arc::clone(&self.spec);
        let span = &reports[0].window;
        let end = span.end;
        self.state.through.insert(span.name.clone(), end);
        self.know_versions(reports);
        let rows = |report: &&&WindowReport| (report.rows, std::cmp::Reverse(report.version.clone()));
        let whole = reports.iter().filter(|report| report.segment.is_empty());
        let main = whole.max_by_key(rows).copied();

        let mut changes = Changes::default();
        self.end_orphans(&mut changes, end);
        self.evaluated(&mut changes, end);
        let mut found: Vec<Candidate> = main.into_iter().flat_map(causes::of_features).collect();
        let mut looked = BTreeSet::new();
        for rule in spec.rules.iter().filter(|rule| rule.window == span.name) {
            if rule.metric.is_of_model() {
                let outcome = self.of_model(rule, reports, &mut found);
                let key = Key::of_model(rule);
                self.settle(rule, &key, span, outcome, &mut changes);
                looked.insert(key);
                continue;
            }
            for report in reports.iter().filter(|report| rule.segments.has(&report.segment)) {
                let learns = main.is_some_and(|main| main.version == report.version);
                let Some(outcome) = self.look(rule, report, learns) else { continue };
                let key = Key::of(rule, report);
                if let Ok(finding) = &outcome
                    && finding.judged.vote >= Vote::Likely
                {
                    let own = causes::of_figure(&rule.metric, &finding.reading, &finding.judged, span.start);
                    found.extend(own);
                    if report.segment.is_empty() {
                        found.extend(segments(rule, report, finding, reports));
                    }
                }
                self.settle(rule, &key, &report.window, outcome, &mut changes);
                looked.insert(key);
            }
        }
        self.end_absent(&span.name, &looked, reports, end, &mut changes);
        let known = self.state.candidates.get(&span.name);
        let found = causes::remember(found, known);
        self.state.candidates.insert(span.name.clone(), found);
        self.emit(end, &span.name, changes)
    }

    /// A closed window whose figures changed, or that came late.
    fn revision(&mut self, report: &WindowReport) -> Option<AlertEvent> {
        let spec = Arc::clone(&self.spec);
        let span = &report.window;
        let mut changes = Changes::default();
        for rule in spec.rules.iter().filter(|rule| rule.window == span.name) {
            if rule.metric.is_of_model() {
                if report.segment.is_empty() && self.came_late(rule, report) {
                    let (key, policy) = (Key::of_model(rule), rule.policy);
                    let vote = |series: &mut Series| {
                        series.vote(span.start, span.end, Vote::Clear, policy);
                    };
                    self.revote(rule, &key, span, None, vote, &mut changes);
                }
                continue;
            }
            if !rule.segments.has(&report.segment) {
                continue;
            }
            let Some(outcome) = self.look(rule, report, false) else { continue };
            let key = Key::of(rule, report);
            let Some(series) = self.state.series.get_mut(&key) else {
                self.settle(rule, &key, span, outcome, &mut changes);
                continue;
            };
            // The same report once more, not a revised one.
            if report.revision == 0 && series.knows(span.end) {
                continue;
            }
            if series.through <= span.end {
                series.through = span.end;
                series.condition = match &outcome {
                    Ok(finding) => Condition::Known(finding.judged.vote),
                    Err(unknown) => Condition::Unknown(*unknown),
                };
            }
            if let Ok(finding) = outcome {
                let is_latest = series.through == span.end;
                let vote = |series: &mut Series| {
                    series.vote(span.start, span.end, finding.judged.vote, rule.policy);
                };
                self.revote(rule, &key, span, Some(&finding), vote, &mut changes);
                if is_latest {
                    self.show(&key, span, &finding);
                }
            }
        }
        // What only came late is still an event of now.
        let now = self.state.through.get(&span.name).copied().unwrap_or(span.end).max(span.end);
        self.emit(now, &span.name, changes)
    }

    /// Reads and judges a rule's figures in a report: the worst counts. `None`: not for such a model.
    fn look(&mut self, rule: &Rule, report: &WindowReport, learns: bool) -> Option<Result<Finding, Unknown>> {
        let readings = match reading::read(&rule.metric, report, rule.min_rows)? {
            Ok(readings) => readings,
            Err(unknown) => return Some(Err(unknown)),
        };
        let firing = self.state.series.get(&Key::of(rule, report)).and_then(|series| series.phase.fired);
        Some(self.judge(rule, &report.window, &report.segment, readings, (learns, firing)))
    }

    fn judge(
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
            if learns && needs_normal(rule, &reading) && (long || is_fine) {
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

    /// Takes a new window's outcome into its series.
    fn settle(
        &mut self,
        rule: &Rule,
        key: &Key,
        span: &WindowSpan,
        outcome: Result<Finding, Unknown>,
        changes: &mut Changes,
    ) {
        if !self.state.series.contains_key(key) && self.state.series.len() >= MAX_SERIES {
            return;
        }
        let series = self.state.series.entry(key.clone()).or_insert_with(|| Series::new(span.end));
        (series.through, series.absent) = (span.end, 0);
        let before = series.phase;
        match &outcome {
            Ok(finding) => {
                series.condition = Condition::Known(finding.judged.vote);
                series.vote(span.start, span.end, finding.judged.vote, rule.policy);
            }
            Err(unknown) => series.condition = Condition::Unknown(*unknown),
        }
        let after = series.phase;
        match (before.fired, after.fired) {
            (_, None) if before.fired.is_some() => self.end_alert(rule, key, span.end, changes),
            (None, Some(_)) => {
                if let Ok(finding) = outcome {
                    self.fire(rule, key, span, after, &finding, changes);
                }
            }
            (Some(_), Some(_)) => {
                if let Ok(finding) = outcome {
                    self.show(key, span, &finding);
                }
            }
            _ => {}
        }
    }

    fn know_versions(&mut self, reports: &[&WindowReport]) {
        for report in reports.iter().filter(|report| report.segment.is_empty() && report.rows > 0) {
            if !self.state.versions.contains_key(&report.version) && self.state.versions.len() < MAX_VERSIONS
            {
                self.state.versions.insert(report.version.clone(), report.window.start);
            }
        }
    }
}

fn needs_normal(rule: &Rule, reading: &Reading) -> bool {
    match &rule.criterion {
        Criterion::Change(change) => {
            change.base == Base::Normal || change.base == Base::Either && reading.reference.is_none()
        }
        _ => rule.metric == Metric::Traffic,
    }
}

fn is_worse(one: &Judged, other: &Judged) -> bool {
    one.vote.cmp(&other.vote).then(one.strength.total_cmp(&other.strength)).is_gt()
}

/// The segments of the same version that are worse than the whole.
fn segments(
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

#[cfg(test)]
mod tests;
