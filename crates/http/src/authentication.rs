//! Authentication and authorisation: finds the caller of a request by its API key and checks the scope of the route.

mod callers;
mod failures;

pub(crate) use callers::{Callers, READS_SERVED};

use crate::access_log::CallerSlot;
use crate::problem::{Code, Problem};
use crate::route::Effect;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use steadfast_domain::Invalid;

/// Header that can carry a key instead of `Authorization`.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Requirements of a route on its callers.
pub(crate) struct Guard {
    /// Finds callers.
    pub(crate) callers: Callers,
    /// Scope that the caller needs.
    pub(crate) scope: &'static str,
    /// Effect of the route. Writes need a recent confirmation of the key.
    pub(crate) effect: Effect,
}

/// Admits only callers whose key has the scope.
///
/// # Errors
/// Returns the problem of a request without a good key, or of one whose key lacks the scope.
pub(crate) async fn require(guard: &Guard, request: &Parts) -> Result<(), Problem> {
    let key = presented(&request.headers)?;
    let caller = guard.callers.authenticate(key, guard.effect, address(request)).await?;
    if let Some(slot) = request.extensions.get::<CallerSlot>() {
        slot.fill(Arc::clone(&caller));
    }
    if !caller.may(guard.scope) {
        let message = format!("This API key lacks the scope {}.", guard.scope);
        return Err(Problem::says(Code::Forbidden, message));
    }
    Ok(())
}

/// Returns the one key that the request carries.
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
