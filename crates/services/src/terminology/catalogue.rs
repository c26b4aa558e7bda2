//! The catalogue, which answers from the cache or else from the database.

use super::releases::{KnownRelease, Releases};
use super::{Found, autocomplete, search};
use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use steadfast_cache::{Area, Cache, CacheHealth, Cached, Key, Loaded, Status};
use steadfast_domain::terminology::{CodeWithRelatives, Concept, IcdCode, Query};
use steadfast_repository::{Error as RepositoryError, StatementCount, Store, terminology};
use steadfast_resilience::Deadline;
use utoipa::ToSchema;

/// Results of searches.
const SEARCH: Area = Area::new("icd10:search", 2);

/// Results of autocompletion.
const AUTOCOMPLETE: Area = Area::new("icd10:autocomplete", 2);

/// Codes with their relatives.
const HIERARCHY: Area = Area::new("icd10:hierarchy", 1);

/// Codes without their relatives.
const DETAILS: Area = Area::new("icd10:details", 1);

/// Deadline of a load from the database.
const LOAD_DEADLINE: Duration = Duration::from_secs(5);

/// Deadline of a load while the release in use is unconfirmed. It is short, because the database is probably
/// unavailable.
const UNCONFIRMED_LOAD_DEADLINE: Duration = Duration::from_secs(1);

/// Time after which callers should retry while the release is unconfirmed, which is looked up every second.
const UNCONFIRMED_RETRY: Duration = Duration::from_secs(1);

/// Origin of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheStatus {
    /// Cached, and of the release in use as of the last three seconds.
    Hit,
    /// Loaded from the database, at least a part of it.
    Miss,
    /// Cached, while it is unconfirmed that its release is still in use.
    Stale,
}

impl CacheStatus {
    /// Returns true if the answer was cached, fresh or stale.
    pub const fn is_hit(self) -> bool {
        !matches!(self, Self::Miss)
    }

    fn of(status: Status, is_confirmed: bool) -> Self {
        match status {
            Status::Miss => Self::Miss,
            Status::Hit(_) if is_confirmed => Self::Hit,
            Status::Hit(_) | Status::Stale { .. } => Self::Stale,
        }
    }
}

/// An answer with its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The answer, shared with the cache.
    pub value: Arc<T>,
    /// Origin of the answer.
    pub status: CacheStatus,
}

/// Result of looking up several codes.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundCodes {
    /// The codes that exist, in the order of the request.
    pub found: Vec<Concept>,
    /// Number of codes whose result was cached, including codes that do not exist.
    pub hits: usize,
    /// Number of codes that were loaded.
    pub misses: usize,
    /// `Miss` if a code was loaded, otherwise `Stale` if a cached result may be outdated, otherwise `Hit`.
    pub status: CacheStatus,
}

/// State of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct CatalogueHealth {
    /// State of the cache; `None` if it is disabled.
    pub cache: Option<CacheHealth>,
    /// Number of codes of the release in use; `None` if it is unconfirmed.
    pub codes: Option<usize>,
}

/// The codes behind their cache. Cheap to clone; clones share the cache.
///
/// Cache keys contain the version of the release in use, which is looked up every second. After an import or a rollback
/// by any process, answers of the previous release are therefore served for at most three seconds. While the database
/// is unavailable, cached answers are served as [`CacheStatus::Stale`].
#[derive(Clone, Debug)]
pub struct Catalogue(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// Shared with running loads.
    store: Arc<Store>,
    cache: Option<Cache>,
    releases: Releases,
}

impl Catalogue {
    /// Creates a catalogue of the codes in `store`. Without a `cache`, every answer is loaded.
    ///
    /// # Panics
    /// Panics outside of a Tokio runtime.
    pub fn new(store: Store, cache: Option<Cache>) -> Self {
        let releases = Releases::watch(store.clone());
        Self(Arc::new(Parts { store: Arc::new(store), cache, releases }))
    }

    /// Searches for codes, see [`search`]. Results with a failed leg are not cached.
    ///
    /// # Errors
    /// Returns the error of [`search`] if there is no cached answer, after at most five seconds.
    pub async fn search(&self, query: &Query) -> Result<Answer<Found>, Error> {
        let owned = query.clone();
        let load = |store| async move { search(&store, &owned).await.map(loaded) };
        self.answer(SEARCH, &parts(query).each_ref().map(String::as_str), load).await
    }

