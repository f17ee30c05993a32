//! Python for the tests: a virtual environment with pinned packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::census::project;

/// The Python that has the packages of a requirements file; installed unless it is there already.
///
/// # Panics
/// If it cannot be installed, with what is missing.
#[must_use]
pub fn python(requirements: &Path) -> PathBuf {
    let fetch = project().join("tests/data/fetch-venv");
    let output = Command::new(&fetch).arg(requirements).output().expect("tests/data/fetch-venv can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}
