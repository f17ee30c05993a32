//! `driftline backtest`: what the rules would have said.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use driftline::config::{Config, ModelConfig};
use driftline::reference_files::load_or_build;
use driftline::replay::{ReplayCounts, ReplayInput, ReplaySink, replay};
use driftline_evaluate::{AlertBook, AlertEvent, EventAction, WindowReport};
use driftline_events::EventTime;
use driftline_store::{HistorySpec, ReferenceFolder, State, StateSpec, StoredHistory};
use driftline_tables::RowRejection;

use super::replay::{IN_MEMORY, tables};
use super::{ConfigArgument, log_warnings, model};

/// Run the rules over the past, and show what would have fired when.
///
/// Over the stored history of window reports (of a state folder that no service uses now, or a backup), or over tables.
/// Windows are looked at as they were in the end, with all the labels that ever came.
#[derive(Debug, Args)]
pub(crate) struct Backtest {
    #[command(flatten)]
    config: ConfigArgument,
    /// The model; not needed if the configuration has one only.
    #[arg(long)]
    model: Option<String>,
    /// The state folder or backup; without it and without tables, that of the configuration.
    #[arg(long, value_name = "FOLDER", conflicts_with = "predictions")]
    state: Option<PathBuf>,
    /// Predictions: Parquet, CSV or NDJSON files, or patterns like 'day-*.parquet'.
    #[arg(long, value_name = "TABLE", num_args = 1..)]
    predictions: Vec<PathBuf>,
    /// Labels, likewise. Not needed if the predictions' tables have the label's column.
    #[arg(long, value_name = "TABLE", num_args = 1..)]
    labels: Vec<PathBuf>,
    /// Only windows that end after this time, like 2026-01-01T00:00:00Z.
    #[arg(long, value_parser = super::time)]
    from: Option<EventTime>,
    /// Only windows that start before this time.
    #[arg(long, value_parser = super::time)]
    to: Option<EventTime>,
}

/// Reports come in order of their ends; those of one end are looked at together.
struct Court {
    book: AlertBook,
    from: Option<EventTime>,
    to: Option<EventTime>,
    same_end: Vec<WindowReport>,
    windows: u64,
    events: Vec<AlertEvent>,
}

impl Court {
    fn hear(&mut self, report: &WindowReport) {
        let span = &report.window;
        if self.from.is_some_and(|from| span.end <= from) || self.to.is_some_and(|to| span.start >= to) {
            return;
        }
        if self.same_end.last().is_some_and(|last| last.window.end != span.end) {
            self.judge();
        }
        self.windows += u64::from(report.segment.is_empty());
        // As the window stood in the end is how it is looked at first.
        self.same_end.push(WindowReport { revision: 0, ..report.clone() });
    }

    fn judge(&mut self) {
        for event in self.book.take(&std::mem::take(&mut self.same_end)) {
            println!("{}", line(&event));
            if event.action == EventAction::Opened {
                event.incident.causes.iter().take(3).for_each(|cause| println!("    {}", cause.text));
            }
            self.events.push(event);
        }
    }

    fn sum_up(&mut self) {
        self.judge();
        let opened = self.events.iter().filter(|event| event.action == EventAction::Opened).count();
        println!("\n{} windows, {opened} incidents.", self.windows);
        let ended = self.events.iter().filter(|event| event.incident.ended.is_some());
        let mut hours: BTreeMap<&str, f64> = BTreeMap::new();
        for event in ended {
            let incident = &event.incident;
            let ended = incident.ended.unwrap_or(event.time);
            hours.insert(&incident.id, ended.since(incident.started).as_secs_f64() / 3_600.0);
        }
        if !hours.is_empty() {
            let (longest, sum) = hours
                .values()
                .fold((0.0_f64, 0.0), |(longest, sum), hours| (longest.max(*hours), sum + hours));
            println!(
                "{} of them ended, after {:.1} hours on average and {longest:.1} at most.",
                hours.len(),
                sum / hours.len() as f64
            );
        }
        for (rule, counts) in self.book.counts().iter().filter(|(_, counts)| counts.fired > 0) {
            println!("  {rule}: fired {} times, ended {} times", counts.fired, counts.resolved);
        }
    }
}

/// An event in a line.
fn line(event: &AlertEvent) -> String {
    let severity = serde_json::to_value(event.incident.severity).unwrap_or_default();
    let action = serde_json::to_value(event.action).unwrap_or_default();
    format!(
        "{}  {:<9} {:<8}  {}",
        event.time,
        action.as_str().unwrap_or_default(),
        severity.as_str().unwrap_or_default(),
        event.incident.summary
    )
}

impl ReplaySink for Court {
    fn report(&mut self, report: &WindowReport) -> io::Result<()> {
        self.hear(report);
        Ok(())
    }

    fn rejected(&mut self, _: &'static str, _: &RowRejection) {}

    fn progress(&mut self, _: &ReplayCounts) {}
}

impl Backtest {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        log_warnings();
        let config = self.config.load()?;
        let model = model(&config, self.model.as_deref())?;
        let mut court = Court {
            book: AlertBook::new(model.options.name.as_str(), Arc::clone(&model.alerts)),
            from: self.from,
            to: self.to,
            same_end: Vec::new(),
            windows: 0,
            events: Vec::new(),
        };
        if self.predictions.is_empty() {
            self.over_history(&config, model, &mut court)?;
        } else {
            self.over_tables(&config, model, &mut court)?;
        }
        court.sum_up();
        Ok(ExitCode::SUCCESS)
    }

    fn over_history(&self, config: &Config, model: &ModelConfig, court: &mut Court) -> anyhow::Result<()> {
        let folder = self.state.clone().unwrap_or_else(|| config.resolve(&config.options.state.path));
        super::state::check_is_there(&folder)?;
        let state = State::open(&folder, StateSpec::default())?;
        let spec = HistorySpec { reports_per_model: usize::MAX, reports_retention: None };
        let history = StoredHistory::open(state, spec)?;
        history.export(Some(&model.options.name), self.from, self.to, &mut |report| {
            court.hear(&report);
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    fn over_tables(&self, config: &Config, model: &ModelConfig, court: &mut Court) -> anyhow::Result<()> {
        let (predictions, labels) = tables(&self.predictions, &self.labels, model)?;
        let folder = ReferenceFolder::of(&config.resolve(&config.options.state.path));
        let input = ReplayInput {
            model,
            reference: load_or_build(model, &folder, driftline::now())?,
            predictions: &predictions,
            labels: labels.as_ref(),
            pending_predictions: config.options.state.pending_predictions.min(IN_MEMORY),
        };
        replay(&input, court)?;
        Ok(())
    }
}
