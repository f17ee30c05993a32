//! The files of `deploy/` for Prometheus and Alertmanager: the programs themselves take them, each alert is tested and has
//! its runbook, and every channel can be switched on.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use driftline_tests::census::project;
use driftline_tests::stack::{RUNBOOKS, channel_switched_on, deploy};

/// Runs a program of Debian's; gives whether it is content, and what it says.
fn run(program: &str, arguments: &[&str], files: &[PathBuf]) -> (bool, String) {
    let mut command = Command::new(program);
    let output = command.args(arguments).args(files).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; try scripts/setup --tests"));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn assert_runs(program: &str, arguments: &[&str], files: &[PathBuf]) -> String {
    let (content, said) = run(program, arguments, files);
    assert!(content, "{program} {arguments:?} {files:?}: {said}");
    said
}

/// The files of a folder that end in `.yml`, by name.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(deploy().join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "yml"));
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

/// What stands in the rule files of each alert; several rules of one name together.
fn alerts() -> BTreeMap<String, String> {
    let mut alerts: BTreeMap<String, String> = BTreeMap::new();
    for file in files("prometheus/rules") {
        let text = fs::read_to_string(file).unwrap();
        for rule in text.split("- alert: ").skip(1) {
            alerts.entry(rule.lines().next().unwrap().to_owned()).or_default().push_str(rule);
        }
    }
    assert!(alerts.len() > 30, "{:?}", alerts.keys());
    alerts
}

#[test]
fn promtool_takes_the_configurations() {
    let folder = deploy().join("prometheus");
    let plain = ["prometheus.yml", "examples/many-services.yml"].map(|name| folder.join(name));
    assert_runs("promtool", &["check", "config"], &plain);
    // Debian's Prometheus is built without Kubernetes: it is asked about the rest of that file.
    let example = fs::read_to_string(folder.join("examples/kubernetes.yml")).unwrap();
    let mut lines = Vec::new();
    let mut roles = BTreeSet::new();
    for line in example.lines() {
        if let Some((_, role)) = line.split_once("- role: ") {
            roles.insert(role.to_owned());
        } else if let Some((indent, "")) = line.split_once("kubernetes_sd_configs:") {
            lines.push(format!("{indent}static_configs: []"));
        } else {
            lines.push(line.replace("../rules", &folder.join("rules").to_string_lossy()));
        }
    }
    assert_eq!(roles, ["node", "pod"].map(str::to_owned).into(), "roles that Prometheus knows");
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("kubernetes.yml");
    fs::write(&file, lines.join("\n")).unwrap();
    assert_runs("promtool", &["check", "config"], &[file]);
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    assert_runs("promtool", &["check", "rules"], &files("prometheus/rules"));
    assert_runs("promtool", &["test", "rules"], &files("prometheus/tests"));
}

#[test]
fn each_alert_is_seen_silent_firing_and_over_by_a_test() {
    let mut tested: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for file in files("prometheus/tests") {
        let text = fs::read_to_string(file).unwrap();
        for moment in text.split("        alertname: ").skip(1) {
            let mut lines = moment.lines();
            let alert = lines.next().unwrap().to_owned();
            let fires = lines.next().unwrap().trim() == "exp_alerts:";
            tested.entry(alert).or_default().push(fires);
        }
    }
    for alert in alerts().keys() {
        let moments = tested.remove(alert).unwrap_or_default();
        let (first, last) = (moments.first(), moments.last());
        assert!(
            first == Some(&false) && moments.contains(&true) && last == Some(&false),
            "{alert} fires at the moments {moments:?} of its test"
        );
    }
    assert!(tested.is_empty(), "tests of alerts that there are not: {tested:?}");
}

