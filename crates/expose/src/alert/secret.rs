//! Secrets of sinks are those of tokens.

pub(super) use driftline_http::Secret;
pub use driftline_http::{SecretError, SecretFromEnv, SecretFromFile, SecretOptions};
