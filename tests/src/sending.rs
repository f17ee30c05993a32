//! Batches of traffic over HTTP, and what their answers must say.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::api::Api;
use crate::process::ServiceProcess;
use crate::steady::{CONFIG, prepare};
use crate::traffic::Batch;

/// Sends a request once: status and answer, or `None` where there was none.
///
/// # Panics
/// If an answer is not JSON.
pub async fn send_once(api: &Api, batch: &Batch) -> Option<(u16, Value)> {
    let mut request =
        api.client.post(format!("{}{}", api.url, batch.path())).timeout(Duration::from_secs(60));
    if let Some(key) = &batch.key {
        request = request.header("idempotency-key", key);
    }
    let answer = request.body(batch.body()).send().await.ok()?;
    let status = answer.status().as_u16();
    let answer = answer.text().await.ok()?;
    Some((status, serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no JSON: {answer}"))))
}

/// Sends a request once: the answer, or `None` where there was none or it has to be sent again.
///
/// # Panics
/// If the answer is neither 200 nor 503.
pub async fn attempt(api: &Api, batch: &Batch) -> Option<Value> {
    let (status, answer) = send_once(api, batch).await?;
    assert!(matches!(status, 200 | 503), "{status}: {answer}");
    (status == 200).then_some(answer)
}

/// That every good row was taken now or before; tells how many before.
///
/// # Panics
/// If one was not.
pub fn assert_taken(batch: &Batch, answer: &Value) -> u64 {
    let count = |name: &str| answer[name].as_u64().unwrap_or_else(|| panic!("no {name}: {answer}"));
    assert_eq!(count("accepted") + count("duplicates"), batch.len() as u64, "{answer}");
    assert_eq!(count("rejected_total"), batch.bad_lines, "{answer}");
    count("duplicates")
}

/// Runs traffic through a service of its own that nothing disturbs.
///
/// # Panics
/// If a request is not answered, or not for the first time.
pub async fn undisturbed(batches: Vec<Batch>) -> ServiceProcess {
    let mut service = ServiceProcess::new(CONFIG);
    prepare(&mut service).await;
    // One after the other where order matters: within a model.
    let mut by_model: BTreeMap<&str, Vec<Batch>> = BTreeMap::new();
    for batch in batches {
        by_model.entry(batch.model).or_default().push(batch);
    }
    let mut sending = tokio::task::JoinSet::new();
    for batches in by_model.into_values() {
        let api = (*service).clone();
        sending.spawn(async move {
            for batch in batches {
                let answer = attempt(&api, &batch).await.expect("nothing disturbs it");
                assert_eq!(assert_taken(&batch, &answer), 0, "nothing was sent before: {answer}");
            }
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.expect("sending does not panic");
    }
    service
}
