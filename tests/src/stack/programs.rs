//! The programs of the stack that are not Driftline, as Debian packages them.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api::{Api, encode};
use crate::child::Child;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Starts a program and waits until a path of it is answered well.
async fn start(name: &str, mut command: Command, folder: &Path, port: u16, path: &str) -> (Child, Api) {
    command.current_dir(folder);
    let mut child = Child::spawn(name, command, &folder.join(format!("{name}.log")));
    let api = Api::new(format!("http://127.0.0.1:{port}"));
    let started = Instant::now();
    while started.elapsed() < START_TIMEOUT {
        assert!(!child.has_ended(), "{name} ended by itself: {}", child.log_tail());
        let asked = api.client.get(format!("{}{path}", api.url)).send().await;
        if asked.is_ok_and(|answer| answer.status().is_success()) {
            return (child, api);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{name} was not ready after {} seconds: {}", START_TIMEOUT.as_secs(), child.log_tail());
}

/// A real Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    /// A client of it.
    pub api: Api,
    _child: Child,
}

impl Prometheus {
    /// Starts it with `prometheus/prometheus.yml` of the folder.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn start(port: u16, folder: &Path) -> Self {
        let mut command = Command::new("prometheus");
        command.arg("--config.file=prometheus/prometheus.yml").arg("--storage.tsdb.path=prometheus-data");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let (child, api) = start("prometheus", command, folder, port, "/-/ready").await;
        Self { api, _child: child }
    }

    /// Asks a path of its API; gives `data` of the answer.
    ///
    /// # Errors
    /// What it answers if it cannot.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let query: Vec<String> =
            parameters.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
        let (_, text) = self.api.get(&format!("{path}?{}", query.join("&"))).await;
        let mut answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if answer["status"] == "success" { Ok(answer["data"].take()) } else { Err(text) }
    }

    /// The series that an instant query gives now.
    ///
    /// # Errors
    /// What Prometheus says of a query that it cannot evaluate.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let mut data = self.ask("/api/v1/query", &[("query", query)]).await?;
        match data["result"].take() {
            Value::Array(series) if data["resultType"] == "vector" => Ok(series),
            other => Ok(vec![other]),
        }
    }

    /// The value of the first series of a query; `None` if it gives none.
    ///
    /// # Panics
    /// If the query cannot be evaluated.
    pub async fn value(&self, query: &str) -> Option<f64> {
        let series = self.query(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        series.first()?["value"][1].as_str()?.parse().ok()
    }

    /// The labels of all series of a metric that it ever scraped.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn series(&self, metric: &str) -> Vec<Value> {
        let data = self.ask("/api/v1/series", &[("match[]", metric)]).await;
        data.unwrap_or_else(|error| panic!("{metric}: {error}")).as_array().cloned().unwrap_or_default()
    }

    /// Its pending and firing alerts.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn alerts(&self) -> Vec<Value> {
        let data = self.ask("/api/v1/alerts", &[]).await.unwrap_or_else(|error| panic!("{error}"));
        data["alerts"].as_array().cloned().unwrap_or_default()
    }

    /// Its rules.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn rules(&self) -> Vec<Value> {
        let data = self.ask("/api/v1/rules", &[]).await.unwrap_or_else(|error| panic!("{error}"));
        let groups = data["groups"].as_array().cloned().unwrap_or_default();
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect()
    }
}

/// A real Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    /// A client of it.
    pub api: Api,
    _child: Child,
}

impl Alertmanager {
    /// Starts it with `alertmanager/alertmanager.yml` of the folder.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn start(port: u16, folder: &Path) -> Self {
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg("--config.file=alertmanager/alertmanager.yml")
            .arg("--storage.path=alertmanager-data")
            .arg("--cluster.listen-address=")
            .arg(format!("--web.external-url=http://127.0.0.1:{port}"))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let (child, api) = start("alertmanager", command, folder, port, "/-/ready").await;
        Self { api, _child: child }
    }

    /// The alerts that it has, muted ones too.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn alerts(&self) -> Vec<Value> {
        let (_, text) = self.api.get("/api/v2/alerts").await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

/// A real node-exporter.
#[derive(Debug)]
pub struct NodeExporter {
    _child: Child,
}

impl NodeExporter {
    /// Starts it.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    pub async fn start(port: u16, folder: &Path) -> Self {
        let mut command = Command::new("prometheus-node-exporter");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let (child, _) = start("node-exporter", command, folder, port, "/metrics").await;
        Self { _child: child }
    }
}
