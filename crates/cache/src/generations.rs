//! Validity of cached values.
//!
//! Each area has an epoch in this process and a generation that nodes share through Redis. Both are part of the names
//! of values, so that a value loaded before an invalidation is never found after it.
//!
//! A generation is `<server>:<random number>`, and it is current at most once: it is random, a single command writes
//! it, and it is valid only on the server on which it was written. A server whose data was restored from a snapshot, or
//! that was promoted from a replica, has a new name and may have lost invalidations. Nodes replace a generation that
//! names another server, and one that they have seen replaced before.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Number of former generations that a process stores per area, to detect that Redis has older data than before.
const FORMER_MAX: usize = 64;

/// Version of an area, which is part of the names of its values.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Number of invalidations that this process has seen.
    pub(crate) epoch: u64,
    /// Generation in Redis; `None` while this node has no trusted generation.
    pub(crate) shared: Option<Arc<str>>,
    /// Time after which values of this process must have been stored to be fresh. Set while Redis refuses writes.
    pub(crate) fresh_after: Option<Instant>,
}

#[derive(Default)]
struct State {
    epoch: u64,
    shared: Option<Arc<str>>,
    fresh_after: Option<Instant>,
    /// True if this node must write a new generation to Redis before it trusts one.
    must_renew: bool,
    /// True if this process has invalidated the area. A server that replaces the current one may lack the invalidation.
    has_invalidated: bool,
    /// True if values were stored while an invalidation by another node could have been missed.
    may_have_missed: bool,
    /// Recent generations that are no longer current.
    former: VecDeque<Arc<str>>,
}

/// State of the areas in use. Their names are constants of the program, so there are few.
#[derive(Default)]
pub(crate) struct Generations {
    areas: Mutex<HashMap<&'static str, State>>,
}

impl Generations {
    pub(crate) fn version(&self, area: &'static str) -> Version {
        self.with(area, |state| Version {
            epoch: state.epoch,
            shared: state.shared.clone(),
            fresh_after: state.fresh_after,
        })
    }

    /// Returns true if the generation of `area` was never read, and need not be replaced.
    pub(crate) fn is_unknown(&self, area: &'static str) -> bool {
        self.with(area, |state| state.shared.is_none() && !state.must_renew)
    }

    /// Returns true if a value that was loaded as `version` may be stored, because nothing was invalidated in between.
    pub(crate) fn may_store(&self, area: &'static str, version: &Version) -> bool {
        self.with(area, |state| {
            let is_current = state.is(version);
            state.may_have_missed |= is_current && version.shared.is_none();
            is_current
        })
    }

    /// Adopts the generation that `server` has, and invalidates the values of this process if it is a new one. Ignores
    /// it if the version is no longer `asked`, the version at the time of the request.
    ///
    /// Returns false if this node must write a new generation instead.
    pub(crate) fn adopt(&self, area: &'static str, asked: &Version, server: &str, generation: &str) -> bool {
        self.with(area, |state| {
            if state.must_renew || !state.is(asked) {
                return !state.must_renew;
            }
            let has_moved = state.shared.as_deref().is_some_and(|known| server_of(known) != server);
            let is_former = state.former.iter().any(|former| **former == *generation);
            let may_lack_own = has_moved && state.has_invalidated;
            state.must_renew = server_of(generation) != server || is_former || may_lack_own;
            if state.must_renew {
                // Redis may lack invalidations, so the values of this process cannot be compared with it.
                state.retire();
                state.bump();
            } else if state.shared.as_deref() != Some(generation) {
                state.trust(generation);
            }
            !state.must_renew
        })
    }

    /// Invalidates all values of `area` in this process. A new generation must be written to Redis.
    pub(crate) fn invalidate(&self, area: &'static str) {
        self.with(area, |state| {
            state.has_invalidated = true;
            state.must_renew = true;
            state.retire();
            state.bump();
        });
    }