    /// Completes a typed text, see [`autocomplete()`]. Results with a failed leg are not cached.
    ///
    /// # Errors
    /// Returns the error of [`autocomplete()`] if there is no cached answer, after at most five seconds.
    pub async fn autocomplete(&self, typed: &Query) -> Result<Answer<Found>, Error> {
        let owned = typed.clone();
        let load = |store| async move { autocomplete(&store, &owned).await.map(loaded) };
        self.answer(AUTOCOMPLETE, &parts(typed).each_ref().map(String::as_str), load).await
    }

    /// Returns the code with its relatives, or `None` if the code does not exist.
    ///
    /// # Errors
    /// Returns [`Error::Repository`] if the answer is not cached and the database fails, after at most five seconds.
    pub async fn code_with_relatives(
        &self,
        code: &IcdCode,
    ) -> Result<Answer<Option<CodeWithRelatives>>, Error> {
        let owned = code.clone();
        let load = |store| async move {
            let found = terminology::code_with_relatives(&store, &owned).await?;
            Ok(if found.is_some() { Loaded::Found(found) } else { Loaded::Nothing(found) })
        };
        self.answer(HIERARCHY, &[code.as_str()], load).await
    }

    /// Returns the `codes` that exist. Codes that are not cached are loaded in one statement.
    ///
    /// # Errors
    /// Returns [`Error::Repository`] if a code is not cached and the database fails, after at most five seconds.
    pub async fn find(&self, codes: &[IcdCode]) -> Result<FoundCodes, Error> {
        let known = self.known().await;
        let (limit, is_unconfirmed) = self.limit(known.as_ref());
        let store = self.0.store.within(Deadline::after(limit));
        let (Some(cache), Some(known)) = (&self.0.cache, known) else {
            let found = terminology::find(&store, codes).await;
            let found = found.map_err(|error| reported(error.into(), is_unconfirmed))?;
            return Ok(FoundCodes { found, hits: 0, misses: codes.len(), status: CacheStatus::Miss });
        };
        let keys: Vec<Key> =
            codes.iter().map(|code| Key::new(DETAILS, &[known.version(), code.as_str()])).collect();
        let load = async |missing: Vec<usize>| {
            let wanted: Vec<IcdCode> = missing.iter().map(|at| codes[*at].clone()).collect();
            let found = terminology::find(&store, &wanted).await?;
            let mut by_code: HashMap<_, _> =
                found.into_iter().map(|concept| (concept.code.clone(), concept)).collect();
            Ok::<_, Error>(move |at: usize| match by_code.remove(&codes[at]) {
                Some(concept) => Loaded::Found(Some(concept)),
                None => Loaded::Nothing(None),
            })
        };
        let found = cache.get_or_load_many(DETAILS, &keys, load).await;
        let found = found.map_err(|error| reported(error, is_unconfirmed))?;
        Ok(FoundCodes::of(&found, known.is_confirmed))
    }

    /// Returns the places of the `codes` that do not exist. Sends a statement only for codes that are not cached.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] for a text that is no code, and the errors of [`find`](Self::find).
    pub async fn unknown(&self, codes: &[&str]) -> Result<Vec<usize>, Error> {
        if codes.is_empty() {
            return Ok(Vec::new());
        }
        let codes: Vec<_> =
            codes.iter().map(|code| IcdCode::parse("code", code)).collect::<Result<_, _>>()?;
        let found = self.find(&codes).await?.found;
        let is_unknown = |at: &usize| !found.iter().any(|concept| concept.code == codes[*at]);
        Ok((0..codes.len()).filter(is_unknown).collect())
    }

    /// Returns the state of the catalogue, without a request to the database or to Redis.
    pub fn health(&self) -> CatalogueHealth {
        let known = self.0.releases.last().filter(|known| known.is_confirmed);
        CatalogueHealth {
            cache: self.0.cache.as_ref().map(Cache::health),
            codes: known.map(|known| known.codes()),
        }
    }

    /// Returns true if cached answers can be served while the database is unavailable.
    pub fn can_serve_cached(&self) -> bool {
        let has_values = |cache: CacheHealth| cache.misses + cache.redis_hits > 0;
        self.0.releases.last().is_some() && self.0.cache.as_ref().map(Cache::health).is_some_and(has_values)
    }

