//! Users. Callers manage those whose scopes they have, because who sets a user's password can act as the user.

use super::{READ, WRITE};
use crate::authentication::Callers;
use crate::identity::LoginDesk;
use crate::prelude::*;
use serde_json::value::RawValue;
use steadfast_domain::identity::{Caller, Password, USERS_PAGE, User, UserFields, UserSettings, scopes_of};
use steadfast_repository::identity;

const ALL: &str = "/api/identity/users";
const ONE: &str = "/api/identity/users/{id}";
const PASSWORD: &str = "/api/identity/users/{id}/password";
const SESSIONS: &str = "/api/identity/users/{id}/sessions";

/// Maximum size of a body: the longest texts in the longest encoding, and room.
const BODY_MAX: usize = 4 * 1024;

pub(super) fn routes() -> [Route<AppState>; 7] {
    [
        Route::get(ALL, READ, list).summary("List the users").paged(USERS_PAGE).lists::<User>().links_to(
            ONE,
            "id",
            "/data/0/id",
        ),
        Route::post(ALL, WRITE, create)
            .summary("Create a user")
            .takes::<UserFields>()
            .body_max(BODY_MAX)
            .creates::<User>()
            .codes(&[Code::DuplicateEntry])
            .links_to(ONE, "id", "/data/id"),
        Route::get(ONE, READ, get)
            .summary("Get a single user")
            .path_parameters::<UserPath>()
            .answers::<User>()
            .versioned()
            .codes(&[Code::NotFound]),
        Route::put(ONE, WRITE, update)
            .summary("Change a user")
            .path_parameters::<UserPath>()
            .takes::<UserFields>()
            .body_max(BODY_MAX)
            .conditional()
            .answers::<User>()
            .versioned()
            .codes(&[Code::NotFound, Code::DuplicateEntry]),
        Route::delete(ONE, WRITE, deactivate)
            .summary("Deactivate a user and end the user's sessions")
            .path_parameters::<UserPath>()
            .answers_nothing()
            .codes(&[Code::NotFound]),
        Route::put(PASSWORD, WRITE, set_password)
            .summary("Set the password of a user and end the user's sessions")
            .path_parameters::<UserPath>()
            .takes::<PasswordBody>()
            .body_max(BODY_MAX)
            .conditional()
            .answers::<User>()
            .versioned()
            .codes(&[Code::NotFound]),
        Route::delete(SESSIONS, WRITE, revoke_sessions)
            .summary("Revoke all sessions of a user")
            .path_parameters::<UserPath>()
            .answers_nothing()
            .codes(&[Code::NotFound]),
    ]
}

async fn list(State(store): State<Store>, Paged(_, page): Paged) -> ApiResult<Vec<User>> {
    let found = identity::users(&store, &page.position(USERS_PAGE)?).await?;
    Ok(Envelope::page(found, "users", |users| users))
}

async fn create(
    State(store): State<Store>,
    Bearer(caller): Bearer,
    Creation(body, origin): Creation<UserFields>,
) -> ApiResult<Box<RawValue>> {
    let created = identity::create_user(&store, &origin, &parse(body, &caller)?).await?;
    let message = format!("User {} created", created.id);
    Ok(Envelope::created(ONE, &created, created.body.clone(), message))
}

async fn get(State(store): State<Store>, Path(UserPath { id }): Path<UserPath>) -> ApiResult<User> {
    let user = identity::user(&store, id).await?;
    let version = user.version;
    Ok(Envelope::new(user, format!("User {id}")).of_version(version))
}

async fn update(
    (State(store), State(callers)): (State<Store>, State<Callers>),
    Bearer(caller): Bearer,
    Path(UserPath { id }): Path<UserPath>,
    IfMatch(expected): IfMatch,
    Audited(origin): Audited,
    Json(body): Json<UserFields>,
) -> ApiResult<User> {
    let settings = parse(body, &caller)?;
    let user = identity::update_user(&store, (&origin, &caller), (id, expected), &settings).await?;
    // The roles may be others.
    forget(&callers, id).await;
    let version = user.version;
    Ok(Envelope::new(user, format!("User {id} changed")).of_version(version))
}

async fn deactivate(
    (State(store), State(callers)): (State<Store>, State<Callers>),
    Bearer(caller): Bearer,
    Audited(origin): Audited,
    Path(UserPath { id }): Path<UserPath>,
) -> Result<StatusCode, Problem> {
    identity::deactivate_user(&store, (&origin, &caller), id).await?;
    forget(&callers, id).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_password(
    (State(logins), State(callers)): (State<LoginDesk>, State<Callers>),
    Bearer(caller): Bearer,
    Audited(origin): Audited,
    Path(UserPath { id }): Path<UserPath>,
    IfMatch(expected): IfMatch,
    Json(body): Json<PasswordBody>,
) -> ApiResult<User> {
    let password = body.password.acceptable()?;
    let user = logins.set_password((&origin, &caller), (id, expected), password).await?;
    forget(&callers, id).await;
    let version = user.version;
    Ok(Envelope::new(user, format!("Password of user {id} set")).of_version(version))
}

async fn revoke_sessions(
    (State(store), State(callers)): (State<Store>, State<Callers>),
    Bearer(caller): Bearer,
    Audited(origin): Audited,
    Path(UserPath { id }): Path<UserPath>,
) -> Result<StatusCode, Problem> {
    identity::revoke_sessions(&store, (&origin, &caller), id).await?;
    forget(&callers, id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes this process look up the sessions of the user again.
async fn forget(callers: &Callers, user: i64) {
    callers.forget(|caller| caller.user_id() == Some(user)).await;
}

/// Parses the settings of a user, to whom `caller` can give only roles whose scopes it has.
fn parse(body: UserFields, caller: &Caller) -> Result<UserSettings, Problem> {
    let settings = body.parse()?;
    if let Some(scope) = caller.cannot_grant(&scopes_of(&settings.roles)) {
        let message = format!("The caller lacks the scope {} and cannot grant it by a role.", scope.as_str());
        return Err(Problem::says(Code::Forbidden, message));
    }
    Ok(settings)
}

/// Path parameters of a user.
#[derive(Deserialize, IntoParams)]
struct UserPath {
    /// Row id of the user.
    #[param(example = 2)]
    id: i64,
}

/// New password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPassword)]
struct PasswordBody {
    /// The password. It is stored as a hash.
    #[schema(
        value_type = String,
        min_length = 12,
        max_length = 128,
        example = "correct horse battery staple"
    )]
    password: Password,
}
