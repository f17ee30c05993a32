//! Writing, syncing, renaming and making files fail by chance, in the journal and in checkpoints; what was acknowledged
//! is counted exactly once.
//!
//! `DRIFTLINE_TEST_SEED` repeats a run's traffic and faults.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use driftline::Surroundings;
use driftline_store::{CommitStep, FaultyFiles, OsFiles, StateFaults};
use driftline_tests::ledger::Ledger;
use driftline_tests::number_from;
use driftline_tests::reports::assert_same;
use driftline_tests::sending::{assert_taken, send_once, undisturbed};
use driftline_tests::service::TestService;
use driftline_tests::steady::{CONFIG, assert_counted, close_windows, put_model, settled, write_reference};
use driftline_tests::traffic::{Sender, Style};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Makes one in so many steps of a commit fail; 0: none.
#[derive(Debug)]
struct CommitFaults {
    rng: Mutex<ChaCha8Rng>,
    one_in: AtomicU64,
    injected: AtomicU64,
}

impl StateFaults for CommitFaults {
    fn at(&self, step: CommitStep) -> io::Result<()> {
        let one_in = self.one_in.load(Ordering::Relaxed);
        if one_in > 0 && self.rng.lock().unwrap().random_range(0..one_in) == 0 {
            self.injected.fetch_add(1, Ordering::Relaxed);
            return Err(io::Error::other(format!("injected at {step:?}")));
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_counted_once_though_the_disk_fails() {
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_111);
    println!("DRIFTLINE_TEST_SEED={seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 2);
    let folder = tempfile::tempdir().unwrap();
    write_reference(folder.path());
    let files = FaultyFiles::new(Arc::new(OsFiles));
    let commits = Arc::new(CommitFaults {
        rng: Mutex::new(ChaCha8Rng::seed_from_u64(seed ^ 3)),
        one_in: AtomicU64::new(0),
        injected: AtomicU64::new(0),
    });
    let start = || async {
        let surroundings = Surroundings {
            files: Arc::new(files.clone()),
            state_faults: Some(Arc::clone(&commits) as _),
            ..Surroundings::default()
        };
        TestService::start_among(CONFIG, folder.path(), &folder.path().join("state"), surroundings).await
    };
    let heal = || {
        files.heal();
        commits.one_in.store(0, Ordering::Relaxed);
    };
    let mut service = start().await;
    put_model(&service).await;
    let mut senders =
        [("served", "a", Style::Ids), ("learned", "b", Style::Ids), ("served", "c", Style::Keys)]
            .map(|(model, name, style)| Sender::new(model, name, style, seed));
    let mut ledger = Ledger::default();
    let (mut refused, steps) = (0, 900);
    for step in 0..steps {
        if rng.random_bool(0.05) {
            files.fail_by_chance(rng.random(), rng.random_range(2..20));
        }
        if rng.random_bool(0.05) {
            commits.one_in.store(rng.random_range(2..6), Ordering::Relaxed);
        }
        if rng.random_bool(0.05) {
            heal();
        }
        for batch in senders.iter_mut().flat_map(|sender| sender.next(step)) {
            for attempt in 0.. {
                match send_once(&service, &batch).await {
                    Some((200, answer)) => {
                        assert_taken(&batch, &answer);
                        break;
                    }
                    Some((503 | 507, _)) => refused += 1,
                    other => panic!("{other:?}"),
                }
                if attempt == 20 {
                    heal();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            ledger.add(batch);
        }
        if rng.random_bool(0.01) {
            // What is left of faulty times has to be found at the start; the last checkpoint may be as it likes.
            files.heal();
            commits.one_in.store(0, Ordering::Relaxed);
            service.stop().await;
            service = start().await;
        }
    }
    heal();
    for batch in senders.iter_mut().flat_map(|sender| sender.rest(steps)) {
        let (status, answer) = send_once(&service, &batch).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        ledger.add(batch);
    }
    let (injected, failed) = (files.injected(), commits.injected.load(Ordering::Relaxed));
    println!(
        "{:?} predictions and labels; {injected} faults of the journal, {failed} of checkpoints, {refused} requests \
         refused",
        ledger.events()
    );
    assert!(injected > 20 && failed > 20 && refused > 0, "there were faults");
    close_windows(&service, steps).await;
    let reports = settled(&service).await;
    assert_counted(&ledger, &BTreeMap::new(), &reports);
    service.stop().await;
    let service = start().await;
    assert_same("after a restart", &reports, &settled(&service).await, 0.0);
    service.stop().await;
    let mut undisturbed = undisturbed(ledger.in_order()).await;
    close_windows(&undisturbed, steps).await;
    let expected = settled(&undisturbed).await;
    undisturbed.stop();
    assert_same("after an undisturbed run", &reports, &expected, 1e-9);
}
