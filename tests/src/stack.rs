//! The monitoring stack as `docker-compose.yml` starts it, from the same files, without containers: a real Prometheus,
//! Alertmanager, node-exporter and Kafka, Driftline, and a simulated model service, all on loopback.
//!
//! Host names in the files become loopback ports, and their durations become seconds ([`Files`]); nothing else differs.

mod files;
mod inbox;
mod names;
mod programs;
mod transcript;

pub use files::{Files, RUNBOOKS, channel_switched_on, deploy};
pub use inbox::{Inbox, Message};
pub use names::{Names, names_of};
pub use programs::{Alertmanager, NodeExporter, Prometheus};
pub use transcript::Transcript;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::child::Child;
use crate::kafka::Broker;
use crate::ports;
use crate::process::{ServiceProcess, binary};

/// The simulated model's name.
pub const MODEL: &str = "churn";

/// Event time runs so many times as fast as the clock: a window of 5 minutes closes every 5 seconds.
const SPEED: u32 = 60;
const PREDICTIONS_PER_SECOND: u32 = 150;

/// On a slow machine that does much else all of this takes its time.
const PATIENCE: Duration = Duration::from_secs(150);

/// A running stack. All of it ends when this is dropped.
#[derive(Debug)]
pub struct Stack {
    /// Prometheus.
    pub prometheus: Prometheus,
    /// Alertmanager.
    pub alertmanager: Alertmanager,
    /// Who is told by Alertmanager.
    pub inbox: Inbox,
    /// Driftline.
    pub driftline: ServiceProcess,
    simulator: Child,
    _node_exporter: NodeExporter,
    _files: Files,
    _kafka: Arc<Broker>,
}

impl Stack {
    /// Starts all of it and waits until each part answers; then traffic is on.
    ///
    /// # Panics
    /// If a program is not installed or does not start.
    pub async fn start() -> Self {
        let kafka = Broker::shared().await;
        let topics = kafka.client();
        let (predictions, labels, reports) = (
            topics.create_topic("predictions", 2).await,
            topics.create_topic("labels", 2).await,
            topics.create_topic("reports", 1).await,
        );
        let mut driftline = ServiceProcess::new(&config(kafka.address(), &predictions, &labels, &reports));
        driftline.start().await;
        let inbox = Inbox::start().await;
        let [prometheus, alertmanager, node] = [ports::free(), ports::free(), ports::free()];
        let model = ports::free();
        let places = [
            ("driftline:8080", driftline.url.trim_start_matches("http://").to_owned()),
            ("model:8081", format!("127.0.0.1:{model}")),
            ("inbox:8082", inbox.address.to_string()),
            ("prometheus:9090", format!("127.0.0.1:{prometheus}")),
            ("alertmanager:9093", format!("127.0.0.1:{alertmanager}")),
            ("node-exporter:9100", format!("127.0.0.1:{node}")),
        ];
        let files = Files::quick(&places);
        let node_exporter = NodeExporter::start(node, files.folder()).await;
        let alertmanager = Alertmanager::start(alertmanager, files.folder()).await;
        let log = driftline.folder().join("simulator.log");
        let simulator = simulator(model, kafka.address(), &predictions, &labels, &log);
        let prometheus = Prometheus::start(prometheus, files.folder()).await;
        Self {
            prometheus,
            alertmanager,
            inbox,
            driftline,
            simulator,
            _node_exporter: node_exporter,
            _files: files,
            _kafka: kafka,
        }
    }

    /// Switches a scenario of the simulator on or off.
    ///
    /// # Panics
    /// If the simulator has ended.
    pub fn scenario(&mut self, name: &str, on: bool) {
        self.simulator.say(&format!("{} {name}", if on { "on" } else { "off" }));
    }

    /// Waits until `ready` gives something, with much patience.
    ///
    /// # Panics
    /// If it does not in time.
    pub async fn wait_for<T, F: Future<Output = Option<T>>>(
        &self,
        what: &str,
        mut ready: impl FnMut() -> F,
    ) -> T {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(found) = ready().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!(
            "waited {} seconds for {what}; alerts of Prometheus: {:#?}",
            PATIENCE.as_secs(),
            self.prometheus.alerts().await
        );
    }

    /// Waits until an alert is `pending` or `firing` in Prometheus; gives its labels.
    ///
    /// # Panics
    /// If it is not in time.
    pub async fn wait_for_alert(&self, alert: &str, state: &str) -> Value {
        self.wait_for(&format!("{alert} to be {state}"), || async {
            let alerts = self.prometheus.alerts().await;
            alerts.into_iter().find(|one| one["labels"]["alertname"] == alert && one["state"] == state)
        })
        .await["labels"]
            .take()
    }

    /// Waits until an alert is no longer there in Prometheus.
    ///
    /// # Panics
    /// If it is still there after a long time.
    pub async fn wait_until_over(&self, alert: &str) {
        self.wait_for(&format!("{alert} to be over"), || async {
            let alerts = self.prometheus.alerts().await;
            alerts.iter().all(|one| one["labels"]["alertname"] != alert).then_some(())
        })
        .await;
    }

    /// Waits for a message of Alertmanager's webhook that says of an alert that it is `firing` or `resolved`, and came
    /// after `since`.
    ///
    /// # Panics
    /// If none comes in time.
    pub async fn wait_for_message(&self, alert: &str, status: &str, since: Instant) -> Message {
        self.wait_for(&format!("the inbox to be told that {alert} is {status}"), || async {
            self.inbox.messages().into_iter().find(|message| {
                message.path == "/alertmanager"
                    && message.at >= since
                    && message
                        .alerts()
                        .any(|one| one["labels"]["alertname"] == alert && one["status"] == status)
            })
        })
        .await
    }
}

/// Driftline's configuration: short windows, a reference that is learned within seconds.
fn config(brokers: &str, predictions: &str, labels: &str, reports: &str) -> String {
    format!(
        r#"
        [state]
        checkpoint_every = "1s"
        [metrics]
        evaluate_every = "1s"
        [[models]]
        name = "{MODEL}"
        task = "binary"
        positive = "yes"
        segments = ["country"]
        windows = [{{ name = "5m", length = "5m" }}, {{ name = "15m", length = "15m", every = "5m" }}]
        reference = {{ kind = "learned", learn_rows = 2000 }}
        [kafka]
        brokers = "{brokers}"
        group = "group-of-{predictions}"
        predictions = ["{predictions}"]
        labels = ["{labels}"]
        properties = {{ "broker.address.family" = "v4" }}
        [publish]
        topic = "{reports}"
        "#
    )
}

/// A model service whose customers ask it all the time, and whose log goes to Kafka.
fn simulator(port: u16, brokers: &str, predictions: &str, labels: &str, log: &Path) -> Child {
    let mut command = Command::new(binary());
    command.args(["simulate", "serve", "--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--kafka", brokers, "--predictions-topic", predictions, "--labels-topic", labels]);
    command.args(["--property", "broker.address.family=v4"]);
    command.args(["--rate", &PREDICTIONS_PER_SECOND.to_string(), "--speed", &SPEED.to_string()]);
    command.args(["--catch-up", "10m", "--label-delay", "2m"]);
    Child::spawn_to_tell("the model service", command, log)
}