    /// Returns an answer from the cache or else from `load`, which receives a store with a deadline.
    async fn answer<T, F, Fut>(&self, area: Area, parts: &[&str], load: F) -> Result<Answer<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: FnOnce(Store) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<T>, Error>> + Send + 'static,
    {
        let known = self.known().await;
        let (limit, is_unconfirmed) = self.limit(known.as_ref());
        let reported = |error| reported(error, is_unconfirmed);
        let store = Arc::clone(&self.0.store);
        // The deadline is set only for loads, because most answers come from the cache.
        let load = move || load(store.within(Deadline::after(limit)));
        let (Some(cache), Some(known)) = (&self.0.cache, known) else {
            let value = load().await.map_err(reported)?.into_value();
            return Ok(Answer { value: Arc::new(value), status: CacheStatus::Miss });
        };
        let key = Key::new(area, &[&[known.version()], parts].concat());
        // The load runs in its own task, for which several requests may wait. Its statements count for the first one.
        let count = StatementCount::current();
        let load = move || count.scope(load());
        let Cached { value, status } = cache.get_or_load(&key, load).await.map_err(reported)?;
        let status = CacheStatus::of(status, known.is_confirmed);
        Ok(Answer { value, status })
    }

    /// Returns the release whose cached answers are valid, or `None` without a cache.
    async fn known(&self) -> Option<KnownRelease> {
        self.0.cache.as_ref()?;
        self.0.releases.known().await
    }

    /// Returns the deadline of a load, and true if the release in use is unconfirmed, so that the database is probably
    /// unavailable.
    fn limit(&self, known: Option<&KnownRelease>) -> (Duration, bool) {
        let is_unconfirmed = self.0.cache.is_some() && !known.is_some_and(|known| known.is_confirmed);
        (if is_unconfirmed { UNCONFIRMED_LOAD_DEADLINE } else { LOAD_DEADLINE }, is_unconfirmed)
    }
}

impl FoundCodes {
    fn of(cached: &[Cached<Option<Concept>>], is_confirmed: bool) -> Self {
        let statuses = || cached.iter().map(|cached| CacheStatus::of(cached.status, is_confirmed));
        let misses = statuses().filter(|status| !status.is_hit()).count();
        let is_stale = statuses().any(|status| status == CacheStatus::Stale);
        let status = match (misses, is_stale) {
            (1.., _) => CacheStatus::Miss,
            (0, true) => CacheStatus::Stale,
            (0, false) => CacheStatus::Hit,
        };
        let found = cached.iter().filter_map(|cached| (*cached.value).clone()).collect();
        Self { found, hits: cached.len() - misses, misses, status }
    }
}

/// Converts the error of a load for the caller: a timeout while the release in use is unconfirmed means that the
/// database is unavailable.
fn reported(error: Error, is_unconfirmed: bool) -> Error {
    match error {
        Error::Repository(RepositoryError::Timeout { cause }) if is_unconfirmed => {
            RepositoryError::Unavailable { cause, retry_after: Some(UNCONFIRMED_RETRY) }.into()
        }
        error => error,
    }
}

/// Invalidates all answers on every node that shares the Redis server of `cache`. Returns true if Redis has stored the
/// invalidation.
///
/// Call this after another release was put in use. Servers detect the change on their own, but a few seconds later.
pub async fn invalidate_answers(cache: &Cache) -> bool {
    let mut is_stored = true;
    for area in [SEARCH, AUTOCOMPLETE, HIERARCHY, DETAILS] {
        is_stored &= cache.invalidate(area).await;
    }
    is_stored
}

/// Classifies the result of a search: without matches, it is cached for a shorter time; with a failed leg, not at all.
fn loaded(found: Found) -> Loaded<Found> {
    match (found.failed.is_empty(), found.total) {
        (false, _) => Loaded::Partial(found),
        (true, 0) => Loaded::Nothing(found),
        (true, _) => Loaded::Found(found),
    }
}

/// Returns the parts of the cache key of a query, which ignores case.
fn parts(query: &Query) -> [String; 4] {
    let (chapter, inactive) = (query.chapter().unwrap_or_default(), query.finds_inactive());
    [query.text().to_lowercase(), query.limit().to_string(), chapter.to_owned(), inactive.to_string()]
}
