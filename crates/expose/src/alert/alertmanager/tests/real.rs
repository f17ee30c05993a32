//! A real Alertmanager.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// It ends with the test.
struct Alertmanager {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Alertmanager {
    /// Sends what it groups to `receiver`.
    fn new(receiver: &Receiver) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "route: {{ receiver: test, group_by: [model], group_wait: 500ms, group_interval: 500ms, repeat_interval: 1h }}\n\
             receivers:\n- name: test\n  webhook_configs:\n  - {{ url: {:?}, send_resolved: true }}\n",
            receiver.url
        );
        std::fs::write(folder.path().join("alertmanager.yml"), config).unwrap();
        // Free a moment ago: nothing else on this machine takes it in between.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut alertmanager = Self { folder, port, child: None };
        alertmanager.spawn();
        alertmanager
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn spawn(&mut self) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", path("alertmanager.yml")))
            .arg(format!("--storage.path={}", path("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-alertmanager is installed: scripts/setup --tests");
        self.child = Some(child);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; either way it is gone after this.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// The names of the alerts that it has as firing.
    async fn firing(&self) -> Option<Vec<String>> {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        stream.write_all(b"GET /api/v2/alerts HTTP/1.0\r\nHost: am\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let alerts: Value = serde_json::from_str(body).ok()?;
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().map(str::to_owned);
        let mut names: Vec<String> = alerts.as_array()?.iter().filter_map(name).collect();
        names.sort();
        Some(names)
    }

    async fn until_firing(&self, names: &[&str]) {
        for _ in 0..2_000 {
            if self.firing().await.is_some_and(|firing| firing == names) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?} fire, not {names:?}", self.firing().await);
    }
}

#[expect(clippy::disallowed_methods, reason = "Alertmanager looks at the system's clock")]
fn now() -> EventTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    EventTime::from_millis(since_epoch.as_millis().try_into().unwrap())
}

fn bench(alertmanager: &Alertmanager) -> Bench {
    let unused = Arc::new(Mutex::new(now()));
    Bench::with_clock(&[&alertmanager.url()], unused, Arc::new(now))
}

/// The last that came: its status, and how many alerts it has.
fn last(receiver: &Receiver) -> Option<(String, usize)> {
    let body = receiver.bodies().pop()?;
    assert_eq!(body["groupLabels"], json!({"model": "churn"}));
    Some((body["status"].as_str()?.to_owned(), body["alerts"].as_array()?.len()))
}

#[tokio::test]
async fn it_fires_groups_and_resolves_though_either_side_is_started_again() {
    let both = ["DriftlineFeatureDrift", "DriftlinePerformanceDrop"];
    let receiver = Receiver::start([]).await;
    let mut alertmanager = Alertmanager::new(&receiver);
    let mut ours = bench(&alertmanager);
    assert!(ours.sink.notify(1, &opened()));
    assert_eq!(ours.until_told(1).await, [(1, Delivery::Delivered)]);
    alertmanager.until_firing(&both).await;
    // Two alerts, one group, one message.
    let firing = Some(("firing".to_owned(), 2));
    until("a message", || (last(&receiver) == firing).then_some(())).await;
    assert_eq!(receiver.seen().len(), 1);

    // It has forgotten everything, and is told again.
    alertmanager.kill();
    until("a failure", || (ours.ledger.snapshot().connected == Some(false)).then_some(())).await;
    alertmanager.spawn();
    alertmanager.until_firing(&both).await;
    until("to be connected", || (ours.ledger.snapshot().connected == Some(true)).then_some(())).await;

    // Ours is started again: what is active is taken up, and nothing is said to have ended.
    ours.stop.cancel();
    while ours.tasks.join_next().await.is_some() {}
    let ours = bench(&alertmanager);
    ours.sink.restore(&incident());
    until("to be told", || (ours.ledger.snapshot().connected == Some(true)).then_some(())).await;
    alertmanager.until_firing(&both).await;
    assert!(receiver.bodies().iter().all(|body| body["status"] == "firing"), "{:#?}", receiver.bodies());

    assert!(ours.sink.notify(2, &resolved()));
    assert_eq!(ours.until_told(1).await, [(2, Delivery::Delivered)]);
    until("the end", || (last(&receiver) == Some(("resolved".to_owned(), 2))).then_some(())).await;
    alertmanager.until_firing(&[]).await;
}
