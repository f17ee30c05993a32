//! What a measure is told on its command line, and how it tells its figures.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// `KEY=VALUE` arguments.
#[derive(Debug)]
pub(crate) struct Options(BTreeMap<String, String>);

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Self {
        let pair = |argument: &String| {
            let (key, value) =
                argument.split_once('=').unwrap_or_else(|| panic!("{argument}: write KEY=VALUE"));
            (key.to_owned(), value.to_owned())
        };
        Self(arguments.iter().map(pair).collect())
    }

    pub(crate) fn text<'a>(&'a self, key: &str, otherwise: &'a str) -> &'a str {
        self.0.get(key).map_or(otherwise, String::as_str)
    }

    pub(crate) fn number<T: FromStr>(&self, key: &str, otherwise: T) -> T {
        let Some(text) = self.0.get(key) else { return otherwise };
        text.parse().unwrap_or_else(|_| panic!("{key}={text} is no number"))
    }
}

/// Prints a figure, one JSON object a line: what is measured again has the same name.
pub(crate) fn figure(name: &str, value: f64, unit: &str) {
    println!("{}", serde_json::json!({ "figure": name, "value": value, "unit": unit }));
}

/// Prints how many a second `work` does of what it counts.
pub(crate) fn rate(name: &str, unit: &str, work: impl FnOnce() -> u64) {
    let started = Instant::now();
    let count = work();
    figure(name, count as f64 / started.elapsed().as_secs_f64(), unit);
}

/// The time that a share of the measurements took at most; it sorts them.
pub(crate) fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let place = (times.len() as f64 * share) as usize;
    times.get(place.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
