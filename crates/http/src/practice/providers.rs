//! Providers. They are deactivated, never deleted.

use super::{READ, WRITE};
use crate::prelude::*;
use serde_json::value::RawValue;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{PROVIDERS_PAGE, Provider, ProviderDetails, ProviderId, ProviderParameters};
use steadfast_repository::practice;

const ALL: &str = "/api/providers";
const ONE: &str = "/api/providers/{id}";

pub(super) fn routes() -> [Route<AppState>; 4] {
    [
        Route::get(ALL, READ, list)
            .summary("List the providers, ordered by last and first name")
            .query::<ProviderParameters>()
            .paged(PROVIDERS_PAGE)
            .lists::<Provider>()
            .links_to(ONE, "id", "/data/0/id"),
        Route::post(ALL, WRITE, create)
            .summary("Create a provider")
            .takes::<ProviderDetails>()
            .creates::<Provider>()
            .codes(&[Code::DuplicateEntry])
            .links_to(ONE, "id", "/data/id"),
        Route::get(ONE, READ, get)
            .summary("Get a provider")
            .path_parameters::<ProviderPath>()
            .answers::<Provider>()
            .versioned()
            .codes(&[Code::NotFound]),
        Route::put(ONE, WRITE, update)
            .summary("Change a provider")
            .path_parameters::<ProviderPath>()
            .takes::<ProviderDetails>()
            .conditional()
            .answers::<Provider>()
            .versioned()
            .codes(&[Code::NotFound, Code::DuplicateEntry]),
    ]
}

async fn list(
    State(store): State<Store>,
    Paged(parameters, page): Paged<ProviderParameters>,
) -> ApiResult<Vec<Provider>> {
    let (filter, position) = Invalid::both(parameters.parse(), page.position(PROVIDERS_PAGE))?;
    let found = practice::providers(&store, &filter, &position).await?;
    Ok(Envelope::page(found, "providers", |providers| providers))
}

async fn create(
    State(store): State<Store>,
    Creation(details, origin): Creation<ProviderDetails>,
) -> ApiResult<Box<RawValue>> {
    let created = practice::create_provider(&store, &origin, &Valid::of(details)?).await?;
    Ok(Envelope::created(ONE, &created, created.body.clone(), "Provider created"))
}

async fn get(
    State(store): State<Store>,
    Path(ProviderPath { id }): Path<ProviderPath>,
) -> ApiResult<Provider> {
    let provider = practice::provider(&store, id).await?;
    let version = provider.version;
    Ok(Envelope::new(provider, "Provider").of_version(version))
}

async fn update(
    State(store): State<Store>,
    Audited(origin): Audited,
    Path(ProviderPath { id }): Path<ProviderPath>,
    IfMatch(expected): IfMatch,
    Json(details): Json<ProviderDetails>,
) -> ApiResult<Provider> {
    let provider = practice::update_provider(&store, &origin, (id, expected), &Valid::of(details)?).await?;
    let version = provider.version;
    Ok(Envelope::new(provider, "Provider changed").of_version(version))
}

/// Path parameters of a provider.
#[derive(Deserialize, IntoParams)]
pub(super) struct ProviderPath {
    /// Id of the provider.
    #[param(value_type = uuid::Uuid, example = "00000000-0000-0000-0000-000000000001")]
    pub(super) id: ProviderId,
}
