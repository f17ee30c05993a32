//! An attempt that failed.

use std::time::Duration;

/// Why an event did not get there. Secrets are left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// It may get there later.
    #[error("{reason}")]
    Later {
        /// What happened.
        reason: String,
        /// How long to wait, if the other side said so.
        after: Option<Duration>,
    },
    /// It never will: the other side does not want this event.
    #[error("{reason}")]
    Never {
        /// What it said.
        reason: String,
    },
}

impl SendError {
    pub(super) fn later(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into(), after: None }
    }
}

/// An error with all its causes on one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some have their cause in their own message already.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
