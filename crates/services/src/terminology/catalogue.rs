//! The codes as callers are served: from the cache where it has the answer, else from the database.

use super::releases::{Known, Releases};
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

/// What searches found.
const SEARCH: Area = Area::new("icd10:search", 2);

/// What completes what was typed.
const AUTOCOMPLETE: Area = Area::new("icd10:autocomplete", 2);

/// Codes with their relatives.
const HIERARCHY: Area = Area::new("icd10:hierarchy", 1);

/// Codes by themselves. Not the same as with their relatives, so not under the same name.
const DETAILS: Area = Area::new("icd10:details", 1);

/// How long the database may take for an answer that the cache has not.
const LOAD_MAX: Duration = Duration::from_secs(5);

/// The same while it does not even say which release is in use: an old answer, or none, is wanted soon.
const DOUBTFUL_LOAD_MAX: Duration = Duration::from_secs(1);

/// When to ask again then: the release in use is looked up every second.
const DOUBTFUL_RETRY: Duration = Duration::from_secs(1);

/// Origin of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheStatus {
    /// Cached, and of the release in use as of the last three seconds.
    Hit,
    /// Loaded from the database, at least a part of it.
    Miss,
    /// Cached, while the database does not say whether its release is still in use.
    Stale,
}

impl CacheStatus {
    /// Whether the cache had the answer, fresh or stale.
    pub const fn is_hit(self) -> bool {
        !matches!(self, Self::Miss)
    }

    fn of(status: Status, is_sure: bool) -> Self {
        match status {
            Status::Miss => Self::Miss,
            Status::Hit(_) if is_sure => Self::Hit,
            Status::Hit(_) | Status::Stale { .. } => Self::Stale,
        }
    }
}

/// An answer, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The answer, shared with the cache.
    pub value: Arc<T>,
    /// Where it comes from.
    pub status: CacheStatus,
}

/// What there is of some codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Those that there are, in the order asked for.
    pub found: Vec<Concept>,
    /// Of how many codes the cache knew whether there are any, and what.
    pub hits: usize,
    /// How many were looked up.
    pub misses: usize,
    /// `Miss` when one was looked up, else `Stale` when one may not hold any more.
    pub status: CacheStatus,
}

/// How the catalogue is doing. Read from what is known; asks nobody.
#[derive(Clone, Copy, Debug)]
pub struct CatalogueHealth {
    /// The cache; nothing when it is switched off.
    pub cache: Option<CacheHealth>,
    /// Codes of the release in use; nothing while the database does not say.
    pub codes: Option<usize>,
}

/// The codes behind their cache. Cheap to clone; clones share it.
///
/// Answers are kept under the version of the release in use, which is looked up every second. So after an import or a
/// rollback, by whichever process, answers of the former release are served for at most three seconds. While the database
/// does not answer, what was kept is served as [`CacheStatus::Stale`].
#[derive(Clone, Debug)]
pub struct Catalogue(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// Apart from the rest, because loads under way hold it too.
    store: Arc<Store>,
    cache: Option<Cache>,
    releases: Releases,
}

impl Catalogue {
    /// The codes in `store`; without a `cache`, every answer is loaded. To be made within a Tokio runtime.
    pub fn new(store: Store, cache: Option<Cache>) -> Self {
        let releases = Releases::watch(store.clone());
        Self(Arc::new(Parts { store: Arc::new(store), cache, releases }))
    }

    /// What a search finds, see [`search`]. An answer that lacks a leg is not kept.
    ///
    /// # Errors
    /// As of [`search`], when nothing is kept; after five seconds at the latest.
    pub async fn search(&self, query: &Query) -> Result<Answer<Found>, Error> {
        let owned = query.clone();
        let load = |store| async move { search(&store, &owned).await.map(loaded) };
        self.answer(SEARCH, &parts(query), load).await
    }

    /// What completes what was typed, see [`autocomplete`]. An answer that lacks a leg is not kept.
    ///
    /// # Errors
    /// As of [`autocomplete`], when nothing is kept; after five seconds at the latest.
    pub async fn autocomplete(&self, typed: &Query) -> Result<Answer<Found>, Error> {
        let owned = typed.clone();
        let load = |store| async move { autocomplete(&store, &owned).await.map(loaded) };
        self.answer(AUTOCOMPLETE, &parts(typed), load).await
    }

    /// Returns the code with its relatives, or `None` if there is no such code.
    ///
    /// # Errors
    /// Returns [`Error::Repository`] if the answer is not cached and the database does not answer, after five seconds at
    /// the latest.
    pub async fn code_with_relatives(
        &self,
        code: &IcdCode,
    ) -> Result<Answer<Option<CodeWithRelatives>>, Error> {
        let owned = code.clone();
        let load = |store| async move {
            let found = terminology::code_with_relatives(&store, &owned).await?;
            Ok(if found.is_some() { Loaded::Found(found) } else { Loaded::Nothing(found) })
        };
        self.answer(HIERARCHY, &[code.to_string()], load).await
    }

