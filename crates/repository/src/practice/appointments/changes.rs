//! Creation and changes of an appointment.

use super::schedule::overlap;
use super::{AppointmentRow, DetailsRow, appointment};
use crate::audit::entries::{self, Change};
use crate::audit::idempotency::{self, Created};
use crate::prelude::*;
use crate::row::Stored;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{
    Appointment, AppointmentDetails, AppointmentId, AppointmentStatus, StatusChange,
};
use steadfast_domain::version::Expected;
use steadfast_postgres::diesel::dsl::{case_when, now};
use steadfast_postgres::diesel::sql_types::{Bool, Nullable, Timestamptz};
use steadfast_postgres::diesel::{insert_into, update};
use steadfast_postgres::{Abort, Conn};
use steadfast_schema::schema::appointments;

/// Name of the resource in the audit trail.
const RESOURCE: &str = "appointment";

/// Foreign keys, with the fields that refer to another resource.
const REFERENCES: [(&str, &str); 2] =
    [("appointments_client_id_fkey", "client_id"), ("appointments_provider_id_fkey", "provider_id")];

/// Index of the exclusion constraint, which the database searches after a write.
const NO_OVERLAP: &str = "appointments_do_not_overlap";

/// Reason for the pages of a write.
const SEARCHES: &str = "pages of the GiST index of the exclusion constraint overlap, so some of them are searched without a match";

/// Creates an appointment.
pub const CREATE_APPOINTMENT: Operation<Write> = Operation::write("practice.create_appointment")
    .statements(3)
    .served_by(&["idempotency_records_pkey"])
    .supports_fk(&[NO_OVERLAP])
    .reads(Reads::PerMatch(100), SEARCHES);

/// Changes the details of an appointment.
pub const UPDATE_APPOINTMENT: Operation<Write> = Operation::write("practice.update_appointment")
    .statements(3)
    .served_by(&["appointments_pkey"])
    .supports_fk(&[NO_OVERLAP]);

/// Changes the state of an appointment.
pub const CHANGE_STATUS: Operation<Write> =
    Operation::write("practice.change_appointment_status").statements(3).served_by(&["appointments_pkey"]);

/// Records that a reminder of an appointment was sent.
pub const RECORD_REMINDER: Operation<Write> =
    Operation::write("practice.record_reminder").statements(3).served_by(&["appointments_pkey"]);

/// Stores a new appointment.
///
/// # Errors
/// Returns [`Error::Overlap`] if the provider has another appointment at this time, and [`Error::UnknownReference`] if
/// there is no such client or provider.
pub async fn create_appointment(
    store: &Store,
    origin: &Origin,
    details: &Valid<AppointmentDetails>,
) -> Result<Created, Error> {
    let id = AppointmentId::generate();
    let created = idempotency::create(store, &CREATE_APPOINTMENT, origin, RESOURCE, async |conn| {
        let stored: AppointmentRow = insert_into(appointments::table)
            .values((appointments::id.eq(id.0), DetailsRow::of(details)))
            .returning(AppointmentRow::as_select())
            .get_result(conn)
            .await?;
        Ok((id.to_string(), stored.parse()?))
    });
    match created.await {
        Ok(created) => Ok(created),
        Err(error) => Err(explained(store, error, id, details).await),
    }
}

/// Changes the appointment `id` to `details` and returns it. If it begins at another time, its reminder is due again.
/// Served by `appointments_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such appointment, [`Error::VersionMismatch`] if its version is not
/// `expected`, [`Error::State`] if it has begun or was called off, and `details` have another client, provider, kind or
/// time, and the errors of [`create_appointment`].
pub async fn update_appointment(
    store: &Store,
    origin: &Origin,
    (id, expected): (AppointmentId, Expected),
    details: &Valid<AppointmentDetails>,
) -> Result<Appointment, Error> {
    let changed = entries::change(store, &UPDATE_APPOINTMENT, origin, ("update", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        if !old.status.is_planned() && !old.details.is_same_session(details) {
            Err(Error::State(
                "The client, provider, kind and times of an appointment cannot be changed after it began or was called off.",
            ))?;
        }
        let has_same_start = appointments::scheduled_start.eq(details.scheduled_start);
        let change = update(appointments::table.find(id.0))
            .filter(appointments::version.eq(expected.or(old.version)))
            .set((
                DetailsRow::of(details),
                appointments::reminder_sent_at.eq(case_when(has_same_start, appointments::reminder_sent_at)),
                appointments::updated_at.eq(now),
                appointments::version.eq(appointments::version + 1),
            ))
            .returning(AppointmentRow::as_select());
        Change::updated(id, old, change.get_result(conn).await)
    });
    match changed.await {
        Ok(appointment) => Ok(appointment),
        Err(error) => Err(explained(store, error, id, details).await),
    }
}

