//! Appointments. They are cancelled, never deleted.

use super::providers::ProviderPath;
use super::{READ, WRITE};
use crate::prelude::*;
use serde_json::value::RawValue;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{
    APPOINTMENTS_PAGE, Appointment, AppointmentDetails, AppointmentId, AppointmentParameters, CalendarEntry,
    CalendarParameters, Cancellation, ReminderParameters, StatusChange,
};
use steadfast_domain::version::Expected;
use steadfast_repository::practice;

const ALL: &str = "/api/appointments";
const ONE: &str = "/api/appointments/{id}";

pub(super) fn routes() -> Vec<Route<AppState>> {
    vec![
        Route::get(ALL, READ, list)
            .summary("List the appointments, the latest first")
            .query::<AppointmentParameters>()
            .paged(APPOINTMENTS_PAGE)
            .lists::<Appointment>()
            .links_to(ONE, "id", "/data/0/id"),
        Route::post(ALL, WRITE, create)
            .summary("Create an appointment")
            .takes::<AppointmentDetails>()
            .creates::<Appointment>()
            .links_to(ONE, "id", "/data/id"),
        Route::get("/api/appointments/reminders", READ, reminders)
            .summary("List the appointments whose reminder is due, the earliest first, at most 500")
            .query::<ReminderParameters>()
            .answers_all::<Appointment>(),
        Route::get("/api/providers/{id}/calendar", READ, calendar)
            .summary("List the upcoming appointments of a provider, the earliest first, at most 1,000")
            .path_parameters::<ProviderPath>()
            .query::<CalendarParameters>()
            .answers_all::<CalendarEntry>(),
        one(Route::get(ONE, READ, get).summary("Get an appointment")),
        one(Route::put(ONE, WRITE, update).summary("Change an appointment"))
            .takes::<AppointmentDetails>()
            .conditional()
            .codes(&[Code::Conflict]),
        one(Route::put("/api/appointments/{id}/status", WRITE, change_status)
            .summary("Change the state of an appointment"))
        .takes::<StatusChange>()
        .conditional()
        .codes(&[Code::Conflict]),
        one(Route::post("/api/appointments/{id}/reminder", WRITE, remind)
            .summary("Record that a reminder of an appointment was sent")),
        Route::delete(ONE, WRITE, cancel)
            .summary("Cancel an appointment")
            .path_parameters::<AppointmentPath>()
            .query::<Cancellation>()
            .answers_nothing()
            .codes(&[Code::NotFound, Code::Conflict]),
    ]
}

/// Declares that a route answers with the appointment that its path names.
fn one(route: Route<AppState>) -> Route<AppState> {
    route.path_parameters::<AppointmentPath>().answers::<Appointment>().versioned().codes(&[Code::NotFound])
}

/// Returns the answer with an appointment.
fn answer(appointment: Appointment, message: &'static str) -> Envelope<Appointment> {
    let version = appointment.version;
    Envelope::new(appointment, message).of_version(version)
}

async fn list(
    State(store): State<Store>,
    Paged(parameters, page): Paged<AppointmentParameters>,
) -> ApiResult<Vec<Appointment>> {
    let (filter, position) = Invalid::both(parameters.parse(), page.position(APPOINTMENTS_PAGE))?;
    let found = practice::appointments(&store, &filter, &position).await?;
    Ok(Envelope::page(found, "appointments", |appointments| appointments))
}

async fn create(
    State(store): State<Store>,
    Creation(details, origin): Creation<AppointmentDetails>,
) -> ApiResult<Box<RawValue>> {
    let created = practice::create_appointment(&store, &origin, &Valid::of(details)?).await?;
    Ok(Envelope::created(ONE, &created, created.body.clone(), "Appointment created"))
}

async fn get(
    State(store): State<Store>,
    Path(AppointmentPath { id }): Path<AppointmentPath>,
) -> ApiResult<Appointment> {
    Ok(answer(practice::appointment(&store, id).await?, "Appointment"))
}

async fn update(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(AppointmentPath { id }): Path<AppointmentPath>,
    IfMatch(expected): IfMatch,
    Json(details): Json<AppointmentDetails>,
) -> ApiResult<Appointment> {
    let details = Valid::of(details)?;
    let changed = practice::update_appointment(&store, &origin, (id, expected), &details).await?;
    Ok(answer(changed, "Appointment changed"))
}

async fn change_status(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(AppointmentPath { id }): Path<AppointmentPath>,
    IfMatch(expected): IfMatch,
    Json(change): Json<StatusChange>,
) -> ApiResult<Appointment> {
    let change = Valid::of(change)?;
    let changed = practice::change_status(&store, &origin, (id, expected), &change).await?;
    let message = format!("Appointment {}", changed.status.as_str());
    let version = changed.version;
    Ok(Envelope::new(changed, message).of_version(version))
}

async fn cancel(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(AppointmentPath { id }): Path<AppointmentPath>,
    Query(cancellation): Query<Cancellation>,
) -> Result<StatusCode, Problem> {
    let change = Valid::of(cancellation.parse()?)?;
    practice::change_status(&store, &origin, (id, Expected::Any), &change).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remind(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(AppointmentPath { id }): Path<AppointmentPath>,
) -> ApiResult<Appointment> {
    Ok(answer(practice::record_reminder(&store, &origin, id).await?, "Reminder recorded"))
}

async fn reminders(
    State(store): State<Store>,
    Query(parameters): Query<ReminderParameters>,
) -> ApiResult<Vec<Appointment>> {
    let now = Utc::now();
    let due = practice::reminders(&store, now, now + parameters.parse()?).await?;
    let message = format!("{} reminders due", due.len());
    Ok(Envelope::new(due, message))
}

async fn calendar(
    State(store): State<Store>,
    Path(ProviderPath { id }): Path<ProviderPath>,
    Query(parameters): Query<CalendarParameters>,
) -> ApiResult<Vec<CalendarEntry>> {
    let entries = practice::calendar(&store, id, parameters.parse()?).await?;
    let message = format!("{} appointments", entries.len());
    Ok(Envelope::new(entries, message))
}

/// Path parameters of an appointment.
#[derive(Deserialize, IntoParams)]
struct AppointmentPath {
    /// Id of the appointment.
    #[param(value_type = uuid::Uuid, example = "00000000-0000-0000-0000-000000000001")]
    id: AppointmentId,
}
