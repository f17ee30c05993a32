//! What is of the model as a whole, and what is not there.

use std::collections::BTreeSet;
use std::time::Duration;

use driftline_events::EventTime;

use super::stored::Key;
use super::{AlertBook, Changes, Finding, GONE_AFTER};
use crate::alert::causes::{self, Candidate};
use crate::alert::event::AlertEvent;
use crate::alert::judge::Judged;
use crate::alert::metric::Metric;
use crate::alert::reading::{Reading, Unknown, traffic};
use crate::alert::rule::Rule;
use crate::alert::sentence;
use crate::alert::series::{Condition, Series, Vote};
use crate::alert::silence::Silent;
use crate::report::{WindowReport, WindowSpan};

/// Labels must have come for a day before their absence is known to be unusual: many come once a day.
const LABELS_KNOWN: Duration = Duration::from_secs(86_400);
/// Without any window for this long (or three windows, if that is longer) the model is silent by the clock.
const SILENT_BY_CLOCK: Duration = Duration::from_secs(900);

/// Rows or labels of a whole window, by what the rule looks at.
fn came(rule: &Rule, report: &WindowReport) -> u64 {
    if rule.metric == Metric::NoLabels { report.performance_by_label_time.rows } else { report.rows }
}

fn known(rule: &Rule) -> Duration {
    if rule.metric == Metric::NoLabels { LABELS_KNOWN } else { Duration::ZERO }
}

fn silent_finding(rule: &Rule, silent: Option<Silent>) -> Finding {
    let (vote, summary) = match silent {
        Some(silent) => (Vote::Over, sentence::of_silence(&rule.metric, silent)),
        None => (Vote::Clear, String::new()),
    };
    finding(rule, 0.0, vote, "what used to come", summary)
}

fn finding(rule: &Rule, value: f64, vote: Vote, source: &str, summary: String) -> Finding {
    let reading = Reading::state(&rule.metric, value);
    let judged = Judged { vote, threshold: None, source: source.to_owned(), base: None, strength: 1.0 };
    Finding { reading, judged, summary }
}

impl AlertBook {
    /// A rule on all versions together.
    pub(super) fn of_model(
        &mut self,
        rule: &Rule,
        reports: &[&WindowReport],
        found: &mut Vec<Candidate>,
    ) -> Result<Finding, Unknown> {
        let span = &reports[0].window;
        if rule.metric == Metric::Traffic {
            let reading = traffic(&rule.metric, reports).ok_or(Unknown::NoData)?;
            let firing = self.state.series.get(&Key::of_model(rule)).and_then(|series| series.phase.fired);
            let whole = std::collections::BTreeMap::new();
            let finding = self.judge(rule, span, &whole, vec![reading], (true, firing))?;
            if finding.judged.vote == Vote::Over {
                let own = causes::of_figure(&rule.metric, &finding.reading, &finding.judged, span.start);
                found.extend(own);
            }
            return Ok(finding);
        }
        let whole = reports.iter().filter(|report| report.segment.is_empty());
        let rows: u64 = whole.map(|report| came(rule, report)).sum();
        let silence = self.state.silences.entry(rule.name.clone()).or_default();
        match silence.take(span.end, rule.length, rows, known(rule)) {
            Some(silent) => {
                let finding = silent_finding(rule, Some(silent));
                found.extend(causes::of_silence(&rule.metric, &finding.summary, span.start));
                Ok(finding)
            }
            None if rows > 0 => Ok(silent_finding(rule, None)),
            None if rule.metric == Metric::NoLabels => Err(Unknown::NoLabels),
            None => Err(Unknown::NoData),
        }
    }

    /// Whether a window that was silent turns out not to have been.
    pub(super) fn came_late(&mut self, rule: &Rule, report: &WindowReport) -> bool {
        let rows = came(rule, report);
        if rule.metric == Metric::Traffic || rows == 0 {
            return false;
        }
        if let Some(silence) = self.state.silences.get_mut(&rule.name) {
            silence.came(report.window.end);
        }
        true
    }

