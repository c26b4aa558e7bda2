//! Locks and atomics of this crate. The interleaving tests replace this module with loom's.

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
pub(crate) use std::sync::{Mutex, MutexGuard};
