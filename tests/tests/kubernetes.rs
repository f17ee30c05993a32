//! The Kubernetes manifests hold: against Kubernetes' own schemas, and for the binary.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::process::Command;

use driftline_tests::census::project;
use driftline_tests::process::binary;
use driftline_tests::python::python;

#[test]
fn the_manifests_hold() {
    let folder = project().join("tests/kubernetes");
    let mut check = Command::new(python(&folder.join("requirements.txt")));
    let output = check.arg(folder.join("check.py")).arg(binary()).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}
