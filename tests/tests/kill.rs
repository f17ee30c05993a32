//! The service is killed at random moments under load; afterwards every acknowledged event is counted exactly once.
//!
//! `DRIFTLINE_TEST_SEED` repeats a run's traffic and moments (not the machine's timing), `DRIFTLINE_TEST_KILLS` says
//! how often it is killed.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use driftline_tests::api::Api;
use driftline_tests::ledger::{Key, Ledger};
use driftline_tests::number_from;
use driftline_tests::process::ServiceProcess;
use driftline_tests::reports::assert_same;
use driftline_tests::sending::{assert_taken, attempt, undisturbed};
use driftline_tests::steady::{CONFIG, assert_counted, close_windows, prepare, settled};
use driftline_tests::traffic::{Batch, STEP_MILLIS, Sender, Style};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Senders by model, name and style. Each is a task of its own.
const SENDERS: [(&str, &str, Style); 5] = [
    ("served", "a", Style::Ids),
    ("served", "b", Style::Ids),
    ("served", "c", Style::Keys),
    // One sender in order, so that its reference is learned from the same rows in every run.
    ("learned", "d", Style::Ids),
    ("put", "e", Style::Once),
];

/// What became of what was sent.
#[derive(Debug, Default)]
struct Books {
    /// Acknowledged.
    ledger: Ledger,
    /// Sent, unanswered, and not sent again for now; it can be.
    given_up: Vec<Batch>,
    /// Sent and unanswered, by a sender that sends nothing again: counted or not.
    unknown: Vec<Batch>,
    unanswered: u64,
    known_again: u64,
}

/// What the senders share.
struct Load {
    api: Api,
    books: Mutex<Books>,
    step: AtomicU64,
    stop: AtomicBool,
}

/// Sends requests one after the other until it is told to stop, each until it is answered or given up.
async fn send(load: Arc<Load>, (model, name, style): (&'static str, &str, Style), seed: u64) -> Sender {
    let mut sender = Sender::new(model, name, style, seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 1);
    while !load.stop.load(Ordering::Relaxed) {
        let step = load.step.fetch_add(1, Ordering::Relaxed);
        for batch in sender.next(step) {
            loop {
                if let Some(answer) = attempt(&load.api, &batch).await {
                    let known = assert_taken(&batch, &answer);
                    let mut books = load.books.lock().unwrap();
                    books.known_again += known;
                    books.ledger.add(batch);
                    break;
                }
                load.books.lock().unwrap().unanswered += 1;
                if style == Style::Once {
                    load.books.lock().unwrap().unknown.push(batch);
                    break;
                }
                // Labels are never given up: the next ones build on them.
                if !batch.rows.is_empty() && model == "served" && rng.random_bool(0.1) {
                    sender.forget(&batch.rows);
                    load.books.lock().unwrap().given_up.push(batch);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(rng.random_range(1..20))).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(10..60))).await;
    }
    sender
}

/// Kills the service `kills` times: mostly while it works, at times while it starts.
async fn kill(service: &mut ServiceProcess, kills: u64, seed: u64) -> Duration {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 2);
    let mut longest = Duration::ZERO;
    for _ in 0..kills {
        if rng.random_bool(0.85) {
            longest = longest.max(service.ready().await);
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..600))).await;
        } else {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..200))).await;
        }
        service.kill();
        service.spawn();
    }
    longest.max(service.ready().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_counted_once_after_a_hundred_kills() {
    let kills = number_from("DRIFTLINE_TEST_KILLS", 100);
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_103);
    println!("DRIFTLINE_TEST_SEED={seed} DRIFTLINE_TEST_KILLS={kills}");
    let mut service = ServiceProcess::new(CONFIG);
    prepare(&mut service).await;
    let load = Arc::new(Load {
        api: (*service).clone(),
        books: Mutex::default(),
        step: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    });
    let started = Instant::now();
    let sending: Vec<_> =
        SENDERS.map(|sender| tokio::spawn(send(Arc::clone(&load), sender, seed))).into_iter().collect();
    let longest = kill(&mut service, kills, seed).await;
    load.stop.store(true, Ordering::Relaxed);
    let mut senders = Vec::new();
    for task in sending {
        senders.push(task.await.unwrap());
    }
    let steps = load.step.load(Ordering::Relaxed);
    let Books { mut ledger, given_up, unknown, unanswered, known_again } =
        std::mem::take(&mut *load.books.lock().unwrap());
    println!(
        "{kills} kills in {:.0} s, the slowest start took {:.2} s; {unanswered} requests unanswered ({} given up, {} \
         sent by who sends nothing again), {known_again} events sent again were known",
        started.elapsed().as_secs_f64(),
        longest.as_secs_f64(),
        given_up.len(),
        unknown.len()
    );

    // What was given up was counted wholly or not at all; sent once more it is counted.
    for batch in given_up {
        let answer = attempt(&service, &batch).await.expect("nothing disturbs it any more");
        let known = assert_taken(&batch, &answer);
        assert!(known == 0 || known == batch.len() as u64, "a request was counted in part: {answer}");
        ledger.add(batch);
    }
    for batch in senders.iter_mut().flat_map(|sender| sender.rest(steps)) {
        let answer = attempt(&service, &batch).await.expect("nothing disturbs it any more");
        assert_taken(&batch, &answer);
        ledger.add(batch);
    }
    // Predictions with ids are known one by one, and requests with keys as they were.
    for batch in ledger.in_order().iter().filter(|batch| !batch.rows.is_empty() && batch.model != "put") {
        let answer = attempt(&service, batch).await.expect("nothing disturbs it any more");
        let known = assert_taken(batch, &answer);
        assert!(
            batch.key.is_some() || known == batch.len() as u64,
            "an acknowledged event is gone: {answer}"
        );
    }

    close_windows(&service, steps).await;
    let reports = settled(&service).await;
    let minutes = (steps as i64 * STEP_MILLIS / 60_000) as f64;
    let panes = service.metric("driftline_panes", "model=\"learned\"").await.unwrap();
    println!("{panes} panes of {minutes} minutes");
    assert!(panes < minutes / 2.0, "panes were rolled up on the way");
    let (rows, labels) = ledger.events();
    println!("{rows} predictions and {labels} labels acknowledged, {} reports", reports.len());
    let optional: BTreeMap<Key, u64> = optional_rows(&unknown);
    assert_counted(&ledger, &optional, &reports);

    service.stop();
    service.start().await;
    assert_same("after an orderly stop", &reports, &settled(&service).await, 0.0);
    service.stop();

    let mut undisturbed = undisturbed(ledger.in_order()).await;
    close_windows(&undisturbed, steps).await;
    let mut expected = settled(&undisturbed).await;
    undisturbed.stop();
    // What nobody knows the number of cannot be compared.
    let mut reports = reports;
    if !unknown.is_empty() {
        reports.retain(|key, _| !key.contains("\"put\""));
        expected.retain(|key, _| !key.contains("\"put\""));
    }
    assert_same("after an undisturbed run", &reports, &expected, 1e-9);
}

/// How many rows of each window may be counted or not.
fn optional_rows(unknown: &[Batch]) -> BTreeMap<Key, u64> {
    let mut ledger = Ledger::default();
    unknown.iter().cloned().for_each(|batch| ledger.add(batch));
    let counts = ledger.counts(driftline_tests::steady::window_millis);
    counts.into_iter().map(|(key, count)| (key, count.rows)).collect()
}
