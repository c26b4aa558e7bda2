//! Clients. They are deactivated, never deleted. Each read of a single client is audited.

use super::{READ, WRITE};
use crate::prelude::*;
use serde_json::value::RawValue;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{
    CLIENTS_PAGE, Client, ClientDetails, ClientId, ClientInclusion, ClientParameters, ClientRecord,
    ListedClient,
};
use steadfast_repository::practice;

const ALL: &str = "/api/clients";
const ONE: &str = "/api/clients/{id}";

/// Scopes of what a client includes on request.
const NOTES_READ: &str = "notes:read";
const LEDGER_READ: &str = "ledger:read";

pub(super) fn routes() -> [Route<AppState>; 4] {
    [
        Route::get(ALL, READ, list)
            .summary("List and search the clients, ordered by last and first name, with figures if requested")
            .query::<ClientParameters>()
            .paged(CLIENTS_PAGE)
            .lists::<ListedClient>()
            .links_to(ONE, "id", "/data/0/id"),
        Route::post(ALL, WRITE, create)
            .summary("Create a client")
            .takes::<ClientDetails>()
            .creates::<Client>()
            .links_to(ONE, "id", "/data/id"),
        Route::get(ONE, READ, get)
            .summary(
                "Get a client, with its newest appointments, notes and entries in the ledger if requested",
            )
            .path_parameters::<ClientPath>()
            .query::<ClientInclusion>()
            .answers::<ClientRecord>()
            .versioned()
            .codes(&[Code::NotFound]),
        Route::put(ONE, WRITE, update)
            .summary("Change a client")
            .path_parameters::<ClientPath>()
            .takes::<ClientDetails>()
            .conditional()
            .answers::<Client>()
            .versioned()
            .codes(&[Code::NotFound]),
    ]
}

async fn list(
    State(store): State<Store>,
    Bearer(caller): Bearer,
    Paged(parameters, page): Paged<ClientParameters>,
) -> ApiResult<Vec<ListedClient>> {
    let (filter, position) = Invalid::both(parameters.parse(), page.position(CLIENTS_PAGE))?;
    let mut found = practice::clients(&store, &filter, &position).await?;
    let (sees_notes, sees_ledger) = (caller.may(NOTES_READ), caller.may(LEDGER_READ));
    for stats in found.items.iter_mut().filter_map(|client| client.stats.as_mut()) {
        stats.notes = stats.notes.filter(|_| sees_notes);
        stats.balance = stats.balance.filter(|_| sees_ledger);
    }
    Ok(Envelope::page(found, "clients", |clients| clients))
}

async fn create(
    State(store): State<Store>,
    Creation(details, origin): Creation<ClientDetails>,
) -> ApiResult<Box<RawValue>> {
    let created = practice::create_client(&store, &origin, &Valid::of(details)?).await?;
    Ok(Envelope::created(ONE, &created, created.body.clone(), "Client created"))
}

async fn get(
    State(store): State<Store>,
    Bearer(caller): Bearer,
    Audited(origin): Audited,
    Path(ClientPath { id }): Path<ClientPath>,
    Query(inclusion): Query<ClientInclusion>,
) -> ApiResult<ClientRecord> {
    let needed = [(inclusion.include_notes, NOTES_READ), (inclusion.include_ledger, LEDGER_READ)];
    if let Some((_, scope)) = needed.iter().find(|(is_needed, scope)| *is_needed && !caller.may(scope)) {
        let message = format!("The caller lacks the scope {scope} and cannot include the relation.");
        return Err(Problem::says(Code::Forbidden, message));
    }
    let client = practice::client(&store, &origin, id, inclusion).await?;
    let version = client.details.version;
    Ok(Envelope::new(client, "Client").of_version(version))
}

async fn update(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(ClientPath { id }): Path<ClientPath>,
    IfMatch(expected): IfMatch,
    Json(details): Json<ClientDetails>,
) -> ApiResult<Client> {
    let client = practice::update_client(&store, &origin, (id, expected), &Valid::of(details)?).await?;
    let version = client.version;
    Ok(Envelope::new(client, "Client changed").of_version(version))
}

/// Path parameters of a client.
#[derive(Deserialize, IntoParams)]
pub(super) struct ClientPath {
    /// Id of the client.
    #[param(value_type = uuid::Uuid, example = "00000000-0000-0000-0000-000000000001")]
    pub(super) id: ClientId,
}
