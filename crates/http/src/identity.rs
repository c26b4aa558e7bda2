//! Who calls: API keys in a header, looked up by their hash, remembered for a moment.

use crate::access_log::CallerSlot;
use crate::problem::{Code, Problem};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::future::BoxFuture;
use moka::future::Cache;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use steadfast_domain::Invalid;
use steadfast_domain::identity::{Caller, KeyHash};
use tokio::time::timeout;

/// The header of its own in which a key may come.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How long a key that was found is remembered. A revoked key works for at most so long.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// How long a key that was found serves when the database cannot say whether it still holds: what is answered then comes
/// from the cache, and a caller who may read it should not be lost with the database.
pub(crate) const KNOWN_FOR: Duration = Duration::from_secs(3600);

/// How long the database may take to say so while there is somebody to fall back to.
const DOUBTFUL_LOOKUP_MAX: Duration = Duration::from_secs(1);

/// Keys that are remembered at once.
const REMEMBERED_MAX: u64 = 10_000;

type Lookup = Arc<dyn Fn(KeyHash) -> BoxFuture<'static, Result<Option<Caller>, Problem>> + Send + Sync>;

/// Finds callers by the hash of their key. A caller that was found is remembered for 10 s, and requests that ask for
/// the same key at once share one look-up. Unknown keys are not remembered, so that a new key works at once. While the
/// database cannot be asked, who was found within the last hour is let through.
#[derive(Clone)]
pub(crate) struct Callers {
    lookup: Lookup,
    remembered: Cache<KeyHash, Arc<Caller>>,
    known: Cache<KeyHash, Arc<Caller>>,
}

impl Callers {
    /// Callers that `lookup` finds. It says `None` for a key that nobody has, or that may not be used any more.
    pub(crate) fn new<L, F>(lookup: L) -> Self
    where
        L: Fn(KeyHash) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Caller>, Problem>> + Send + 'static,
    {
        Self::remembering(REMEMBERED_FOR, lookup)
    }

    fn remembering<L, F>(time: Duration, lookup: L) -> Self
    where
        L: Fn(KeyHash) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Caller>, Problem>> + Send + 'static,
    {
        let cache = |time| Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(time).build();
        let (remembered, known) = (cache(time), cache(KNOWN_FOR));
        Self { lookup: Arc::new(move |hash| Box::pin(lookup(hash))), remembered, known }
    }

    async fn find(&self, hash: KeyHash) -> Result<Arc<Caller>, Problem> {
        // A failure goes to everybody who waited for it, and is forgotten.
        let found = self.remembered.try_get_with(hash, self.look_up_or_recall(hash)).await;
        found.map_err(Arc::unwrap_or_clone)
    }

    async fn look_up_or_recall(&self, hash: KeyHash) -> Result<Arc<Caller>, Problem> {
        let Some(known) = self.known.get(&hash).await else { return self.look_up(hash).await };
        match timeout(DOUBTFUL_LOOKUP_MAX, self.look_up(hash)).await {
            Ok(Err(problem)) if !problem.is_of_the_database() => Err(problem),
            Ok(Ok(caller)) => Ok(caller),
            Ok(Err(_)) | Err(_) => {
                let api_key_id = known.api_key_id;
                tracing::warn!(
                    api_key_id,
                    "the database does not say whether the key still holds; it did before"
                );
                Ok(known)
            }
        }
    }

    async fn look_up(&self, hash: KeyHash) -> Result<Arc<Caller>, Problem> {
        match (self.lookup)(hash).await?.map(Arc::new) {
            Some(caller) => {
                self.known.insert(hash, Arc::clone(&caller)).await;
                Ok(caller)
            }
            None => {
                self.known.invalidate(&hash).await;
                Err(Problem::new(Code::Unauthorized))
            }
        }
    }
}

/// What a route asks of its callers.
#[derive(Clone)]
pub(crate) struct Guard {
    /// Who may be who.
    pub(crate) callers: Callers,
    /// The scope that the caller needs.
    pub(crate) scope: &'static str,
}

/// Middleware: lets only callers through whose key has the scope.
pub(crate) async fn require(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let hash = presented(request.headers())?;
    let caller = guard.callers.find(hash).await?;
    if let Some(slot) = request.extensions().get::<CallerSlot>() {
        slot.fill(caller.api_key_id);
    }
    if !caller.may(guard.scope) {
        let message = format!("This API key lacks the scope {}.", guard.scope);
        return Err(Problem::says(Code::Forbidden, message));
    }
    Ok(next.run(request).await)
}

/// The hash of the one key that the request carries.
fn presented(headers: &HeaderMap) -> Result<KeyHash, Problem> {
    let own = headers.get_all(API_KEY).iter().filter_map(|value| value.to_str().ok());
    let bearer =
        headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| bearer(value.to_str().ok()?));
    // Proxies and clients send a header with nothing in it for one that is not set.
    let keys: BTreeSet<&str> = own.map(str::trim).chain(bearer).filter(|key| !key.is_empty()).collect();
    if keys.len() > 1 {
        let message = "the keys in X-API-Key and Authorization differ; send one";
        return Err(Invalid::field("X-API-Key", message).into());
    }
    let hash = keys.first().and_then(|key| KeyHash::of_presented(key));
    hash.ok_or_else(|| Problem::new(Code::Unauthorized))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests;
