//! The tier in the process: bounded by weight, and the only one that still has what is past its TTL.

use crate::Key;
use crate::generations::Version;
use moka::future::Cache as Moka;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::time::Instant;

/// The bytes of JSON that take one place.
const PLACE_BYTES: usize = 16 * 1024;

/// The area, the epoch in which the value was loaded, the digest.
pub(crate) type Name = (&'static str, u64, [u8; 16]);

/// How long a value counts as fresh and is kept after that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) fresh_for: Duration,
    pub(crate) stale_for: Duration,
    /// Its size as JSON.
    pub(crate) bytes: usize,
}

struct Slot {
    value: Arc<dyn Any + Send + Sync>,
    places: u32,
    kept_at: Instant,
    fresh_until: Instant,
    stale_until: Instant,
}

/// The values of this process.
pub(crate) struct Memory {
    slots: Moka<Name, Arc<Slot>>,
}

impl Memory {
    /// `lifetime` is the longest that any value is of use: what nobody asks for any more goes after that.
    pub(crate) fn new(places: u32, lifetime: Duration) -> Self {
        let slots = Moka::builder()
            .max_capacity(u64::from(places))
            .weigher(|_: &Name, slot: &Arc<Slot>| slot.places)
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
        let is_confirmed = version.fresh_after.is_none_or(|moment| slot.kept_at > moment);
        let is_fresh = is_confirmed && Instant::now() < slot.fresh_until;
        is_fresh.then(|| Arc::clone(&slot.value).downcast().ok()).flatten()
    }

    /// Returns the value of `key` in `version` if it is not too old to be served as stale, with the time since its TTL.
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

    pub(crate) async fn keep<T: Send + Sync + 'static>(&self, name: Name, value: Arc<T>, kept: Kept) {
        let kept_at = Instant::now();
        let fresh_until = Deadline::from_start(kept_at, kept.fresh_for).instant();
        let stale_until = Deadline::from_start(fresh_until, kept.stale_for).instant();
        let places = u32::try_from(kept.bytes.div_ceil(PLACE_BYTES).max(1)).unwrap_or(u32::MAX);
        self.slots.insert(name, Arc::new(Slot { value, places, kept_at, fresh_until, stale_until })).await;
    }

    /// How many there are, approximately.
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

    fn kept(bytes: usize) -> Kept {
        Kept { fresh_for: Duration::from_secs(10), stale_for: Duration::from_secs(100), bytes }
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
    async fn a_value_is_fresh_then_stale_then_gone() {
        let memory = Memory::new(10, Duration::from_secs(200));
        memory.keep(numbered(1), Arc::new(7_u8), kept(1)).await;
        assert_eq!(memory.fresh::<u8>(&key(1), &VERSION).await.as_deref(), Some(&7));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(memory.fresh::<u8>(&key(1), &VERSION).await, None);
        let (value, since) = memory.stale::<u8>(&key(1), &VERSION).await.expect("stale");
        assert_eq!((*value, since), (7, Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(memory.stale::<u8>(&key(1), &VERSION).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn value_from_before_a_moment_is_stale_and_not_fresh() {
        let memory = Memory::new(10, Duration::from_secs(200));
        memory.keep(numbered(1), Arc::new(7_u8), kept(1)).await;
        let version = Version { fresh_after: Some(Instant::now()), ..VERSION };
        assert_eq!(memory.fresh::<u8>(&key(1), &version).await, None);
        assert_eq!(memory.stale::<u8>(&key(1), &version).await, Some((Arc::new(7), Duration::ZERO)));
        tokio::time::advance(Duration::from_millis(1)).await;
        memory.keep(numbered(1), Arc::new(8_u8), kept(1)).await;
        assert_eq!(memory.fresh::<u8>(&key(1), &version).await.as_deref(), Some(&8));
    }

    #[tokio::test]
    async fn another_type_under_the_same_name_is_a_miss() {
        let memory = Memory::new(10, Duration::from_secs(200));
        memory.keep(numbered(1), Arc::new(7_u8), kept(1)).await;
        assert_eq!(memory.fresh::<String>(&key(1), &VERSION).await, None);
    }

    #[tokio::test]
    async fn neither_many_nor_large_values_take_more_than_the_places_there_are() {
        let memory = Memory::new(10, Duration::from_secs(200));
        for number in 0..100 {
            memory.keep(numbered(number), Arc::new(number), kept(1)).await;
        }
        let (entries, places) = memory.settled().await;
        assert!(entries <= 10 && places <= 10, "{entries} entries, {places} places");
        for number in 100..120 {
            memory.keep(numbered(number), Arc::new(number), kept(3 * PLACE_BYTES)).await;
        }
        let (_, places) = memory.settled().await;
        assert!(places <= 10, "{places} places");
    }
}
