//! Clinical notes. Each read of a single note is audited.

use super::{Access, require_diagnoses};
use crate::prelude::*;
use serde_json::value::RawValue;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{NOTES_PAGE, Note, NoteDetails, NoteFilter, NoteId, NoteStep, NoteSummary};
use steadfast_repository::practice;
use steadfast_services::terminology::Catalogue;

const ALL: &str = "/api/notes";
const ONE: &str = "/api/notes/{id}";
const READ: Access = Access::Scope("notes:read");
const WRITE: Access = Access::Scope("notes:write");
const SIGN: Access = Access::Scope("notes:sign");

pub(super) fn routes() -> [Route<AppState>; 7] {
    let on_one = |route: Route<AppState>| route.path_parameters::<NotePath>().codes(&[Code::NotFound]);
    let changes = |route: Route<AppState>| {
        on_one(route).conditional().answers::<Note>().versioned().codes(&[Code::Conflict])
    };
    [
        Route::get(ALL, READ, list)
            .summary("List notes, the newest first")
            .query::<NoteFilter>()
            .paged(NOTES_PAGE)
            .lists::<NoteSummary>()
            .links_to(ONE, "id", "/data/0/id"),
        Route::post(ALL, WRITE, create)
            .summary("Create a note")
            .takes::<NoteDetails>()
            .creates::<Note>()
            .links_to(ONE, "id", "/data/id"),
        on_one(Route::get(ONE, READ, get)).summary("Get a note with its text").answers::<Note>().versioned(),
        changes(Route::put(ONE, WRITE, update))
            .summary("Change a note that is neither signed nor locked")
            .takes::<NoteDetails>(),
        on_one(Route::delete(ONE, WRITE, delete))
            .summary("Delete a note that is neither signed nor locked")
            .answers_nothing()
            .codes(&[Code::Conflict])
            .example("00000000-0000-0000-0000-000000000003"),
        changes(Route::post("/api/notes/{id}/sign", SIGN, sign))
            .summary("Sign a note, which can then only be locked")
            .example("00000000-0000-0000-0000-000000000002"),
        changes(Route::post("/api/notes/{id}/lock", SIGN, lock))
            .summary("Lock a note, so that it can never be changed")
            .example("00000000-0000-0000-0000-000000000004"),
    ]
}

async fn list(
    State(store): State<Store>,
    Paged(filter, page): Paged<NoteFilter>,
) -> ApiResult<Vec<NoteSummary>> {
    let (filter, position) = Invalid::both(filter.parse(), page.position(NOTES_PAGE))?;
    let found = practice::notes(&store, &filter, &position).await?;
    Ok(Envelope::page(found, "notes", |notes| notes))
}

async fn create(
    State(store): State<Store>,
    State(catalogue): State<Catalogue>,
    Creation(details, origin): Creation<NoteDetails>,
) -> ApiResult<Box<RawValue>> {
    let details = checked(&catalogue, details).await?;
    let created = practice::create_note(&store, &origin, &details).await?;
    Ok(Envelope::created(ONE, &created, created.body.clone(), "Note created"))
}

async fn get(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(NotePath { id }): Path<NotePath>,
) -> ApiResult<Note> {
    Ok(answer(practice::note(&store, &origin, id).await?, "Note"))
}

async fn update(
    State(store): State<Store>,
    State(catalogue): State<Catalogue>,
    Audited(origin): Audited,
    Path(NotePath { id }): Path<NotePath>,
    IfMatch(expected): IfMatch,
    Json(details): Json<NoteDetails>,
) -> ApiResult<Note> {
    let details = checked(&catalogue, details).await?;
    Ok(answer(practice::update_note(&store, &origin, (id, expected), &details).await?, "Note changed"))
}

async fn delete(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(NotePath { id }): Path<NotePath>,
) -> Result<StatusCode, Problem> {
    practice::delete_note(&store, &origin, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sign(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(NotePath { id }): Path<NotePath>,
    IfMatch(expected): IfMatch,
) -> ApiResult<Note> {
    let note = practice::advance_note(&store, &origin, (id, expected), NoteStep::Sign).await?;
    Ok(answer(note, "Note signed"))
}

async fn lock(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(NotePath { id }): Path<NotePath>,
    IfMatch(expected): IfMatch,
) -> ApiResult<Note> {
    let note = practice::advance_note(&store, &origin, (id, expected), NoteStep::Lock).await?;
    Ok(answer(note, "Note locked"))
}

fn answer(note: Note, message: &'static str) -> Envelope<Note> {
    let version = note.version;
    Envelope::new(note, message).of_version(version)
}

/// Checks the fields of a note, and that its diagnoses exist.
async fn checked(catalogue: &Catalogue, details: NoteDetails) -> Result<Valid<NoteDetails>, Problem> {
    let details = Valid::of(details)?;
    let codes = details.diagnosis_codes.iter().enumerate();
    require_diagnoses(catalogue, codes.map(|(at, code)| (format!("diagnosis_codes[{at}]"), code))).await?;
    Ok(details)
}

/// Path parameters of a note.
#[derive(Deserialize, IntoParams)]
struct NotePath {
    /// Id of the note.
    #[param(value_type = uuid::Uuid, example = "00000000-0000-0000-0000-000000000001")]
    id: NoteId,
}
