//! The files of `deploy/`, as they are and made quick.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::census::project;

/// Where the runbooks are, seen from the project.
pub const RUNBOOKS: &str = "docs/runbooks";

/// The folder `deploy/`.
#[must_use]
pub fn deploy() -> PathBuf {
    project().join("deploy")
}

/// What is slow in the files for a test, and what is put in its place. All of it must occur.
const QUICK: &[(&str, &[(&str, &str)])] = &[
    (
        "prometheus/prometheus.yml",
        &[
            ("_interval: 15s", "_interval: 1s"),
            // Every rule is to be evaluated; but of the two ways to hear of models only one is to be told.
            ("  # - rules/incidents.yml", "  - rules/incidents.yml"),
            (
                "alerting:\n",
                "alerting:\n  alert_relabel_configs: \
                 [{ source_labels: [alertname], regex: DriftlineIncident, action: drop }]\n",
            ),
        ],
    ),
    ("prometheus/secrets/driftline-token", &[]),
    (
        "prometheus/rules/recording.yml",
        &[
            // Event time that runs fast comes from the past.
            (" - 900", " - 1000000"),
            ("[7d:30m] offset 1h", "[2m:2s] offset 15s"),
            ("[6h:5m] offset 30m", "[2m:2s] offset 15s"),
            ("[30m]", "[20s]"),
            ("[5m]", "[10s]"),
            ("interval: 1m", "interval: 2s"),
        ],
    ),
    (
        "prometheus/rules/model.yml",
        &[
            ("for: 1m", "for: 2s"),
            ("keep_firing_for: 10m", "keep_firing_for: 15s"),
            // Nobody is at fault if a slow machine stutters.
            ("for: 5m", "for: 1m"),
        ],
    ),
    ("prometheus/rules/service.yml", &[("for: 1m", "for: 2s")]),
    ("prometheus/rules/host.yml", &[]),
    ("prometheus/rules/incidents.yml", &[]),
    (
        "alertmanager/alertmanager.yml",
        &[
            ("group_wait: 30s", "group_wait: 2s"),
            ("group_wait: 10s", "group_wait: 1s"),
            ("group_wait: 2m", "group_wait: 2s"),
            ("group_interval: 5m", "group_interval: 3s"),
        ],
    ),
    ("alertmanager/templates/driftline.tmpl", &[]),
];

/// A copy of the files of `deploy/` that Prometheus and Alertmanager read.
#[derive(Debug)]
pub struct Files {
    folder: TempDir,
}

impl Files {
    /// The files with `host:port` put in place by what is on loopback, quick, and with Slack switched on, whose
    /// messages go to the inbox too.
    ///
    /// # Panics
    /// If a file is missing, or has nothing of what is to be replaced in it.
    #[must_use]
    pub fn quick(places: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let slack = folder.path().join("slack-url");
        let inbox = &places.iter().find(|(name, _)| *name == "inbox:8082").expect("there is an inbox").1;
        fs::write(&slack, format!("http://{inbox}/slack")).expect("the folder can be written");
        for (name, replacements) in QUICK {
            let from = deploy().join(name);
            let mut text =
                fs::read_to_string(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
            for (slow, quick) in *replacements {
                assert!(text.contains(slow), "{name} has no {slow:?} any more: change QUICK too");
                text = text.replace(slow, quick);
            }
            if !name.contains("rules/") {
                for (place, loopback) in places {
                    text = text.replace(place, loopback);
                }
            }
            if *name == "alertmanager/alertmanager.yml" {
                text = channel_switched_on(&text, "slack_configs");
                let secret = "/etc/alertmanager/secrets/slack-url";
                assert!(text.contains(secret), "{name} has no {secret} any more");
                text = text.replace(secret, &slack.to_string_lossy());
            }
            let to = folder.path().join(name);
            fs::create_dir_all(to.parent().expect("files are in folders")).expect("folders can be made");
            fs::write(to, text).expect("the folder can be written");
        }
        Self { folder }
    }

    /// Where they are: below `prometheus/` and `alertmanager/`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Alertmanager's configuration with the blocks of a channel no longer marked as comment, as its users do it.
///
/// # Panics
/// If there is no such block.
#[must_use]
pub fn channel_switched_on(config: &str, channel: &str) -> String {
    let mut found = false;
    let mut inside = false;
    let mut text = String::new();
    for line in config.lines() {
        let trimmed = line.trim_start();
        let begins = trimmed == format!("# {channel}:");
        inside = begins || (inside && trimmed.starts_with("#   "));
        found |= begins;
        if inside {
            text.push_str(&line.replacen("# ", "", 1));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    assert!(found, "alertmanager.yml has no block of {channel}");
    text
}
