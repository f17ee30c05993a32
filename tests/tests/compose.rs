//! `docker-compose.yml` and the Dockerfile, as far as they can be tried without Docker: what they name is there, what they
//! promise holds, and their commands run.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use driftline_tests::census::project;
use driftline_tests::child::Child;
use driftline_tests::compose::{Stack, text, texts};
use driftline_tests::ports;
use driftline_tests::process::binary;
use serde_json::Value;

const ENTRYPOINT: &str = "/usr/local/bin/driftline";

fn driftline(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments);
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("DRIFTLINE_")) {
        command.env_remove(key);
    }
    command
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

#[test]
fn services_are_pinned_confined_limited_and_watched() {
    let stack = Stack::read();
    for (name, service) in stack.services() {
        let image = service["image"].as_str().unwrap();
        let tag = image.rsplit('/').next().unwrap().split_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| !tag.is_empty() && tag != "latest"), "{name}: {image} is not pinned");
        let user = service["user"].as_str().unwrap_or_default();
        assert!(!["", "0", "root"].contains(&user.split(':').next().unwrap()), "{name} runs as {user:?}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        let limits = &service["deploy"]["resources"]["limits"];
        assert!(limits["cpus"].is_string() && limits["memory"].is_string(), "{name} has no limits");
        assert!(service["logging"]["options"]["max-size"].is_string(), "{name}'s log grows without bound");
        // Kafka's start writes its configuration into its own folders.
        let writes = image.starts_with("apache/kafka:");
        assert_eq!(service["read_only"].as_bool().unwrap_or_default(), !writes, "{name}");
    }
    assert_eq!(stack.running(Some("minimal")), ["driftline-minimal", "prometheus-minimal"]);
}

#[test]
fn services_wait_for_what_tells_when_it_is_ready() {
    let stack = Stack::read();
    let mut run_once = BTreeSet::new();
    for (name, service) in stack.services() {
        let waits = service.get("depends_on").and_then(Value::as_object);
        for (other, how) in waits.into_iter().flatten() {
            let found = stack.services().get(other).unwrap_or_else(|| panic!("{name} waits for {other}"));
            let profile = |service: &Value| service.get("profiles").cloned();
            assert_eq!(profile(found), profile(service), "{name} and {other} do not run together");
            match how["condition"].as_str().unwrap() {
                "service_healthy" => {
                    assert!(found["healthcheck"]["test"].is_array(), "{other} has no health check")
                }
                "service_completed_successfully" => {
                    assert_eq!(found["restart"], "on-failure", "{other} would run for ever");
                    run_once.insert(other.clone());
                }
                condition => panic!("{name}: {condition}"),
            }
        }
    }
    for (name, service) in stack.services() {
        assert_eq!(service.get("healthcheck").is_none(), run_once.contains(name), "{name}");
    }
}

#[test]
fn ports_are_those_of_loopback_and_do_not_clash() {
    let stack = Stack::read();
    for profile in [None, Some("minimal")] {
        let mut taken = BTreeMap::new();
        for name in stack.running(profile) {
            for port in stack.services()[name].get("ports").map(texts).unwrap_or_default() {
                let [address, host, container] = port.split(':').collect::<Vec<_>>()[..] else {
                    panic!("{name}: {port} is not ADDRESS:HOST:CONTAINER");
                };
                assert_eq!(address, "127.0.0.1", "{name}: {port}");
                assert!(host.parse::<u16>().is_ok() && container.parse::<u16>().is_ok(), "{name}: {port}");
                let before = taken.insert(host.to_owned(), name);
                assert_eq!(before, None, "{name} and {before:?} both take {host}");
            }
        }
        assert!(!taken.is_empty());
    }
}

