//! Cases of the operations on appointments.

use super::{body, with_texts};
use crate::audit::cases::{keyed, origin, user};
use crate::cases::{ANY, Case};
use crate::practice::seed::{appointment_id, client_id, provider_id};
use crate::practice::{
    APPOINTMENT, APPOINTMENTS, CALENDAR, CHANGE_STATUS, CREATE_APPOINTMENT, FIND_OVERLAP, RECORD_REMINDER,
    REMINDERS, UPDATE_APPOINTMENT, appointment, appointments, calendar, change_status, create_appointment,
    overlap, record_reminder, reminders, update_appointment,
};
use crate::prelude::*;
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use serde_json::{Value, json};
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{
    AppointmentCursor, AppointmentDetails, AppointmentFilter, AppointmentId, AppointmentParameters,
    AppointmentStatus, CalendarParameters, CalendarRange, ProviderId, StatusChange,
};
use steadfast_domain::version::{Expected, Version};

const CLIENT: &[&str] = &["idx_appointments_client_date_status"];
const PROVIDER: &[&str] = &["idx_appointments_provider_date_status"];
const STATUS: &[&str] = &["idx_appointments_status_date"];
const DATES: &[&str] = &["idx_appointments_date_range"];

/// Returns the cases of the operations on appointments.
pub(super) fn all() -> Result<Vec<Case>, Invalid> {
    let all = [lists()?, schedules()?, creations()?, changes()?, states()?];
    Ok(all.into_iter().flatten().collect())
}

/// Returns the beginning of a day.
fn day(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default().and_time(NaiveTime::MIN).and_utc()
}

/// Returns the cases of the list.
fn lists() -> Result<Vec<Case>, Invalid> {
    let list = async |store: Store, (filter, position): (AppointmentFilter, Position<AppointmentCursor>)| {
        appointments(&store, &filter, &position).await
    };
    let at = |number| Position::numbered(number, 50);
    let after =
        |scheduled_start| Position::after(AppointmentCursor { scheduled_start, id: appointment_id(500) }, 50);
    let every = AppointmentParameters::default();
    let of_client = |number| AppointmentParameters { client_id: Some(client_id(number)), ..every.clone() };
    let of_provider =
        |number| AppointmentParameters { provider_id: Some(provider_id(number)), ..every.clone() };
    let of_status = |status| AppointmentParameters { status: Some(status), ..every.clone() };
    let scheduled = |parameters: AppointmentParameters| AppointmentParameters {
        status: Some(AppointmentStatus::Scheduled),
        ..parameters
    };
    let in_week = |from: DateTime<Utc>, parameters: AppointmentParameters| AppointmentParameters {
        date_from: Some(from),
        date_to: Some(from + TimeDelta::days(7)),
        ..parameters
    };
    let with_provider = |number, parameters: AppointmentParameters| AppointmentParameters {
        provider_id: Some(provider_id(number)),
        ..parameters
    };
    let completed = || of_status(AppointmentStatus::Completed);
    let (first, third, beyond) = (at(1)?, at(3)?, at(200)?);
    let (january, march) = (day(2024, 1, 5), day(2026, 3, 2));
    let never = day(1999, 1, 1);
    let inputs = [
        ("a client", CLIENT, of_client(30), first.clone()),
        ("a busy client, first page", CLIENT, of_client(7), first.clone()),
        ("a busy client, third page", CLIENT, of_client(7), third.clone()),
        ("a client, past the last page", CLIENT, of_client(8), beyond.clone()),
        ("a busy client, after a cursor", CLIENT, of_client(7), after(january)),
        ("a busy client, after the last cursor", CLIENT, of_client(7), after(never)),
        ("a client with a provider", CLIENT, with_provider(7, of_client(30)), first.clone()),
        ("a busy client, scheduled", CLIENT, scheduled(of_client(7)), first.clone()),
        ("a busy client in a week", CLIENT, in_week(january, of_client(7)), first.clone()),
        ("no client", CLIENT, of_client(u128::MAX), first.clone()),
        ("a provider", PROVIDER, of_provider(30), first.clone()),
        ("a busy provider, first page", PROVIDER, of_provider(7), first.clone()),
        ("a busy provider, third page", PROVIDER, of_provider(7), third.clone()),
        ("a provider, past the last page", PROVIDER, of_provider(30), beyond.clone()),
        ("a busy provider, after a cursor", PROVIDER, of_provider(7), after(day(2023, 1, 9))),
        ("a busy provider, after the last cursor", PROVIDER, of_provider(7), after(never)),
        ("a busy provider, scheduled", ANY, scheduled(of_provider(7)), first.clone()),
        ("a busy provider in a week", PROVIDER, in_week(day(2023, 1, 9), of_provider(7)), first.clone()),
        ("no provider", PROVIDER, of_provider(u128::MAX), first.clone()),
        ("a common status, first page", STATUS, completed(), first.clone()),
        ("a common status, third page", STATUS, completed(), third.clone()),
        ("a rare status", STATUS, of_status(AppointmentStatus::InProgress), first.clone()),
        ("a common status, after a cursor", STATUS, completed(), after(january)),
        ("a common status, after the last cursor", STATUS, completed(), after(never)),
        ("a common status in a week", STATUS, in_week(january, completed()), first.clone()),
        ("a common status, never", STATUS, in_week(never, completed()), first.clone()),
        ("all, first page", DATES, every.clone(), first.clone()),
        ("all, third page", DATES, every.clone(), third),
        ("all, after a cursor", DATES, every.clone(), after(march)),
        ("all, after the last cursor", DATES, every.clone(), after(never)),
        ("all in a week", DATES, in_week(march, every.clone()), first.clone()),
        ("all in a week, past the last page", DATES, in_week(never, every.clone()), beyond),
        ("never", DATES, in_week(never, every.clone()), first),
    ];
    let inputs = inputs.into_iter().map(|(name, index, parameters, position)| {
        Ok((name, index, (AppointmentParameters::parse(&parameters)?, position)))
    });
    Ok(Case::each(&APPOINTMENTS, list, inputs.collect::<Result<Vec<_>, Invalid>>()?))
}

