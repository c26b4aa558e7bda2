//! Limits how many failures an address may cause: invalid credentials and refused logins.

use crate::problem::{Code, Problem};
use moka::future::Cache;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Maximum number of addresses that are counted at once.
const ADDRESSES_MAX: u64 = 10_000;

/// Failures per address. Clones share the counts.
#[derive(Clone)]
pub(crate) struct FailureLimit {
    /// Number of failures that an address may cause at once after a rest.
    burst: u32,
    /// Time after which an address may cause one more failure.
    refill: Duration,
    budgets: Cache<IpAddr, Arc<Budget>>,
}

/// Moment at which the whole burst is available again. Each failure moves it by the refill time.
struct Budget(Mutex<Instant>);

/// Failure that was charged to an address.
pub(crate) struct Charge(Option<(Arc<Budget>, Duration)>);

impl FailureLimit {
    /// Creates a limit that an address exhausts with `burst` failures, and that permits one more after each `refill`.
    pub(crate) fn new(burst: u32, refill: Duration) -> Self {
        // A budget that rested this long is full, as a new one is.
        let budgets = Cache::builder().max_capacity(ADDRESSES_MAX).time_to_idle(refill * burst).build();
        Self { burst, refill, budgets }
    }

    /// Charges one failure to `address`. Without an address nothing is limited.
    ///
    /// # Errors
    /// Returns 429 if the address has no budget left.
    pub(crate) async fn charge(&self, address: Option<IpAddr>) -> Result<Charge, Problem> {
        let Some(address) = address else { return Ok(Charge(None)) };
        let now = Instant::now();
        let full = async { Arc::new(Budget(Mutex::new(now))) };
        let budget = self.budgets.get_with(network(address), full).await;
        {
            let mut full_at = budget.0.lock().unwrap_or_else(PoisonError::into_inner);
            let charged = now.max(*full_at) + self.refill;
            let over = charged.saturating_duration_since(now + self.refill * self.burst);
            if !over.is_zero() {
                return Err(Problem::new(Code::RateLimited).retry_after(Some(over)));
            }
            *full_at = charged;
        }
        Ok(Charge(Some((budget, self.refill))))
    }
}

impl Charge {
    /// Takes the charge back: there was no failure.
    pub(crate) fn refund(self) {
        let Some((budget, refill)) = self.0 else { return };
        let mut full_at = budget.0.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = full_at.checked_sub(refill).unwrap_or(*full_at);
    }
}

/// Returns what is counted as one address: an IPv4 address, or the first 64 bits of an IPv6 address, which one customer
/// of a provider usually has to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn charges(limit: &FailureLimit, address: &str) -> usize {
        let mut count = 0;
        while limit.charge(Some(address.parse().expect("an address"))).await.is_ok() {
            count += 1;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn budget_is_spent_then_refilled_over_time() {
        let limit = FailureLimit::new(100, Duration::from_millis(100));
        assert_eq!(charges(&limit, "192.0.2.1").await, 100);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(charges(&limit, "192.0.2.1").await, 2);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(charges(&limit, "192.0.2.1").await, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn refund_restores_the_budget() {
        let limit = FailureLimit::new(100, Duration::from_millis(100));
        for _ in 0..1_000 {
            limit.charge(Some([192, 0, 2, 1].into())).await.expect("a charge").refund();
        }
        assert_eq!(charges(&limit, "192.0.2.1").await, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_have_separate_budgets_except_within_an_ipv6_network() {
        let limit = FailureLimit::new(100, Duration::from_millis(100));
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"] {
            assert_eq!(charges(&limit, address).await, 100, "{address}");
        }
        for address in ["::ffff:192.0.2.1", "2001:db8::ffff:ffff:ffff:ffff"] {
            assert_eq!(charges(&limit, address).await, 0, "{address}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refusal_says_when_to_come_back() {
        use axum::response::IntoResponse;
        let limit = FailureLimit::new(100, Duration::from_millis(100));
        charges(&limit, "192.0.2.1").await;
        let refused = limit.charge(Some([192, 0, 2, 1].into())).await;
        let response = refused.map(|_| ()).expect_err("the budget is spent").into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &"1".parse().expect("fine"))
        );
    }
}
