//! JSON bodies: bounded in size and in time, one object of known fields.

use super::refused;
use crate::problem::{Code, Problem};
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::BytesMut;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use std::time::Duration;
use steadfast_domain::Invalid;
use tokio::time::timeout;

/// Bytes of the largest body that is read, whatever the route.
pub(crate) const BODY_MAX: usize = 64 * 1024;

/// How long a body may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// A JSON object as body, of at most [`BODY_MAX`] bytes.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, mut body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(
                Problem::new(Code::UnsupportedMediaType).field("Content-Type", "must be application/json")
            );
        }
        let bytes = match timeout(ARRIVAL_MAX, collect(&mut body)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(Incomplete::TooLarge)) => return Err(too_large()),
            Ok(Err(Incomplete::Broken)) => return Err(Invalid::field("body", "is not complete").into()),
            Err(_) => return Err(late().into()),
        };
        read(&bytes).map(Self).map_err(Problem::from)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_suffixed = essence.starts_with("application/") && essence.ends_with("+json");
    essence == "application/json" || is_suffixed
}

fn too_large() -> Problem {
    Problem::new(Code::PayloadTooLarge).field("body", format!("must not have more than {BODY_MAX} bytes"))
}

fn late() -> Invalid {
    Invalid::field("body", format!("did not arrive within {} seconds", ARRIVAL_MAX.as_secs()))
}

/// Why a body was not read to its end.
enum Incomplete {
    TooLarge,
    Broken,
}

async fn collect(body: &mut Body) -> Result<BytesMut, Incomplete> {
    // A length that is announced is believed when it is too large, and only then.
    if body.size_hint().lower() > BODY_MAX as u64 {
        return Err(Incomplete::TooLarge);
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| Incomplete::Broken)?.into_data().unwrap_or_default();
        if bytes.len() + data.len() > BODY_MAX {
            return Err(Incomplete::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Invalid> {
    // serde would also take an array, field by field in the order of their declaration.
    if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Invalid::field("body", "must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| refused(error.path(), error.inner(), "body"))?;
    json.end().map_err(|error| Invalid::field("body", error.to_string()))?;
    Ok(value)
}
