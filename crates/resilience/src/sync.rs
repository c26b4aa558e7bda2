//! The locks and atomics of this crate, in one place: the interleaving tests compile the same sources over others.

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
pub(crate) use std::sync::{Mutex, MutexGuard};
