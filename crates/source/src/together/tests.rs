#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use axum::http::StatusCode;
use driftline_events::ModelBatch;
use serde_json::{Value, json};

use crate::config::IngestOptions;
use crate::ingest::Ingest;
use crate::routes::tests::{Service, options, post, row, send, service};
use crate::submission::{EventKind, Receipt, Submission, Taken};
use crate::together::SMALL_BYTES;

const PREDICTIONS: &str = "/v1/predictions";

/// Sends these at the same time.
async fn all(ingest: &std::sync::Arc<Ingest>, bodies: Vec<String>) -> Vec<(StatusCode, Value)> {
    let sent: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            let ingest = std::sync::Arc::clone(ingest);
            tokio::spawn(async move { send(&ingest, post(PREDICTIONS, &[], body)).await })
        })
        .collect();
    let mut answers = Vec::new();
    for sent in sent {
        let (status, _, body) = sent.await.unwrap();
        answers.push((status, body));
    }
    answers
}

fn rows(batch: &ModelBatch) -> u64 {
    batch.rows.num_rows() as u64
}

/// The sizes of the submissions that the bodies make, and their answers; every second row is said to be a duplicate.
async fn taken(bodies: Vec<String>) -> (Vec<u64>, Vec<(StatusCode, Value)>) {
    let Service { ingest, mut submissions } = service(options());
    let pipeline = tokio::spawn(async move {
        let mut sizes = Vec::new();
        while let Some(Submission { batches, reply, event, .. }) = submissions.recv().await {
            assert_eq!((event, batches.len()), (EventKind::Prediction, 1));
            sizes.push(rows(&batches[0]));
            let mut row = 0;
            let mut part = |rows: u64| {
                let duplicates = (row..row + rows).filter(|row| row % 2 == 1).count() as u64;
                row += rows;
                Taken { accepted: rows - duplicates, duplicates, too_late: 0 }
            };
            let joined: Vec<u64> = reply.joined_rows().collect();
            let taken = if joined.is_empty() {
                vec![part(rows(&batches[0]))]
            } else {
                joined.into_iter().map(&mut part).collect()
            };
            reply.send(Receipt::of(taken));
        }
        sizes
    });
    let answers = all(&ingest, bodies).await;
    let snapshot = ingest.snapshot();
    assert_eq!((snapshot.in_flight_bytes, snapshot.queue_depth), (0, 0));
    drop(ingest);
    (pipeline.await.unwrap(), answers)
}

fn counts(answer: &Value) -> [u64; 4] {
    ["accepted", "duplicates", "ignored_fields", "rejected_total"].map(|name| answer[name].as_u64().unwrap())
}

#[tokio::test]
async fn what_comes_together_is_one_batch_and_each_sender_hears_of_its_own() {
    let unused = row("c").replace(r#""features""#, r#""unused":1,"features""#);
    let wrong = r#"{"model":"churn","prediction_id":"","features":{}}"#;
    let bodies = vec![
        row("a"),
        format!("{}\n{}\n{}", row("b"), wrong, row("b2")),
        unused,
        wrong.to_owned(),
        String::new(),
        "{".to_owned(),
        row("d"),
    ];
    let (sizes, answers) = taken(bodies).await;
    assert_eq!(sizes, [5], "one submission has all rows");
    let found: Vec<_> = answers.iter().map(|(status, answer)| (status.as_u16(), counts(answer))).collect();
    let expected = [
        (200, [1, 0, 0, 0]),
        (200, [1, 1, 0, 1]),
        (200, [0, 1, 1, 0]),
        (422, [0, 0, 0, 1]),
        (200, [0, 0, 0, 0]),
        (422, [0, 0, 0, 1]),
        (200, [1, 0, 0, 0]),
    ];
    assert_eq!(found, expected);
    assert_eq!(answers[1].1["rejected"][0]["row"], json!(1), "{}", answers[1].1);
}

#[tokio::test]
async fn what_cannot_be_told_apart_is_read_by_itself() {
    // The model of the second is not known, so that nobody knows yet whose its rows are.
    let unknown = row("b").replace("churn", "other");
    let (sizes, answers) = taken(vec![row("a"), unknown, row("c")]).await;
    assert_eq!(sizes, [1, 1]);
    let statuses: Vec<_> = answers.iter().map(|(status, _)| status.as_u16()).collect();
    assert_eq!(statuses, [200, 422, 200]);
    assert_eq!(answers[1].1["rejected"][0]["reason"], json!("unknown_model"));
}

#[tokio::test]
async fn what_is_large_goes_its_own_way() {
    let rows = SMALL_BYTES / row("a").len() + 1;
    let large = vec![row("a"); rows].join("\n");
    let (mut sizes, answers) = taken(vec![row("b"), large, row("c")]).await;
    sizes.sort_unstable();
    assert_eq!(sizes, [2, rows as u64]);
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK));
}