#[test]
fn mounts_and_secrets_are_in_the_tree() {
    let stack = Stack::read();
    let (mut used_volumes, mut used_secrets) = (BTreeSet::new(), BTreeSet::new());
    for (name, service) in stack.services() {
        for mount in service.get("volumes").map(texts).unwrap_or_default() {
            let source = mount.split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(project().join(source).exists(), "{name}: {source} is not there");
                assert!(mount.ends_with(":ro"), "{name} could write to {source}");
            } else if source.starts_with('/') {
                assert!(mount.ends_with(":ro"), "{name} could write to {source}");
            } else {
                used_volumes.insert(source.to_owned());
            }
        }
        let secrets = service.get("secrets").and_then(Value::as_array);
        for secret in secrets.into_iter().flatten() {
            used_secrets.insert(secret.as_str().or(secret["source"].as_str()).unwrap().to_owned());
            // A mount in a folder that is mounted read-only needs a file to lie on.
            if let Some(inside) = secret["target"].as_str().and_then(|target| target.strip_prefix("/etc/")) {
                assert!(project().join("deploy").join(inside).is_file(), "{name}: {inside}");
            }
        }
    }
    let declared = |name| stack.table(name).keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(used_volumes, declared("volumes"));
    assert_eq!(used_secrets, declared("secrets"));
    for (name, secret) in stack.table("secrets") {
        assert!(!text(secret["file"].as_str().unwrap()).trim().is_empty(), "{name} is empty");
    }
}

#[test]
fn the_example_of_settings_has_all_of_them_with_their_defaults() {
    let mut example = BTreeMap::new();
    for line in text(".env.example").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once('=').unwrap();
        example.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(example, Stack::read().variables);
}

#[test]
fn everything_is_looked_for_at_a_service_of_the_stack() {
    let stack = Stack::read();
    let mut hosts: BTreeSet<String> = stack.services().keys().cloned().collect();
    hosts.insert("localhost".to_owned());
    let files = ["prometheus/prometheus.yml", "prometheus/minimal.yml", "alertmanager/alertmanager.yml"];
    let mut found = 0;
    for file in files.iter().chain(&["driftline/driftline.toml", "driftline/minimal.toml"]) {
        for line in text(Path::new("deploy").join(file)).lines().filter(|line| !line.trim().starts_with('#'))
        {
            for word in line.split(['"', '\'', '/', ' ', '[', ']', ',']) {
                let Some((host, port)) = word.split_once(':').filter(|(host, _)| !host.is_empty()) else {
                    continue;
                };
                // Other addresses are not of the stack: 0.0.0.0, and those of mail services, which are examples.
                if port.parse::<u16>().is_ok() && !host.contains('.') {
                    assert!(hosts.contains(host), "{file}: {word} is no service's");
                    found += 1;
                }
            }
        }
    }
    assert!(found >= 5, "{found}");
}

/// A configuration of `deploy/driftline` with its secrets where they are on this machine.
fn config_here(name: &str, folder: &Path) -> PathBuf {
    let secrets = project().join("deploy/secrets");
    let config =
        text(Path::new("deploy/driftline").join(name)).replace("/run/secrets", secrets.to_str().unwrap());
    let file = folder.join(name);
    std::fs::write(&file, config).unwrap();
    file
}

#[test]
fn driftline_takes_its_configurations() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["driftline.toml", "minimal.toml"] {
        let file = config_here(name, folder.path());
        let output = driftline(&["check", "--config", file.to_str().unwrap()]).output().unwrap();
        assert!(output.status.success(), "{name}: {}", said(&output));
    }
}

