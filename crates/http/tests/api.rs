//! The whole API with real databases, one module per area. One binary, so that it is linked once.

// The attributes mark helpers as test code for clippy.
#[cfg(test)]
mod audit;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod document;
#[cfg(test)]
mod health;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod practice;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod statuses;
#[cfg(test)]
mod strictness;
#[cfg(test)]
mod support;
#[cfg(test)]
mod terminology;
