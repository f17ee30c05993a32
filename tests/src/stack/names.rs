//! What an expression of Prometheus names: metrics, and labels of them.

use std::collections::{BTreeMap, BTreeSet};

/// The names of an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Metrics, each with the labels that its matchers name.
    pub metrics: BTreeMap<String, BTreeSet<String>>,
    /// Labels of `by`, `on` and the like.
    pub grouped: BTreeSet<String>,
}

/// Words that are no metric though no bracket follows.
const WORDS: &[&str] = &["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "start", "end"];
/// Words that a list of labels follows.
const LISTS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Reads an expression. It must be one that Prometheus takes: nothing is checked here.
#[must_use]
pub fn names_of(expression: &str) -> Names {
    let mut names = Names::default();
    let tokens = tokens(expression);
    let mut place = 0;
    while place < tokens.len() {
        let token = tokens[place].as_str();
        let next = tokens.get(place + 1).map(String::as_str);
        place += 1;
        if token == "[" {
            // A range: no metric is in it.
            while tokens.get(place).is_some_and(|token| token != "]") {
                place += 1;
            }
        } else if LISTS.contains(&token.to_lowercase().as_str()) {
            if next == Some("(") {
                let labels = tokens[place + 1..].iter().take_while(|token| *token != ")");
                let count = labels.clone().count();
                names.grouped.extend(labels.filter(|label| *label != ",").cloned());
                place += count + 2;
            }
        } else if is_name(token)
            && !next.is_some_and(follows_function)
            && !WORDS.contains(&token.to_lowercase().as_str())
        {
            let labels = names.metrics.entry(token.to_owned()).or_default();
            if next == Some("{") {
                let inside: Vec<&String> =
                    tokens[place + 1..].iter().take_while(|token| *token != "}").collect();
                labels.extend(inside.iter().filter(|token| is_name(token)).map(ToString::to_string));
                place += inside.len() + 2;
            }
        }
    }
    names
}

/// `rate(…)`, or `sum by (…) (…)`.
fn follows_function(token: &str) -> bool {
    ["(", "by", "without"].contains(&token)
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == ':')
}

/// Words, numbers and durations, and signs one by one; texts are left out.
fn tokens(expression: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = expression.chars().peekable();
    while let Some(first) = rest.next() {
        let word = |sign: &char| sign.is_ascii_alphanumeric() || "_:.".contains(*sign);
        if first == '"' || first == '\'' {
            while let Some(sign) = rest.next() {
                if sign == '\\' {
                    rest.next();
                } else if sign == first {
                    break;
                }
            }
        } else if word(&first) {
            let mut token = String::from(first);
            while let Some(sign) = rest.next_if(word) {
                token.push(sign);
            }
            tokens.push(token);
        } else if !first.is_whitespace() {
            tokens.push(first.to_string());
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;

    #[test]
    fn metrics_and_labels_are_found_and_nothing_else() {
        let names = names_of(
            r#"1 - sum by (job, instance) (rate(a_total{status=~"x, y{z}",code!="1"}[5m])) / on (job) group_left (team) (b > bool 0) and c:d{} offset 1d or quantile_over_time(0.5, e[7d:30m] offset 1h)"#,
        );
        let metrics: Vec<_> =
            names.metrics.iter().map(|(name, labels)| (name.as_str(), labels.len())).collect();
        assert_eq!(metrics, [("a_total", 2), ("b", 0), ("c:d", 0), ("e", 0)]);
        assert_eq!(names.metrics["a_total"], ["code".to_owned(), "status".to_owned()].into());
        assert_eq!(names.grouped, ["instance", "job", "team"].map(str::to_owned).into());
    }
}
