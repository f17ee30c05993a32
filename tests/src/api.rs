//! The HTTP API of a service, for tests.

use std::time::Duration;

use driftline_evaluate::WindowReport;
use serde_json::Value;

/// A client of a running service.
#[derive(Clone, Debug)]
pub struct Api {
    /// The service's address, as `http://127.0.0.1:12345`.
    pub url: String,
    /// A client that may be used for anything.
    pub client: reqwest::Client,
}

impl Api {
    /// A client of the service at `url`, which need not be up yet.
    ///
    /// # Panics
    /// If a client cannot be made.
    #[must_use]
    pub fn new(url: String) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client needs nothing");
        Self { url, client }
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

    /// The sum of a metric over the series whose labels contain `labels`; `None` where there is no such series.
    ///
    /// # Panics
    /// If the service does not answer, or its text is none of Prometheus.
    pub async fn metric(&self, name: &str, labels: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        sum_of(&text, name, labels)
    }
}

fn sum_of(text: &str, name: &str, labels: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let own = series.strip_prefix(name)?;
        let is_whole_name = own.is_empty() || own.starts_with('{');
        (is_whole_name && own.contains(labels)).then(|| value.parse::<f64>().expect("a value is a number"))
    });
    values.reduce(|sum, value| sum + value)
}

/// A text as a query parameter.
#[must_use]
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
