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
fn the_readme_lists_every_metric() {
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let table = driftline_expose::metrics_table();
    assert!(readme.contains(&table), "the README's table of metrics is stale; it should be:\n\n{table}");
}
