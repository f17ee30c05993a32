//! A service for a test: on a free port, with a temporary state, stopped at the end.

use std::path::Path;
use std::time::Duration;

use driftline::Service;
use driftline::config::Config;
use driftline_evaluate::WindowReport;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running service and a client of it.
pub struct TestService {
    /// Its address, as `http://127.0.0.1:12345`.
    pub url: String,
    /// A client that may be used for anything.
    pub client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    _state: Option<TempDir>,
}

impl TestService {
    /// Starts a service with the given configuration; its address and state are set here.
    ///
    /// # Panics
    /// If the configuration does not hold or the service does not start.
    pub async fn start(config: &str) -> Self {
        Self::start_in(config, Path::new("")).await
    }

    /// As [`TestService::start`], with relative paths from `folder`.
    ///
    /// # Panics
    /// If the configuration does not hold or the service does not start.
    pub async fn start_in(config: &str, folder: &Path) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder can be made");
        let service = Self::start_with(config, folder, state.path()).await;
        Self { _state: Some(state), ..service }
    }

    /// As [`TestService::start_in`], with a state that outlives the service.
    ///
    /// # Panics
    /// If the configuration does not hold or the service does not start.
    pub async fn start_with(config: &str, folder: &Path, state: &Path) -> Self {
        let environment = [
            ("DRIFTLINE_SERVER__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("DRIFTLINE_STATE__PATH".to_owned(), format!("{state:?}")),
        ];
        let config = Config::parse(config, "test", folder.to_owned(), environment.into_iter())
            .unwrap_or_else(|error| panic!("{error}"));
        let service = Service::start(config, false).await.unwrap_or_else(|error| panic!("{error:?}"));
        let url = format!("http://{}", service.address());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let ended = service.run(async { drop(stopped.await) }).await;
            ended.unwrap_or_else(|error| panic!("{error:?}"));
        });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client needs nothing");
        Self { url, client, stop: Some(stop), running, _state: None }
    }

    /// Posts a body and gives status and answer.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.url)).header("content-type", content_type);
        let answer = request.body(body).send().await.expect("the service answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("the answer is JSON"))
    }

    /// Puts a body and gives status and answer.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn put(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self.client.put(format!("{}{path}", self.url)).header("content-type", content_type);
        let answer = request.body(body).send().await.expect("the service answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("the answer is JSON"))
    }

    /// Gets a path and gives status and text.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer =
            self.client.get(format!("{}{path}", self.url)).send().await.expect("the service answers");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("the answer is text"))
    }

    /// Every kept report of a model, segments too, the latest end first.
    ///
    /// # Panics
    /// If the service answers with an error.
    pub async fn windows(&self, model: &str) -> Vec<WindowReport> {
        let mut reports = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/models/{model}/windows?segment=*&limit=1000{cursor}");
            let (status, text) = self.get(&path).await;
            assert_eq!(status, 200, "{text}");
            let mut page: Value = serde_json::from_str(&text).expect("the answer is JSON");
            let found: Vec<WindowReport> =
                serde_json::from_value(page["windows"].take()).expect("the reports are as their type says");
            reports.extend(found);
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={}", encode(next)),
                None => return reports,
            }
        }
    }

    /// Waits until `ready` gives something, at most a minute.
    ///
    /// # Panics
    /// If it does not in time.
    pub async fn wait_for<T, F: Future<Output = Option<T>>>(
        &self,
        what: &str,
        mut ready: impl FnMut() -> F,
    ) -> T {
        for _ in 0..600 {
            if let Some(found) = ready().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("waited a minute for {what}");
    }

    /// Stops the service and sees that it ended well.
    ///
    /// # Panics
    /// If it did not.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.running.await.expect("the service ended well");
    }
}

/// A text as a query parameter.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
