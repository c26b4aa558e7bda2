//! The terminology behind its cache, by HTTP, over a real Redis and a real database that go away and come back.

// Marked, because clippy takes helpers for test code only where it is written down.
#[cfg(test)]
mod database;
mod legs;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod support;
