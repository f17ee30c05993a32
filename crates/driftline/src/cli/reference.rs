//! `driftline reference`: what windows are compared with.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use driftline::reference_files;
use driftline_store::ReferenceFolder;

use super::{ConfigArgument, log_warnings, model, progress, table};

/// Build a model's reference from tables and store it in the state folder, or show the stored one.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ReferenceCommand {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    build: Option<Build>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show a stored reference.
    Show(Show),
}

#[derive(Debug, Args)]
struct Build {
    #[command(flatten)]
    config: ConfigArgument,
    /// The model; not needed if the configuration has one only.
    #[arg(long)]
    model: Option<String>,
    /// Parquet, CSV or NDJSON files, or patterns like 'day-*.parquet'.
    #[arg(long, value_name = "TABLE", required = true, num_args = 1..)]
    from: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    config: ConfigArgument,
    /// The model; not needed if the configuration has one only.
    #[arg(long)]
    model: Option<String>,
}

impl ReferenceCommand {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        log_warnings();
        match (self.action, self.build) {
            (Some(Action::Show(show)), _) => show.run(),
            (None, Some(build)) => build.run(),
            (None, None) => anyhow::bail!("say what to do: --from TABLE builds a reference, `show` shows it"),
        }
    }
}

impl Build {
    fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?;
        let model = model(&config, self.model.as_deref())?;
        reference_files::check_takes_table(model)?;
        let bar = progress::rows(None, "reading");
        let mut step = "";
        let mut reference = reference_files::build(model, &self.from, driftline::now(), &mut |progress| {
            if progress.step != step {
                step = progress.step;
                bar.set_message(step);
            }
            bar.set_position(progress.rows);
        })?;
        bar.finish_and_clear();
        reference.source = reference_files::source_by_command(&self.from);
        let folder = ReferenceFolder::of(&config.resolve(&config.options.state.path));
        let path = folder.save(model.schema.model(), &reference)?;
        table::reference(model, &reference);
        println!("Stored in {}.", path.display());
        Ok(ExitCode::SUCCESS)
    }
}

impl Show {
    fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?;
        let model = model(&config, self.model.as_deref())?;
        let folder = ReferenceFolder::of(&config.resolve(&config.options.state.path));
        let id = model.schema.model();
        let reference = folder.load(id)?.with_context(|| {
            format!(
                "model {id} has no stored reference ({} is not there); build one with `driftline reference --from TABLE`",
                folder.path(id).display()
            )
        })?;
        table::reference(model, &reference);
        Ok(ExitCode::SUCCESS)
    }
}
