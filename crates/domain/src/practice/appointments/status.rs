//! States of appointments, and the changes between them.

use crate::fields::{Prose, fields, names};
use crate::{Checks, Invalid, text};
use serde::Deserialize;
use utoipa::IntoParams;

names! {
    /// State of an appointment.
    #[schema(example = "cancelled")]
    pub enum AppointmentStatus {
        /// Planned.
        Scheduled = "scheduled",
        /// Planned, and confirmed by the client.
        Confirmed = "confirmed",
        /// Taking place.
        InProgress = "in_progress",
        /// Took place. Final.
        Completed = "completed",
        /// Called off. Final.
        Cancelled = "cancelled",
        /// The client did not come. Can be scheduled again if that was recorded by mistake.
        NoShow = "no_show",
        /// Replaced by another appointment. Final.
        Rescheduled = "rescheduled",
    }
}

impl AppointmentStatus {
    /// Returns the states that may follow.
    pub const fn followers(self) -> &'static [Self] {
        match self {
            Self::Scheduled => {
                &[Self::Confirmed, Self::InProgress, Self::Cancelled, Self::NoShow, Self::Rescheduled]
            }
            Self::Confirmed => {
                &[Self::Scheduled, Self::InProgress, Self::Cancelled, Self::NoShow, Self::Rescheduled]
            }
            Self::InProgress => &[Self::Completed, Self::Cancelled],
            Self::NoShow => &[Self::Scheduled],
            Self::Completed | Self::Cancelled | Self::Rescheduled => &[],
        }
    }

    /// Returns true if the state `next` may follow.
    pub fn allows(self, next: Self) -> bool {
        self.followers().contains(&next)
    }

    /// Returns true if the appointment has yet to begin.
    pub const fn is_planned(self) -> bool {
        matches!(self, Self::Scheduled | Self::Confirmed)
    }

    /// Returns the explanation, for the caller, that another state cannot follow.
    pub const fn refusal(self) -> &'static str {
        match self {
            Self::Scheduled => {
                "The appointment is scheduled. It can become confirmed, in_progress, cancelled, no_show or rescheduled."
            }
            Self::Confirmed => {
                "The appointment is confirmed. It can become scheduled, in_progress, cancelled, no_show or rescheduled."
            }
            Self::InProgress => "The appointment is in_progress. It can become completed or cancelled.",
            Self::Completed => "The appointment is completed, which is final.",
            Self::Cancelled => "The appointment is cancelled, which is final. Create another one.",
            Self::NoShow => "The appointment is no_show. It can become scheduled.",
            Self::Rescheduled => "The appointment is rescheduled, which is final.",
        }
    }
}

fields! {
    /// Change of the state of an appointment.
    pub struct StatusChange {
        /// New state.
        pub status: AppointmentStatus,
        /// Reason for the cancellation. Only with the state `cancelled`.
        pub cancellation_reason: Option<Prose<1000>>,
    }
    rules = reason
}

/// Checks that only a cancellation has a reason.
fn reason(change: &StatusChange, checks: &mut Checks) {
    if change.cancellation_reason.is_some() && change.status != AppointmentStatus::Cancelled {
        checks.add("cancellation_reason", "is only for the status cancelled");
    }
}

/// Unvalidated parameters of a cancellation.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// Reason.
    #[param(max_length = 1000, pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*)$")]
    pub reason: Option<String>,
}

impl Cancellation {
    /// Validates the parameters.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `reason` if it is not allowed.
    pub fn parse(&self) -> Result<StatusChange, Invalid> {
        let reason =
            self.reason.as_deref().map(|reason| text::plain("reason", reason, 1..=1000)).transpose()?;
        let cancellation_reason = reason.map(Prose::from_stored);
        Ok(StatusChange { status: AppointmentStatus::Cancelled, cancellation_reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Valid;
    use AppointmentStatus::*;

    #[test]
    fn states_follow_each_other_as_in_this_table() {
        // In the order of the declaration: scheduled, confirmed, in progress, completed, cancelled, no show, rescheduled.
        let table = [
            (Scheduled, [0, 1, 1, 0, 1, 1, 1]),
            (Confirmed, [1, 0, 1, 0, 1, 1, 1]),
            (InProgress, [0, 0, 0, 1, 1, 0, 0]),
            (Completed, [0, 0, 0, 0, 0, 0, 0]),
            (Cancelled, [0, 0, 0, 0, 0, 0, 0]),
            (NoShow, [1, 0, 0, 0, 0, 0, 0]),
            (Rescheduled, [0, 0, 0, 0, 0, 0, 0]),
        ];
        assert_eq!(table.map(|(status, _)| status), AppointmentStatus::ALL);
        for (status, allowed) in table {
            for (next, is_allowed) in AppointmentStatus::ALL.iter().zip(allowed) {
                assert_eq!(status.allows(*next), is_allowed == 1, "{status:?} to {next:?}");
            }
        }
    }

    #[test]
    fn refusals_name_the_states_that_may_follow() {
        for status in AppointmentStatus::ALL {
            let named = |other: &&AppointmentStatus| {
                let mut words = status.refusal().split([' ', ',', '.']);
                *other != status && words.any(|word| word == other.as_str())
            };
            let mut followers = status.followers().to_vec();
            followers.sort();
            assert_eq!(AppointmentStatus::ALL.iter().filter(named).copied().collect::<Vec<_>>(), followers);
            assert!(status.refusal().contains(status.as_str()));
        }
    }

    #[test]
    fn only_cancellations_have_a_reason() {
        let change = |status, reason: Option<&str>| {
            Valid::of(StatusChange { status, cancellation_reason: reason.map(Prose::from) })
        };
        assert!(change(Cancelled, Some("ill")).is_ok() && change(Cancelled, None).is_ok());
        let refused = change(NoShow, Some("ill")).expect_err("no cancellation");
        assert_eq!(refused.fields()[0].field, "cancellation_reason");
    }
}
