//! The cache that the servers share, whose answers become invalid when the release changes.

use anyhow::Context;
use steadfast_app::settings::read_cache;
use steadfast_services::cache::Cache;
use steadfast_services::terminology::invalidate_answers;

/// The servers' cache; empty if the environment names no Redis.
pub(crate) struct ServersCache(Option<Cache>);

impl ServersCache {
    /// Returns the cache in the Redis that `REDIS_URL` or `REDIS_HOST` names. Connects in the background.
    pub(crate) fn of_environment() -> anyhow::Result<Self> {
        let settings = read_cache(&|name| std::env::var(name).ok())?;
        let shared = settings.filter(|settings| settings.redis.is_some());
        Ok(Self(shared.map(Cache::new).transpose().context("REDIS_URL cannot be used")?))
    }

    /// Invalidates the cached answers. Failures are only printed, because servers detect the new release within seconds.
    pub(crate) async fn forget_answers(self) {
        let Some(cache) = self.0 else { return };
        if !invalidate_answers(&cache).await {
            eprintln!(
                "warning: Redis is unavailable; servers detect the other release within three seconds anyway"
            );
        }
    }
}
