//! API keys. Callers grant no more than their own scopes permit.

use super::{READ, WRITE};
use crate::authentication::Callers;
use crate::prelude::*;
use secrecy::ExposeSecret;
use serde_json::json;
use serde_json::value::RawValue;
use steadfast_domain::identity::{API_KEYS_PAGE, ApiKey, ApiKeySettings, Caller, NewApiKey, Scope};
use steadfast_repository::identity;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};

const ALL: &str = "/api/identity/api-keys";
const ONE: &str = "/api/identity/api-keys/{id}";

/// Maximum size of a body: the longest name in the longest encoding, all scopes, and room.
const BODY_MAX: usize = 4 * 1024;

pub(super) fn routes() -> [Route<AppState>; 5] {
    [
        Route::get(ALL, READ, list)
            .summary("List the API keys")
            .paged(API_KEYS_PAGE)
            .lists::<ApiKey>()
            .links_to(ONE, "id", "/data/0/id"),
        Route::post(ALL, WRITE, create)
            .summary("Create an API key")
            .takes::<SettingsBody>()
            .body_max(BODY_MAX)
            .creates::<IssuedApiKey>()
            .links_to(ONE, "id", "/data/api_key/id"),
        Route::get(ONE, READ, get)
            .summary("Get an API key")
            .path_parameters::<KeyPath>()
            .answers::<ApiKey>()
            .versioned()
            .codes(&[Code::NotFound]),
        Route::put(ONE, WRITE, update)
            .summary("Change an API key")
            .path_parameters::<KeyPath>()
            .takes::<SettingsBody>()
            .body_max(BODY_MAX)
            .conditional()
            .answers::<ApiKey>()
            .versioned()
            .codes(&[Code::NotFound]),
        Route::delete(ONE, WRITE, revoke)
            .summary("Revoke an API key")
            .path_parameters::<KeyPath>()
            .answers_nothing()
            .codes(&[Code::NotFound]),
    ]
}

async fn list(State(store): State<Store>, Paged(_, page): Paged) -> ApiResult<Vec<ApiKey>> {
    let found = identity::api_keys(&store, &page.position(API_KEYS_PAGE)?).await?;
    Ok(Envelope::page(found, "API keys", |keys| keys))
}

async fn create(
    State(store): State<Store>,
    Bearer(caller): Bearer,
    Creation(body, origin): Creation<SettingsBody>,
) -> ApiResult<Issued> {
    let new = NewApiKey::generate(body.parse(&caller)?);
    let created = identity::create_api_key(&store, &origin, &new.record).await?;
    let secret = (!created.is_repeated).then(|| new.secret.expose_secret().to_owned());
    let message = format!("API key {} created", created.id);
    let issued = Issued { api_key: created.body.clone(), secret };
    Ok(Envelope::created(ONE, &created, issued, message))
}

async fn get(State(store): State<Store>, Path(KeyPath { id }): Path<KeyPath>) -> ApiResult<ApiKey> {
    let key = identity::api_key(&store, id).await?;
    let version = key.version;
    Ok(Envelope::new(key, format!("API key {id}")).of_version(version))
}

async fn update(
    State(store): State<Store>,
    Bearer(caller): Bearer,
    Path(KeyPath { id }): Path<KeyPath>,
    IfMatch(expected): IfMatch,
    Audited(origin): Audited,
    Json(body): Json<SettingsBody>,
) -> ApiResult<ApiKey> {
    let key = identity::update_api_key(&store, &origin, (id, expected), &body.parse(&caller)?).await?;
    let version = key.version;
    Ok(Envelope::new(key, format!("API key {id} changed")).of_version(version))
}

async fn revoke(
    State(store): State<Store>,
    State(callers): State<Callers>,
    Audited(origin): Audited,
    Path(KeyPath { id }): Path<KeyPath>,
) -> Result<StatusCode, Problem> {
    identity::revoke_api_key(&store, &origin, id).await?;
    callers.forget(|caller| caller.api_key_id() == Some(id)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Path parameters of a key.
#[derive(Deserialize, IntoParams)]
struct KeyPath {
    /// Row id of the key.
    #[param(example = 1)]
    id: i64,
}

/// Settings of an API key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiKeySettings)]
struct SettingsBody {
    /// Purpose of the key.
    #[schema(
        max_length = 100,
        pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*)$",
        example = "label printer"
    )]
    name: String,
    #[schema(schema_with = scopes)]
    scopes: Vec<String>,
    /// Time from which on the key is refused. It does not expire if this is absent or null.
    expires_at: Option<DateTime<Utc>>,
}

fn scopes() -> Array {
    let scope = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Scope::GRANTABLE));
    let scopes = ArrayBuilder::new().items(scope).min_items(Some(1));
    scopes
        .description(Some("Scopes that the key grants. Callers can grant those that they have."))
        .examples([json!(["keys:read"])])
        .build()
}

impl SettingsBody {
    fn parse(&self, caller: &Caller) -> Result<ApiKeySettings, Problem> {
        let settings = ApiKeySettings::parse(&self.name, &self.scopes, self.expires_at)?;
        if let Some(scope) = caller.cannot_grant(&settings.scopes) {
            let message = format!("The caller lacks the scope {} and cannot grant it.", scope.as_str());
            return Err(Problem::says(Code::Forbidden, message));
        }
        Ok(settings)
    }
}

/// A new API key, as it is sent.
#[derive(Serialize)]
struct Issued {
    api_key: Box<RawValue>,
    secret: Option<String>,
}

/// A new API key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `Issued`, whose `api_key` is JSON already")]
struct IssuedApiKey {
    api_key: ApiKey,
    /// The key to send in `X-API-Key`. It is not stored and cannot be shown again: null if the request repeats an earlier
    /// one.
    secret: Option<String>,
}
