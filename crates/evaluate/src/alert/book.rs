//! The alerts of one model.

use std::collections::BTreeSet;
use std::sync::Arc;

use driftline_events::EventTime;

use self::stored::{Key, State};
use super::causes::{self, Candidate};
use super::event::AlertEvent;
use super::judge::Judged;
use super::reading::{Reading, Unknown};
use super::rule::Rule;
use super::series::{Condition, Series, Vote};
use super::spec::AlertSpec;
use crate::report::{WindowReport, WindowSpan};

mod incident;
mod look;
mod people;
mod silent;
mod stored;
mod told;

pub use people::AlertBookError;

/// Most rules times versions times segments that are followed; what comes later is not.
const MAX_SERIES: usize = 512;
/// Windows without a version or segment after which it is no more.
const GONE_AFTER: u32 = 12;
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
    /// The fingerprint of an alert that ended before and should not have fired, and when it did.
    undone: Option<(String, EventTime)>,
}

impl AlertBook {
    /// A model's alerts before its first window.
    #[must_use]
    pub fn new(model: impl Into<String>, spec: Arc<AlertSpec>) -> Self {
        Self { spec, state: State::new(model.into()), awake: None }
    }

    /// Each version that answered, with the start of its first window in event time.
    pub fn versions(&self) -> impl Iterator<Item = (&str, EventTime)> {
        self.state.versions.iter().map(|(version, start)| (version.as_str(), *start))
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
        let main = reports.iter().filter(|report| report.segment.is_empty()).max_by_key(rows).copied();

        let mut changes = Changes::default();
        self.end_orphans(&mut changes, end);
        self.evaluated(&mut changes, end);
        if spec.rules.iter().all(|rule| rule.window != span.name) {
            return self.emit(end, &span.name, changes);
        }
        let whole = reports.iter().filter(|report| report.segment.is_empty());
        let mut found: Vec<Candidate> = whole.flat_map(|report| causes::of_features(report)).collect();
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
                        found.extend(look::segments(rule, report, finding, reports));
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
            let versions = &mut self.state.versions;
            if versions.contains_key(&report.version) {
                continue;
            }
            if versions.len() >= MAX_VERSIONS {
                let oldest = versions.iter().min_by_key(|(_, at)| **at).map(|(version, _)| version.clone());
                oldest.map(|oldest| versions.remove(&oldest));
            }
            versions.insert(report.version.clone(), report.window.start);
        }
    }
}

#[cfg(test)]
mod tests;
