//! Sessions: login with a password, logout, and the sessions of the caller.

use super::OWN;
use crate::authentication::{Callers, FailureLimit};
use crate::extract::Anonymous;
use crate::prelude::*;
use crate::route::Access;
use secrecy::ExposeSecret;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use steadfast_domain::identity::{Caller, LoginName, Password, Session, SessionLimits};
use steadfast_repository::identity;
use steadfast_services::identity::{LoginError, Logins};

const ALL: &str = "/api/identity/sessions";
const CURRENT: &str = "/api/identity/sessions/current";
const ONE: &str = "/api/identity/sessions/{id}";

/// Maximum size of a body: the longest texts in the longest encoding, and room.
const BODY_MAX: usize = 4 * 1024;

/// Number of refused logins that an address may cause at once after a rest.
const FAILURES_BURST: u32 = 20;

/// Time after which an address may cause one more.
const FAILURE_REFILL: Duration = Duration::from_secs(6);

pub(super) fn routes() -> [Route<AppState>; 4] {
    [
        Route::post(ALL, Access::Open, log_in)
            .summary("Log in with a password")
            .takes::<LoginBody>()
            .body_max(BODY_MAX)
            .answers::<Issued>()
            .codes(&LOGIN_CODES),
        Route::get(ALL, OWN, list).summary("List the caller's latest sessions").answers::<Vec<Session>>(),
        Route::delete(CURRENT, OWN, log_out)
            .summary("Log out: revoke the session of the request")
            .answers_nothing()
            .codes(&[Code::NotFound]),
        Route::delete(ONE, OWN, revoke)
            .summary("Revoke a session of the caller; with `identity:write`, of any user")
            .path_parameters::<SessionPath>()
            .answers_nothing()
            .codes(&[Code::NotFound]),
    ]
}

/// Codes of a login, which waits for the database although it needs no caller.
const LOGIN_CODES: [Code; 8] = [
    Code::InvalidParams,
    Code::Unauthorized,
    Code::RateLimited,
    Code::DbTimeout,
    Code::DbQuery,
    Code::DbConnection,
    Code::InternalError,
    Code::Overloaded,
];

/// Logins, limited by address. Clones share the limits.
#[derive(Clone)]
pub(crate) struct LoginDesk(Arc<Desk>);

pub(crate) struct Desk {
    logins: Logins,
    failures: FailureLimit,
}

impl LoginDesk {
    /// Creates logins to sessions with `limits`.
    pub(crate) fn new(store: Store, limits: SessionLimits) -> Self {
        let failures = FailureLimit::new(FAILURES_BURST, FAILURE_REFILL);
        Self(Arc::new(Desk { logins: Logins::new(store, limits), failures }))
    }
}

impl Deref for LoginDesk {
    type Target = Logins;

    fn deref(&self) -> &Logins {
        &self.0.logins
    }
}

async fn log_in(
    State(desk): State<LoginDesk>,
    Anonymous(origin): Anonymous,
    Json(body): Json<LoginBody>,
) -> ApiResult<Issued> {
    let login = LoginName::parse(&body.login)?;
    // Charged beforehand, so that running logins count too.
    let charge = desk.0.failures.charge(origin.address).await?;
    let logged_in = desk.log_in(&origin, &login, body.password).await;
    if !matches!(logged_in, Err(LoginError::Refused | LoginError::Locked { .. })) {
        charge.refund();
    }
    let logged_in = logged_in?;
    let token = logged_in.token.expose_secret().to_owned();
    let message = format!("Session {} began", logged_in.session.id);
    Ok(Envelope::new(Issued { session: logged_in.session, token }, message))
}

async fn list(
    (State(store), State(desk)): (State<Store>, State<LoginDesk>),
    Bearer(caller): Bearer,
) -> ApiResult<Vec<Session>> {
    let sessions = match caller.principal.user_id() {
        Some(user) => identity::sessions(&store, user, desk.limits()).await?,
        None => Vec::new(),
    };
    let message = format!("{} sessions", sessions.len());
    Ok(Envelope::new(sessions, message))
}

async fn log_out(
    states: (State<Store>, State<Callers>),
    Bearer(caller): Bearer,
    Audited(origin): Audited,
) -> Result<StatusCode, Problem> {
    let session = caller.principal.session_id().ok_or_else(|| {
        Problem::says(Code::NotFound, "The request has no session: it was sent with an API key.")
    })?;
    revoke(states, Bearer(caller), Audited(origin), Path(SessionPath { id: session })).await
}

async fn revoke(
    (State(store), State(callers)): (State<Store>, State<Callers>),
    Bearer(caller): Bearer,
    Audited(origin): Audited,
    Path(SessionPath { id }): Path<SessionPath>,
) -> Result<StatusCode, Problem> {
    identity::revoke_session(&store, &origin, id, owner(&caller)).await?;
    callers.forget(|caller| caller.session_id() == Some(id)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the user whose sessions `caller` may revoke; `None` if those of all users.
fn owner(caller: &Caller) -> Option<i64> {
    // An API key has no sessions, and no user has the id 0.
    (!caller.may("identity:write")).then(|| caller.principal.user_id().unwrap_or(0))
}

/// Path parameters of a session.
#[derive(Deserialize, IntoParams)]
struct SessionPath {
    /// Row id of the session.
    #[param(example = 1)]
    id: i64,
}

/// Login with a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Login)]
struct LoginBody {
    /// E-mail address or phone number of the user.
    #[schema(
        max_length = 254,
        pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*)$",
        example = "ada@example.com"
    )]
    login: String,
    /// Password of the user.
    #[schema(value_type = String, example = "correct horse battery staple")]
    password: Password,
}

/// A new session.
#[derive(Serialize, ToSchema)]
#[schema(as = NewSession)]
struct Issued {
    session: Session,
    /// The token to send as `Authorization: Bearer`. It is not stored and cannot be shown again.
    token: String,
}
