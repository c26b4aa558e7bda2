//! Helpers for the tests of every area: the whole API with a private database and a private sandbox of PIDKey.com.

use crate::contract;
use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use pidkey_sandbox::Sandbox;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{
    ApiKeySettings, Caller, LoginName, NewApiKey, Password, SessionLimits, UserFields,
};
use steadfast_domain::version::Expected;
use steadfast_http::{CallerSettings, Draining, router};
use steadfast_pidkey::resilience::{Backoff, Jitter};
use steadfast_repository::{Store, identity};
use steadfast_services::cache::{Cache, CacheSettings};
use steadfast_services::identity::{Logins, uses};
use steadfast_services::keys::Checker;
use steadfast_services::terminology::{Catalogue, search_log};
use steadfast_testkit::TestDatabase;
use tower::ServiceExt;

/// Well-formed key that does not exist.
pub(crate) const UNKNOWN_KEY: &str = "sf_UnknownKeyOfTheTestsKeyOfTheTestsKeyOfTheTe1sjVMo";

/// Address of the user of the document's examples.
pub(crate) const USER: &str = "ada@example.com";

/// Password of that user.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// API with its dependencies, and an API key with all scopes.
pub(crate) struct Fixture {
    pub(crate) router: Router,
    pub(crate) store: Store,
    pub(crate) sandbox: Sandbox,
    pub(crate) draining: Draining,
    key: String,
    pub(crate) database: TestDatabase,
}

impl Fixture {
    /// Creates an API with a private migrated database.
    pub(crate) async fn new() -> Result<Self> {
        let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
        let fingerprint = steadfast_schema::fingerprint();
        let database = TestDatabase::from_template("steadfast", fingerprint, migrate).await?;
        let store = Store::connect(&database.application_url())?;
        let key = api_key(&store, &["*"]).await?;
        let sandbox = pidkey_sandbox::start(([127, 0, 0, 1], 0).into()).await?;
        let draining = Draining::default();
        let (searches, search_log) = search_log(store.clone());
        // Ends with the last recorder, that is, with the router.
        tokio::spawn(search_log.run(std::future::pending()));
        let catalogue = catalogue(&store)?;
        let (uses, use_writer) = uses(store.clone());
        tokio::spawn(use_writer.run());
        let callers = CallerSettings { uses, ..callers(&store) };
        let router =
            router(store.clone(), checker(&sandbox)?, catalogue, searches, draining.clone(), callers);
        // Loaded before the test counts requests.
        document(&router).await;
        Ok(Self { router, store, sandbox, draining, key, database })
    }

    /// Returns the same API without cached answers and keys, which does not record searches.
    pub(crate) fn cold_router(&self) -> Result<Router> {
        self.router_over(&self.store)
    }

    /// Returns the same API over another store.
    pub(crate) fn router_over(&self, store: &Store) -> Result<Router> {
        let (searches, _search_log) = search_log(store.clone());
        let (checker, catalogue) = (checker(&self.sandbox)?, catalogue(store)?);
        let draining = self.draining.clone();
        Ok(router(store.clone(), checker, catalogue, searches, draining, callers(store)))
    }

    /// Creates the user of the document's examples, with row id 1 and all scopes, and returns the token of a session, which
    /// has row id 1 too.
    pub(crate) async fn user(&self) -> Result<String> {
        let fields = json!({ "email": USER, "display_name": "Ada", "roles": ["admin"] });
        let settings = serde_json::from_value::<UserFields>(fields)?.parse()?;
        let (origin, caller) = (Origin::operator("test"), Caller::operator());
        identity::create_user(&self.store, &origin, &settings).await?;
        let logins = Logins::new(self.store.clone(), SessionLimits::default());
        let password = Password::from(PASSWORD.to_owned());
        logins.set_password((&origin, &caller), (1, Expected::Any), password).await?;
        self.log_in().await
    }

    /// Logs that user in and returns the token of the session.
    pub(crate) async fn log_in(&self) -> Result<String> {
        let logins = Logins::new(self.store.clone(), SessionLimits::default());
        let (origin, password) = (Origin::operator("test"), Password::from(PASSWORD.to_owned()));
        let logged_in = logins.log_in(&origin, &LoginName::parse(USER)?, password).await?;
        Ok(logged_in.token.expose_secret().to_owned())
    }

