//! Faults of a configuration, collected so that all of them are told at once.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key, as in `models[0].windows[1].length`.
    pub place: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{name} is not valid TOML")]
    NotToml {
        /// The file.
        name: String,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Everything that is wrong with it.
    #[error("{name} has {}{}", count(faults), list(faults))]
    Faults {
        /// The file.
        name: String,
        /// The faults, in the order of the file's sections.
        faults: Vec<Fault>,
    },
}

fn count(faults: &[Fault]) -> String {
    if faults.len() == 1 { "a fault:".to_owned() } else { format!("{} faults:", faults.len()) }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().fold(String::new(), |mut text, fault| {
        let separator = if fault.place.is_empty() { "" } else { ": " };
        write!(text, "\n  {}{separator}{}", fault.place, fault.message).expect("text takes all writes");
        text
    })
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, place: impl Into<String>, message: impl ToString) {
        self.0.push(Fault { place: place.into(), message: message.to_string() });
    }

    /// Adds an error with its causes.
    pub(crate) fn add_error(&mut self, place: impl Into<String>, error: &dyn std::error::Error) {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            write!(message, ": {source}").expect("text takes all writes");
            cause = source.source();
        }
        self.add(place, message);
    }

    /// Whether a key is missing at `place` only because it was left out for its own fault.
    fn left_out(&self, place: &str, message: &str) -> bool {
        let key = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        key.is_some_and(|key| self.0.iter().any(|fault| fault.place == format!("{place}.{key}")))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_list(self) -> Vec<Fault> {
        self.0
    }
}

/// More faults than anyone reads at once; it also ends the search for sure.
const MAX_FAULTS: usize = 100;

/// Reads a value as `T`, and goes on after a fault by leaving the faulty key out, so that all faults are found.
///
/// `None` only where nothing can be left out to get further.
pub(crate) fn read<T: DeserializeOwned>(mut value: toml::Value, faults: &mut Faults) -> Option<T> {
    for _ in 0..MAX_FAULTS {
        let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let segments: Vec<Segment> = error.path().iter().cloned().collect();
        let place = error.path().to_string();
        let message = error.into_inner().to_string();
        // The rest of the message is the place again, without the entry's number.
        let message = message.split("\nin `").next().unwrap_or_default().trim();
        if !faults.left_out(&place, message) {
            faults.add(if place == "." { String::new() } else { place }, message);
        }
        if !leave_out(&mut value, &segments) {
            return None;
        }
    }
    None
}

/// Removes what a path points at: a key, or (for what is missing in it) the nearest table that is in an array.
fn leave_out(value: &mut toml::Value, path: &[Segment]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let mut here = &mut *value;
    for segment in parents {
        let next = match (segment, here) {
            (Segment::Seq { index }, toml::Value::Array(items)) => items.get_mut(*index),
            (Segment::Map { key }, toml::Value::Table(table)) => table.get_mut(key),
            (Segment::Enum { .. }, same) => Some(same),
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => return false,
        }
    }
    match (last, here) {
        (Segment::Map { key }, toml::Value::Table(table)) => table.remove(key).is_some(),
        (Segment::Seq { index }, toml::Value::Array(items)) if *index < items.len() => {
            items.remove(*index);
            true
        }
        _ => leave_out(value, parents),
    }
}
