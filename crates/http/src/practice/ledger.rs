//! Entries in the ledger. Posted entries are never deleted, and reconciled ones never changed.

use super::{LEDGER_READ, LEDGER_WRITE, require_diagnoses};
use crate::prelude::*;
use serde_json::value::RawValue;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{LEDGER_PAGE, LedgerDetails, LedgerEntry, LedgerEntryId, LedgerParameters};
use steadfast_repository::practice;
use steadfast_services::terminology::Catalogue;

const ALL: &str = "/api/ledger";
const ONE: &str = "/api/ledger/{id}";
const POST: &str = "/api/ledger/{id}/post";
const RECONCILE: &str = "/api/ledger/{id}/reconcile";

pub(super) fn routes() -> [Route<AppState>; 7] {
    [
        Route::get(ALL, LEDGER_READ, list)
            .summary("List the entries in the ledger, the newest service date first")
            .query::<LedgerParameters>()
            .paged(LEDGER_PAGE)
            .lists::<LedgerEntry>()
            .links_to(ONE, "id", "/data/0/id"),
        Route::post(ALL, LEDGER_WRITE, create)
            .summary("Create an entry in the ledger")
            .takes::<LedgerDetails>()
            .creates::<LedgerEntry>()
            .links_to(ONE, "id", "/data/id"),
        Route::get(ONE, LEDGER_READ, get)
            .summary("Get an entry in the ledger")
            .path_parameters::<EntryPath>()
            .answers::<LedgerEntry>()
            .versioned()
            .codes(&[Code::NotFound]),
        Route::put(ONE, LEDGER_WRITE, update)
            .summary("Change an entry in the ledger that is not reconciled")
            .path_parameters::<EntryPath>()
            .takes::<LedgerDetails>()
            .conditional()
            .answers::<LedgerEntry>()
            .versioned()
            .codes(&[Code::NotFound, Code::Conflict]),
        Route::delete(ONE, LEDGER_WRITE, remove)
            .summary("Delete an entry in the ledger that is not posted")
            .path_parameters::<EntryPath>()
            .example("00000000-0000-0000-0000-000000000004")
            .answers_nothing()
            .codes(&[Code::NotFound, Code::Conflict]),
        Route::post(POST, LEDGER_WRITE, post)
            .summary("Post an entry in the ledger, which counts in the balance from then on")
            .path_parameters::<EntryPath>()
            .example("00000000-0000-0000-0000-000000000002")
            .answers::<LedgerEntry>()
            .versioned()
            .codes(&[Code::NotFound, Code::Conflict]),
        Route::post(RECONCILE, LEDGER_WRITE, reconcile)
            .summary("Reconcile a posted entry in the ledger, which cannot be changed from then on")
            .path_parameters::<EntryPath>()
            .answers::<LedgerEntry>()
            .versioned()
            .codes(&[Code::NotFound, Code::Conflict]),
    ]
}

async fn list(
    State(store): State<Store>,
    Paged(parameters, page): Paged<LedgerParameters>,
) -> ApiResult<Vec<LedgerEntry>> {
    let (filter, position) = Invalid::both(parameters.parse(), page.position(LEDGER_PAGE))?;
    let found = practice::ledger(&store, &filter, &position).await?;
    Ok(Envelope::page(found, "entries", |entries| entries))
}

async fn create(
    State(store): State<Store>,
    State(catalogue): State<Catalogue>,
    Creation(details, origin): Creation<LedgerDetails>,
) -> ApiResult<Box<RawValue>> {
    let details = checked(&catalogue, details).await?;
    let created = practice::create_ledger_entry(&store, &origin, &details).await?;
    Ok(Envelope::created(ONE, &created, created.body.clone(), "Entry created"))
}

async fn get(State(store): State<Store>, Path(EntryPath { id }): Path<EntryPath>) -> ApiResult<LedgerEntry> {
    Ok(answer(practice::ledger_entry(&store, id).await?, "Entry"))
}

async fn update(
    State(store): State<Store>,
    State(catalogue): State<Catalogue>,
    Audited(origin): Audited,
    Path(EntryPath { id }): Path<EntryPath>,
    IfMatch(expected): IfMatch,
    Json(details): Json<LedgerDetails>,
) -> ApiResult<LedgerEntry> {
    let details = checked(&catalogue, details).await?;
    let entry = practice::update_ledger_entry(&store, &origin, (id, expected), &details).await?;
    Ok(answer(entry, "Entry changed"))
}

async fn remove(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(EntryPath { id }): Path<EntryPath>,
) -> Result<StatusCode, Problem> {
    practice::delete_ledger_entry(&store, &origin, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn post(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(EntryPath { id }): Path<EntryPath>,
) -> ApiResult<LedgerEntry> {
    Ok(answer(practice::post_ledger_entry(&store, &origin, id).await?, "Entry posted"))
}

async fn reconcile(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(EntryPath { id }): Path<EntryPath>,
) -> ApiResult<LedgerEntry> {
    Ok(answer(practice::reconcile_ledger_entry(&store, &origin, id).await?, "Entry reconciled"))
}

fn answer(entry: LedgerEntry, message: &'static str) -> Envelope<LedgerEntry> {
    let version = entry.version;
    Envelope::new(entry, message).of_version(version)
}

/// Checks the fields of an entry, and that its diagnosis exists.
async fn checked(catalogue: &Catalogue, details: LedgerDetails) -> Result<Valid<LedgerDetails>, Problem> {
    let details = Valid::of(details)?;
    let code = details.diagnosis_code.iter().map(|code| ("diagnosis_code".to_owned(), code));
    require_diagnoses(catalogue, code).await?;
    Ok(details)
}

/// Path parameters of an entry.
#[derive(Deserialize, IntoParams)]
struct EntryPath {
    /// Id of the entry.
    #[param(value_type = uuid::Uuid, example = "00000000-0000-0000-0000-000000000001")]
    id: LedgerEntryId,
}
