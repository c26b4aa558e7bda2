//! Limits the rate of each caller's requests, and tells callers how many they have left.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use steadfast_domain::identity::Principal;

/// Header that describes the limit.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Header that says how much of the limit is left.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Number of requests after which callers who rested are forgotten.
const FORGET_EVERY: u32 = 1 << 16;

/// Limit of the requests of each caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Number of requests per second in the long run.
    pub per_second: NonZeroU32,
    /// Number of requests at once after a rest.
    pub burst: NonZeroU32,
}

type Limiter = RateLimiter<Principal, HashMapStateStore<Principal>, DefaultClock, StateInformationMiddleware>;

/// Requests of all callers. Clones share the counts.
#[derive(Clone)]
pub(crate) struct Rates(Arc<Counts>);

struct Counts {
    limit: RateLimit,
    limiter: Limiter,
    clock: DefaultClock,
    policy: HeaderValue,
    requests: AtomicU32,
}

/// Requests that a caller has left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Number of requests that may be sent at once; `None` if this one is too many.
    remaining: Option<u32>,
    /// Time until the next request is accepted, or until the caller may send a whole burst again.
    pub(crate) reset: Duration,
}

impl Rate {
    /// Returns true if the request is refused.
    pub(crate) const fn is_exceeded(self) -> bool {
        self.remaining.is_none()
    }
}

impl Rates {
    /// Creates counts with `limit`.
    pub(crate) fn new(limit: RateLimit) -> Self {
        let RateLimit { per_second, burst } = limit;
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let window = burst.get().div_ceil(per_second.get());
        let policy = HeaderValue::try_from(format!("\"default\";q={burst};w={window}"));
        Self(Arc::new(Counts {
            limit,
            limiter: RateLimiter::hashmap(quota).with_middleware(),
            clock: DefaultClock::default(),
            policy: policy.unwrap_or(HeaderValue::from_static("\"default\"")),
            requests: AtomicU32::new(0),
        }))
    }

    /// Counts a request of `principal`. The sessions of a user count together.
    pub(crate) fn count(&self, principal: Principal) -> Rate {
        let Counts { limit, limiter, clock, requests, .. } = &*self.0;
        let key = match principal {
            Principal::User { id, .. } => Principal::User { id, session: 0 },
            other => other,
        };
        if requests.fetch_add(1, Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        match limiter.check_key(&key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let used = limit.burst.get().saturating_sub(remaining);
                let reset = Duration::from_secs(1) * used / limit.per_second.get();
                Rate { remaining: Some(remaining), reset }
            }
            Err(exceeded) => Rate { remaining: None, reset: exceeded.wait_time_from(clock.now()) },
        }
    }

    /// Adds the headers of an answer to a caller.
    pub(crate) fn describe(&self, rate: Rate, headers: &mut HeaderMap) {
        let seconds = rate.reset.as_secs_f64().ceil().max(1.0) as u64;
        let limit = format!("\"default\";r={};t={seconds}", rate.remaining.unwrap_or_default());
        if let Ok(limit) = HeaderValue::try_from(limit) {
            headers.insert(POLICY, self.0.policy.clone());
            headers.insert(LIMIT, limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(per_second: u32, burst: u32) -> Rates {
        let number = |number| NonZeroU32::new(number).expect("not zero");
        Rates::new(RateLimit { per_second: number(per_second), burst: number(burst) })
    }

    #[test]
    fn callers_are_limited_separately_but_sessions_of_a_user_together() {
        let rates = rates(1, 3);
        let accepted = |principal| (0..10).filter(|_| !rates.count(principal).is_exceeded()).count();
        assert_eq!(accepted(Principal::ApiKey(1)), 3);
        assert_eq!(accepted(Principal::ApiKey(2)), 3);
        assert_eq!(accepted(Principal::User { id: 1, session: 1 }), 3);
        assert_eq!(accepted(Principal::User { id: 1, session: 2 }), 0);
    }

    #[test]
    fn headers_are_structured_fields() {
        let rates = rates(10, 25);
        let mut headers = HeaderMap::new();
        rates.describe(rates.count(Principal::ApiKey(1)), &mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"default\";q=25;w=3");
        assert_eq!(headers["ratelimit"], "\"default\";r=24;t=1");
    }

    #[test]
    fn callers_who_rested_are_forgotten() {
        let rates = rates(1_000_000, 1);
        for id in 0..i64::from(FORGET_EVERY) * 2 {
            rates.count(Principal::ApiKey(id));
        }
        assert!(rates.0.limiter.len() <= FORGET_EVERY as usize + 1, "{}", rates.0.limiter.len());
    }
}
