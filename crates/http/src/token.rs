//! Bearer tokens (RFC 6750) and what each may do.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{Problem, Secret, SecretOptions};

/// Shorter secrets can be guessed.
const SHORTEST_SECRET_BYTES: usize = 16;

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Send predictions and labels.
    Ingest,
    /// Read figures and metrics.
    Read,
    /// Change models and references; includes the other two.
    Admin,
}

impl Scope {
    /// The scope that a route asks for; `None` for the open ones: health, and the human page, which holds no data.
    fn of(method: &Method, path: &str) -> Option<Self> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match path {
            "/healthz" | "/readyz" | "/" if reads => None,
            "/v1/predictions" | "/v1/labels" => Some(Self::Ingest),
            _ if reads => Some(Self::Read),
            _ => Some(Self::Admin),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        })
    }
}

/// A token as the configuration writes it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenOptions {
    /// Who holds it; shown in the access log.
    pub name: String,
    /// The secret that clients send as `Authorization: Bearer …`: the text itself, `{ env = "NAME" }` or
    /// `{ file = "path" }`.
    pub secret: SecretOptions,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
}

/// The secret never reaches a log.
impl fmt::Debug for TokenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenOptions")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// A token that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A secret that is not where it should be.
    #[error("the secret of token {name:?} cannot be had: {reason}")]
    Unreadable {
        /// The token.
        name: String,
        /// Why.
        reason: String,
    },
    /// A secret that can be guessed.
    #[error(
        "the secret of token {name:?} has {length} characters, it needs {SHORTEST_SECRET_BYTES} at least"
    )]
    Short {
        /// The token.
        name: String,
        /// Its length.
        length: usize,
    },
    /// A secret that no header can carry.
    #[error("the secret of token {name:?} has a character that is not visible ASCII")]
    Character {
        /// The token.
        name: String,
    },
    /// Nothing that it may do.
    #[error("token {name:?} has no scopes; known: ingest, read, admin")]
    NoScopes {
        /// The token.
        name: String,
    },
    /// Two tokens that nobody could tell apart.
    #[error("tokens {first:?} and {second:?} have the same {what}")]
    Twice {
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// `name` or `secret`.
        what: &'static str,
    },
}

/// The tokens that are accepted. With none, every request is let through: see
/// [`check_exposure`](crate::check_exposure).
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<[Token]>);

/// A token whose secret has been read.
#[derive(Debug)]
struct Token {
    name: String,
    secret: Secret,
    scopes: BTreeSet<Scope>,
}

/// Who sent the request, by its token's name. In handlers, `Option<Extension<Caller>>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(pub String);

impl Tokens {
    /// Reads the secrets, and checks the tokens.
    ///
    /// # Errors
    /// All [`TokenError`]s at once.
    pub fn try_new(options: Vec<TokenOptions>) -> Result<Self, Vec<TokenError>> {
        let mut errors = Vec::new();
        let mut tokens: Vec<Token> = Vec::new();
        for TokenOptions { name, secret, scopes } in options {
            let secret = match Secret::read(&secret, &|variable| std::env::var(variable).ok()) {
                Ok(secret) => secret,
                Err(error) => {
                    errors.push(TokenError::Unreadable { name, reason: error.to_string() });
                    continue;
                }
            };
            let text = secret.reveal();
            if text.len() < SHORTEST_SECRET_BYTES {
                errors.push(TokenError::Short { name: name.clone(), length: text.len() });
            } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                errors.push(TokenError::Character { name: name.clone() });
            }
            if scopes.is_empty() {
                errors.push(TokenError::NoScopes { name: name.clone() });
            }
            for other in &tokens {
                let same = |what| TokenError::Twice { first: other.name.clone(), second: name.clone(), what };
                if other.name == name {
                    errors.push(same("name"));
                }
                if other.secret == secret {
                    errors.push(same("secret"));
                }
            }
            tokens.push(Token { name, secret, scopes });
        }
        if errors.is_empty() { Ok(Self(tokens.into())) } else { Err(errors) }
    }

    /// Whether every request is let through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares with every token, and each in constant time: how long it takes tells nothing but the length.
    fn find(&self, secret: &[u8]) -> Option<&Token> {
        self.0.iter().fold(None, |found, token| {
            if bool::from(token.secret.reveal().as_bytes().ct_eq(secret)) { Some(token) } else { found }
        })
    }

    /// Who may do what `scope` stands for.
    fn authorise(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, Problem> {
        let sent = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).map(bearer);
        let token = match sent {
            Some(Some(secret)) => self.find(secret).ok_or_else(|| {
                unauthorised(r#"Bearer realm="driftline", error="invalid_token""#, "the token is not known")
            })?,
            Some(None) => {
                return Err(unauthorised(
                    r#"Bearer realm="driftline""#,
                    "the header `authorization` is not `Bearer …`",
                ));
            }
            None => {
                return Err(unauthorised(
                    r#"Bearer realm="driftline""#,
                    "send the header `authorization: Bearer …`",
                ));
            }
        };
        if token.scopes.contains(&scope) || token.scopes.contains(&Scope::Admin) {
            Ok(Caller(token.name.clone()))
        } else {
            Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "The token may not do this.")
                .detail(format!("token {:?} lacks the scope `{scope}`", token.name))
                .with("scope", scope.to_string()))
        }
    }
}

/// The secret of `Bearer secret`; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, secret) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| secret.trim_ascii())
}

fn unauthorised(challenge: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed.")
        .detail(detail)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// Lets a request through only with a token that may do it.
pub(crate) async fn check(tokens: &Tokens, mut request: Request, next: Next) -> Response {
    let scope = Scope::of(request.method(), request.uri().path());
    let Some(scope) = scope.filter(|_| !tokens.is_empty()) else { return next.run(request).await };
    match tokens.authorise(request.headers(), scope) {
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(caller);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests;