/// Changes the state of the appointment `id` and returns it. Does nothing if it has this state for this reason. Served by
/// `appointments_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such appointment, [`Error::VersionMismatch`] if its version is not
/// `expected`, [`Error::State`] if the state cannot follow the present one, and [`Error::Overlap`] if the provider has
/// another appointment at the time of one that is scheduled again.
pub async fn change_status(
    store: &Store,
    origin: &Origin,
    (id, expected): (AppointmentId, Expected),
    change: &Valid<StatusChange>,
) -> Result<Appointment, Error> {
    let action = if change.status == AppointmentStatus::Cancelled { "cancel" } else { "change_status" };
    let changed = entries::change(store, &CHANGE_STATUS, origin, (action, RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        let has_other_reason =
            change.cancellation_reason.is_some() && change.cancellation_reason != old.cancellation_reason;
        if old.status == change.status && !has_other_reason {
            return Ok(Change::Unneeded(old));
        }
        if !old.status.allows(change.status) {
            Err(Error::State(old.status.refusal()))?;
        }
        let becomes = |status| (change.status == status).into_sql::<Bool>();
        let time = || now.into_sql::<Nullable<Timestamptz>>();
        let change = update(appointments::table.find(id.0))
            .filter(appointments::version.eq(expected.or(old.version)))
            .set((
                appointments::status.eq(change.status.as_str()),
                appointments::actual_start.eq(case_when(becomes(AppointmentStatus::InProgress), time())
                    .otherwise(appointments::actual_start)),
                appointments::actual_end.eq(case_when(becomes(AppointmentStatus::Completed), time())
                    .otherwise(appointments::actual_end)),
                appointments::cancellation_reason.eq::<Option<String>>(change.cancellation_reason.stored()),
                appointments::updated_at.eq(now),
                appointments::version.eq(appointments::version + 1),
            ))
            .returning(AppointmentRow::as_select());
        Change::updated(id, old, change.get_result(conn).await)
    });
    match changed.await {
        Err(error @ Error::Conflict { .. }) => {
            let details = appointment(store, id).await?.details;
            Err(explained(store, error, id, &details).await)
        }
        outcome => outcome,
    }
}

/// Records that a reminder of the appointment `id` was sent now, and returns the appointment. Does nothing if one was sent
/// before. Served by `appointments_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such appointment.
pub async fn record_reminder(
    store: &Store,
    origin: &Origin,
    id: AppointmentId,
) -> Result<Appointment, Error> {
    entries::change(store, &RECORD_REMINDER, origin, ("remind", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        let change = update(appointments::table.find(id.0).filter(appointments::reminder_sent_at.is_null()))
            .set((
                appointments::reminder_sent_at.eq(now),
                appointments::updated_at.eq(now),
                appointments::version.eq(appointments::version + 1),
            ))
            .returning(AppointmentRow::as_select());
        Ok(match change.get_result(conn).await.optional()? {
            Some(new) => Change::Updated { id: id.to_string(), old, new: new.parse()? },
            None => Change::Unneeded(old),
        })
    })
    .await
}

/// Returns the appointment `id`, locked until the end of the transaction.
async fn locked(conn: &mut Conn, id: AppointmentId) -> Result<Appointment, Abort<Error>> {
    let appointment = appointments::table.find(id.0).select(AppointmentRow::as_select()).for_no_key_update();
    Ok(appointment.first(conn).await.optional()?.ok_or(Error::NotFound)?.parse()?)
}

/// Returns the cause of an error: the appointment with which one with `details` overlaps, or the field that refers to
/// nothing.
async fn explained(store: &Store, error: Error, id: AppointmentId, details: &AppointmentDetails) -> Error {
    let error = error.naming(&REFERENCES);
    if !matches!(&error, Error::Conflict { constraint: Some(name) } if name == NO_OVERLAP) {
        return error;
    }
    match overlap(store, id, details).await {
        Ok(Some(overlap)) => Error::Overlap(overlap),
        // It was called off between the two statements.
        Ok(None) => error,
        Err(error) => error,
    }
}
