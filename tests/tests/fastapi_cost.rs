//! The FastAPI example's inference log does not slow its requests. By itself, so that no other test of the program runs
//! beside it.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::process::Command;

use driftline_tests::census::project;
use driftline_tests::process::binary;
use driftline_tests::python::python;

#[test]
fn the_log_costs_less_than_a_twentieth_of_the_requests() {
    let folder = project().join("docs/examples/fastapi");
    let mut measure = Command::new(python(&folder.join("requirements.txt")));
    measure.arg(folder.join("measure.py")).arg("--driftline").arg(binary());
    measure.args(["--seconds", "1", "--least-pairs", "8", "--most-pairs", "20", "--cpu-requests", "2000"]);
    let output = measure.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
