//! Appointments of clients with providers: their details, lists and calendars.

mod status;

pub use status::{AppointmentStatus, Cancellation, StatusChange};

use super::{ClientId, ProviderId};
use crate::fields::{Amount, Line, Number, Prose, fields, id, names, recorded};
use crate::page::PageLimits;
use crate::version::Version;
use crate::{Checks, Invalid};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Page sizes of the list of appointments.
pub const APPOINTMENTS_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

/// Maximum number of days that a calendar shows.
const CALENDAR_DAYS_MAX: i64 = 31;

/// Maximum number of appointments that a calendar shows.
pub const CALENDAR_MAX: i64 = 1_000;

/// Maximum number of reminders that are listed at once.
pub const REMINDERS_MAX: i64 = 500;

id! {
    /// Id of an appointment.
    AppointmentId
}

names! {
    /// Kind of an appointment.
    #[derive(Default)]
    pub enum AppointmentType {
        /// First conversation with a client.
        InitialConsultation = "initial_consultation",
        /// Continuation of an earlier appointment.
        #[default]
        FollowUp = "follow_up",
        /// Session of a therapy.
        TherapySession = "therapy_session",
        /// Review of the medication.
        MedicationManagement = "medication_management",
        /// Session with several clients, each of whom has an appointment at this time.
        GroupTherapy = "group_therapy",
        /// Session with a family.
        FamilyTherapy = "family_therapy",
        /// Help in a crisis.
        CrisisIntervention = "crisis_intervention",
        /// Assessment.
        Assessment = "assessment",
        /// Anything else.
        Other = "other",
    }
}

fields! {
    /// Details of an appointment, as the practice records them.
    pub struct AppointmentDetails {
        /// Id of the client.
        pub client_id: ClientId,
        /// Id of the provider.
        pub provider_id: ProviderId,
        /// Planned beginning.
        #[schema(example = "2030-05-06T09:00:00Z")]
        pub scheduled_start: DateTime<Utc>,
        /// Planned end, at most 24 hours after the beginning.
        #[schema(example = "2030-05-06T09:50:00Z")]
        pub scheduled_end: DateTime<Utc>,
        /// Kind of appointment.
        #[serde(default)]
        pub appointment_type: AppointmentType,
        /// Number of units to bill.
        #[serde(default = "one_unit")]
        pub billable_units: Number<0, 100>,
        /// Place.
        pub location: Option<Line<255>>,
        /// True if the appointment takes place online.
        #[serde(default)]
        pub is_telehealth: bool,
        /// Address of the online meeting.
        pub meeting_link: Option<Line<500>>,
        /// Reason for the visit, in the words of the client.
        pub reason_for_visit: Option<Prose<1000>>,
        /// Notes of the administration.
        pub appointment_notes: Option<Prose<10000>>,
        /// Time at which a confirmation was sent to the client.
        pub confirmation_sent_at: Option<DateTime<Utc>>,
        /// Share of the client.
        pub copay_amount: Option<Amount>,
        /// Authorization of the insurance.
        pub insurance_authorization: Option<Line<100>>,
    }
    rules = times
}

fn one_unit() -> Number<0, 100> {
    Number(1)
}

/// Checks that the planned times belong together.
fn times(details: &AppointmentDetails, checks: &mut Checks) {
    let duration = details.scheduled_end.signed_duration_since(details.scheduled_start);
    if duration <= TimeDelta::zero() || duration > TimeDelta::hours(24) {
        checks.add("scheduled_end", "must be after scheduled_start, by at most 24 hours");
    }
}

