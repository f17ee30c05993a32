//! The command line.

mod alerts;
mod backtest;
mod backup;
mod check;
mod demo;
mod docs;
mod healthcheck;
mod progress;
mod reference;
mod replay;
mod schemas;
mod serve;
mod simulate;
mod state;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use driftline::config::{Config, ModelConfig};

/// Watches machine-learning models in production: drift, performance, latency and data quality.
#[derive(Debug, Parser)]
#[command(name = "driftline", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve(serve::Serve),
    /// Watch a simulated model drift and degrade, live in this terminal. Needs no configuration.
    Demo(demo::Demo),
    /// Build a model's reference from tables, or show it.
    Reference(reference::ReferenceCommand),
    /// Run tables through the engine and write the final report of every window.
    Replay(replay::Replay),
    /// Send the traffic of a simulated model service to a running Driftline.
    Simulate(Box<simulate::Simulate>),
    /// Try where alerts go.
    Alerts(alerts::Alerts),
    /// Run the rules over the past, and show what would have fired when.
    Backtest(backtest::Backtest),
    /// Check a configuration and report all its faults.
    Check(check::Check),
    /// Ask a running service whether it is ready; for container health checks.
    Healthcheck(healthcheck::Healthcheck),
    /// Look into a state folder that no service uses now, or into a backup.
    State(state::StateCommand),
    /// Copy the state of a running service, or of a state folder that none uses.
    Backup(backup::Backup),
    /// Write the JSON Schemas of events and reports.
    Schemas(schemas::Schemas),
    /// Write the reference pages of the configuration and the metrics.
    Docs(docs::Docs),
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(command) => command.run(),
            Command::Demo(command) => command.run(),
            Command::Reference(command) => command.run(),
            Command::Replay(command) => command.run(),
            Command::Simulate(command) => command.run(),
            Command::Alerts(command) => command.run(),
            Command::Backtest(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Healthcheck(command) => command.run(),
            Command::State(command) => command.run(),
            Command::Backup(command) => command.run(),
            Command::Schemas(command) => command.run(),
            Command::Docs(command) => command.run(),
        }
    }
}

/// The configuration file, for the commands that need one.
#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", env = "DRIFTLINE_CONFIG")]
    config: PathBuf,
}

impl ConfigArgument {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(&self.config, environment())?)
    }
}

/// A time, as arguments write it.
fn time(text: &str) -> Result<driftline_events::EventTime, String> {
    driftline_events::EventTime::parse(text).ok_or_else(|| "no time as in 2026-01-01T00:00:00Z".to_owned())
}

/// Variables that arguments are taken from: no keys of the configuration.
const OF_ARGUMENTS: [&str; 3] = ["DRIFTLINE_CONFIG", "DRIFTLINE_URL", "DRIFTLINE_TOKEN"];

/// The environment's variables that are text.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(key, _)| !OF_ARGUMENTS.contains(&key.as_str()))
}

/// The model of that name; the only one if no name is given.
fn model<'a>(config: &'a Config, name: Option<&str>) -> anyhow::Result<&'a ModelConfig> {
    let known = || {
        let names: Vec<_> = config.models.iter().map(|model| model.options.name.as_str()).collect();
        if names.is_empty() {
            "the configuration has none".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        }
    };
    match (name, config.models.as_slice()) {
        (Some(name), models) => models
            .iter()
            .find(|model| model.options.name == name)
            .with_context(|| format!("there is no model {name:?} in the configuration; {}", known())),
        (None, [model]) => Ok(model),
        (None, _) => anyhow::bail!("name one of the configuration's models with --model; {}", known()),
    }
}

/// A runtime for the commands that talk to the network.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")
}

/// Done when the process is asked to stop: by Ctrl-C, or by SIGTERM as containers are.
async fn asked_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => tokio::select! {
                () = interrupted => {}
                _ = terminated.recv() => {}
            },
            Err(_) => interrupted.await,
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
}

/// Log lines for a command that works in a terminal: warnings and worse, beside what the command prints.
fn log_warnings() {
    // A second subscriber in one process is a fault of the caller only.
    drop(
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_writer(std::io::stderr)
            .with_target(false)
            .without_time()
            .try_init(),
    );
}

/// Makes the folder that a file is to be written in.
fn make_folder_of(file: &Path) -> anyhow::Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display())),
        _ => Ok(()),
    }
}
