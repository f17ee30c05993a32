//! `driftline state`: what is in a state folder.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use driftline::state_folder::{self, stored_models};
use driftline_evaluate::WindowReport;
use driftline_events::EventTime;
use driftline_store::{HistorySpec, State, StateSpec, StoredHistory};
use driftline_tables::FiguresWriter;

/// Look into a state folder that no service uses now, or into a backup.
#[derive(Debug, Args)]
pub(crate) struct StateCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what is in it, and how large.
    Inspect(Inspect),
    /// Write the history of window reports into a Parquet file, one row for each figure.
    Export(Export),
}

#[derive(Debug, Args)]
struct Inspect {
    /// The state folder.
    folder: PathBuf,
}

#[derive(Debug, Args)]
struct Export {
    /// The state folder.
    folder: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE.parquet")]
    out: PathBuf,
    /// Only this model.
    #[arg(long)]
    model: Option<String>,
    /// Only windows that end after this time, like 2026-01-01T00:00:00Z.
    #[arg(long, value_parser = super::time)]
    from: Option<EventTime>,
    /// Only windows that start before this time.
    #[arg(long, value_parser = super::time)]
    to: Option<EventTime>,
}

/// A folder that is read must be there: opening would make an empty one.
pub(super) fn check_is_there(folder: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(folder.join("checkpoint").is_dir(), "{} is no state folder", folder.display());
    Ok(())
}

impl StateCommand {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        super::log_warnings();
        match self.action {
            Action::Inspect(inspect) => inspect.run(),
            Action::Export(export) => export.run(),
        }
    }
}

impl Inspect {
    fn run(self) -> anyhow::Result<ExitCode> {
        check_is_there(&self.folder)?;
        let state = State::open(&self.folder, StateSpec::default())?;
        let positions = state_folder::positions(&state)?;
        println!("{}: state {}, checkpoint {}", self.folder.display(), state.id(), state.committed());
        println!("journal position {}", positions.journal);
        for position in &positions.kafka {
            println!("Kafka position {} {} {}", position.topic, position.partition, position.next);
        }
        let mut models = super::table::new(&["model", "number", "from", "features", "panes"]);
        for model in stored_models(&state)? {
            models.add_row([
                model.name,
                model.number.to_string(),
                model.origin,
                model.features.to_string(),
                model.panes.to_string(),
            ]);
        }
        println!("{models}");
        let sizes = state.sizes()?;
        let mut tables = super::table::new(&["table", "entries", "MB on disk"]);
        for table in &sizes.tables {
            let megabytes = format!("{:.1}", table.disk_bytes as f64 / 1e6);
            tables.add_row([table.table.name().to_owned(), table.entries.to_string(), megabytes]);
        }
        println!("{tables}");
        println!("log {:.1} MB", sizes.log_bytes as f64 / 1e6);
        Ok(ExitCode::SUCCESS)
    }
}

impl Export {
    fn run(self) -> anyhow::Result<ExitCode> {
        check_is_there(&self.folder)?;
        let state = State::open(&self.folder, StateSpec::default())?;
        let spec = HistorySpec { reports_per_model: usize::MAX, reports_retention: None };
        let history = StoredHistory::open(state, spec)?;
        super::make_folder_of(&self.out)?;
        let mut writer = FiguresWriter::try_new(&self.out)?;
        let (mut reports, mut failed) = (0_u64, None);
        let mut show = |report: WindowReport| {
            reports += 1;
            match state_folder::push_figures(&report, &mut writer) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        history.export(self.model.as_deref(), self.from, self.to, &mut show)?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        writer.finish()?;
        println!("{reports} window reports are in {}.", self.out.display());
        Ok(ExitCode::SUCCESS)
    }
}
