//! `driftline serve`: the service.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;
use driftline::Service;
use driftline::config::{Config, LogFormat, LogOptions};
use tracing_subscriber::EnvFilter;

use super::{ConfigArgument, asked_to_stop, runtime};

/// Run the service.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    config: ConfigArgument,
    /// Listen beyond loopback without tokens: whoever reaches the address may send, read and change everything.
    #[arg(long)]
    insecure: bool,
}

impl Serve {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let config: Config = self.config.load()?;
        init_log(&config.options.log);
        let models = config.models.len();
        runtime()?.block_on(async {
            let service = Service::start(config, self.insecure).await?;
            tracing::info!(
                address = %service.address(),
                models,
                version = env!("CARGO_PKG_VERSION"),
                "Listening. Send events to /v1/predictions and /v1/labels; figures are at / and /metrics."
            );
            service.run(asked_to_stop()).await?;
            tracing::info!("Stopped.");
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn init_log(options: &LogOptions) {
    let filter = EnvFilter::try_new(&options.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match options.format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