/// Returns the cases of calendars, overlaps and reminders.
fn schedules() -> Result<Vec<Case>, Invalid> {
    let show =
        async |store: Store, (id, range): (ProviderId, CalendarRange)| calendar(&store, id, range).await;
    let range =
        |from: DateTime<Utc>, days| CalendarParameters { from, to: from + TimeDelta::days(days) }.parse();
    let mut cases = Case::each(
        &CALENDAR,
        show,
        [
            ("a week", ANY, (provider_id(7), range(day(2023, 1, 9), 7)?)),
            ("a day", ANY, (provider_id(7), range(day(2023, 1, 9), 1)?)),
            ("a month of groups", ANY, (provider_id(11), range(day(2026, 3, 1), 31)?)),
            ("a month of a usual provider", ANY, (provider_id(30), range(day(2024, 1, 1), 31)?)),
            ("nothing", ANY, (provider_id(7), range(day(1999, 1, 1), 31)?)),
        ],
    );
    let find = async |store: Store, (id, details): (AppointmentId, Valid<AppointmentDetails>)| {
        overlap(&store, id, &details).await
    };
    cases.extend(Case::each(
        &FIND_OVERLAP,
        find,
        [
            // The appointment 67 is scheduled with provider 7, in the seventh half hour.
            ("another appointment", ANY, (appointment_id(1), at_time(7, "2023-01-02T03:00:00Z")?)),
            ("the appointment itself", ANY, (appointment_id(67), at_time(7, "2023-01-02T03:00:00Z")?)),
            ("a group", ANY, (appointment_id(1), at_time(11, "2026-03-02T01:00:00Z")?)),
            ("nothing", ANY, (appointment_id(1), at_time(7, "1999-01-02T03:00:00Z")?)),
        ],
    ));
    let remind = async |store: Store, (from, hours): (DateTime<Utc>, i64)| {
        reminders(&store, from, from + TimeDelta::hours(hours)).await
    };
    cases.extend(Case::each(
        &REMINDERS,
        remind,
        [
            ("in an hour", ANY, (day(2026, 3, 3), 1)),
            ("in a week", ANY, (day(2024, 1, 5), 168)),
            ("nothing", ANY, (day(1999, 1, 1), 168)),
        ],
    ));
    Ok(cases)
}

/// Returns the cases of a creation, and of the appointment.
fn creations() -> Result<Vec<Case>, Invalid> {
    let get = async |store: Store, id: AppointmentId| appointment(&store, id).await;
    let create = async |store: Store, (origin, details): (Origin, Valid<AppointmentDetails>)| {
        create_appointment(&store, &origin, &details).await
    };
    let mut cases = Case::each(
        &APPOINTMENT,
        get,
        [("an appointment", ANY, appointment_id(30)), ("no appointment", ANY, appointment_id(u128::MAX))],
    );
    let at = |hour: u32| at_time(8, &format!("2027-01-01T{hour:02}:00:00Z"));
    let keyed_user = keyed(user(), "an-appointment")?;
    cases.extend(Case::each(
        &CREATE_APPOINTMENT,
        create,
        [
            ("without idempotency key", ANY, (origin(None)?, at(1)?)),
            ("all details", ANY, (user(), all_details(8, "2027-01-01T02:00:00Z")?)),
            ("with idempotency key", ANY, (origin(Some("an-appointment"))?, at(3)?)),
            ("by a user, with idempotency key", ANY, (keyed_user, at(4)?)),
            ("with the key of another request", ANY, (origin(Some("request-7"))?, at(5)?)),
        ],
    ));
    Ok(cases)
}

