//! Finds callers by their API key or session token and remembers the answers.
//!
//! An answer counts from the moment at which its look-up began. For [`FRESH`] it serves every request. After that a
//! request looks the key or session up again. If the database does not answer, writes are refused, and reads are served
//! until [`READS_SERVED`] have passed since the last confirmation.

use super::failures::FailureLimit;
use super::{Rate, RateLimit, Rates};
use crate::problem::{Code, Problem};
use crate::route::Effect;
use axum::http::HeaderMap;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use moka::future::Cache;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_domain::identity::{Caller, Credential, Principal};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

/// Longest time for which an answer serves without a new look-up. A revoked key writes for at most this long. A look-up
/// that takes longer is abandoned, because its answer would no longer count.
const FRESH: Duration = Duration::from_secs(10);

/// Longest time for which reads are served after the last confirmation while the key cannot be looked up.
pub(crate) const READS_SERVED: Duration = Duration::from_secs(60);

/// Longest time after the beginning of a look-up for which reads wait for it if an earlier answer can serve them.
const READS_WAIT: Duration = Duration::from_secs(1);

/// Number of invalid credentials that an address may present at once after a rest.
const FAILURES_BURST: u32 = 100;

/// Time after which an address may present one more.
const FAILURE_REFILL: Duration = Duration::from_millis(100);

/// Maximum number of remembered credentials.
const REMEMBERED_MAX: u64 = 20_000;

/// Time after which an unused key is forgotten.
const REMEMBERED_UNUSED: Duration = Duration::from_secs(3600);

/// Maximum number of concurrent look-ups of keys that are not known to be valid.
const FIRST_LOOK_UPS_MAX: usize = 10_000;

type Lookup = Arc<dyn Fn(Credential) -> BoxFuture<'static, Result<Option<Caller>, Problem>> + Send + Sync>;

/// Finds callers by their API key or session token. Clones share what is remembered.
#[derive(Clone)]
pub(crate) struct Callers {
    lookup: Lookup,
    remembered: Cache<Credential, Arc<Remembered>>,
    failures: FailureLimit,
    first_look_ups: Arc<Semaphore>,
    rates: Option<Rates>,
}

impl Callers {
    /// Creates a finder that asks `lookup`. A look-up returns `None` for a key or session that is
    /// unknown, revoked or expired.
    pub(crate) fn new<L, F>(lookup: L) -> Self
    where
        L: Fn(Credential) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Caller>, Problem>> + Send + 'static,
    {
        let remembered =
            Cache::builder().max_capacity(REMEMBERED_MAX).time_to_idle(REMEMBERED_UNUSED).build();
        let lookup = Arc::new(move |credential| lookup(credential).boxed());
        let first_look_ups = Arc::new(Semaphore::new(FIRST_LOOK_UPS_MAX));
        let failures = FailureLimit::new(FAILURES_BURST, FAILURE_REFILL);
        Self { lookup, remembered, failures, first_look_ups, rates: None }
    }

    /// Limits the rate of each caller's requests.
    #[must_use]
    pub(crate) fn limited(self, limit: Option<RateLimit>) -> Self {
        Self { rates: limit.map(Rates::new), ..self }
    }

    /// Counts a request of `principal`. Returns `None` if the rate is not limited.
    pub(crate) fn rate(&self, principal: Principal) -> Option<Rate> {
        self.rates.as_ref().map(|rates| rates.count(principal))
    }

    /// Adds the headers that describe the rate to an answer.
    pub(crate) fn describe(&self, rate: Option<Rate>, headers: &mut HeaderMap) {
        if let Some((rates, rate)) = self.rates.as_ref().zip(rate) {
            rates.describe(rate, headers);
        }
    }

