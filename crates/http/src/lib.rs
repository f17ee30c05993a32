//! What every route of the HTTP API shares: one form of error, request ids, the access log, tokens and how secrets are
//! written.
//!
//! Routers are made by `source` and `expose` without any of this; the binary merges them and puts the
//! [`Shell`] around the whole, once:
//!
//! ```text
//! request id -> access log -> problem+json -> panics -> timeout -> token -> routes
//! ```
//!
//! Invariant: whatever goes wrong inside the shell, the answer is an RFC 9457 problem that names the request.

mod access_log;
mod exposure;
mod extract;
mod problem;
mod request_id;
mod secret;
mod shell;
mod token;

pub use exposure::{ExposureError, check_exposure};
pub use extract::{Json, Path, Query};
pub use problem::{PROBLEM_JSON, Problem};
pub use request_id::{RequestId, X_REQUEST_ID};
pub use secret::{Secret, SecretError, SecretFromEnv, SecretFromFile, SecretOptions};
pub use shell::Shell;
pub use token::{Caller, Scope, TokenError, TokenOptions, Tokens};
