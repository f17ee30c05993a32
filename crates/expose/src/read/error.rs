//! Why a question has no answer.

use axum::http::StatusCode;
use driftline_http::Problem;

/// A cause that is told to the log and not to the client.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such model.
    #[error("there is no model {model:?}")]
    UnknownModel {
        /// The name that was asked for.
        model: String,
    },
    /// There is no such window, version or segment, or it has no rows.
    #[error("{what}")]
    NotFound {
        /// What is not there.
        what: String,
    },
    /// A parameter that only the service can judge.
    #[error("parameter {name} is {value:?}; accepted: {accepted}")]
    BadParameter {
        /// The parameter.
        name: &'static str,
        /// What was sent.
        value: String,
        /// What may be.
        accepted: String,
    },
    /// Two periods that cannot be compared, e.g. since they were counted on different grids.
    #[error("{why}")]
    NotComparable {
        /// Why.
        why: String,
    },
    /// The service cannot answer now.
    #[error("{why}")]
    Unavailable {
        /// Why.
        why: String,
    },
    /// The service failed.
    #[error("the service failed")]
    Internal(#[source] Failure),
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::UnknownModel { .. } | ReadError::NotFound { .. } => Self::not_found(error),
            ReadError::BadParameter { name, value, accepted } => Self::bad_parameter(name, &value, &accepted),
            ReadError::NotComparable { why } => {
                Self::new(StatusCode::CONFLICT, "not_comparable", "The periods cannot be compared.")
                    .detail(why)
            }
            ReadError::Unavailable { why } => Self::unavailable("unavailable", why, 1),
            ReadError::Internal(error) => {
                tracing::error!(error = %error, "Failed to answer a question.");
                Self::internal()
            }
        }
    }
}
