//! What the environment says to the binary.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::process::Command;

use driftline_tests::process::binary;

/// Whether `driftline check` takes an empty configuration with these variables, and what it said.
fn check(variables: &[(&str, &str)]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("driftline.toml");
    std::fs::write(&config, "").unwrap();
    let mut command = Command::new(binary());
    command.args(["check", "--config"]).arg(&config).env_clear().envs(variables.iter().copied());
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_is_no_key_is_a_fault_but_for_what_arguments_are_taken_from() {
    let (holds, said) = check(&[("DRIFTLINE_PORT", "tcp://10.0.0.1:8080")]);
    assert!(!holds && said.contains("unknown field `port`"), "{said}");
    let (holds, said) = check(&[("DRIFTLINE_URL", "http://driftline:8080"), ("DRIFTLINE_TOKEN", "secret")]);
    assert!(holds, "{said}");
}
