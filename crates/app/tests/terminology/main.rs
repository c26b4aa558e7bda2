//! The terminology with its cache, over HTTP, with a real Redis and a real database that fail and recover.

// The attributes mark helpers as test code for clippy.
#[cfg(test)]
mod database;
mod legs;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod releases;
#[cfg(test)]
mod support;
