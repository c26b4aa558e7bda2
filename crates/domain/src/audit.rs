//! The audit trail: who sends a request that it records, how a repeated request is recognised, and seals over its rows.

pub mod entries;
pub mod idempotency;
pub mod seals;

use crate::identity::Principal;
use idempotency::Repeatable;
use std::net::IpAddr;

/// Origin of a request, as the audit trail records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The caller.
    pub principal: Principal,
    /// Id of the request, which is also in the log of the server.
    pub correlation_id: String,
    /// Address from which the request came.
    pub address: Option<IpAddr>,
    /// Header `User-Agent`, cut to [`USER_AGENT_MAX`] characters.
    pub user_agent: Option<String>,
    /// Set if the caller wants repetitions of the request to have no further effect.
    pub repeatable: Option<Repeatable>,
}

/// Maximum number of characters of a user agent that are recorded.
pub const USER_AGENT_MAX: usize = 512;

impl Origin {
    /// Returns the origin of what an operator does at the command line. `correlation_id` is unique to the command.
    pub fn operator(correlation_id: impl Into<String>) -> Self {
        Self {
            principal: Principal::Operator,
            correlation_id: correlation_id.into(),
            address: None,
            user_agent: None,
            repeatable: None,
        }
    }
}
