//! What is written in files agrees with the code.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use driftline_tests::census::project;

#[test]
fn the_schemas_are_those_of_the_types() {
    for (name, schema) in driftline::schemas::all() {
        let path = project().join("schemas").join(name);
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == schema,
            "{} is stale; run `cargo run --bin driftline -- schemas` and commit what changed",
            path.display()
        );
    }
}

#[test]
fn the_reference_pages_are_those_of_the_types() {
    for (name, page) in driftline::documents::all() {
        let path = project().join("docs").join(name);
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == page,
            "{} is stale; run `cargo run --bin driftline -- docs` and commit what changed",
            path.display()
        );
    }
}

#[test]
fn the_readme_names_metrics_that_exist() {
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let documented = driftline_expose::metrics_table();
    let named = readme.lines().filter_map(|line| line.strip_prefix("| `driftline_"));
    let named: Vec<_> = named.filter_map(|rest| rest.split_once('`')).map(|(name, _)| name).collect();
    assert!(named.len() >= 10, "{named:?}");
    for name in named {
        assert!(documented.contains(&format!("| `driftline_{name}` |")), "there is no driftline_{name}");
    }
}
