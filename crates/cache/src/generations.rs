//! Which values are still valid. Each area has an epoch in this process and a generation that nodes share by Redis; both
//! are part of the values' names, so that what was loaded before an invalidation is not found after it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an area's values are named by at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Rises with every invalidation that this process learns of.
    pub(crate) epoch: u64,
    /// What nodes agree on; nothing until Redis was reached once.
    pub(crate) shared: Option<Arc<str>>,
}

struct State {
    version: Version,
    /// An invalidation that Redis was not told of yet.
    untold: bool,
    /// Whether a value was kept while no generation was known.
    kept_unshared: bool,
}

/// The areas that were used. Their names are constants of the program, so there are few.
#[derive(Default)]
pub(crate) struct Generations {
    areas: Mutex<HashMap<&'static str, State>>,
}

impl Generations {
    pub(crate) fn version(&self, area: &'static str) -> Version {
        self.with(area, |state| state.version.clone())
    }

    /// Whether what was loaded as `version` may be kept: nothing was invalidated in between.
    pub(crate) fn may_keep(&self, area: &'static str, version: &Version) -> bool {
        self.with(area, |state| {
            let same = state.version == *version;
            state.kept_unshared |= same && version.shared.is_none();
            same
        })
    }

    /// Takes over what Redis says. Another generation than the known one is somebody's invalidation; so is the first
    /// one after values were kept without, since one may have been missed.
    pub(crate) fn learn(&self, area: &'static str, generation: &str) {
        self.with(area, |state| {
            let known = state.version.shared.as_deref();
            if state.untold || known == Some(generation) {
                return;
            }
            if known.is_some() || state.kept_unshared {
                state.version.epoch += 1;
            }
            state.version.shared = Some(generation.into());
            state.kept_unshared = false;
        });
    }

    /// Makes everything of `area` invalid here at once, and returns the generation that the others are to be told.
    pub(crate) fn invalidate(&self, area: &'static str, is_shared: bool) -> Arc<str> {
        let generation: Arc<str> = new_generation().into();
        self.with(area, |state| {
            state.version.epoch += 1;
            state.version.shared = is_shared.then(|| Arc::clone(&generation));
            state.untold = is_shared;
        });
        generation
    }

    /// Redis has taken `generation`.
    pub(crate) fn told(&self, area: &'static str, generation: &str) {
        self.with(area, |state| state.untold &= state.version.shared.as_deref() != Some(generation));
    }

    /// All areas: each with the generation that Redis has to be told, or nothing if it is to be asked.
    pub(crate) fn to_refresh(&self) -> Vec<(&'static str, Option<Arc<str>>)> {
        let areas = self.lock();
        let untold = |state: &State| state.version.shared.clone().filter(|_| state.untold);
        areas.iter().map(|(area, state)| (*area, untold(state))).collect()
    }

    fn with<R>(&self, area: &'static str, work: impl FnOnce(&mut State) -> R) -> R {
        work(self.lock().entry(area).or_insert(State {
            version: Version { epoch: 0, shared: None },
            untold: false,
            kept_unshared: false,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, State>> {
        self.areas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that was never used before. A counter would begin anew after Redis lost it, and meet values of that number.
pub(crate) fn new_generation() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_generation_changes_nothing_unless_values_were_kept_without() {
        let areas = Generations::default();
        let before = areas.version("a");
        areas.learn("a", "x");
        assert_eq!(areas.version("a").epoch, before.epoch);
        assert!(!areas.may_keep("a", &before), "it was loaded before anything was known");
        assert!(areas.may_keep("b", &areas.version("b")));
        areas.learn("b", "x");
        assert_eq!(areas.version("b").epoch, 1);
    }

    #[test]
    fn another_generation_is_an_invalidation_and_the_same_is_none() {
        let areas = Generations::default();
        areas.learn("a", "x");
        let loaded = areas.version("a");
        areas.learn("a", "x");
        assert!(areas.may_keep("a", &loaded));
        areas.learn("a", "y");
        assert!(!areas.may_keep("a", &loaded));
    }

    #[test]
    fn an_invalidation_that_redis_was_not_told_is_not_undone_by_its_old_answer() {
        let areas = Generations::default();
        areas.learn("a", "old");
        let new = areas.invalidate("a", true);
        areas.learn("a", "old");
        assert_eq!(areas.version("a").shared.as_ref(), Some(&new));
        assert_eq!(areas.to_refresh(), [("a", Some(Arc::clone(&new)))]);
        areas.told("a", "another");
        assert_eq!(areas.to_refresh(), [("a", Some(Arc::clone(&new)))]);
        areas.told("a", &new);
        assert_eq!(areas.to_refresh(), [("a", None)]);
    }
}
