//! A child process whose log is shown when a test fails, and that ends with the test.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Enough of a log to see why a process failed.
const TAIL_BYTES: u64 = 8_000;

/// A process, with what it says in a file.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    input: Option<ChildStdin>,
    log: PathBuf,
}

impl Child {
    /// Runs a command with no input; what it says is added to the file `log`.
    ///
    /// # Panics
    /// If it cannot be run.
    #[must_use]
    pub fn spawn(name: &str, command: Command, log: &Path) -> Self {
        Self::spawn_with(Stdio::null(), name, command, log)
    }

    /// As [`Child::spawn`], for a command that is told more by [`Child::say`].
    ///
    /// # Panics
    /// If it cannot be run.
    #[must_use]
    pub fn spawn_to_tell(name: &str, command: Command, log: &Path) -> Self {
        Self::spawn_with(Stdio::piped(), name, command, log)
    }

    fn spawn_with(input: Stdio, name: &str, mut command: Command, log: &Path) -> Self {
        let out = File::options().create(true).append(true).open(log).expect("the log can be written");
        let err = out.try_clone().expect("a file has a second handle");
        let mut process = command
            .stdin(input)
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: cannot run {:?}: {error}", command.get_program()));
        let input = process.stdin.take();
        Self { name: name.to_owned(), process, input, log: log.to_owned() }
    }

    /// Writes a line to its input.
    ///
    /// # Panics
    /// If it has ended, or was not made by [`Child::spawn_to_tell`].
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it was spawned to be told");
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{} does not listen: {error}", self.name));
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// If the system does not know.
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().expect("a child can be asked").is_some()
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill(&mut self) {
        self.process.kill().expect("a child can be killed");
        self.process.wait().expect("a child can be waited for");
    }

    /// Asks it to stop with SIGTERM; kills it if it does not in time, which gives `None`.
    ///
    /// # Panics
    /// If the system does not know it.
    pub fn stop(&mut self, timeout: Duration) -> Option<ExitStatus> {
        self.terminate();
        let started = Instant::now();
        while started.elapsed() < timeout {
            if let Some(status) = self.process.try_wait().expect("a child can be asked") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        None
    }

    /// Asks it to stop with SIGTERM, and does not wait.
    ///
    /// # Panics
    /// If `kill` cannot be run.
    pub fn terminate(&mut self) {
        if !self.has_ended() {
            let kill = Command::new("kill").arg("-TERM").arg(self.id().to_string()).status();
            kill.expect("kill can be run");
        }
    }

    /// The end of what it said.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let mut text = Vec::new();
        let read = File::open(&self.log).and_then(|mut file| {
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            file.read_to_end(&mut text)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => format!("(its log cannot be read: {error})"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("The end of what {} said:\n{}", self.name, self.log_tail());
        }
        // It may have ended by itself; either way it is gone after this.
        if matches!(self.process.try_wait(), Ok(None)) {
            self.stop(Duration::from_secs(5));
        }
    }
}
