//! `driftline healthcheck`: for images that have no shell and no curl.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

/// Ask a running service whether it is ready; for container health checks.
#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    /// The service's address.
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "DRIFTLINE_URL")]
    url: String,
}

impl Healthcheck {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        super::runtime()?.block_on(async {
            let url = format!("{}/readyz", self.url.trim_end_matches('/'));
            let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).no_proxy().build()?;
            let answer = match client.get(&url).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    eprintln!("not ready: {url} does not answer: {}", root_cause(&error));
                    return Ok(ExitCode::FAILURE);
                }
            };
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            if status.is_success() {
                println!("ready");
                Ok(ExitCode::SUCCESS)
            } else {
                eprintln!("not ready: {status}: {text}");
                Ok(ExitCode::FAILURE)
            }
        })
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