recorded! {
    /// An appointment, as the practice has recorded it.
    pub struct Appointment: AppointmentDetails {
        /// Id of the appointment.
        pub id: AppointmentId,
        /// State of the appointment.
        pub status: AppointmentStatus,
        /// Time at which it began.
        pub actual_start: Option<DateTime<Utc>>,
        /// Time at which it ended.
        pub actual_end: Option<DateTime<Utc>>,
        /// Reason for the cancellation.
        pub cancellation_reason: Option<Prose<1000>>,
        /// Time at which a reminder of the planned beginning was sent to the client.
        pub reminder_sent_at: Option<DateTime<Utc>>,
        /// Time of the creation.
        pub created_at: DateTime<Utc>,
        /// Time of the last change.
        pub updated_at: DateTime<Utc>,
        /// Number of changes, from 1. The `ETag` of the appointment.
        pub version: Version,
    }
}

impl AppointmentDetails {
    /// Returns true if both have the same client, provider, kind and planned times.
    pub fn is_same_session(&self, other: &Self) -> bool {
        let session = |details: &Self| {
            let Self { client_id, provider_id, scheduled_start, scheduled_end, appointment_type, .. } =
                details;
            (*client_id, *provider_id, *scheduled_start, *scheduled_end, *appointment_type)
        };
        session(self) == session(other)
    }
}

/// The appointment of a provider with which another one would overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Id of the appointment.
    pub id: AppointmentId,
    /// Planned beginning.
    pub scheduled_start: DateTime<Utc>,
    /// Planned end.
    pub scheduled_end: DateTime<Utc>,
}

/// Unvalidated parameters of the list of appointments.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AppointmentParameters {
    /// Id of the client.
    #[param(value_type = Option<uuid::Uuid>)]
    pub client_id: Option<ClientId>,
    /// Id of the provider.
    #[param(value_type = Option<uuid::Uuid>)]
    pub provider_id: Option<ProviderId>,
    /// State of the appointments.
    #[param(inline)]
    pub status: Option<AppointmentStatus>,
    /// Planned beginning of the earliest appointment.
    pub date_from: Option<DateTime<Utc>>,
    /// Time before which the last appointment is planned to begin.
    pub date_to: Option<DateTime<Utc>>,
}

/// Conditions of the list of appointments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppointmentFilter {
    /// Id of the client.
    pub client_id: Option<ClientId>,
    /// Id of the provider.
    pub provider_id: Option<ProviderId>,
    /// State of the appointments.
    pub status: Option<AppointmentStatus>,
    /// First planned beginning.
    pub from: DateTime<Utc>,
    /// Time after the last planned beginning.
    pub to: DateTime<Utc>,
}

impl AppointmentParameters {
    /// Validates the parameters.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `date_to` if it is before `date_from`.
    pub fn parse(&self) -> Result<AppointmentFilter, Invalid> {
        let (earliest, latest) = crate::audit::entries::all_times();
        let within = |time: Option<DateTime<Utc>>, other| time.unwrap_or(other).clamp(earliest, latest);
        let (from, to) = (within(self.date_from, earliest), within(self.date_to, latest));
        if to < from {
            return Err(Invalid::field("date_to", "must not be before date_from"));
        }
        let Self { client_id, provider_id, status, .. } = *self;
        Ok(AppointmentFilter { client_id, provider_id, status, from, to })
    }
}

/// Sort key of the list of appointments: by planned beginning, the latest first, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppointmentCursor {
    /// Planned beginning.
    pub scheduled_start: DateTime<Utc>,
    /// Id of the appointment.
    pub id: AppointmentId,
}

/// Unvalidated parameters of a calendar.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct CalendarParameters {
    /// First planned beginning.
    #[param(example = "2030-05-06T00:00:00Z")]
    pub from: DateTime<Utc>,
    /// Time before which the last appointment is planned to begin, at most 31 days after `from`.
    #[param(example = "2030-05-13T00:00:00Z")]
    pub to: DateTime<Utc>,
}

/// Range of times of a calendar: the first planned beginning, and a time after the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarRange(DateTime<Utc>, DateTime<Utc>);

