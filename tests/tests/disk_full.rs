//! The disk that has the state fills up, and is emptied again; nothing that was acknowledged is lost.
//!
//! The disk is a small tmpfs in a mount namespace of its own. `DRIFTLINE_TEST_SEED` repeats a run's traffic.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use driftline_tests::api::Api;
use driftline_tests::child::Child;
use driftline_tests::kafka::{Broker, Load, Topics};
use driftline_tests::ledger::Ledger;
use driftline_tests::number_from;
use driftline_tests::process::ServiceProcess;
use driftline_tests::sending::{assert_taken, send_once};
use driftline_tests::steady::{assert_counted, close_windows, prepare, settled};
use driftline_tests::traffic::{Sender, Style};

/// A small disk that only the service sees, as long as this lives.
struct Disk {
    holder: Child,
    folder: PathBuf,
}

impl Disk {
    /// Mounts a tmpfs over `folder` in a mount namespace of its own, as root or, where users may have namespaces, as
    /// anybody. `None` where neither may.
    fn mount(folder: &Path, megabytes: u32, log: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let script = r#"mount -t tmpfs -o "size=$2m" tmpfs "$1" && : > "$1/mounted" && exec sleep 100000"#;
        let unshare = |options: &[&str]| {
            let mut command = Command::new("unshare");
            command.args(options).args(["sh", "-c", script, "sh"]).arg(folder).arg(megabytes.to_string());
            command
        };
        for options in [&["--mount"][..], &["--map-root-user", "--mount"]] {
            let mut holder = Child::spawn("the disk's holder", unshare(options), log);
            let disk =
                PathBuf::from(format!("/proc/{}/root", holder.id())).join(folder.strip_prefix("/").unwrap());
            for _ in 0..500 {
                if disk.join("mounted").exists() && !folder.join("mounted").exists() {
                    return Some(Self { holder, folder: disk });
                }
                if holder.has_ended() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let said = std::fs::read_to_string(log).unwrap_or_default();
        eprintln!(
            "SKIPPED: this test needs a small tmpfs of its own, so it has to run as root (with CAP_SYS_ADMIN) or where \
             users may have user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
             kernel.apparmor_restrict_unprivileged_userns=0), and neither is so here: {said}"
        );
        None
    }

    /// The command that runs another in its namespace.
    fn enter(&self) -> Vec<String> {
        let target = self.holder.id().to_string();
        let mut words =
            vec!["nsenter".to_owned(), "--target".to_owned(), target.clone(), "--mount".to_owned()];
        let users = |id: &str| std::fs::read_link(format!("/proc/{id}/ns/user")).unwrap();
        if users(&target) != users("self") {
            words.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
        }
        words
    }

    /// Fills it, or what has become free of it, to the last byte.
    fn fill(&self) {
        let filler = self.folder.join("filler");
        let mut file = std::fs::File::options().create(true).append(true).open(filler).unwrap();
        for block in [1 << 20, 1 << 12, 1] {
            let zeros = vec![0_u8; block];
            while file.write_all(&zeros).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.folder.join("filler")).unwrap();
    }
}

/// Senders over HTTP, and what became of what they sent.
struct Http {
    api: Api,
    ledger: Mutex<Ledger>,
    full: AtomicU64,
    step: AtomicU64,
    stop: AtomicBool,
}

impl Http {
    /// Sends everything until it is taken.
    async fn send(self: Arc<Self>, name: &'static str, style: Style, seed: u64) {
        let mut sender = Sender::new("learned", name, style, seed);
        while !self.stop.load(Ordering::Relaxed) {
            let step = self.step.fetch_add(1, Ordering::Relaxed);
            for batch in sender.next(step) {
                loop {
                    match send_once(&self.api, &batch).await {
                        Some((200, answer)) => {
                            assert_taken(&batch, &answer);
                            break;
                        }
                        Some((507, _)) => drop(self.full.fetch_add(1, Ordering::Relaxed)),
                        Some((503, _)) | None => {}
                        Some((status, answer)) => panic!("{status}: {answer}"),
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                self.ledger.lock().unwrap().add(batch);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let step = self.step.load(Ordering::Relaxed);
        for batch in sender.rest(step) {
            let (status, answer) = send_once(&self.api, &batch).await.unwrap();
            assert_eq!(status, 200, "{answer}");
            self.ledger.lock().unwrap().add(batch);
        }
    }
}

async fn readiness(service: &ServiceProcess) -> Option<(u16, String)> {
    let answer = service.client.get(format!("{}/readyz", service.url)).send().await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_survived() {
    let seed = number_from("DRIFTLINE_TEST_SEED", 20_260_107);
    println!("DRIFTLINE_TEST_SEED={seed}");
    let broker = Broker::shared().await;
    let load = Load::new(Topics::make(&broker).await);
    let service = ServiceProcess::new(&load.topics().config(broker.address()));
    let Some(disk) = Disk::mount(&service.state(), 64, &service.folder().join("disk.log")) else { return };
    let mut service = service.run_by(disk.enter());
    prepare(&mut service).await;
    let http = Arc::new(Http {
        api: (*service).clone(),
        ledger: Mutex::default(),
        full: AtomicU64::new(0),
        step: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    });
    let sending = load.start(seed);
    let posting = [("d", Style::Ids), ("e", Style::Keys)]
        .map(|(name, style)| tokio::spawn(Arc::clone(&http).send(name, style, seed)));

    for round in 0..3 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let refused = http.full.load(Ordering::Relaxed);
        disk.fill();
        let filled = Instant::now();
        service
            .wait_for("a 507", || async {
                // What frees some space on its own (a journal file that is done) is filled again.
                disk.fill();
                (http.full.load(Ordering::Relaxed) > refused).then_some(())
            })
            .await;
        service
            .wait_for("/readyz to tell of the disk", || async {
                disk.fill();
                let (status, text) = readiness(&service).await?;
                (status == 503 && text.to_lowercase().contains("disk")).then_some(())
            })
            .await;
        println!(
            "round {round}: told after {:?}; 507 {} times",
            filled.elapsed(),
            http.full.load(Ordering::Relaxed)
        );
        // What is there can still be read.
        let (status, _) = service.get("/v1/models/learned/windows?window=1h").await;
        assert_eq!(status, 200);
        tokio::time::sleep(Duration::from_secs(1)).await;
        if round == 1 {
            service.kill();
            disk.free();
            service.start().await;
        } else {
            disk.free();
        }
        let freed = Instant::now();
        service
            .wait_for("/readyz to be ready again", || async {
                readiness(&service).await.filter(|(status, _)| *status == 200)
            })
            .await;
        println!("round {round}: ready {:?} after there was space again", freed.elapsed());
    }

    http.stop.store(true, Ordering::Relaxed);
    for task in posting {
        task.await.unwrap();
    }
    let (kafka, _, kafka_steps) = load.finish(sending).await;
    let steps = kafka_steps.max(http.step.load(Ordering::Relaxed));
    close_windows(&service, steps).await;
    let reports = settled(&service).await;
    let http = std::mem::take(&mut *http.ledger.lock().unwrap());
    println!("{:?} predictions and labels over HTTP, {:?} over Kafka", http.events(), kafka.events());
    let mut ledger = kafka;
    http.in_order().into_iter().for_each(|batch| ledger.add(batch));
    assert_counted(&ledger, &BTreeMap::new(), &reports);
    service.kill();
    service.start().await;
    assert_counted(&ledger, &BTreeMap::new(), &settled(&service).await);
    service.stop();
}
