//! Slots of connections: ordinary ones, limited in all and by client address, and a reserve.
//!
//! Every connection is accepted. One beyond a limit gets a slot in the reserve, where only health is answered. Its
//! first other request waits for an ordinary slot, while the connection that has been idle or slow longest is closed.
//! Silent connections in the reserve replace each other, so none of them prevents the next one from being accepted.

use super::ServeSettings;
use super::activity::Activity;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OnceCell};
use tokio::time::{Instant, timeout_at};

/// Number of connections beyond the limits.
const RESERVE: usize = 32;

/// Maximum wait of a request in the reserve for an ordinary slot: longer than a graceful close takes.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(2);

/// Pause before another connection is evicted.
const EVICTION_PAUSE: Duration = Duration::from_millis(100);

/// Length of the IPv6 prefix that identifies a client: providers assign networks of this size.
const IPV6_PREFIX: u32 = 64;

/// All slots of a server.
#[derive(Debug)]
pub(super) struct Slots {
    max: usize,
    max_per_address: Option<usize>,
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next_id: u64,
    ordinary: BTreeMap<u64, Connection>,
    /// Number of ordinary connections of each address that has any.
    by_address: HashMap<IpAddr, usize>,
    /// Connections beyond the limits, in the order in which they were accepted.
    reserve: BTreeMap<u64, Arc<Activity>>,
}

#[derive(Debug)]
struct Connection {
    address: IpAddr,
    activity: Arc<Activity>,
}

/// Slot of a connection. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    address: IpAddr,
    activity: Arc<Activity>,
    /// True if an ordinary slot was found when a request needed one; empty before.
    admission: OnceCell<bool>,
}

impl Slots {
    /// Creates the slots of a server without connections.
    pub(super) fn new(settings: ServeSettings) -> Arc<Self> {
        Arc::new(Self {
            max: settings.max_connections,
            max_per_address: settings.max_connections_per_address,
            table: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Returns a slot for an accepted connection: an ordinary one if there is one, else one in the reserve.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr, activity: Arc<Activity>) -> Slot {
        let mut table = self.table();
        let id = table.next_id;
        table.next_id += 1;
        let (slots, address) = (Arc::clone(self), client_of(address));
        let slot = Slot { slots, id, address, activity, admission: OnceCell::new() };
        if !self.try_admit(&mut table, &slot) {
            table.reserve.insert(id, Arc::clone(&slot.activity));
            table.shrink_reserve();
        }
        drop(table);
        slot
    }

    fn try_admit(&self, table: &mut Table, slot: &Slot) -> bool {
        if table.ordinary.len() >= self.max || self.is_full_for(table, slot.address) {
            return false;
        }
        table.reserve.remove(&slot.id);
        let connection = Connection { address: slot.address, activity: Arc::clone(&slot.activity) };
        table.ordinary.insert(slot.id, connection);
        *table.by_address.entry(slot.address).or_default() += 1;
        slot.activity.admit();
        true
    }

    fn is_full_for(&self, table: &Table, address: IpAddr) -> bool {
        let used = table.by_address.get(&address).copied().unwrap_or_default();
        self.max_per_address.is_some_and(|max| used >= max)
    }

    /// Evicts the ordinary connection that has been idle or slow longest, if there is one. If the limit of `address` is
    /// reached, it must be one of this address.
    fn evict_for(&self, address: IpAddr) {
        let table = self.table();
        let only_same = self.is_full_for(&table, address);
        let is_candidate = |connection: &&Connection| !only_same || connection.address == address;
        let candidates = table.ordinary.values().filter(is_candidate);
        let unused = candidates.filter_map(|found| Some((found.activity.evictable_for()?, found)));
        if let Some((_, connection)) = unused.max_by_key(|(unused, _)| *unused) {
            connection.activity.evict();
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code panics while the lock is held.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Closes the oldest connection of a reserve that is too large, preferably one without an open request.
    fn shrink_reserve(&mut self) {
        if self.reserve.len() <= RESERVE {
            return;
        }
        let idle = self.reserve.iter().find(|(_, activity)| activity.is_idle());
        if let Some(id) = idle.or(self.reserve.first_key_value()).map(|(id, _)| *id)
            && let Some(activity) = self.reserve.remove(&id)
        {
            activity.cut();
        }
    }
}

impl Slot {
    /// Returns the activity of the connection.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Returns true if the connection has an ordinary slot.
    pub(super) fn is_admitted(&self) -> bool {
        self.activity.is_admitted()
    }

    /// Waits for an ordinary slot. Returns false if there is none in time; later calls then return false at once,
    /// because the client should use another connection.
    pub(super) async fn admit(&self) -> bool {
        self.is_admitted() || *self.admission.get_or_init(|| self.wait_for_slot()).await
    }

    async fn wait_for_slot(&self) -> bool {
        let deadline = Instant::now() + ADMISSION_TIMEOUT;
        loop {
            let freed = self.slots.freed.notified();
            if self.slots.try_admit(&mut self.slots.table(), self) {
                return true;
            }
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            self.slots.evict_for(self.address);
            // Whether a slot was freed or the time elapsed, the next iteration tries again.
            let _ = timeout_at(deadline.min(now + EVICTION_PAUSE), freed).await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.slots.table();
        table.reserve.remove(&self.id);
        if table.ordinary.remove(&self.id).is_none() {
            return;
        }
        if let Entry::Occupied(mut used) = table.by_address.entry(self.address) {
            *used.get_mut() -= 1;
            if *used.get() == 0 {
                used.remove();
            }
        }
        drop(table);
        self.slots.freed.notify_waiters();
    }
}

/// Returns the part of an address that identifies a client.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = !(u128::MAX >> IPV6_PREFIX);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_ipv6_count_as_one_client() {
        let client = |text: &str| client_of(text.parse().expect("an address")).to_string();
        assert_eq!(client("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(client("192.0.2.7"), "192.0.2.7");
        assert_eq!(client("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
