//! The in-process tier. Its capacity is limited by weight, and it is the only tier with expired values.

use crate::Key;
use crate::generations::Version;
use moka::future::Cache as Moka;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::time::Instant;

/// Number of bytes of JSON per unit of weight.
const WEIGHT_BYTES: usize = 16 * 1024;

/// Area, epoch in which the value was loaded, and digest.
pub(crate) type Name = (&'static str, u64, [u8; 16]);

/// Lifetime and size of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) fresh_for: Duration,
    pub(crate) stale_for: Duration,
    /// Size as JSON.
    pub(crate) bytes: usize,
}

struct Slot {
    value: Arc<dyn Any + Send + Sync>,
    weight: u32,
    stored_at: Instant,
    fresh_until: Instant,
    stale_until: Instant,
}

/// The values of this process.
pub(crate) struct Memory {
    slots: Moka<Name, Arc<Slot>>,
}

impl Memory {
    /// Creates a tier with a maximum total weight. `lifetime` is the maximum time for which any value is usable.
    pub(crate) fn new(max_weight: u32, lifetime: Duration) -> Self {
        let slots = Moka::builder()
            .max_capacity(u64::from(max_weight))
            .weigher(|_: &Name, slot: &Arc<Slot>| slot.weight)
            .time_to_live(lifetime.max(Duration::from_secs(1)))
            .build();
        Self { slots }
    }

    /// Returns the value of `key` in `version` if it is within its TTL.
    pub(crate) async fn fresh<T: Send + Sync + 'static>(
        &self,
        key: &Key,
        version: &Version,
    ) -> Option<Arc<T>> {
        let slot = self.slots.get(&name(key, version.epoch)).await?;
        let is_confirmed = version.fresh_after.is_none_or(|moment| slot.stored_at > moment);
        let is_fresh = is_confirmed && Instant::now() < slot.fresh_until;
        is_fresh.then(|| Arc::clone(&slot.value).downcast().ok()).flatten()
    }

    /// Returns the value of `key` in `version`, with the time since its TTL expired, if it may be served as stale.
    pub(crate) async fn stale<T: Send + Sync + 'static>(
        &self,
        key: &Key,
        version: &Version,
    ) -> Option<(Arc<T>, Duration)> {
        let now = Instant::now();
        let slot = self.slots.get(&name(key, version.epoch)).await.filter(|slot| now < slot.stale_until)?;
        let value = Arc::clone(&slot.value).downcast().ok()?;
        Some((value, now.saturating_duration_since(slot.fresh_until)))
    }

    pub(crate) async fn insert<T: Send + Sync + 'static>(
        &self,
        name: Name,
        value: Arc<T>,
        retention: Retention,
    ) {
        let stored_at = Instant::now();
        let fresh_until = Deadline::from_start(stored_at, retention.fresh_for).instant();
        let stale_until = Deadline::from_start(fresh_until, retention.stale_for).instant();
        let weight = u32::try_from(retention.bytes.div_ceil(WEIGHT_BYTES).max(1)).unwrap_or(u32::MAX);
        self.slots.insert(name, Arc::new(Slot { value, weight, stored_at, fresh_until, stale_until })).await;
    }

    /// Returns the approximate number of values.
    pub(crate) fn len(&self) -> u64 {
        self.slots.entry_count()
    }

    #[cfg(test)]
    async fn settled(&self) -> (u64, u64) {
        self.slots.run_pending_tasks().await;
        (self.slots.entry_count(), self.slots.weighted_size())
    }
}

/// Returns the name of `key` in `epoch`.
pub(crate) fn name(key: &Key, epoch: u64) -> Name {
    (key.area.name, epoch, key.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Area;

    fn retention(bytes: usize) -> Retention {
        Retention { fresh_for: Duration::from_secs(10), stale_for: Duration::from_secs(100), bytes }
    }

    const AREA: Area = Area::new("area", 1);
    const VERSION: Version = Version { epoch: 0, shared: None, fresh_after: None };

    fn key(number: u8) -> Key {
        Key { area: AREA, digest: [number; 16] }
    }

    fn numbered(number: u8) -> Name {
        name(&key(number), VERSION.epoch)
    }

    #[tokio::test(start_paused = true)]
    async fn value_is_fresh_then_stale_then_gone() {
        let memory = Memory::new(10, Duration::from_secs(200));
        memory.insert(numbered(1), Arc::new(7_u8), retention(1)).await;
        assert_eq!(memory.fresh::<u8>(&key(1), &VERSION).await.as_deref(), Some(&7));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(memory.fresh::<u8>(&key(1), &VERSION).await, None);
        let (value, since) = memory.stale::<u8>(&key(1), &VERSION).await.expect("stale");
        assert_eq!((*value, since), (7, Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(memory.stale::<u8>(&key(1), &VERSION).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn value_stored_before_fresh_after_is_stale() {
        let memory = Memory::new(10, Duration::from_secs(200));
        memory.insert(numbered(1), Arc::new(7_u8), retention(1)).await;
        let version = Version { fresh_after: Some(Instant::now()), ..VERSION };
        assert_eq!(memory.fresh::<u8>(&key(1), &version).await, None);
        assert_eq!(memory.stale::<u8>(&key(1), &version).await, Some((Arc::new(7), Duration::ZERO)));
        tokio::time::advance(Duration::from_millis(1)).await;
        memory.insert(numbered(1), Arc::new(8_u8), retention(1)).await;
        assert_eq!(memory.fresh::<u8>(&key(1), &version).await.as_deref(), Some(&8));
    }

    #[tokio::test]
    async fn value_of_other_type_is_miss() {
        let memory = Memory::new(10, Duration::from_secs(200));
        memory.insert(numbered(1), Arc::new(7_u8), retention(1)).await;
        assert_eq!(memory.fresh::<String>(&key(1), &VERSION).await, None);
    }

    #[tokio::test]
    async fn weight_is_limited() {
        let memory = Memory::new(10, Duration::from_secs(200));
        for number in 0..100 {
            memory.insert(numbered(number), Arc::new(number), retention(1)).await;
        }
        let (entries, weight) = memory.settled().await;
        assert!(entries <= 10 && weight <= 10, "{entries} entries of weight {weight}");
        for number in 100..120 {
            memory.insert(numbered(number), Arc::new(number), retention(3 * WEIGHT_BYTES)).await;
        }
        let (_, weight) = memory.settled().await;
        assert!(weight <= 10, "{weight}");
    }
}
