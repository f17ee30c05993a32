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
    build: Build,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show a stored reference.
    Show(Show),
}

/// What is needed without a subcommand; with one, nothing of it is there.
#[derive(Debug, Args)]
struct Build {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", env = "DRIFTLINE_CONFIG", required = true)]
    config: Option<PathBuf>,
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
        match self.action {
            Some(Action::Show(show)) => show.run(),
            None => self.build.run(),
        }
    }
}

impl Build {
    fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config.context("name the configuration file with --config")?;
        let config = ConfigArgument { config }.load()?;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;
    use driftline_events::ModelId;

    use super::*;
    use crate::cli::Cli;

    fn run<'a>(arguments: impl IntoIterator<Item = &'a Path>) -> anyhow::Result<ExitCode> {
        let command = ["driftline", "reference"].map(Path::new);
        Cli::try_parse_from(command.into_iter().chain(arguments)).expect("the arguments are right").run()
    }

    /// Builds a reference of two rows for a model whose reference is of this kind.
    fn build(folder: &Path, reference: &str) -> anyhow::Result<ExitCode> {
        let (config, table) = (folder.join("driftline.toml"), folder.join("rows.csv"));
        let model = format!(
            "[[models]]\nname = \"m\"\ntask = \"multiclass\"\nreference = {reference}\n\
             features = [{{ name = \"x\", kind = \"numeric\" }}]\n"
        );
        std::fs::write(&config, model).expect("the folder can be written");
        std::fs::write(&table, "x\n1\n2\n").expect("the folder can be written");
        run([Path::new("--config"), &config, Path::new("--from"), &table])
    }

    #[test]
    fn a_built_reference_says_that_it_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        build(folder.path(), r#"{ kind = "file", path = "not-there.csv" }"#).unwrap();
        let references = ReferenceFolder::of(&folder.path().join("driftline-state"));
        let stored = references.load(&ModelId::try_new("m").unwrap()).unwrap().unwrap();
        let source = format!("driftline reference --from {}", folder.path().join("rows.csv").display());
        assert_eq!((stored.rows, stored.source), (2, source));
        run([Path::new("show"), Path::new("--config"), &folder.path().join("driftline.toml")]).unwrap();
    }

    #[test]
    fn a_configuration_and_a_table_are_needed() {
        for arguments in
            [&["reference"][..], &["reference", "--from", "x.csv"], &["reference", "-c", "x.toml"]]
        {
            let error = Cli::try_parse_from(["driftline"].iter().chain(arguments)).unwrap_err();
            assert_eq!(error.kind(), clap::error::ErrorKind::MissingRequiredArgument, "{error}");
        }
    }

    #[test]
    fn a_model_that_is_compared_with_its_own_windows_gets_none() {
        let folder = tempfile::tempdir().unwrap();
        let error = build(folder.path(), r#"{ kind = "trailing", windows = 3 }"#).unwrap_err();
        assert!(error.to_string().contains("compared with its own windows"), "{error}");
        assert!(!folder.path().join("driftline-state").exists(), "nothing was stored");
    }
}