    /// Records that Redis has stored the new `generation`, which was sent in `epoch`. If the area was invalidated again
    /// in the meantime, another one must be written.
    pub(crate) fn renewed(&self, area: &'static str, epoch: u64, generation: &str) {
        self.with(area, |state| {
            if state.epoch == epoch {
                state.must_renew = false;
                state.trust(generation);
            }
        });
    }

    /// Records that Redis responds but refuses to write a generation, so that no node can distribute an invalidation.
    /// Until it writes one, its values are not trusted, and the current values of this process are no longer fresh.
    pub(crate) fn refused(&self, area: &'static str) {
        self.with(area, |state| {
            state.must_renew = true;
            state.retire();
            state.may_have_missed = true;
            state.fresh_after = Some(Instant::now());
        });
    }

    /// Returns all areas, each with a flag that is true if a new generation must be written to Redis.
    pub(crate) fn to_refresh(&self) -> Vec<(&'static str, bool)> {
        self.lock().iter().map(|(area, state)| (*area, state.must_renew)).collect()
    }

    fn with<R>(&self, area: &'static str, work: impl FnOnce(&mut State) -> R) -> R {
        work(self.lock().entry(area).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, State>> {
        self.areas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is(&self, version: &Version) -> bool {
        self.epoch == version.epoch && self.shared == version.shared
    }

    fn trust(&mut self, generation: &str) {
        self.retire();
        if self.may_have_missed {
            self.bump();
        }
        self.fresh_after = None;
        self.shared = Some(generation.into());
    }

    /// Invalidates the values of this process.
    fn bump(&mut self) {
        self.epoch += 1;
        self.may_have_missed = false;
    }

    fn retire(&mut self) {
        let Some(former) = self.shared.take() else { return };
        self.may_have_missed = true;
        self.former.truncate(FORMER_MAX - 1);
        self.former.push_front(former);
    }
}

/// Returns a new, unique generation for `server`.
pub(crate) fn new_generation(server: &str) -> String {
    format!("{server}:{:016x}", rand::random::<u64>())
}

fn server_of(generation: &str) -> &str {
    generation.rsplit_once(':').map_or("", |(server, _)| server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adopt(areas: &Generations, area: &'static str, server: &str, generation: &str) -> bool {
        areas.adopt(area, &areas.version(area), server, generation)
    }

    /// Returns an area with the generation `s:0`.
    fn known() -> Generations {
        let areas = Generations::default();
        assert!(adopt(&areas, "a", "s", "s:0"));
        areas
    }

    fn shared(areas: &Generations) -> Option<String> {
        areas.version("a").shared.map(|shared| shared.to_string())
    }

    fn must_renew(areas: &Generations) -> bool {
        areas.to_refresh() == [("a", true)]
    }

    #[test]
    fn first_generation_invalidates_values_stored_without_one() {
        let areas = Generations::default();
        let before = areas.version("a");
        assert!(areas.is_unknown("a"));
        assert!(adopt(&areas, "a", "s", "s:0") && !areas.is_unknown("a"));
        assert_eq!(areas.version("a").epoch, before.epoch);
        assert!(!areas.may_store("a", &before), "the value was loaded without a generation");
        assert!(areas.may_store("b", &areas.version("b")));
        assert!(adopt(&areas, "b", "s", "s:0"));
        assert_eq!(areas.version("b").epoch, 1);
        assert!(adopt(&areas, "b", "s", "s:0"));
        assert_eq!(areas.version("b").epoch, 1, "once");
    }

    #[test]
    fn new_generation_invalidates() {
        let areas = known();
        let loaded = areas.version("a");
        assert!(adopt(&areas, "a", "s", "s:0") && areas.may_store("a", &loaded));
        assert!(adopt(&areas, "a", "s", "s:1") && !areas.may_store("a", &loaded));
        assert_eq!(areas.version("a").epoch, loaded.epoch + 1);
    }

    #[test]
    fn old_response_does_not_revert_invalidation() {
        let areas = known();
        areas.invalidate("a");
        assert_eq!((areas.version("a").epoch, shared(&areas)), (1, None));
        assert!(!adopt(&areas, "a", "s", "s:0") && must_renew(&areas));
        areas.renewed("a", 0, "s:1");
        assert!(must_renew(&areas), "the generation was sent before the invalidation");
        areas.renewed("a", 1, "s:2");
        assert_eq!((must_renew(&areas), shared(&areas)), (false, Some("s:2".to_owned())));
        assert_eq!(areas.version("a").epoch, 1, "nothing was stored in between");
    }

    #[test]
    fn renewal_drops_values_stored_before_it() {
        let areas = known();
        areas.invalidate("a");
        assert!(areas.may_store("a", &areas.version("a")));
        areas.renewed("a", 1, "s:1");
        assert_eq!(areas.version("a").epoch, 2, "another node's invalidation may have been overwritten");
    }

    #[test]
    fn generation_of_another_server_is_replaced() {
        let areas = Generations::default();
        for foreign in ["r:0", "0123456789abcdef", ":0"] {
            assert!(!adopt(&areas, "a", "s", foreign) && must_renew(&areas), "{foreign}");
        }
        let areas = known();
        assert!(!adopt(&areas, "a", "r", "s:0"), "the server has a new name");
        assert_eq!((areas.version("a").epoch, shared(&areas)), (1, None), "invalidations may be lost");
        areas.renewed("a", 1, "r:0");
        assert_eq!(areas.version("a").epoch, 1);
    }

    #[test]
    fn former_generation_is_replaced() {
        let areas = known();
        for number in 1..FORMER_MAX {
            assert!(adopt(&areas, "a", "s", &format!("s:{number}")));
        }
        assert!(!adopt(&areas, "a", "s", "s:0") && must_renew(&areas));
        areas.renewed("a", areas.version("a").epoch, "s:new");
        assert_eq!(areas.lock()["a"].former.len(), FORMER_MAX);
        areas.refused("a");
        areas.renewed("a", areas.version("a").epoch, "s:newer");
        assert!(!adopt(&areas, "a", "s", "s:new"), "it was current before Redis refused writes");
        assert_eq!(areas.lock()["a"].former.len(), FORMER_MAX);
    }

    #[test]
    fn late_response_is_ignored() {
        let areas = known();
        let asked = areas.version("a");
        assert!(adopt(&areas, "a", "s", "s:1"));
        assert!(areas.adopt("a", &asked, "s", "s:0"), "this response is older than the current generation");
        assert_eq!((shared(&areas), must_renew(&areas)), (Some("s:1".to_owned()), false));
        areas.invalidate("a");
        assert!(!areas.adopt("a", &asked, "s", "s:0"));
    }

    #[test]
    fn invalidation_is_repeated_on_new_server() {
        let areas = known();
        assert!(adopt(&areas, "a", "r", "r:0"));
        areas.invalidate("a");
        areas.renewed("a", areas.version("a").epoch, "r:1");
        assert!(adopt(&areas, "a", "r", "r:2"), "the server is the same");
        assert!(!adopt(&areas, "a", "q", "q:0") && must_renew(&areas));
    }

    #[tokio::test(start_paused = true)]
    async fn refusal_ends_freshness_until_a_generation_is_written() {
        let areas = known();
        let now = Instant::now();
        areas.refused("a");
        let refused = areas.version("a");
        assert_eq!((refused.epoch, refused.shared.is_none(), refused.fresh_after), (0, true, Some(now)));
        assert!(must_renew(&areas) && !areas.is_unknown("a") && !adopt(&areas, "a", "s", "s:0"));
        areas.renewed("a", 0, "s:1");
        assert_eq!((areas.version("a").epoch, areas.version("a").fresh_after), (1, None));
    }

    #[test]
    fn generations_are_unique_and_name_their_server() {
        let [one, other] = [(); 2].map(|()| new_generation("s"));
        assert_ne!(one, other);
        assert_eq!((server_of(&one), server_of("")), ("s", ""));
    }
}
