//! `driftline backup`: a copy of the state, of a running service or of a folder at rest.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use driftline::{Backup as Made, backup};
use driftline_store::{State, StateSpec};

/// Copy the state of a running service, or of a state folder that none uses.
///
/// A running service copies itself, consistently and without a pause, into `backups` in its state folder. To go back
/// to a backup, stop the service, move its state folder away, and put the backup in its place.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The service's address.
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "DRIFTLINE_URL")]
    url: String,
    /// A token with the scope `admin`, where the service has tokens.
    #[arg(long, env = "DRIFTLINE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Copy this state folder, which no service uses now, instead of asking one.
    #[arg(long, value_name = "FOLDER", requires = "to")]
    state: Option<PathBuf>,
    /// Where the copy of `--state` goes: a folder that is not there yet.
    #[arg(long, value_name = "FOLDER", requires = "state")]
    to: Option<PathBuf>,
}

impl Backup {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let made = match (&self.state, &self.to) {
            (Some(folder), Some(to)) => {
                super::state::check_is_there(folder)?;
                backup(&State::open(folder, StateSpec::default())?, to)?
            }
            _ => super::runtime()?.block_on(self.ask())?,
        };
        println!("Checkpoint {} with {} entries is in {}.", made.checkpoint, made.entries, made.path);
        Ok(ExitCode::SUCCESS)
    }

    async fn ask(&self) -> anyhow::Result<Made> {
        let url = format!("{}/v1/backups", self.url.trim_end_matches('/'));
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut request = client.post(&url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.with_context(|| {
            format!("{url} does not answer; for a state folder at rest use --state FOLDER --to FOLDER")
        })?;
        let status = answer.status();
        let text = answer.text().await?;
        anyhow::ensure!(status.is_success(), "the service refused: {status}: {text}");
        serde_json::from_str(&text).context("the service's answer is no backup")
    }
}
