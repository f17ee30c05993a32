//! `driftline schemas`: the JSON Schemas of events and reports, from the types.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

/// Write the JSON Schemas of events and reports.
#[derive(Debug, Args)]
pub(crate) struct Schemas {
    /// The folder to write them into.
    #[arg(long, value_name = "FOLDER", default_value = "schemas")]
    out: PathBuf,
}

impl Schemas {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make the folder {}", self.out.display()))?;
        for (name, schema) in driftline::schemas::all() {
            let path = self.out.join(name);
            std::fs::write(&path, schema).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{}", path.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