    /// Forgets the remembered answers about callers that `is_meant` selects. Their next requests are looked up.
    pub(crate) async fn forget(&self, is_meant: impl Fn(Principal) -> bool) {
        let is_meant = |remembered: &Remembered| {
            let last = remembered.lock().last.as_ref().and_then(|answer| answer.caller.clone());
            last.is_some_and(|caller| is_meant(caller.principal))
        };
        let meant = self.remembered.iter().filter(|(_, remembered)| is_meant(remembered));
        let meant: Vec<Credential> = meant.map(|(credential, _)| *credential).collect();
        for credential in meant {
            self.remembered.invalidate(&credential).await;
        }
    }

    /// Finds the caller who presents `text`, a key or a token, from `address` to a route with this `effect`.
    ///
    /// # Errors
    /// Returns 401 if it is not valid, 429 if the address sent too many that are not, and 503 if the
    /// database would have to confirm the key and does not.
    pub(crate) async fn authenticate(
        &self,
        text: &str,
        effect: Effect,
        address: Option<IpAddr>,
    ) -> Result<Arc<Caller>, Problem> {
        let Some(credential) = Credential::of_presented(text) else {
            Box::pin(self.failures.charge(address)).await?;
            return Err(Problem::new(Code::Unauthorized));
        };
        // Keys in use are not limited: an address can be a proxy that good and bad callers share.
        if let Some(known) = self.remembered.get(&credential).await.filter(|known| known.has_caller()) {
            return confirm(&known, effect, || (self.lookup)(credential)).await;
        }
        // Boxed, because it is rare and large: the future of every request would have its size.
        Box::pin(self.authenticate_new(credential, effect, address)).await
    }

    /// Finds the caller of a key that is not known to be valid.
    async fn authenticate_new(
        &self,
        credential: Credential,
        effect: Effect,
        address: Option<IpAddr>,
    ) -> Result<Arc<Caller>, Problem> {
        // Charged beforehand, so that running look-ups count too.
        let charge = self.failures.charge(address).await?;
        let Ok(permit) = Arc::clone(&self.first_look_ups).try_acquire_owned() else {
            charge.refund();
            return Err(Problem::new(Code::Overloaded).retry_after(None));
        };
        let remembered = self.remembered.get_with(credential, async { Arc::default() }).await;
        let confirmed = confirm(&remembered, effect, || {
            // Held by the look-up, which outlives a request that leaves.
            (self.lookup)(credential).inspect(move |_| drop(permit))
        })
        .await;
        if !confirmed.as_ref().is_err_and(Problem::is_unauthorized) {
            charge.refund();
        }
        confirmed
    }
}

/// Returns the caller that `remembered` is about, after a new look-up if the last answer no longer suffices.
async fn confirm<F>(
    remembered: &Arc<Remembered>,
    effect: Effect,
    look_up: impl FnOnce() -> F,
) -> Result<Arc<Caller>, Problem>
where
    F: Future<Output = Result<Option<Caller>, Problem>> + Send + 'static,
{
    let (last, flight) = match remembered.recall(look_up) {
        Recalled::Fresh(answer) => return answer.valid_caller(),
        Recalled::Stale { last, flight } => (last, flight),
    };
    // Boxed for the same reason: a key is looked up once in ten seconds.
    Box::pin(land(last, flight, effect)).await
}

/// Waits for the answer of `flight`, or serves a read by the `last` one.
async fn land(last: Option<Answer>, flight: Flight, effect: Effect) -> Result<Arc<Caller>, Problem> {
    let fallback = last.filter(|_| effect == Effect::Reads);
    let wait = if fallback.is_some() { READS_WAIT } else { FRESH };
    let result = timeout_at(flight.began + wait, flight.result).await;
    let failure = match result.unwrap_or_else(|_| Err(no_answer())) {
        Ok(answer) if effect == Effect::Reads || answer.age() <= FRESH => return answer.valid_caller(),
        Ok(_) => no_answer(),
        Err(problem) if !problem.is_temporary() => return Err(problem),
        Err(problem) => problem,
    };
    // Checked after the wait, during which the answer may have become too old.
    match fallback.filter(|answer| answer.age() <= READS_SERVED) {
        Some(answer) => answer.valid_caller(),
        None => Err(failure),
    }
}

