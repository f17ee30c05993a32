//! What is written in files agrees with the code.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::path::{Path, PathBuf};

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

/// Every Markdown page in a folder and those in it.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The anchor that a web page gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().chars();
    let kept = kept.filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut all = vec![project().join("README.md"), project().join("CONTRIBUTING.md")];
    pages(&project().join("docs"), &mut all);
    let mut dead = Vec::new();
    for page in &all {
        let text = std::fs::read_to_string(page).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (link, _) in links.filter(|(link, _)| !link.contains("://") && !link.contains(' ')) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let to = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let there = match std::fs::read_to_string(&to) {
                Ok(text) if !heading.is_empty() => {
                    text.lines().any(|line| line.starts_with('#') && anchor(line) == heading)
                }
                _ => to.exists(),
            };
            if !there {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}