/// Returns the cases of changes of the details, and of reminders that were sent.
fn changes() -> Result<Vec<Case>, Invalid> {
    let update = async |store: Store,
                        (origin, id, version, details): (
        Origin,
        AppointmentId,
        i32,
        Valid<AppointmentDetails>,
    )| {
        let expected = Expected::Only(Version::from_stored(version));
        update_appointment(&store, &origin, (id, expected), &details).await
    };
    let record = async |store: Store, (origin, id): (Origin, AppointmentId)| {
        record_reminder(&store, &origin, id).await
    };
    let unknown = appointment_id(u128::MAX);
    let at = |hour: u32| at_time(9, &format!("2027-01-01T{hour:02}:00:00Z"));
    let all = all_details(9, "2027-01-01T02:00:00Z")?;
    let mut cases = Case::each(
        &UPDATE_APPOINTMENT,
        update,
        [
            ("an appointment", ANY, (user(), appointment_id(160), 1, at(1)?)),
            ("all details", ANY, (origin(None)?, appointment_id(161), 1, all)),
            ("of a completed appointment", ANY, (user(), appointment_id(40), 1, at(3)?)),
            ("another version", ANY, (user(), appointment_id(160), 7, at(1)?)),
            ("no appointment", ANY, (user(), unknown, 1, at(1)?)),
        ],
    );
    cases.extend(Case::each(
        &RECORD_REMINDER,
        record,
        [
            ("a reminder", ANY, (user(), appointment_id(164))),
            ("by a program", ANY, (origin(None)?, appointment_id(166))),
            ("a repetition", ANY, (user(), appointment_id(165))),
            ("no appointment", ANY, (user(), unknown)),
        ],
    ));
    Ok(cases)
}

/// Returns the cases of changes of the state.
fn states() -> Result<Vec<Case>, Invalid> {
    type Input = (Origin, AppointmentId, Expected, Valid<StatusChange>);
    let change = async |store: Store, (origin, id, expected, change): Input| {
        change_status(&store, &origin, (id, expected), &change).await
    };
    let any = Expected::Any;
    let outdated = Expected::Only(Version::from_stored(7));
    let to = |status: &str| body(json!({ "status": status }));
    let cancelled = body(json!({ "status": "cancelled", "cancellation_reason": "Is ill." }))?;
    let inputs = [
        ("confirmed", ANY, (user(), appointment_id(168), any, to("confirmed")?)),
        ("cancelled", ANY, (origin(None)?, appointment_id(169), any, cancelled)),
        ("of a completed appointment", ANY, (user(), appointment_id(41), any, to("confirmed")?)),
        ("another version", ANY, (user(), appointment_id(168), outdated, to("in_progress")?)),
        ("no change", ANY, (user(), appointment_id(42), any, to("completed")?)),
        ("no appointment", ANY, (user(), appointment_id(u128::MAX), any, to("confirmed")?)),
    ];
    Ok(Case::each(&CHANGE_STATUS, change, inputs))
}

/// Returns the required details of an appointment with a provider, of half an hour.
fn at_time(provider: u128, start: &str) -> Result<Valid<AppointmentDetails>, Invalid> {
    body(required(provider, start))
}

/// Returns all details of an appointment with a provider, of half an hour.
fn all_details(provider: u128, start: &str) -> Result<Valid<AppointmentDetails>, Invalid> {
    let texts =
        ["location", "meeting_link", "reason_for_visit", "appointment_notes", "insurance_authorization"];
    let mut json = with_texts(required(provider, start), &texts);
    json["confirmation_sent_at"] = start.into();
    json["copay_amount"] = "20.00".into();
    body(json)
}

fn required(provider: u128, start: &str) -> Value {
    let end = start.parse::<DateTime<Utc>>().unwrap_or_default() + TimeDelta::minutes(30);
    json!({
        "client_id": client_id(30), "provider_id": provider_id(provider), "scheduled_start": start,
        "scheduled_end": end,
    })
}
