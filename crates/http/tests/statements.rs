//! Number of statements of each route, for a typical request and for the largest that it accepts.

use crate::support::{Fixture, PASSWORD, USER};
use crate::terminology::filled;
use anyhow::{Context, Result};
use axum::body::Body;
use axum::http::{Method, Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use steadfast_http::Statements;
use tower::ServiceExt;

/// Route that needs a session.
const CURRENT: &str = "/api/identity/sessions/current";

/// Request and number of statements that it sends if nothing is cached: one for its API key, and those of its
/// operations.
struct Costs {
    method: Method,
    route: &'static str,
    uri: &'static str,
    body: Option<Value>,
    /// Value of `Idempotency-Key` and `If-Match`.
    header: Option<&'static str>,
    sent: u32,
}

fn get(route: &'static str, uri: &'static str, sent: u32) -> Costs {
    Costs { method: Method::GET, route, uri, body: None, header: None, sent }
}

fn post(uri: &'static str, body: Value, sent: u32) -> Costs {
    Costs { method: Method::POST, body: Some(body), ..get(uri, uri, sent) }
}

/// Returns a typical and the largest request of each route, or one request if all are alike.
fn table() -> Vec<Costs> {
    let mut table = vec![
        get("/health/live", "/health/live", 0),
        get("/health/ready", "/health/ready", 0),
        get("/health/detailed", "/health/detailed", 0),
        get("/health/database", "/health/database", 0),
        get("/health/redis", "/health/redis", 0),
        get("/openapi.json", "/openapi.json", 0),
        post("/api/pidms/check", json!({ "keys": pasted(1) }), 2),
        post("/api/pidms/check", json!({ "keys": pasted(50) }), 2),
        get("/api/pidms/search", "/api/pidms/search", 3),
        get("/api/pidms/search", "/api/pidms/search?min_remaining=0&blocked=-1&per_page=100", 3),
        get("/api/pidms/search", "/api/pidms/search?per_page=100&page=100", 3),
        get("/api/pidms/products", "/api/pidms/products", 3),
        get("/api/pidms/products", "/api/pidms/products?per_page=100", 3),
    ];
    let (all, one) = ("/api/identity/api-keys", "/api/identity/api-keys/{id}");
    let settings = json!({ "name": "printer", "scopes": ["keys:read"] });
    table.extend([
        get(all, all, 3),
        get(one, "/api/identity/api-keys/1", 2),
        post(all, settings.clone(), 3),
        Costs { header: Some("printer"), ..post(all, settings.clone(), 4) },
        Costs {
            method: Method::PUT,
            header: Some("*"),
            body: Some(settings),
            ..get(one, "/api/identity/api-keys/2", 4)
        },
        Costs { method: Method::DELETE, ..get(one, "/api/identity/api-keys/2", 4) },
    ]);
    table.extend(clients());
    table.extend(providers());
    table.extend(notes());
    table.extend(ledger());
    table.extend(appointments());
    table.extend([
        get("/api/audit/entries", "/api/audit/entries", 3),
        get("/api/audit/entries", "/api/audit/entries?action=create&per_page=100&page=100", 3),
    ]);
    table.extend(sessions_and_users());
    let search = |query, sent| get("/api/v1/search/icd10", query, sent);
    table.extend([
        search("/api/v1/search/icd10?query=E11", 2),
        search("/api/v1/search/icd10?query=T11", 3),
        search("/api/v1/search/icd10?query=diabetes", 4),
        search("/api/v1/search/icd10?query=hypertention+primary&limit=50&chapter=9&include_inactive=true", 5),
    ]);
    let autocomplete = |query, sent| get("/api/v1/autocomplete/icd10", query, sent);
    table.extend([
        autocomplete("/api/v1/autocomplete/icd10?query=diab", 2),
        autocomplete("/api/v1/autocomplete/icd10?query=hypertention+primary&limit=50", 6),
    ]);
    for (route, uri) in [
        ("/api/v1/code/{code}", "/api/v1/code/E11"),
        ("/api/v1/code/{code}/hierarchy", "/api/v1/code/E11/hierarchy"),
        ("/api/v1/enterprise/icd10/{code}/hierarchy", "/api/v1/enterprise/icd10/E11/hierarchy"),
        ("/api/v1/chapters", "/api/v1/chapters"),
        ("/api/v1/enterprise/chapters", "/api/v1/enterprise/chapters"),
    ] {
        table.push(get(route, uri, 2));
    }
    let codes: Vec<String> = (0..100).map(|number| format!("E{number:02}")).collect();
    for uri in ["/api/v1/batch/codes", "/api/v1/enterprise/batch/codes"] {
        table.push(post(uri, json!({ "codes": ["E11", "I10"] }), 2));
        table.push(post(uri, json!({ "codes": codes }), 2));
    }
    for uri in ["/api/v1/analytics/search-stats", "/api/v1/enterprise/analytics/search-stats"] {
        table.push(get(uri, uri, 3));
    }
    table
}

fn clients() -> Vec<Costs> {
    let (all, one) = ("/api/clients", "/api/clients/{id}");
    let client = json!({ "first_name": "Ada", "last_name": "Lovelace" });
    let stored = "/api/clients/00000000-0000-0000-0000-000000000001";
    vec![
        get(all, all, 3),
        get(all, "/api/clients?search=an&active_only=false&per_page=100", 3),
        get(all, "/api/clients?search=an&include_stats=true&active_only=false&per_page=100", 3),
        get("/api/clients/performance/stats", "/api/clients/performance/stats", 3),
        get(one, stored, 3),
        get(
            one,
            "/api/clients/00000000-0000-0000-0000-000000000001\
                ?include_appointments=true&include_notes=true&include_ledger=true",
            6,
        ),
        post(all, client.clone(), 3),
        Costs { header: Some("client"), ..post(all, client.clone(), 4) },
        Costs { method: Method::PUT, header: Some("*"), body: Some(client), ..get(one, stored, 4) },
    ]
}

fn appointments() -> Vec<Costs> {
    let (all, one) = ("/api/appointments", "/api/appointments/{id}");
    let stored = "/api/appointments/00000000-0000-0000-0000-000000000001";
    let (status, reminder) = ("/api/appointments/{id}/status", "/api/appointments/{id}/reminder");
    let calendar = "/api/providers/{id}/calendar";
    let week = "/api/providers/00000000-0000-0000-0000-000000000001/calendar?from=2030-05-06T00:00:00Z&to=2030-05-13T00:00:00Z";
    let id = "00000000-0000-0000-0000-000000000001";
    let at = |hour| {
        let (start, end) = (format!("2030-05-09T{hour}:00:00Z"), format!("2030-05-09T{hour}:50:00Z"));
        json!({ "client_id": id, "provider_id": id, "scheduled_start": start, "scheduled_end": end })
    };
    let put = |route, uri, body| Costs {
        method: Method::PUT,
        header: Some("*"),
        body: Some(body),
        ..get(route, uri, 4)
    };
    vec![
        get(all, all, 3),
        get(
            all,
            "/api/appointments?client_id=00000000-0000-0000-0000-000000000001&status=scheduled&per_page=100",
            3,
        ),
        get(one, stored, 2),
        post(all, at(10), 3),
        Costs { header: Some("appointment"), ..post(all, at(11), 4) },
        put(one, stored, at(12)),
        get(calendar, week, 2),
        get("/api/appointments/reminders", "/api/appointments/reminders", 2),
        Costs {
            method: Method::POST,
            ..get(reminder, "/api/appointments/00000000-0000-0000-0000-000000000001/reminder", 4)
        },
        put(
            status,
            "/api/appointments/00000000-0000-0000-0000-000000000001/status",
            json!({ "status": "confirmed" }),
        ),
        Costs { method: Method::DELETE, ..get(one, stored, 4) },
    ]
}

fn providers() -> Vec<Costs> {
    let (all, one) = ("/api/providers", "/api/providers/{id}");
    let stored = "/api/providers/00000000-0000-0000-0000-000000000001";
    let provider = |email: &str| json!({ "first_name": "Ada", "last_name": "Lovelace", "email": email });
    let changed = Some(provider("b@example.com"));
    vec![
        get(all, all, 3),
        get(all, "/api/providers?specialty=a&is_active=true&accepts_new_patients=true&per_page=100", 3),
        get(one, stored, 2),
        post(all, provider("c@example.com"), 3),
        Costs { header: Some("provider"), ..post(all, provider("d@example.com"), 4) },
        Costs { method: Method::PUT, header: Some("*"), body: changed, ..get(one, stored, 4) },
    ]
}

/// Returns the requests to notes. The diagnoses are looked up once, and then cached.
fn notes() -> Vec<Costs> {
    let (all, one) = ("/api/notes", "/api/notes/{id}");
    let note = json!({
        "client_id": "00000000-0000-0000-0000-000000000001", "provider_id": "00000000-0000-0000-0000-000000000001",
        "title": "Session", "content": "A good session.", "diagnosis_codes": ["E11", "I10"],
    });
    let first = "/api/notes/00000000-0000-0000-0000-000000000001";
    let act = |route, uri| Costs { method: Method::POST, header: Some("*"), ..get(route, uri, 4) };
    vec![
        get(all, all, 3),
        get(all, "/api/notes?client_id=00000000-0000-0000-0000-000000000001&is_signed=false&per_page=100", 3),
        get(one, first, 3),
        post(all, note.clone(), 4),
        Costs { header: Some("note"), ..post(all, note.clone(), 5) },
        Costs { method: Method::PUT, header: Some("*"), body: Some(note), ..get(one, first, 5) },
        act("/api/notes/{id}/sign", "/api/notes/00000000-0000-0000-0000-000000000001/sign"),
        act("/api/notes/{id}/lock", "/api/notes/00000000-0000-0000-0000-000000000002/lock"),
        Costs { method: Method::DELETE, ..get(one, "/api/notes/00000000-0000-0000-0000-000000000003", 4) },
    ]
}

/// Returns the requests to the ledger and its figures.
fn ledger() -> Vec<Costs> {
    let (all, one) = ("/api/ledger", "/api/ledger/{id}");
    let client = "00000000-0000-0000-0000-000000000001";
    let entry = json!({
        "client_id": client, "transaction_type": "charge", "amount": "120.50", "description": "A session",
        "service_date": "2026-03-02",
    });
    let mut diagnosed = entry.clone();
    diagnosed["diagnosis_code"] = json!("E11");
    let first = "/api/ledger/00000000-0000-0000-0000-000000000001";
    let act = |route, uri| Costs { method: Method::POST, ..get(route, uri, 4) };
    vec![
        get(all, all, 3),
        get(
            all,
            "/api/ledger?client_id=00000000-0000-0000-0000-000000000001&transaction_type=charge&is_posted=true\
                &is_reconciled=false&service_date_from=2026-01-01&service_date_to=2026-03-31&per_page=100",
            3,
        ),
        get(all, "/api/ledger?is_reconciled=false&page=100&per_page=100", 3),
        get(one, first, 2),
        post(all, entry.clone(), 3),
        Costs { header: Some("entry"), ..post(all, entry.clone(), 4) },
        post(all, diagnosed.clone(), 4),
        Costs { method: Method::PUT, header: Some("*"), body: Some(entry), ..get(one, first, 4) },
        Costs { method: Method::PUT, header: Some("*"), body: Some(diagnosed), ..get(one, first, 5) },
        act("/api/ledger/{id}/reconcile", "/api/ledger/00000000-0000-0000-0000-000000000001/reconcile"),
        act("/api/ledger/{id}/post", "/api/ledger/00000000-0000-0000-0000-000000000002/post"),
        Costs { method: Method::DELETE, ..get(one, "/api/ledger/00000000-0000-0000-0000-000000000004", 4) },
        get(
            "/api/ledger/client/{id}/balance",
            "/api/ledger/client/00000000-0000-0000-0000-000000000001/balance",
            2,
        ),
        get("/api/ledger/revenue", "/api/ledger/revenue?date_from=2026-01-01&date_to=2026-03-31", 2),
        get(
            "/api/clients/{id}/financial-summary",
            "/api/clients/00000000-0000-0000-0000-000000000001/financial-summary",
            2,
        ),
        get(
            "/api/clients/dashboard/financial",
            "/api/clients/dashboard/financial?date_from=2026-01-01&date_to=2026-03-31",
            3,
        ),
    ]
}

fn sessions_and_users() -> Vec<Costs> {
    let delete = |route, uri, sent| Costs { method: Method::DELETE, ..get(route, uri, sent) };
    let put = |route, uri, body: &Value, sent| Costs {
        method: Method::PUT,
        header: Some("*"),
        body: Some(body.clone()),
        ..get(route, uri, sent)
    };
    let (sessions, users) = ("/api/identity/sessions", "/api/identity/users");
    let (user, password) = ("/api/identity/users/{id}", "/api/identity/users/{id}/password");
    let settings = |name: &str, active: bool| {
        let email = format!("{name}@example.com");
        json!({ "email": email, "display_name": name, "roles": ["user"], "is_active": active })
    };
    let login = |password: &str| json!({ "login": USER, "password": password });
    vec![
        post(sessions, login(PASSWORD), 6),
        post(sessions, login(PASSWORD), 6),
        get(sessions, sessions, 1),
        get(users, users, 3),
        get(user, "/api/identity/users/1", 2),
        post(users, settings("grace", true), 3),
        Costs { header: Some("user"), ..post(users, settings("joan", true), 4) },
        put(user, "/api/identity/users/2", &settings("grace", true), 4),
        put(user, "/api/identity/users/2", &settings("grace", false), 5),
        put(password, "/api/identity/users/2/password", &json!({ "password": PASSWORD }), 5),
        delete(CURRENT, CURRENT, 4),
        delete("/api/identity/sessions/{id}", "/api/identity/sessions/2", 4),
        delete("/api/identity/users/{id}/sessions", "/api/identity/users/1/sessions", 4),
        delete(user, "/api/identity/users/3", 5),
    ]
}

fn pasted(count: usize) -> String {
    (0..count).map(|n| format!("6NRGD-KHFCF-Y4TF7-PRWFD-{n:05}")).collect::<Vec<_>>().join("\n")
}

impl Costs {
    /// Sends the request and returns the counted statements.
    async fn measure(&self, api: &Fixture, session: &str) -> Result<Statements> {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut request = Request::builder().method(self.method.clone()).uri(self.uri);
        for name in ["idempotency-key", "if-match"] {
            request = self.header.into_iter().fold(request, |request, value| request.header(name, value));
        }
        let key = if self.route == CURRENT { session } else { api.key() };
        let request = request.header("x-api-key", key).header(header::CONTENT_TYPE, "application/json");
        let response = api.cold_router()?.oneshot(request.body(Body::from(body))?).await?;
        let (head, body) = response.into_parts();
        assert!(head.status.is_success(), "{}: {:?}", self.uri, body.collect().await?.to_bytes());
        head.extensions.get().copied().context("every route counts its statements")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_send_the_statements_of_the_table() -> Result<()> {
    let api = filled().await?;
    let session = api.user().await?;
    let mut differing = Vec::new();
    for costs in table() {
        let Statements { sent, limit } = costs.measure(&api, &session).await?;
        if sent != costs.sent || sent > limit {
            let (uri, expected) = (costs.uri, costs.sent);
            differing.push(format!("{uri}: sent {sent}, expected {expected}, declared {limit}"));
        }
    }
    assert_eq!(differing, [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn table_has_every_route() -> Result<()> {
    let api = Fixture::new().await?;
    let described = api.get("/openapi.json").await.body;
    let paths = described["paths"].as_object().context("paths")?;
    let routes = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flat_map(|methods| methods.keys());
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    let listed = table().into_iter().map(|costs| (costs.method.to_string(), costs.route.to_owned()));
    assert_eq!(
        listed.collect::<BTreeSet<_>>(),
        routes.collect::<BTreeSet<_>>(),
        "add new routes to the table"
    );
    Ok(())
}
