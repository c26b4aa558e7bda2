//! Appointments. The database excludes that those of a provider overlap.

mod changes;
mod schedule;

pub use changes::{
    CHANGE_STATUS, CREATE_APPOINTMENT, RECORD_REMINDER, UPDATE_APPOINTMENT, change_status,
    create_appointment, record_reminder, update_appointment,
};
pub use schedule::{CALENDAR, FIND_OVERLAP, REMINDERS, calendar, overlap, reminders};

use crate::prelude::*;
use rust_decimal::Decimal;
use steadfast_domain::audit::entries::all_times;
use steadfast_domain::practice::{
    Appointment, AppointmentCursor, AppointmentDetails, AppointmentFilter, AppointmentId, AppointmentStatus,
    AppointmentType, ClientId, RELATED_MAX,
};
use steadfast_postgres::diesel::dsl::{Desc, sql};
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::sql_types::{Bool, Timestamptz, Uuid as SqlUuid};
use steadfast_postgres::diesel_async::methods::LoadQuery;
use steadfast_postgres::{Abort, Conn};
use steadfast_schema::schema::appointments;
use uuid::Uuid;

/// Lists a page of the appointments that match a filter, with the total.
pub const APPOINTMENTS: Operation<Read> = paged(Operation::read("practice.appointments").served_by(&[
    "idx_appointments_client_date_status",
    "idx_appointments_date_range",
    "idx_appointments_provider_date_status",
    "idx_appointments_status_date",
    // Those of a provider that are scheduled or confirmed.
    "idx_appointments_upcoming",
]));

/// Reads an appointment.
pub const APPOINTMENT: Operation<Read> =
    Operation::read("practice.appointment").served_by(&["appointments_pkey"]);

/// Returns a page of the appointments that match `filter`, the latest first, with the total. The client, the provider, the
/// status and the range of times have an index each; the first of them that `filter` has chooses the index.
pub async fn appointments(
    store: &Store,
    filter: &AppointmentFilter,
    position: &Position<AppointmentCursor>,
) -> Result<Page<Appointment>, Error> {
    let rows = || rows(filter, position);
    let count = || BoundedCount(filtered(filter).select(appointments::id).order(ORDER()));
    let key = |AppointmentRow { details, id, .. }: &AppointmentRow| AppointmentCursor {
        scheduled_start: details.scheduled_start,
        id: AppointmentId(*id),
    };
    page(store, &APPOINTMENTS, position, (rows, count), key).await
}

/// Order of a list.
const ORDER: fn() -> (Desc<appointments::scheduled_start>, Desc<appointments::id>) =
    || (appointments::scheduled_start.desc(), appointments::id.desc());

/// Selects the appointments of the page at `position`, and one more.
fn rows<'a>(
    filter: &'a AppointmentFilter,
    position: &'a Position<AppointmentCursor>,
) -> impl for<'c> LoadQuery<'a, &'c Conn, AppointmentRow> + Send + 'a {
    // The DSL has no comparison of rows.
    let after = |last: &AppointmentCursor| {
        sql::<Bool>("(scheduled_start, id) < (")
            .bind::<Timestamptz, _>(last.scheduled_start)
            .sql(", ")
            .bind::<SqlUuid, _>(last.id.0)
            .sql(")")
    };
    page_at(filtered(filter).select(AppointmentRow::as_select()).order(ORDER()), position, after)
}

/// Returns the latest appointments of `client`, up to [`RELATED_MAX`].
pub(super) async fn of_client(conn: &Conn, client: ClientId) -> Result<Vec<Appointment>, Abort<Error>> {
    let (from, to) = all_times();
    let filter = AppointmentFilter { client_id: Some(client), provider_id: None, status: None, from, to };
    // The statement of a page after a cursor, which has no OFFSET.
    let end = AppointmentCursor { scheduled_start: to, id: AppointmentId(Uuid::max()) };
    newest(conn, rows(&filter, &Position::after(end, RELATED_MAX)), RELATED_MAX).await
}

/// Restricts the appointments to those that match `filter`. The leading condition chooses the statement; the others are in
/// it whether they restrict anything or not.
fn filtered(filter: &AppointmentFilter) -> appointments::BoxedQuery<'_, Pg> {
    let AppointmentFilter { client_id, provider_id, status, from, to } = filter;
    let of_provider = appointments::provider_id.eq(provider_id.map(|id| id.0).unwrap_or_default());
    let of_status = appointments::status.eq(status.map(AppointmentStatus::as_str).unwrap_or_default());
    let of_any_provider = provider_id.is_none().into_sql::<Bool>();
    let of_any_status = status.is_none().into_sql::<Bool>();
    let within = appointments::scheduled_start.ge(from).and(appointments::scheduled_start.lt(to));
    let matching = appointments::table.filter(within).into_boxed();
    match (client_id, provider_id, status) {
        (Some(client), _, _) => matching
            .filter(appointments::client_id.eq(client.0))
            .filter(of_provider.or(of_any_provider))
            .filter(of_status.or(of_any_status)),
        (None, Some(_), _) => matching.filter(of_provider).filter(of_status.or(of_any_status)),
        (None, None, Some(_)) => matching.filter(of_status),
        (None, None, None) => matching,
    }
}

/// Returns the appointment `id`. Served by `appointments_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such appointment.
pub async fn appointment(store: &Store, id: AppointmentId) -> Result<Appointment, Error> {
    let appointment = async |conn: &mut _| {
        appointments::table.find(id.0).select(AppointmentRow::as_select()).first(conn).await.optional()
    };
    store.read(&APPOINTMENT, appointment).await?.ok_or(Error::NotFound)?.parse()
}

details! {
    /// Details of an appointment, as the practice records them.
    DetailsRow of appointments for AppointmentDetails {
        client_id: Uuid,
        provider_id: Uuid,
        scheduled_start: DateTime<Utc>,
        scheduled_end: DateTime<Utc>,
        appointment_type: String,
        billable_units: i32,
        location: Option<String>,
        is_telehealth: bool,
        meeting_link: Option<String>,
        reason_for_visit: Option<String>,
        appointment_notes: Option<String>,
        confirmation_sent_at: Option<DateTime<Utc>>,
        copay_amount: Option<Decimal>,
        insurance_authorization: Option<String>,
    }
}

row! {
    /// An appointment.
    AppointmentRow of appointments for Appointment {
        #[diesel(embed)]
        details: DetailsRow,
        id: Uuid,
        status: String,
        actual_start: Option<DateTime<Utc>>,
        actual_end: Option<DateTime<Utc>>,
        cancellation_reason: Option<String>,
        reminder_sent_at: Option<DateTime<Utc>>,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
        version: i32,
    }
}

wrapper!(AppointmentId: AppointmentId, |id| id.0, Uuid);
named!(AppointmentStatus);
named!(AppointmentType);
