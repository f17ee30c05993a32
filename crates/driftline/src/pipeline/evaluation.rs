//! When windows are evaluated, and what becomes of their reports.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Pipeline, report_failure};
use crate::engine::EngineError;
use crate::status::Published;

/// Rounds of open windows start at least this many times their length apart: however many windows there are, their
/// evaluation leaves nine tenths of the time to the rows.
const ROUND_SHARE: u32 = 10;

/// Figures are published at least once in so many reports: what was published holds the reports before them, and all of
/// many models would be in memory twice.
const PUBLISHED_AT_ONCE: usize = 500;

impl Pipeline {
    /// Evaluates what closed and, if it is time, what is open. `due` is the time that the clock was set to, not when it
    /// was heard: a little late, the next round would have to wait for one tick more.
    pub(super) fn evaluate(&mut self, due: Instant) {
        if !self.recovered {
            // Windows are evaluated once they have all their rows back.
            return;
        }
        let started = Instant::now();
        let (mut evaluated, mut failures) = self.evaluate_closed();
        failures.extend(self.parts.engine.sweep().err());
        if self.open_due.is_none_or(|open_due| due >= open_due) {
            let began = Instant::now();
            let (open, failed) = self.evaluate_open();
            self.open_due = Some(due + self.parts.evaluate_every.max(began.elapsed() * ROUND_SHARE));
            evaluated += open;
            failures.extend(failed);
        }
        failures.iter().for_each(report_failure);
        self.failures += failures.len() as u64;
        if evaluated > 0 {
            self.evaluation.observe(started.elapsed().as_secs_f64());
        }
        self.publish_figures();
    }

    fn publish_figures(&mut self) {
        let faults = (self.refused_rows, self.failures);
        let published = Published::of(&self.parts.engine, (self.parts.clock)(), &self.evaluation, faults);
        self.published.send_replace(Arc::new(published));
        self.unpublished = 0;
    }

    /// Takes note of reports that were made: the models have let go of those before them, and what is published does too.
    fn made(&mut self, reports: usize) {
        self.unpublished += reports;
        if self.unpublished >= PUBLISHED_AT_ONCE {
            self.publish_figures();
        }
    }

    /// Evaluates what is open, model by model, so that no more is in memory twice than is published at once.
    fn evaluate_open(&mut self) -> (usize, Vec<EngineError>) {
        let (mut evaluated, mut failures) = (0, Vec::new());
        let mut last = None;
        while let Some((model, reports)) = self.parts.engine.evaluate_open_next(last.as_ref()) {
            match reports {
                Ok(reports) => {
                    evaluated += reports;
                    self.made(reports);
                }
                Err(error) => failures.push(error),
            }
            last = Some(model);
        }
        (evaluated, failures)
    }

    /// Evaluates what closed, model by model. Where hours close at once, what all models have to store would be hundreds
    /// of megabytes: it goes on after the next checkpoint where too much waits for it.
    fn evaluate_closed(&mut self) -> (usize, Vec<EngineError>) {
        let now = (self.parts.clock)();
        let (mut evaluated, mut failures) = (0, Vec::new());
        loop {
            self.checkpoint_a_part();
            self.held_up = self.parts.checkpoints.is_behind();
            if self.held_up {
                break;
            }
            let last = self.closed_through.take();
            let Some((model, ticked)) = self.parts.engine.tick_next(now, last.as_ref()) else { break };
            self.tell(ticked.events);
            if let Some(outbox) = &mut self.parts.outbox {
                ticked.closed.iter().for_each(|report| outbox.put(report, now));
            }
            let reports = ticked.closed.len();
            evaluated += reports;
            failures.extend(ticked.failures);
            drop(ticked.closed);
            self.made(reports);
            self.closed_through = Some(model);
        }
        (evaluated, failures)
    }

    fn checkpoint_a_part(&mut self) {
        let sealed = self.parts.checkpoints.begin_if_part(&mut self.parts.engine);
        sealed.into_iter().for_each(|number| self.sealed(number));
    }
}
