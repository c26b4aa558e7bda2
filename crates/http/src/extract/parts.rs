//! Caller and headers of a request.

use crate::access_log::CallerSlot;
use crate::authentication::address;
use crate::correlation;
use crate::problem::{Code, Problem};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use std::convert::Infallible;
use std::sync::Arc;
use steadfast_domain::Invalid;
use steadfast_domain::audit::{Origin, USER_AGENT_MAX};
use steadfast_domain::identity::{Caller, Principal};
use steadfast_domain::version::Expected;

/// Header by which a repeated request is recognised.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The caller of a route that needs one.
#[derive(Debug)]
pub(crate) struct Bearer(pub(crate) Arc<Caller>);

impl<S: Sync> FromRequestParts<S> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        caller(parts).cloned().map(Self)
    }
}

/// Returns the caller that the authentication has found.
pub(super) fn caller(parts: &Parts) -> Result<&Arc<Caller>, Problem> {
    let slot = parts.extensions.get::<CallerSlot>();
    slot.and_then(CallerSlot::caller).ok_or_else(|| Problem::new(Code::Unauthorized))
}

/// The origin of a request whose effect is added to the audit trail.
#[derive(Debug)]
pub(crate) struct Audited(pub(crate) Origin);

impl<S: Sync> FromRequestParts<S> for Audited {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        origin(parts).map(Self)
    }
}

/// The origin of a request without a caller.
#[derive(Debug)]
pub(crate) struct Anonymous(pub(crate) Origin);

impl<S: Sync> FromRequestParts<S> for Anonymous {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(origin_of(parts, Principal::Anonymous)))
    }
}

/// Returns the origin of a request, without an idempotency key.
pub(super) fn origin(parts: &Parts) -> Result<Origin, Problem> {
    Ok(origin_of(parts, caller(parts)?.principal()))
}

fn origin_of(parts: &Parts, principal: Principal) -> Origin {
    let user_agent = parts.headers.get(header::USER_AGENT);
    Origin {
        principal,
        correlation_id: correlation::current().as_str().to_owned(),
        address: address(parts),
        user_agent: user_agent.map(|agent| shown(agent.as_bytes())),
        repeatable: None,
    }
}

/// Returns the text of a header as it can be stored, cut to [`USER_AGENT_MAX`] characters.
fn shown(header: &[u8]) -> String {
    String::from_utf8_lossy(header).chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect()
}

/// The version that a change refers to. Requests without it are refused, because a change that is based on an outdated
/// read would silently undo another one.
#[derive(Debug)]
pub(crate) struct IfMatch(pub(crate) Expected);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(header::IF_MATCH).iter();
        let (value, further) = (values.next(), values.next());
        let text = value.filter(|_| further.is_none()).and_then(|value| value.to_str().ok());
        let message = "must be sent once: the ETag of the resource as it was read, or * for any version";
        let text = text.ok_or_else(|| Invalid::field("If-Match", message))?;
        Ok(Self(Expected::parse(text)?))
    }
}