    /// Returns the key with all scopes.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Sends `GET` with the key and returns the answer.
    pub(crate) async fn get(&self, uri: &str) -> Answered {
        let request = Request::get(uri).header("x-api-key", &self.key);
        ask(&self.router, request.body(Body::empty()).expect("a request")).await
    }

    /// Checks a pasted text and returns the answer.
    pub(crate) async fn check(&self, keys: &str) -> Answered {
        self.post("/api/pidms/check", json!({ "keys": keys }).to_string()).await
    }

    /// Sends `POST` with the key and returns the answer.
    pub(crate) async fn post(&self, uri: &str, body: impl Into<Body>) -> Answered {
        let request = Request::post(uri).header("x-api-key", &self.key);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        ask(&self.router, request.body(body.into()).expect("a request")).await
    }
}

/// Returns settings with default limits of sessions and no limit of the rate, which record no uses.
pub(crate) fn callers(store: &Store) -> CallerSettings {
    let (uses, _writer) = uses(store.clone());
    CallerSettings { sessions: SessionLimits::default(), rate: None, uses }
}

/// Returns a catalogue of the codes in `store` with a cache in this process.
pub(crate) fn catalogue(store: &Store) -> Result<Catalogue> {
    Ok(Catalogue::new(store.clone(), Some(Cache::new(CacheSettings::default())?)))
}

/// Returns a checker with short timeouts that uses `sandbox`.
pub(crate) fn checker(sandbox: &Sandbox) -> Result<Checker> {
    let settings = steadfast_pidkey::Settings {
        base_url: sandbox.base_url(),
        try_timeout: Duration::from_millis(300),
        backoff: Backoff::exponential(Duration::from_millis(10), Duration::from_millis(20))
            .jitter(Jitter::None),
        requests_per_second: std::num::NonZeroU32::new(1000).expect("not zero"),
        ..steadfast_pidkey::Settings::new("sandbox".into())
    };
    Ok(Checker::new(steadfast_pidkey::Client::new(settings)?))
}

/// Stores a new API key with `scopes` and returns it.
pub(crate) async fn api_key(store: &Store, scopes: &[&str]) -> Result<String> {
    let new = NewApiKey::generate(ApiKeySettings::parse("test", scopes, None)?);
    identity::create_api_key(store, &Origin::operator("test"), &new.record).await?;
    Ok(new.secret.expose_secret().to_owned())
}

/// Complete answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answered {
    /// Returns the data of a successful answer.
    pub(crate) fn data(&self) -> &Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        assert_eq!(self.body["success"], true);
        &self.body["data"]
    }

    /// Returns status, code and invalid fields of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str, Vec<&str>) {
        assert_eq!(self.body["success"], false, "{}", self.body);
        let errors = self.body["details"]["field_errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut fields: Vec<&str> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        fields.dedup();
        (self.status.as_u16(), self.body["error"].as_str().unwrap_or_default(), fields)
    }
}

/// Returns the answer of `router`, which must be as its OpenAPI document describes it.
pub(crate) async fn ask(router: &Router, request: Request<Body>) -> Answered {
    let document = document(router).await;
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = ask_unchecked(router, request).await;
    if let Err(violation) = contract::check(document, &method, &path, &answered) {
        panic!("{method} {path}: {violation}");
    }
    answered
}

/// Returns the OpenAPI document, which is the same for all routers of a process.
async fn document(router: &Router) -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    if DOCUMENT.get().is_none() {
        let request = Request::get("/openapi.json").body(Body::empty()).expect("a request");
        let document = ask_unchecked(router, request).await.body;
        return DOCUMENT.get_or_init(|| document);
    }
    DOCUMENT.get_or_init(|| Value::Null)
}

async fn ask_unchecked(router: &Router, request: Request<Body>) -> Answered {
    let response = router.clone().oneshot(request).await.expect("routers do not fail");
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a whole body").to_bytes();
    let read = || serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    let body = if bytes.is_empty() { Value::Null } else { read() };
    Answered { status: parts.status, headers: parts.headers, body }
}
