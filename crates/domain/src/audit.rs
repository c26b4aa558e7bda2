//! Requests that change data: who sends them, and how a repeated one is recognised.

pub mod idempotency;

use crate::identity::Principal;
use idempotency::Repeatable;

/// Origin of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The caller.
    pub principal: Principal,
    /// Set if the caller wants repetitions of the request to have no further effect.
    pub repeatable: Option<Repeatable>,
}

impl Origin {
    /// Origin of what an operator does at the command line.
    pub const OPERATOR: Self = Self { principal: Principal::Operator, repeatable: None };
}
