//! The whole API over real databases, one module an area. One binary, so that it is linked once.

// Marked, because clippy takes helpers for test code only where it is written down.
#[cfg(test)]
mod contract;
#[cfg(test)]
mod health;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod support;
#[cfg(test)]
mod terminology;
