//! `driftline replay`: tables through the engine.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use driftline::config::ModelConfig;
use driftline::reference_files::load_or_build;
use driftline::replay::{ReplayCounts, ReplayInput, ReplaySink, replay};
use driftline_evaluate::WindowReport;
use driftline_store::ReferenceFolder;
use driftline_tables::{RowRejection, Table};
use indicatif::ProgressBar;

use super::{ConfigArgument, log_warnings, make_folder_of, model, progress, table};

/// Run tables through the engine and write the final report of every window.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    config: ConfigArgument,
    /// The model; not needed if the configuration has one only.
    #[arg(long)]
    model: Option<String>,
    /// Predictions: Parquet, CSV or NDJSON files, or patterns like 'day-*.parquet'.
    #[arg(long, value_name = "TABLE", required = true, num_args = 1..)]
    predictions: Vec<PathBuf>,
    /// Labels, likewise. Not needed if the predictions' tables have the label's column.
    #[arg(long, value_name = "TABLE", num_args = 1..)]
    labels: Vec<PathBuf>,
    /// Where the window reports go, one a line.
    #[arg(long, value_name = "FILE.ndjson")]
    out: PathBuf,
    /// Print no table.
    #[arg(long)]
    quiet: bool,
}

/// Predictions whose label is waited for at most: a replay keeps them in memory, some 150 bytes each.
pub(super) const IN_MEMORY: usize = 20_000_000;

/// Rejected rows that are shown; the rest is counted.
const SHOWN_REJECTIONS: usize = 5;

/// Windows that the table shows: the last ones.
const SHOWN_WINDOWS: usize = 100;

struct Sink {
    out: BufWriter<File>,
    bar: ProgressBar,
    shown: std::collections::VecDeque<WindowReport>,
    rejections: usize,
}

impl ReplaySink for Sink {
    fn report(&mut self, report: &WindowReport) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, report)?;
        self.out.write_all(b"\n")?;
        // Windows that only labels arrived in are in the file.
        if report.segment.is_empty() && report.rows > 0 {
            if self.shown.len() == SHOWN_WINDOWS {
                self.shown.pop_front();
            }
            self.shown.push_back(report.clone());
        }
        Ok(())
    }

    fn rejected(&mut self, what: &'static str, row: &RowRejection) {
        self.rejections += 1;
        if self.rejections <= SHOWN_REJECTIONS {
            self.bar.println(format!(
                "rejected: {what} {} row {}: {}: {}",
                row.file, row.row, row.reason, row.detail
            ));
        }
    }

    fn progress(&mut self, counts: &ReplayCounts) {
        self.bar.set_position(counts.predictions_read);
    }
}

impl Replay {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        log_warnings();
        let config = self.config.load()?;
        let model = model(&config, self.model.as_deref())?;
        let (predictions, labels) = tables(&self.predictions, &self.labels, model)?;
        let folder = ReferenceFolder::of(&config.resolve(&config.options.state.path));
        let reference = load_or_build(model, &folder, driftline::now())?;
        for warning in predictions.warnings(&model.schema, &model.columns) {
            eprintln!("warning: {warning}");
        }
        make_folder_of(&self.out)?;
        let file = File::create(&self.out).with_context(|| format!("cannot write {}", self.out.display()))?;
        let mut sink = Sink {
            out: BufWriter::new(file),
            bar: progress::rows(predictions.rows(), "replaying"),
            shown: std::collections::VecDeque::new(),
            rejections: 0,
        };
        let input = ReplayInput {
            model,
            reference,
            predictions: &predictions,
            labels: labels.as_ref(),
            pending_predictions: config.options.state.pending_predictions.min(IN_MEMORY),
        };
        let started = Instant::now();
        let counts = replay(&input, &mut sink)?;
        sink.out.flush().with_context(|| format!("cannot write {}", self.out.display()))?;
        sink.bar.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        if !self.quiet {
            show(model, sink.shown.make_contiguous(), counts.reports);
        }
        summarise(&counts, seconds, &self.out);
        Ok(ExitCode::SUCCESS)
    }
}

/// The predictions, and the labels where there are any: in tables of their own, or in the predictions'.
pub(super) fn tables(
    predictions: &[PathBuf],
    labels: &[PathBuf],
    model: &ModelConfig,
) -> anyhow::Result<(Table, Option<Table>)> {
    let table = Table::open(predictions).context("cannot open the predictions")?;
    let labels = match labels {
        [] if table.has_labels(&model.columns) => predictions,
        [] => return Ok((table, None)),
        labels => labels,
    };
    let labels = Table::open(labels).context("cannot open the labels")?;
    Ok((table, Some(labels)))
}

fn show(model: &ModelConfig, reports: &[WindowReport], all: u64) {
    println!("{}", table::windows(model.schema.task(), reports));
    if all > reports.len() as u64 {
        println!(
            "{} of {all} reports shown: the last that have predictions, without segments.",
            reports.len()
        );
    }
}

fn summarise(counts: &ReplayCounts, seconds: f64, out: &std::path::Path) {
    println!(
        "{} predictions and {} labels in {seconds:.1} s ({:.0} rows/s); {} reports in {}.",
        counts.predictions,
        counts.labels,
        (counts.predictions_read + counts.labels_read) as f64 / seconds.max(1e-9),
        counts.reports,
        out.display()
    );
    let left_out = [
        (counts.rejected, "rows were rejected"),
        (counts.duplicates, "predictions had an id seen before"),
        (
            counts.predictions_too_late,
            "predictions came more than the retention after later ones; sort the table by timestamp, or raise retention",
        ),
        (
            counts.labels_too_late,
            "labels came too late; sort the table by timestamp, or raise label_horizon and retention",
        ),
        (counts.labels_unmatched, "labels have no prediction of their id"),
    ];
    for (count, what) in left_out {
        if count > 0 {
            println!("  {count} {what}.");
        }
    }
}