    /// Versions and segments that others answer instead of end, after as many windows as recovery takes.
    pub(super) fn end_absent(
        &mut self,
        window: &str,
        looked: &BTreeSet<Key>,
        reports: &[&WindowReport],
        end: EventTime,
        changes: &mut Changes,
    ) {
        if reports.iter().all(|report| report.rows == 0) {
            return;
        }
        let spec = std::sync::Arc::clone(&self.spec);
        for rule in spec.rules.iter().filter(|rule| rule.window == window) {
            let mut gone = Vec::new();
            for (key, series) in &mut self.state.series {
                if key.rule != rule.name || looked.contains(key) {
                    continue;
                }
                series.absent += 1;
                if series.absent >= rule.policy.recover {
                    let fired = series.phase.fired.is_some();
                    gone.push((key.clone(), fired, series.absent >= GONE_AFTER));
                    series.end();
                }
            }
            for (key, fired, forget) in gone {
                if fired {
                    self.end_alert(rule, &key, end, changes);
                }
                if forget {
                    self.state.series.remove(&key);
                }
            }
        }
    }

    /// Alerts of rules that are no more end.
    pub(super) fn end_orphans(&mut self, changes: &mut Changes, now: EventTime) {
        let known = |key: &Key| self.spec.rules.iter().any(|rule| rule.name == key.rule);
        let orphans: Vec<Key> = self.state.series.keys().filter(|key| !known(key)).cloned().collect();
        for key in orphans {
            let series = self.state.series.remove(&key);
            if series.is_some_and(|series| series.phase.fired.is_some()) {
                self.end_alert_of(&key, now, changes);
            }
        }
    }

    /// A window was evaluated: evaluation works.
    pub(super) fn evaluated(&mut self, changes: &mut Changes, end: EventTime) {
        let spec = std::sync::Arc::clone(&self.spec);
        let Some(rule) = spec.rules.iter().find(|rule| rule.metric == Metric::EvaluationError) else {
            return;
        };
        let key = Key::of_model(rule);
        if let Some(series) = self.state.series.get(&key) {
            // A failure has the clock's time, which may be ahead of the windows'.
            let end = end.max(series.through.saturating_add(Duration::from_millis(1)));
            let span = WindowSpan::new("", end, end);
            let works = finding(rule, 0.0, Vote::Clear, "evaluation works", String::new());
            self.settle(rule, &key, &span, Ok(works), changes);
        }
    }

    /// Takes note that a window of the model could not be evaluated, and gives the event if that is news.
    pub fn failed(&mut self, error: &str, at: EventTime) -> Option<AlertEvent> {
        let spec = std::sync::Arc::clone(&self.spec);
        let rule = spec.rules.iter().find(|rule| rule.metric == Metric::EvaluationError)?;
        let mut changes = Changes::default();
        let summary = format!("its windows cannot be evaluated: {error}");
        let failed = finding(rule, 1.0, Vote::Over, "every window can be evaluated", summary);
        self.settle(rule, &Key::of_model(rule), &WindowSpan::new("", at, at), Ok(failed), &mut changes);
        self.emit(at, "", changes)
    }

    /// Takes the clock's time: mutes and acknowledgements that ran out end, and a model that used to have requests
    /// and of which no window comes at all is silent.
    pub fn clock(&mut self, now: EventTime) -> Option<AlertEvent> {
        let awake = *self.awake.get_or_insert(now);
        let mut changes = Changes::default();
        self.end_orphans(&mut changes, now);
        let spec = std::sync::Arc::clone(&self.spec);
        for rule in spec.rules.iter().filter(|rule| rule.metric == Metric::NoTraffic) {
            let Some(through) = self.state.through.get(&rule.window).copied() else { continue };
            let patience = SILENT_BY_CLOCK.max(rule.length * 3);
            if now.since(through.max(awake)) <= patience {
                continue;
            }
            let silence = self.state.silences.get(&rule.name);
            let silent = silence.and_then(|silence| silence.silent(now, rule.length, known(rule)));
            let key = Key::of_model(rule);
            let series = self.state.series.entry(key.clone()).or_insert_with(|| Series::new(through));
            series.condition = Condition::Unknown(Unknown::NoData);
            if silent.is_some() && series.phase.fired.is_none() {
                // Always the same place after the last window, so that it counts once however often it is looked.
                let after = through.saturating_add(Duration::from_millis(1));
                let span = WindowSpan::new(&rule.window, through, after);
                self.settle(rule, &key, &span, Ok(silent_finding(rule, silent)), &mut changes);
            }
        }
        self.emit(now, "", changes)
    }
}