/// Describes a database that does not answer a look-up in time.
fn no_answer() -> Problem {
    let problem = Problem::new(Code::DbConnection).retry_after(None);
    problem.caused("identity.look_up", "timeout", "the database did not confirm the caller in time")
}

/// Answer of a look-up.
#[derive(Clone)]
struct Answer {
    /// The bearer of the key; `None` if the key is not valid.
    caller: Option<Arc<Caller>>,
    /// Beginning of the look-up.
    as_of: Instant,
}

impl Answer {
    fn age(&self) -> Duration {
        self.as_of.elapsed()
    }

    /// Returns the caller unless the key is invalid or has expired since the look-up.
    fn valid_caller(&self) -> Result<Arc<Caller>, Problem> {
        let in_time = |caller: &&Arc<Caller>| caller.expires_in.is_none_or(|left| self.age() < left);
        self.caller.as_ref().filter(in_time).cloned().ok_or_else(|| Problem::new(Code::Unauthorized))
    }
}

/// Running look-up. All requests that need its answer share it, and none of them ends it by leaving.
#[derive(Clone)]
struct Flight {
    began: Instant,
    result: Shared<BoxFuture<'static, Result<Answer, Problem>>>,
}

/// Last answer about a key and the look-up that will replace it.
#[derive(Default)]
struct Remembered(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<Answer>,
    flight: Option<Flight>,
    /// True if a look-up has failed since the last answer. Only the first failure is logged.
    has_failed: bool,
}

enum Recalled {
    Fresh(Answer),
    Stale { last: Option<Answer>, flight: Flight },
}

impl Remembered {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_caller(&self) -> bool {
        self.lock().last.as_ref().is_some_and(|answer| answer.caller.is_some())
    }

    /// Returns the last answer if it is fresh, else the running look-up, which is started if there is none.
    fn recall<F>(self: &Arc<Self>, lookup: impl FnOnce() -> F) -> Recalled
    where
        F: Future<Output = Result<Option<Caller>, Problem>> + Send + 'static,
    {
        let mut state = self.lock();
        match &state.last {
            Some(answer) if answer.age() <= FRESH => Recalled::Fresh(answer.clone()),
            last => {
                let last = last.clone();
                let flight = state.flight.get_or_insert_with(|| self.start(lookup())).clone();
                Recalled::Stale { last, flight }
            }
        }
    }

    fn start<F>(self: &Arc<Self>, lookup: F) -> Flight
    where
        F: Future<Output = Result<Option<Caller>, Problem>> + Send + 'static,
    {
        let (began, guard) = (Instant::now(), FlightGuard(Arc::clone(self)));
        let look_up = async move {
            let found = timeout_at(began + FRESH, lookup).await.unwrap_or_else(|_| Err(no_answer()));
            let result = found.map(|caller| Answer { caller: caller.map(Arc::new), as_of: began });
            guard.0.note(&result);
            result
        };
        // A task of its own: a request that leaves must not end what others wait for.
        let task = tokio::spawn(look_up.in_current_span());
        let result =
            async move { task.await.unwrap_or_else(|error| Err(Problem::panicked(&error.to_string()))) };
        Flight { began, result: result.boxed().shared() }
    }

    fn note(&self, result: &Result<Answer, Problem>) {
        let mut state = self.lock();
        if let Ok(answer) = result {
            *state = State { last: Some(answer.clone()), flight: state.flight.take(), has_failed: false };
            return;
        }
        let known = state.last.as_ref().and_then(|answer| answer.caller.as_ref());
        if let Some(caller) = known.map(|caller| caller.principal).filter(|_| !state.has_failed) {
            tracing::warn!(
                api_key_id = caller.api_key_id(),
                session_id = caller.session_id(),
                "the caller cannot be confirmed; its reads are served for a minute at most"
            );
            state.has_failed = true;
        }
    }
}

/// Ends the flight of a key when dropped, also if the look-up panicked.
struct FlightGuard(Arc<Remembered>);

impl Drop for FlightGuard {
    fn drop(&mut self) {
        self.0.lock().flight = None;
    }
}
