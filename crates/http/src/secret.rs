//! Secrets: read once, used, and never shown.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A secret as the configuration writes it: the text itself, `{ env = "NAME" }` or `{ file = "path" }`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a secret is text, { env = \"NAME\" } or { file = \"path\" }")]
pub enum SecretOptions {
    /// The text itself.
    Text(String),
    /// An environment variable that holds it.
    Env(SecretFromEnv),
    /// A file that holds it; line ends at its end are no part of it.
    File(SecretFromFile),
}

/// The environment variable that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretFromEnv {
    /// Its name.
    pub env: String,
}

/// The file that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretFromFile {
    /// Its path.
    pub file: PathBuf,
}

impl From<&str> for SecretOptions {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The text is not shown, only where it comes from.
impl fmt::Debug for SecretOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("***"),
            Self::Env(from) => from.fmt(f),
            Self::File(from) => from.fmt(f),
        }
    }
}

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is not there.
    #[error("environment variable {name} is not set")]
    NotSet {
        /// Its name.
        name: String,
    },
    /// The file cannot be read.
    #[error("{path} cannot be read: {error}")]
    NotRead {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// There is nothing in it.
    #[error("the secret is empty")]
    Empty,
    /// A line end or another control character in the middle.
    #[error("the secret has a line break or another control character in it")]
    Control,
}

/// A secret. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Reads it; `env` looks up environment variables.
    ///
    /// # Errors
    /// [`SecretError`] if it is not where it should be, or nothing that can be sent in a header.
    pub fn read(options: &SecretOptions, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, SecretError> {
        let text = match options {
            SecretOptions::Text(text) => text.clone(),
            SecretOptions::Env(SecretFromEnv { env: name }) => {
                env(name).ok_or_else(|| SecretError::NotSet { name: name.clone() })?
            }
            SecretOptions::File(SecretFromFile { file }) => std::fs::read_to_string(file)
                .map_err(|error| SecretError::NotRead { path: file.clone(), error })?,
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(SecretError::Control);
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself: for the other side, and nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Table {
            key: SecretOptions,
        }
        let table: Table = toml::from_str(toml).map_err(|error| error.to_string())?;
        let env = |name: &str| (name == "HOOK").then(|| "from env".to_owned());
        let secret = Secret::read(&table.key, &env).map_err(|error| error.to_string())?;
        assert!(!format!("{secret:?}{:?}", table.key).contains(secret.reveal()));
        Ok(secret.reveal().to_owned())
    }

    #[test]
    fn it_is_read_from_where_it_is_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "from file\r\n").unwrap();
        assert_eq!(read("key = \"inline\"").unwrap(), "inline");
        assert_eq!(read("key = { env = \"HOOK\" }").unwrap(), "from env");
        assert_eq!(read(&format!("key = {{ file = {file:?} }}")).unwrap(), "from file");
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(read("key = { env = \"OTHER\" }").unwrap_err(), "environment variable OTHER is not set");
        assert_eq!(read("key = \"\\n\"").unwrap_err(), "the secret is empty");
        assert!(read("key = \"a\\nb\"").unwrap_err().contains("line break"));
        assert!(read("key = { file = \"/nowhere/at/all\" }").unwrap_err().contains("/nowhere/at/all"));
        let error = read("key = { vault = \"x\" }").unwrap_err();
        assert!(error.contains("a secret is text, { env"), "{error}");
    }
}