    /// Those of `codes` that there are. What is not kept is loaded in one statement for all.
    ///
    /// # Errors
    /// [`Error::Repository`], unless all of them are kept; after five seconds at the latest.
    pub async fn find(&self, codes: &[IcdCode]) -> Result<Findings, Error> {
        let known = self.known().await;
        let (limit, is_doubtful) = self.limit(known.as_ref());
        let store = self.0.store.within(Deadline::after(limit));
        let (Some(cache), Some(known)) = (&self.0.cache, known) else {
            let found = terminology::find(&store, codes).await;
            let found = found.map_err(|error| told_of(error.into(), is_doubtful))?;
            return Ok(Findings { found, hits: 0, misses: codes.len(), status: CacheStatus::Miss });
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
        let found = found.map_err(|error| told_of(error, is_doubtful))?;
        Ok(Findings::of(&found, known.is_sure))
    }

    /// How it is doing. Asks nobody.
    pub fn health(&self) -> CatalogueHealth {
        let known = self.0.releases.last().filter(|known| known.is_sure);
        CatalogueHealth {
            cache: self.0.cache.as_ref().map(Cache::health),
            codes: known.map(|known| known.codes()),
        }
    }

    /// Returns true if kept answers can be served although the database does not answer.
    pub fn may_serve_kept(&self) -> bool {
        let has_kept = |cache: CacheHealth| cache.misses + cache.redis_hits > 0;
        self.0.releases.last().is_some() && self.0.cache.as_ref().map(Cache::health).is_some_and(has_kept)
    }

    /// From the cache, else by `load`, which gets a store that does not keep it waiting for long.
    async fn answer<T, F, Fut>(&self, area: Area, parts: &[String], load: F) -> Result<Answer<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: FnOnce(Store) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<T>, Error>> + Send + 'static,
    {
        let known = self.known().await;
        let (limit, is_doubtful) = self.limit(known.as_ref());
        let told = |error| told_of(error, is_doubtful);
        let store = Arc::clone(&self.0.store);
        // Bounded only when it is loaded: most answers come from the cache.
        let load = move || load(store.within(Deadline::after(limit)));
        let (Some(cache), Some(known)) = (&self.0.cache, known) else {
            let value = load().await.map_err(told)?.into_value();
            return Ok(Answer { value: Arc::new(value), status: CacheStatus::Miss });
        };
        let named: Vec<&str> =
            [known.version()].into_iter().chain(parts.iter().map(String::as_str)).collect();
        let key = Key::new(area, &named);
        // The load runs in a task of its own, which several requests may wait for: it counts for the one that began it.
        let count = StatementCount::current();
        let load = move || count.scope(load());
        let Cached { value, status } = cache.get_or_load(&key, load).await.map_err(told)?;
        let status = CacheStatus::of(status, known.is_sure);
        Ok(Answer { value, status })
    }

    /// The release that kept answers must be of; nothing where nothing is kept.
    async fn known(&self) -> Option<Known> {
        self.0.cache.as_ref()?;
        self.0.releases.known().await
    }

    /// The time for one load, and whether it is doubtful that the database answers at all: it does not even say which
    /// release is in use.
    fn limit(&self, known: Option<&Known>) -> (Duration, bool) {
        let is_doubtful = self.0.cache.is_some() && !known.is_some_and(|known| known.is_sure);
        (if is_doubtful { DOUBTFUL_LOAD_MAX } else { LOAD_MAX }, is_doubtful)
    }
}

impl Findings {
    fn of(cached: &[Cached<Option<Concept>>], is_sure: bool) -> Self {
        let statuses = || cached.iter().map(|cached| CacheStatus::of(cached.status, is_sure));
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

/// What callers are told: a load that ran out of time while the database was silent did not take too long, it had no
/// database.
fn told_of(error: Error, is_doubtful: bool) -> Error {
    match error {
        Error::Repository(RepositoryError::Timeout { cause }) if is_doubtful => {
            RepositoryError::Unavailable { cause, retry_after: Some(DOUBTFUL_RETRY) }.into()
        }
        error => error,
    }
}

/// Makes what `cache` keeps of the codes invalid, on every node that shares its Redis; says whether Redis took it. For
/// those who have put another release in use: servers find that out by themselves, this is sooner.
pub async fn forget_answers(cache: &Cache) -> bool {
    let mut is_told = true;
    for area in [SEARCH, AUTOCOMPLETE, HIERARCHY, DETAILS] {
        is_told &= cache.invalidate(area).await;
    }
    is_told
}

/// A search that found nothing is sooner wrong, and one that lacks a leg is not the answer at all.
fn loaded(found: Found) -> Loaded<Found> {
    match (found.failed.is_empty(), found.total) {
        (false, _) => Loaded::Partial(found),
        (true, 0) => Loaded::Nothing(found),
        (true, _) => Loaded::Found(found),
    }
}

/// Whatever the answer depends on; the case of the letters is not part of it.
fn parts(query: &Query) -> [String; 4] {
    let (chapter, inactive) = (query.chapter().unwrap_or_default(), query.finds_inactive());
    [query.text().to_lowercase(), query.limit().to_string(), chapter.to_owned(), inactive.to_string()]
}
