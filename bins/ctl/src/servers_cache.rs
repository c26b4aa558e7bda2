//! The cache that servers share: after another release was put in use, what it keeps is of the former one.

use anyhow::Context;
use steadfast_app::settings::read_cache;
use steadfast_services::cache::Cache;
use steadfast_services::terminology::forget_answers;

/// The servers' cache, where the environment names their Redis.
pub(crate) struct ServersCache(Option<Cache>);

impl ServersCache {
    /// The cache in the Redis that `REDIS_URL` or `REDIS_HOST` names, if any. It is connected to in the background.
    pub(crate) fn of_environment() -> anyhow::Result<Self> {
        let settings = read_cache(&|name| std::env::var(name).ok())?;
        let shared = settings.filter(|settings| settings.redis.is_some());
        Ok(Self(shared.map(Cache::new).transpose().context("REDIS_URL cannot be used")?))
    }

    /// Tells the servers to forget the answers that they keep. No failure: they find out by themselves, a little later.
    pub(crate) async fn forget_answers(self) {
        let Some(cache) = self.0 else { return };
        if !forget_answers(&cache).await {
            eprintln!(
                "warning: Redis was not told; servers see the other release within three seconds all the same"
            );
        }
    }
}
