//! axum's extractors with problems for rejections.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::Problem;

/// [`axum::extract::Query`] whose rejection is a [`Problem`].
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

/// [`axum::extract::Path`] whose rejection is a [`Problem`].
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

/// [`axum::Json`] whose rejection is a [`Problem`].
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let extracted: Result<_, QueryRejection> =
            axum::extract::Query::<T>::from_request_parts(parts, state).await;
        match extracted {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::of_status(rejection.status()).detail(rejection.body_text())),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let extracted: Result<_, PathRejection> =
            <axum::extract::Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        match extracted {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::of_status(rejection.status()).detail(rejection.body_text())),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let extracted: Result<_, JsonRejection> =
            <axum::Json<T> as FromRequest<S>>::from_request(request, state).await;
        match extracted {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::of_status(rejection.status()).detail(rejection.body_text())),
        }
    }
}
