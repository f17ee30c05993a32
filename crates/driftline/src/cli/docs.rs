//! `driftline docs`: the reference pages of the documentation, from the types.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

/// Write the reference pages of the configuration and the metrics.
#[derive(Debug, Args)]
pub(crate) struct Docs {
    /// The folder to write them into.
    #[arg(long, value_name = "FOLDER", default_value = "docs")]
    out: PathBuf,
}

impl Docs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        std::fs::create_dir_all(&self.out)
            .with_context(|| format!("cannot make the folder {}", self.out.display()))?;
        for (name, page) in driftline::documents::all() {
            let path = self.out.join(name);
            std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{}", path.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
