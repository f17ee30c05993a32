//! A Kafka broker as a process of its own.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::Mutex;

use super::Client;
use crate::census::project;
use crate::child::Child;
use crate::ports;

/// A broker on a slow machine that does much else takes some seconds to start.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A broker with one node, in KRaft mode; or, from [`Broker::shared`], whichever `DRIFTLINE_TEST_KAFKA` names.
///
/// It ends when this is dropped.
#[derive(Debug)]
pub struct Broker {
    address: String,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    folder: TempDir,
    jars: PathBuf,
    process: Option<Child>,
}

static SHARED: Mutex<Weak<Broker>> = Mutex::const_new(Weak::new());

impl Broker {
    /// Starts a broker of this test's own.
    ///
    /// # Panics
    /// With what is missing or the broker's log, if it does not start.
    pub async fn start() -> Self {
        let jars = jars().to_owned();
        for attempt in 1.. {
            let (port, controller) = (ports::free(), ports::free());
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            configure(folder.path(), port, controller);
            format(&jars, folder.path());
            let own = Own { folder, jars: jars.clone(), process: None };
            let mut broker = Self { address: format!("127.0.0.1:{port}"), own: Some(own) };
            match broker.run().await {
                Ok(()) => return broker,
                // Another process was quicker.
                Err(log) if attempt < 3 && log.contains("Address already in use") => {}
                Err(log) => panic!("the broker did not start: {log}"),
            }
        }
        unreachable!("the third attempt returns or panics")
    }

    /// The broker that `DRIFTLINE_TEST_KAFKA` names, or one that the tests of this program share while any of them
    /// uses it.
    ///
    /// # Panics
    /// As [`Broker::start`]; or if the named broker does not answer.
    pub async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(broker) = shared.upgrade() {
            return broker;
        }
        let broker = match std::env::var("DRIFTLINE_TEST_KAFKA") {
            Ok(address) if !address.is_empty() => {
                let broker = Self { address, own: None };
                let answers = broker.client().answers(Duration::from_secs(30)).await;
                assert!(answers, "DRIFTLINE_TEST_KAFKA={}: no broker answers there", broker.address);
                Arc::new(broker)
            }
            _ => Arc::new(Self::start().await),
        };
        *shared = Arc::downgrade(&broker);
        broker
    }

    /// Its address, as `127.0.0.1:9092`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// Stops it in an orderly way; its data stay.
    ///
    /// # Panics
    /// If it does not run, or is not the test's own.
    pub fn stop(&mut self) {
        self.process().stop(STOP_TIMEOUT);
        self.own().process = None;
    }

    /// Kills it with SIGKILL; its data stay as they are.
    ///
    /// # Panics
    /// If it does not run, or is not the test's own.
    pub fn kill(&mut self) {
        self.process().kill();
        self.own().process = None;
    }

    /// Starts it again after [`Broker::stop`] or [`Broker::kill`]: at the same address, with the same data.
    ///
    /// # Panics
    /// If it runs, is not the test's own, or does not start.
    pub async fn restart(&mut self) {
        assert!(self.own().process.is_none(), "the broker runs; stop or kill it first");
        if let Err(log) = self.run().await {
            panic!("the broker did not start again: {log}");
        }
    }

    fn own(&mut self) -> &mut Own {
        self.own.as_mut().expect("this broker is not the test's own: use Broker::start")
    }

    fn process(&mut self) -> &mut Child {
        self.own().process.as_mut().expect("the broker runs")
    }

    async fn run(&mut self) -> Result<(), String> {
        let own = self.own();
        let folder = own.folder.path();
        let mut command = java(&own.jars, folder);
        // Compiling little and collecting on one thread: what matters on a small machine is how soon it is up.
        command.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.arg("kafka.Kafka").arg(folder.join("server.properties"));
        own.process = Some(Child::spawn("the Kafka broker", command, &folder.join("broker.log")));
        let client = self.client();
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            if client.answers(Duration::from_millis(500)).await {
                return Ok(());
            }
            if self.process().has_ended() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = self.process().log_tail();
        self.own().process = None;
        Err(log)
    }
}

/// The folder with Kafka's jars; fetched unless they are there.
fn jars() -> &'static Path {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(|| {
        let fetch = project().join("tests/data/fetch-kafka");
        let output = Command::new(&fetch).output().expect("tests/data/fetch-kafka can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}

fn java(jars: &Path, folder: &Path) -> Command {
    let mut command = Command::new("java");
    let mut logging = std::ffi::OsString::from("-Dlog4j2.configurationFile=");
    logging.push(folder.join("log4j2.xml"));
    command.arg(logging).arg("-cp").arg(jars.join("*"));
    command
}

fn configure(folder: &Path, port: u16, controller: u16) {
    let mut properties = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         log.dirs={}\n",
        folder.join("data").display()
    );
    // One node cannot have replicas; tests do not want to wait; a killed consumer should soon be missed,
    // and a killed broker soon be let in again.
    for (key, value) in [
        ("offsets.topic.replication.factor", "1"),
        ("offsets.topic.num.partitions", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("transaction.state.log.num.partitions", "1"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
        ("auto.create.topics.enable", "false"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.min.session.timeout.ms", "1000"),
        ("log.cleaner.enable", "false"),
        ("num.network.threads", "2"),
        ("num.io.threads", "2"),
        ("broker.session.timeout.ms", "1000"),
        ("broker.heartbeat.interval.ms", "100"),
        ("initial.broker.registration.timeout.ms", "60000"),
    ] {
        writeln!(properties, "{key}={value}").expect("text takes all writes");
    }
    std::fs::write(folder.join("server.properties"), properties).expect("the folder can be written");
    let logging = r#"<Configuration status="ERROR">
        <Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1}: %m%n"/></Console></Appenders>
        <Loggers><Root level="INFO"><AppenderRef ref="out"/></Root></Loggers>
        </Configuration>"#;
    std::fs::write(folder.join("log4j2.xml"), logging).expect("the folder can be written");
}

/// Gives the data folder its identity, as KRaft wants it.
fn format(jars: &Path, folder: &Path) {
    let log = folder.join("format.log");
    let out = File::create(&log).expect("the folder can be written");
    let err = out.try_clone().expect("a file has a second handle");
    let status = java(jars, folder)
        .args(["-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"])
        // Any identity will do: nothing else reads this folder.
        .args(["--cluster-id", "ZHJpZnRsaW5lLXRlc3RzIQ", "--config"])
        .arg(folder.join("server.properties"))
        .stdout(out)
        .stderr(err)
        .status()
        .expect("java is installed: scripts/setup --tests");
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    assert!(status.success(), "the broker's folder could not be formatted: {text}");
}