#[test]
fn each_alert_is_well_formed_and_has_its_runbook() {
    let mut pages: BTreeSet<String> = fs::read_dir(project().join(RUNBOOKS))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for (alert, rules) in alerts() {
        let name = alert.strip_prefix("Driftline").unwrap_or_else(|| panic!("{alert} has no prefix"));
        let camel_case = name.starts_with(|first: char| first.is_ascii_uppercase())
            && name.chars().all(|sign| sign.is_ascii_alphanumeric());
        assert!(camel_case, "{alert} is no CamelCase");
        let page = format!("{alert}.md");
        for wanted in [
            &format!("runbook_url: https://driftline.example/{RUNBOOKS}/{page}\n"),
            "dashboard_url: http://localhost:3000/d/driftline-",
            "tier: ",
            "summary: ",
            "description: ",
        ] {
            assert!(rules.contains(wanted), "{alert} has no {wanted:?}");
        }
        let severities: Vec<&str> = ["critical", "warning", "info"]
            .into_iter()
            .filter(|severity| rules.contains(&format!("severity: {severity},")))
            .collect();
        assert_eq!(severities.len(), rules.matches("severity: ").count().min(3), "{alert}: {severities:?}");
        assert!(pages.remove(&page), "{alert} has no page {page}");
        let text = fs::read_to_string(project().join(RUNBOOKS).join(&page)).unwrap();
        for wanted in ["## Meaning\n", "## First look\n", "## Causes\n", "## Fix\n", severities[0]] {
            assert!(text.contains(wanted), "{page} has no {wanted:?}");
        }
        for (_, link) in text.match_indices("](").map(|(place, _)| text[place + 2..].split_at(0)) {
            let target = link.split([')', '#']).next().unwrap();
            let exists = project().join(RUNBOOKS).join(target).exists();
            assert!(exists, "{page} links to {target}, which is not there");
        }
    }
    assert!(pages.is_empty(), "pages without an alert: {pages:?}");
}

/// The configuration, changed, where its templates are found.
fn changed(folder: &Path, text: &str) -> PathBuf {
    fs::create_dir_all(folder.join("templates")).unwrap();
    let template = "templates/driftline.tmpl";
    fs::copy(deploy().join("alertmanager").join(template), folder.join(template)).unwrap();
    let file = folder.join("alertmanager.yml");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn amtool_takes_the_configuration_with_every_channel() {
    let file = deploy().join("alertmanager/alertmanager.yml");
    assert_runs("amtool", &["check-config"], std::slice::from_ref(&file));
    let text = fs::read_to_string(&file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut all = text;
    for channel in ["slack_configs", "email_configs", "discord_configs"] {
        all = channel_switched_on(&all, channel);
        let (content, said) = run("amtool", &["check-config"], &[changed(folder.path(), &all)]);
        if content {
            continue;
        }
        // Since 0.26, as the file says; an older one is asked about the rest of the block.
        assert!(said.contains("webhook_url_file not found"), "{channel}: {said}");
        let file = "webhook_url_file: /etc/alertmanager/secrets/discord-url";
        let older = all.replace(file, "webhook_url: https://discord.example/api/webhooks/1/x");
        assert_runs("amtool", &["check-config"], &[changed(folder.path(), &older)]);
    }
    // Nothing else is marked as comment that looks like settings.
    assert!(!all.contains("# - "), "a block of a channel is not known here");
}

#[test]
fn alerts_are_routed_by_severity() {
    let file = deploy().join("alertmanager/alertmanager.yml");
    let config = format!("--config.file={}", file.display());
    for (severity, receiver) in [("critical", "pager"), ("warning", "team"), ("info", "digest")] {
        let severity = format!("severity={severity}");
        for more in [&["model=churn", "tier=model"][..], &["tier=host"], &["model=churn"]] {
            let mut arguments = vec!["config", "routes", "test", &config, &severity];
            arguments.extend(more);
            let said = assert_runs("amtool", &arguments, &[]);
            assert!(said.lines().any(|line| line == receiver), "{severity} {more:?}: {said}");
        }
    }
}
