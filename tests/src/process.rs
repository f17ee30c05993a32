//! The service as a process of its own, which can be killed and started again with its state.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::api::Api;
use crate::census::project;
use crate::child::Child;
use crate::ports;

/// Starting replays the journal; on a slow machine that does much else, for a while.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// A service: `driftline serve` with a configuration and a state folder, both in a temporary folder.
///
/// It ends when this is dropped, and its log is shown if the test fails.
#[derive(Debug)]
pub struct ServiceProcess {
    api: Api,
    folder: TempDir,
    port: u16,
    /// What runs the binary: the command and its first arguments; empty for the binary itself.
    wrapper: Vec<String>,
    process: Option<Child>,
}

impl ServiceProcess {
    /// A service with the given configuration, not started; its address and state are set here. Relative paths
    /// start from [`ServiceProcess::folder`].
    ///
    /// # Panics
    /// If the folder cannot be written.
    #[must_use]
    pub fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        std::fs::write(folder.path().join("driftline.toml"), config).expect("the folder can be written");
        let port = ports::free();
        let api = Api::new(format!("http://127.0.0.1:{port}"));
        Self { api, folder, port, wrapper: Vec::new(), process: None }
    }

    /// The same, run by another command: its arguments are the binary's command line.
    #[must_use]
    pub fn run_by(mut self, wrapper: impl IntoIterator<Item = String>) -> Self {
        self.wrapper = wrapper.into_iter().collect();
        self
    }

    /// The folder of the configuration.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The state folder.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("the service runs").id()
    }

    /// Starts the process, and does not wait until it is ready.
    ///
    /// # Panics
    /// If it runs, or cannot be started.
    pub fn spawn(&mut self) {
        assert!(self.process.is_none(), "the service runs; kill or stop it first");
        let mut command = match self.wrapper.split_first() {
            None => Command::new(binary()),
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(binary());
                command
            }
        };
        command.arg("serve").arg("--config").arg(self.folder().join("driftline.toml"));
        // What sets up the tests is no setting of the service.
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("DRIFTLINE_"))
        {
            command.env_remove(key);
        }
        command.env("DRIFTLINE_SERVER__LISTEN", format!("127.0.0.1:{}", self.port));
        command.env("DRIFTLINE_STATE__PATH", format!("{:?}", self.state()));
        let log = self.folder().join("driftline.log");
        self.process = Some(Child::spawn("driftline", command, &log));
    }

    /// Starts the process and waits until it is ready.
    ///
    /// # Panics
    /// With the service's log, if it does not get ready.
    pub async fn start(&mut self) {
        self.spawn();
        self.ready().await;
    }

    /// Waits until it is ready; tells how long that took.
    ///
    /// # Panics
    /// With the service's log, if it ends or does not get ready.
    pub async fn ready(&mut self) -> Duration {
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            assert!(!self.has_ended(), "the service ended by itself");
            let asked = self.client.get(format!("{}/readyz", self.url)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return started.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the service was not ready after {} seconds", START_TIMEOUT.as_secs());
    }

    /// Whether the process has ended by itself.
    ///
    /// # Panics
    /// If it was not started.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().expect("the service runs").has_ended()
    }

    /// Kills it with SIGKILL.
    ///
    /// # Panics
    /// If it does not run, or ended by itself before.
    pub fn kill(&mut self) {
        assert!(!self.has_ended(), "the service ended by itself");
        let mut process = self.process.take().expect("the service runs");
        process.kill();
    }

    /// Stops it with SIGTERM.
    ///
    /// # Panics
    /// If it does not end well in time.
    pub fn stop(&mut self) {
        let process = self.process.as_mut().expect("the service runs");
        let ended = process.stop(STOP_TIMEOUT);
        assert!(ended.is_some_and(|status| status.success()), "the service did not stop well: {ended:?}");
        self.process = None;
    }

    /// A figure of `/proc/PID/status` in bytes, such as `VmHWM`, the most memory it ever had.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find(|line| line.split(':').next() == Some(field));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kilobytes.unwrap_or_else(|| panic!("{field} is no figure of {status}")) * 1_024
    }

    /// What it said since it was made.
    ///
    /// # Panics
    /// If the log cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("driftline.log")).expect("the log can be read")
    }
}

impl Deref for ServiceProcess {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

/// The service's binary: `DRIFTLINE_TEST_BINARY`, or the one of this project, built as the tests are.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(binary) = std::env::var_os("DRIFTLINE_TEST_BINARY") {
            return PathBuf::from(binary);
        }
        // target/debug/deps/kill-0123456789abcdef
        let test = std::env::current_exe().expect("a program knows where it is");
        let profile = test.ancestors().nth(2).expect("cargo puts tests in a folder of its own");
        let target = profile.parent().expect("profiles are in the target folder");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(project()).args([
            "build",
            "--quiet",
            "--package",
            "driftline",
            "--bin",
            "driftline",
        ]);
        command.arg("--target-dir").arg(target);
        if profile.ends_with("release") {
            command.arg("--release");
        }
        // What cargo tells a test of its package would make build scripts think that theirs has changed, and all
        // that builds on them be built anew.
        let of_the_test = ["CARGO_PKG_", "CARGO_MANIFEST_"];
        for (key, _) in std::env::vars_os() {
            if of_the_test.iter().any(|start| key.to_string_lossy().starts_with(start)) {
                command.env_remove(key);
            }
        }
        let status = command.status().expect("cargo can be run");
        assert!(status.success(), "the service's binary cannot be built");
        profile.join("driftline")
    })
}
