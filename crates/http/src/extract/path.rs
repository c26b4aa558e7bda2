//! Parameters in the path.

use super::{cut, reason};
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use steadfast_domain::Invalid;

/// The parameters of the path.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(named(rejection).into()),
        }
    }
}

fn named(rejection: PathRejection) -> Invalid {
    let PathRejection::FailedToDeserializePathParams(failure) = rejection else {
        return Invalid::field("path", "is not complete");
    };
    match failure.into_kind() {
        ErrorKind::InvalidUtf8InPathParam { key } => Invalid::field(cut(&key), "must be UTF-8"),
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
            Invalid::field(cut(&key), format!("must be of type {expected_type}"))
        }
        ErrorKind::DeserializeError { key, message, .. } => Invalid::field(cut(&key), reason(&message)),
        other => Invalid::field("path", other.to_string()),
    }
}