impl CalendarParameters {
    /// Validates the parameters.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `to` if it is before `from` or too long after it.
    pub fn parse(self) -> Result<CalendarRange, Invalid> {
        let (earliest, latest) = crate::audit::entries::all_times();
        let (from, to) = (self.from.clamp(earliest, latest), self.to.clamp(earliest, latest));
        if to < from || to - from > TimeDelta::days(CALENDAR_DAYS_MAX) {
            let message = format!("must be after from, by at most {CALENDAR_DAYS_MAX} days");
            return Err(Invalid::field("to", message));
        }
        Ok(CalendarRange(from, to))
    }
}

impl CalendarRange {
    /// Returns the first planned beginning, and the time after the last one.
    pub fn bounds(self) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.0, self.1)
    }
}

/// An appointment in a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CalendarEntry {
    /// Id of the appointment.
    pub id: AppointmentId,
    /// Id of the client.
    pub client_id: ClientId,
    /// First name of the client.
    pub client_first_name: String,
    /// Last name of the client.
    pub client_last_name: String,
    /// Planned beginning.
    pub scheduled_start: DateTime<Utc>,
    /// Planned end.
    pub scheduled_end: DateTime<Utc>,
    /// Kind of appointment.
    pub appointment_type: AppointmentType,
    /// State of the appointment: scheduled, confirmed or in progress.
    pub status: AppointmentStatus,
    /// Place.
    pub location: Option<String>,
    /// True if the appointment takes place online.
    pub is_telehealth: bool,
}

/// Parameters of the list of reminders that are due.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ReminderParameters {
    /// Number of hours in which the appointments begin.
    #[param(minimum = 1, maximum = 168, default = 24)]
    pub hours: Option<i64>,
}

impl ReminderParameters {
    /// Validates the parameters, and returns the time in which the appointments begin.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `hours` if it is not from 1 to 168.
    pub fn parse(self) -> Result<TimeDelta, Invalid> {
        match self.hours.unwrap_or(24) {
            hours @ 1..=168 => Ok(TimeDelta::hours(hours)),
            _ => Err(Invalid::field("hours", "must be from 1 to 168")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Valid;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn appointments_end_within_a_day_after_they_begin() {
        let is_allowed = |end: &str| {
            let id = "01980000-0000-7000-8000-000000000001";
            let body = serde_json::json!({
                "client_id": id, "provider_id": id, "scheduled_start": "2026-03-02T09:00:00Z", "scheduled_end": end
            });
            Valid::<AppointmentDetails>::of(serde_json::from_value(body).expect("a body")).is_ok()
        };
        assert!(is_allowed("2026-03-02T09:00:01Z") && is_allowed("2026-03-03T09:00:00Z"));
        for end in
            ["2026-03-02T09:00:00Z", "2026-03-02T08:00:00Z", "2026-03-03T09:00:01Z", "+12026-03-03T09:00:01Z"]
        {
            assert!(!is_allowed(end), "{end}");
        }
    }

    #[test]
    fn calendars_show_up_to_31_days() {
        let from = time("2026-03-01T00:00:00Z");
        let is_allowed = |to: &str| CalendarParameters { from, to: time(to) }.parse().is_ok();
        assert!(is_allowed("2026-03-01T00:00:00Z") && is_allowed("2026-04-01T00:00:00Z"));
        assert!(!is_allowed("2026-04-01T00:00:01Z") && !is_allowed("2026-02-28T00:00:00Z"));
    }

    #[test]
    fn ranges_without_an_end_are_open() {
        let from = Some(time("2026-03-01T00:00:00Z"));
        let parameters = AppointmentParameters { date_from: from, ..AppointmentParameters::default() };
        assert!(parameters.parse().is_ok_and(|filter| filter.from < filter.to));
        let reversed = AppointmentParameters { date_to: Some(time("2026-02-01T00:00:00Z")), ..parameters };
        assert_eq!(reversed.parse().expect_err("reversed").fields()[0].field, "date_to");
    }
}
