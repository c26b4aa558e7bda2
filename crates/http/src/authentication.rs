//! Authentication and authorisation: finds the caller of a request by its API key or session token, checks the scope of
//! the route, and limits the rate of the caller's requests.

mod callers;
mod failures;
mod rates;

pub(crate) use callers::{Callers, READS_SERVED};
pub(crate) use failures::FailureLimit;
pub use rates::RateLimit;
pub(crate) use rates::{Rate, Rates};

use crate::access_log::CallerSlot;
use crate::problem::{Code, Problem};
use crate::route::Effect;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use steadfast_domain::Invalid;
use steadfast_domain::identity::SessionLimits;
use steadfast_services::identity::UseRecorder;

/// Settings about callers.
#[derive(Clone, Debug)]
pub struct CallerSettings {
    /// Limits of sessions.
    pub sessions: SessionLimits,
    /// Limit of the requests of each caller; `None` if there is none.
    pub rate: Option<RateLimit>,
    /// Recorder of the use of keys and sessions.
    pub uses: UseRecorder,
}

/// Header that can carry a key instead of `Authorization`.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Requirements of a route on its callers.
pub(crate) struct Guard {
    /// Finds callers.
    pub(crate) callers: Callers,
    /// Scope that the caller needs.
    pub(crate) scope: &'static str,
    /// Effect of the route. Writes need a recent confirmation of the key or session.
    pub(crate) effect: Effect,
}

/// Admits only callers who have the scope, and returns how many requests the caller has left.
///
/// # Errors
/// Returns the problem of a request without a good key or token, of a caller who lacks the scope, or of one who sends too
/// many requests.
pub(crate) async fn require(guard: &Guard, request: &Parts) -> Result<Option<Rate>, Refusal> {
    let key = presented(&request.headers)?;
    let caller = guard.callers.authenticate(key, guard.effect, address(request)).await?;
    if let Some(slot) = request.extensions.get::<CallerSlot>() {
        slot.fill(Arc::clone(&caller));
    }
    let rate = guard.callers.rate(caller.principal);
    if rate.is_some_and(|rate| rate.is_exceeded()) {
        let message = "The caller sends too many requests. Wait as long as Retry-After says.";
        let problem = Problem::says(Code::RateLimited, message);
        let wait = rate.map(|rate| rate.reset);
        return Err(Refusal { problem: problem.retry_after(wait), rate });
    }
    if !caller.may(guard.scope) {
        let message = format!("The caller lacks the scope {}.", guard.scope);
        return Err(Refusal { problem: Problem::says(Code::Forbidden, message), rate });
    }
    Ok(rate)
}

/// Refusal of a request by its caller.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The answer.
    pub(crate) problem: Problem,
    /// Requests that the caller has left, if the caller is known.
    pub(crate) rate: Option<Rate>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, rate: None }
    }
}

/// Returns the one key or token that the request carries.
fn presented(headers: &HeaderMap) -> Result<&str, Problem> {
    let own = headers.get_all(API_KEY).iter().filter_map(|value| value.to_str().ok());
    let bearer =
        headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| bearer(value.to_str().ok()?));
    // Proxies and clients send an empty header for a key that is not set.
    let mut keys = own.map(str::trim).chain(bearer).filter(|key| !key.is_empty());
    let first = keys.next().ok_or_else(|| Problem::new(Code::Unauthorized))?;
    if keys.any(|key| key != first) {
        let message = "the keys in X-API-Key and Authorization differ; send one";
        return Err(Invalid::field("X-API-Key", message).into());
    }
    Ok(first)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns the address that the request's connection comes from, where the server recorded it.
pub(crate) fn address(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip())
}

#[cfg(test)]
mod tests;
