//! JSON bodies: objects of known fields, bounded in size and time.

use super::{IDEMPOTENCY_KEY, origin, refused};
use crate::problem::{Code, Problem};
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::BytesMut;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use std::time::Duration;
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::audit::idempotency::{IdempotencyKey, Repeatable, RequestHash};
use tokio::time::timeout;

/// Default of [`BodyMax`], in bytes.
pub(crate) const BODY_MAX: usize = 64 * 1024;

/// Maximum size of the request's body in bytes, an extension of requests to routes with a limit of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyMax(pub(crate) usize);

/// Maximum time for a body to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// A JSON object as body, of at most [`BodyMax`] bytes.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, mut body) = request.into_parts();
        let bytes = receive(&parts, &mut body).await?;
        read(&bytes).map(Self).map_err(Problem::from)
    }
}

/// The JSON object of a request that creates a resource, and the origin of the request.
#[derive(Debug)]
pub(crate) struct Creation<T>(pub(crate) T, pub(crate) Origin);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Creation<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, mut body) = request.into_parts();
        let origin = origin(&parts)?;
        let bytes = receive(&parts, &mut body).await?;
        let (value, key) = Invalid::both(read(&bytes), idempotency_key(&parts.headers))?;
        let hash = || RequestHash::of(&format!("{} {}", parts.method, parts.uri.path()), &bytes);
        let repeatable = key.map(|key| Repeatable { key, hash: hash() });
        Ok(Self(value, Origin { repeatable, ..origin }))
    }
}

/// Returns the key by which a repetition of the request is recognised, if the caller sent one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Invalid> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    IdempotencyKey::parse(value.to_str().unwrap_or_default()).map(Some)
}

/// Receives a JSON body within the limits of size and time.
async fn receive(parts: &Parts, body: &mut Body) -> Result<BytesMut, Problem> {
    if !is_json(&parts.headers) {
        return Err(
            Problem::new(Code::UnsupportedMediaType).field("Content-Type", "must be application/json")
        );
    }
    let max = parts.extensions.get::<BodyMax>().map_or(BODY_MAX, |BodyMax(max)| *max);
    match timeout(ARRIVAL_MAX, collect(body, max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Incomplete::TooLarge)) => Err(too_large(max)),
        Ok(Err(Incomplete::Broken)) => Err(Invalid::field("body", "is not complete").into()),
        Err(_) => Err(late().into()),
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

fn too_large(max: usize) -> Problem {
    Problem::new(Code::PayloadTooLarge).field("body", format!("must not have more than {max} bytes"))
}

fn late() -> Invalid {
    Invalid::field("body", format!("did not arrive within {} seconds", ARRIVAL_MAX.as_secs()))
}

/// Reason why a body was not read to its end.
enum Incomplete {
    TooLarge,
    Broken,
}

async fn collect(body: &mut Body, max: usize) -> Result<BytesMut, Incomplete> {
    // An announced length counts only if it is too large.
    if body.size_hint().lower() > max as u64 {
        return Err(Incomplete::TooLarge);
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|_| Incomplete::Broken)?.into_data().unwrap_or_default();
        if bytes.len() + data.len() > max {
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