/// Waits until `driftline healthcheck` says that a service is ready, as Docker does.
fn healthy(url: &str, child: &mut Child) {
    let started = Instant::now();
    loop {
        let output = driftline(&["healthcheck", "--url", url]).output().unwrap();
        if output.status.success() {
            return;
        }
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(!child.has_ended(), "it ended by itself");
        assert!(started.elapsed() < Duration::from_secs(120), "{}", said(&output));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[tokio::test]
async fn our_services_run_with_the_commands_that_they_are_given() {
    let stack = Stack::read();
    let folder = tempfile::tempdir().unwrap();
    for name in ["model", "inbox", "driftline-minimal"] {
        let service = &stack.services()[name];
        assert!(service.get("entrypoint").is_none(), "{name}: the image's own is {ENTRYPOINT}");
        let check = texts(&service["healthcheck"]["test"]);
        assert_eq!(check[..3], ["CMD", ENTRYPOINT, "healthcheck"], "{name}");
        let container = texts(&service["ports"])[0].rsplit(':').next().unwrap().to_owned();
        let port = ports::free();
        let here = |argument: String| {
            argument
                .replace(&format!("0.0.0.0:{container}"), &format!("127.0.0.1:{port}"))
                // The log waits for a broker that is not there, and nobody waits for the log.
                .replace("kafka:9092", "127.0.0.1:1")
                .replace("/etc/driftline", folder.path().to_str().unwrap())
        };
        let arguments: Vec<String> = texts(&service["command"]).into_iter().map(here).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        config_here("minimal.toml", folder.path());
        let mut command = driftline(&arguments);
        if name == "driftline-minimal" {
            command.env("DRIFTLINE_SERVER__LISTEN", format!("127.0.0.1:{port}"));
            command.env("DRIFTLINE_STATE__PATH", format!("{:?}", folder.path().join("state")));
        }
        let url = format!("http://127.0.0.1:{port}");
        let mut child = Child::spawn(name, command, &folder.path().join(format!("{name}.log")));
        healthy(&url, &mut child);
        if name == "driftline-minimal" {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let metrics = format!("{url}/metrics");
            assert_eq!(client.get(&metrics).send().await.unwrap().status(), 401);
            let token = text("deploy/secrets/driftline-read-token");
            let answer = client.get(&metrics).bearer_auth(token.trim()).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        }
        let ended = child.stop(Duration::from_secs(60));
        assert!(ended.is_some_and(|status| status.success()), "{name}: {ended:?}\n{}", child.log_tail());
    }
}

#[test]
fn the_image_is_built_from_what_is_there_on_one_debian_release() {
    let dockerfile = text("Dockerfile");
    let lines = |word: &'static str| {
        let found = dockerfile.lines().filter_map(move |line| line.strip_prefix(word));
        found.map(|rest| rest.split_whitespace().collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let bases: Vec<&str> = lines("FROM ").into_iter().map(|words| words[0]).collect();
    let releases = [("bookworm", "debian12"), ("trixie", "debian13")];
    assert!(
        releases.iter().any(|(name, number)| bases[0].ends_with(name) && bases[1].contains(number)),
        "{bases:?} are not of one release"
    );
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain.split('"').nth(1).unwrap();
    assert!(bases[0].starts_with(&format!("rust:{channel}-")), "{bases:?} is not Rust {channel}");
    assert_eq!(lines("USER "), [["65532:65532"]]);
    assert_eq!(lines("ENTRYPOINT "), [[format!("[\"{ENTRYPOINT}\"]")]]);

    // What is copied is all that cargo needs to read the workspace.
    let context = tempfile::tempdir().unwrap();
    let dockerignore = text(".dockerignore");
    let ignored: Vec<_> = dockerignore.lines().map(|line| project().join(line)).collect();
    for words in lines("COPY ").iter().filter(|words| !words[0].starts_with("--from")) {
        for source in &words[..words.len() - 1] {
            assert!(dockerignore.lines().any(|line| line == format!("!{source}")), "{source} is ignored");
            copy(&project().join(source), &context.path().join(source), &ignored);
        }
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(context.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// Copies a file, or a folder without what is ignored.
fn copy(from: &Path, to: &Path, ignored: &[PathBuf]) {
    if ignored.iter().any(|path| path == from) {
        return;
    }
    if from.is_dir() {
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name), ignored);
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}