#[tokio::test]
async fn more_than_may_hold_a_thread_makes_several_batches() {
    let small = vec![row("a"); SMALL_BYTES / row("a").len() - 5].join("\n");
    let each = small.lines().count() as u64;
    let (sizes, answers) = taken(vec![small; 10]).await;
    assert_eq!(sizes, [5 * each, 5 * each]);
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK));
}

#[tokio::test]
async fn the_memory_that_is_held_is_that_of_the_rows() {
    let Service { ingest, mut submissions } = service(options());
    let sent = {
        let ingest = std::sync::Arc::clone(&ingest);
        let mut bodies: Vec<String> = (0..4).map(|number| row(&number.to_string())).collect();
        bodies.push("{".to_owned());
        tokio::spawn(async move { all(&ingest, bodies).await })
    };
    let Submission { batches, reply, .. } = submissions.recv().await.unwrap();
    assert_eq!((reply.senders(), rows(&batches[0])), (4, 4));
    let bytes = batches[0].rows.get_array_memory_size() as u64;
    // Held in steps of a kibibyte.
    assert_eq!(ingest.snapshot().in_flight_bytes, bytes.next_multiple_of(1 << 10));
    let taken = Taken { accepted: 1, ..Taken::default() };
    reply.send(Receipt::of(vec![taken; 4]));
    assert_eq!(ingest.snapshot().in_flight_bytes, 0);
    let statuses: Vec<u16> = sent.await.unwrap().iter().map(|(status, _)| status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 422]);
}

/// Sends one row, whose submission waits for its receipt.
async fn one_waiting(options: IngestOptions) -> (Service, Submission) {
    let mut service = service(options);
    let ingest = std::sync::Arc::clone(&service.ingest);
    tokio::spawn(async move { all(&ingest, vec![row("a")]).await });
    let submission = service.submissions.recv().await.unwrap();
    (service, submission)
}

#[tokio::test]
async fn rows_without_memory_for_them_are_refused() {
    const BODY: usize = 1 << 10;
    let (service, _waiting) = one_waiting(options()).await;
    let held = service.ingest.snapshot().in_flight_bytes;
    assert!(held > BODY as u64, "{held}: rows are larger than their body");
    // Besides what waits there is room for a body, and not for its rows.
    let (service, waiting) = one_waiting(IngestOptions {
        max_body_bytes: BODY,
        max_decompressed_bytes: BODY,
        max_bytes_in_flight: held as usize + BODY,
        ..options()
    })
    .await;
    let answers = all(&service.ingest, vec![row("b")]).await;
    assert_eq!(answers[0].0, StatusCode::SERVICE_UNAVAILABLE, "{}", answers[0].1);
    assert!(answers[0].1["detail"].as_str().unwrap().contains("too many bytes"), "{}", answers[0].1);
    assert_eq!(service.ingest.snapshot().in_flight_bytes, held);
    drop(waiting);
    assert_eq!(service.ingest.snapshot().in_flight_bytes, 0);
}
