//! An address on the web that may be a secret.

use std::fmt;

use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::fault::NotifySpecError;
use super::secret::Secret;

/// Shorter parts of a path, such as `api`, are no secrets.
const SHORTEST_SECRET: usize = 6;

/// Where to send by HTTP. Of the address only scheme, host and port are shown: the rest may be a key to a channel.
#[derive(Clone)]
pub(super) struct Endpoint {
    uri: Uri,
    shown: String,
    headers: HeaderMap,
    secrets: Vec<String>,
}

impl Endpoint {
    pub(super) fn try_new(url: &Secret) -> Result<Self, NotifySpecError> {
        let uri: Uri = url.reveal().parse().map_err(|_| NotifySpecError::BadUrl)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(NotifySpecError::BadUrl);
        };
        if !["http", "https"].contains(&scheme) || authority.host().is_empty() {
            return Err(NotifySpecError::BadUrl);
        }
        if authority.as_str().contains('@') {
            return Err(NotifySpecError::UserInUrl);
        }
        let shown = format!("{scheme}://{authority}");
        let parts = uri.path_and_query().map_or("", |path| path.as_str()).split(['/', '?', '&', '=']);
        let secrets = parts.filter(|part| part.len() >= SHORTEST_SECRET).map(str::to_owned).collect();
        Ok(Self { uri, shown, headers: HeaderMap::new(), secrets })
    }

    /// The same with `path` behind its own.
    pub(super) fn with_path(mut self, path: &str) -> Result<Self, NotifySpecError> {
        if self.uri.query().is_some() {
            return Err(NotifySpecError::QueryInUrl);
        }
        let joined = format!("{}{}{path}", self.shown, self.uri.path().trim_end_matches('/'));
        self.uri = joined.parse().map_err(|_| NotifySpecError::BadUrl)?;
        Ok(self)
    }

    pub(super) fn with_token(self, token: &Secret) -> Result<Self, NotifySpecError> {
        let mut endpoint = self.with_header("authorization", &format!("Bearer {}", token.reveal()))?;
        endpoint.secrets.push(token.reveal().to_owned());
        Ok(endpoint)
    }

    pub(super) fn with_header(mut self, name: &str, value: &str) -> Result<Self, NotifySpecError> {
        let name: HeaderName = name.parse().map_err(|_| NotifySpecError::BadHeader)?;
        let own = [HOST, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING];
        if own.contains(&name) || self.headers.contains_key(&name) {
            return Err(NotifySpecError::BadHeader);
        }
        let mut header: HeaderValue = value.parse().map_err(|_| NotifySpecError::BadHeader)?;
        header.set_sensitive(true);
        // `Basic …` and `Bearer …` come back without their first word as well.
        let secret =
            if name == AUTHORIZATION { value.split(' ').next_back().unwrap_or(value) } else { value };
        self.secrets.push(secret.to_owned());
        self.headers.insert(name, header);
        Ok(self)
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(super) fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// What may be shown of it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// `text`, such as a page that names what was not found, without the secrets.
    pub(super) fn scrub(&self, text: &str) -> String {
        self.secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("shown", &self.shown)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
