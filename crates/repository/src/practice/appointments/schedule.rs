//! Appointments that have yet to end: the calendar of a provider, the overlap with another appointment, and reminders.

use super::AppointmentRow;
use crate::prelude::*;
use chrono::TimeDelta;
use steadfast_domain::practice::{
    Appointment, AppointmentDetails, AppointmentId, AppointmentType, CALENDAR_MAX, CalendarEntry,
    CalendarRange, Overlap, ProviderId, REMINDERS_MAX,
};
use steadfast_postgres::diesel::dsl::sql;
use steadfast_postgres::diesel::sql_types::Bool;
use steadfast_schema::schema::{appointments, clients};
use uuid::Uuid;

/// Predicate of `idx_appointments_upcoming`. With parameters, a generic plan could not use that index.
const UPCOMING: &str = "appointments.status IN ('scheduled', 'confirmed', 'in_progress')";

/// Predicate of `idx_appointments_unreminded`, but for the reminder.
const PLANNED: &str = "appointments.status IN ('scheduled', 'confirmed')";

/// Lists the appointments of a provider in a range of times, with the names of the clients.
pub const CALENDAR: Operation<Read> =
    Operation::read("practice.calendar").served_by(&["idx_appointments_upcoming", "clients_pkey"]);

/// Finds an appointment with which another one would overlap.
pub const FIND_OVERLAP: Operation<Read> =
    Operation::read("practice.find_overlap").served_by(&["idx_appointments_upcoming"]);

/// Lists the appointments whose reminder is due.
pub const REMINDERS: Operation<Read> =
    Operation::read("practice.reminders").served_by(&["idx_appointments_unreminded"]);

/// Returns the upcoming appointments of the provider `id` that are planned to begin in `range`, the earliest first, up to
/// [`CALENDAR_MAX`]. Served by `idx_appointments_upcoming`.
pub async fn calendar(
    store: &Store,
    id: ProviderId,
    range: CalendarRange,
) -> Result<Vec<CalendarEntry>, Error> {
    let (from, to) = range.bounds();
    let entries = || {
        appointments::table
            .inner_join(clients::table)
            .filter(appointments::provider_id.eq(id.0).and(sql::<Bool>(UPCOMING)))
            .filter(appointments::scheduled_start.ge(from).and(appointments::scheduled_start.lt(to)))
            .select(((clients::first_name, clients::last_name), EntryRow::as_select()))
            .order((appointments::scheduled_start, appointments::id))
            .limit(CALENDAR_MAX)
    };
    all::<((String, String), EntryRow), _, _>(store, &CALENDAR, entries).await
}

/// Returns an upcoming appointment with which the appointment `id` with `details` would overlap, if there is one. Served by
/// `idx_appointments_upcoming`.
pub async fn overlap(
    store: &Store,
    id: AppointmentId,
    details: &AppointmentDetails,
) -> Result<Option<Overlap>, Error> {
    let AppointmentDetails { provider_id, scheduled_start, scheduled_end, .. } = details;
    // Appointments take at most a day.
    let earliest = *scheduled_start - TimeDelta::days(1);
    let overlapping = async |conn: &mut _| {
        appointments::table
            .filter(appointments::provider_id.eq(provider_id.0).and(sql::<Bool>(UPCOMING)))
            .filter(
                appointments::scheduled_start
                    .ge(earliest)
                    .and(appointments::scheduled_start.lt(scheduled_end)),
            )
            .filter(appointments::scheduled_end.gt(scheduled_start).and(appointments::id.ne(id.0)))
            .filter(appointments::appointment_type.ne(AppointmentType::GroupTherapy.as_str()))
            .select((appointments::id, appointments::scheduled_start, appointments::scheduled_end))
            .order((appointments::scheduled_start, appointments::id))
            .first::<(Uuid, _, _)>(conn)
            .await
            .optional()
    };
    let found = store.read(&FIND_OVERLAP, overlapping).await?;
    Ok(found.map(|(id, scheduled_start, scheduled_end)| Overlap {
        id: AppointmentId(id),
        scheduled_start,
        scheduled_end,
    }))
}

/// Returns the scheduled and confirmed appointments that begin in the range from `from` to `to` and of which no reminder
/// was sent, the earliest first, up to [`REMINDERS_MAX`]. Served by `idx_appointments_unreminded`.
pub async fn reminders(
    store: &Store,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Appointment>, Error> {
    let due = || {
        appointments::table
            .filter(sql::<Bool>(PLANNED).and(appointments::reminder_sent_at.is_null()))
            .filter(appointments::scheduled_start.ge(from).and(appointments::scheduled_start.lt(to)))
            .select(AppointmentRow::as_select())
            .order((appointments::scheduled_start, appointments::id))
            .limit(REMINDERS_MAX)
    };
    all::<AppointmentRow, _, _>(store, &REMINDERS, due).await
}

/// An appointment in a calendar.
#[derive(Queryable, Selectable)]
#[diesel(table_name = appointments)]
struct EntryRow {
    id: Uuid,
    client_id: Uuid,
    scheduled_start: DateTime<Utc>,
    scheduled_end: DateTime<Utc>,
    appointment_type: String,
    status: String,
    location: Option<String>,
    is_telehealth: bool,
}

impl Parse<CalendarEntry> for ((String, String), EntryRow) {
    fn parse(self, _: &'static str) -> Result<CalendarEntry, Error> {
        let ((client_first_name, client_last_name), row) = self;
        Ok(CalendarEntry {
            id: AppointmentId(row.id),
            client_id: row.client_id.parse("appointments.client_id")?,
            client_first_name,
            client_last_name,
            scheduled_start: row.scheduled_start,
            scheduled_end: row.scheduled_end,
            appointment_type: row.appointment_type.parse("appointments.appointment_type")?,
            status: row.status.parse("appointments.status")?,
            location: row.location,
            is_telehealth: row.is_telehealth,
        })
    }
}
