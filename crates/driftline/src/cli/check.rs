//! `driftline check`: a configuration's faults, all at once.

use std::process::ExitCode;

use clap::Args;

use super::ConfigArgument;

/// Check a configuration and report all its faults.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    config: ConfigArgument,
}

impl Check {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config.load()?;
        println!(
            "{} is valid: it listens on {}.",
            self.config.config.display(),
            config.options.server.listen
        );
        for model in &config.models {
            let windows: Vec<_> = model.time.windows().iter().map(|window| window.name().as_ref()).collect();
            let features = match model.options.features.len() {
                0 => "features learned from its first events".to_owned(),
                1 => "1 feature".to_owned(),
                n => format!("{n} features"),
            };
            println!("  model {}: {features}, windows {}", model.options.name, windows.join(", "));
        }
        if config.models.is_empty() {
            println!("  no models; they are registered from their first events");
        }
        Ok(ExitCode::SUCCESS)
    }
}
