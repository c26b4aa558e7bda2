//! Clients: search, changes by version, and audited reads.

use super::{CLIENT, fill};
use crate::support::{Answered, Fixture, api_key, ask};
use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio_postgres::{NoTls, connect};

const ALL: &str = "/api/clients";

async fn put(api: &Fixture, id: &str, etag: &str, body: Value) -> Answered {
    super::put(api, &format!("{ALL}/{id}"), etag, &body).await
}

/// Returns first and last names of the clients on a page.
fn names(answer: &Answered) -> Vec<String> {
    let name = |client: &Value| format!("{} {}", text(&client["first_name"]), text(&client["last_name"]));
    answer.data().as_array().expect("clients").iter().map(name).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Stores `clients` with first name, last name, e-mail address and phone number.
async fn store(api: &Fixture, clients: &[[&str; 4]]) {
    for [first_name, last_name, email, phone] in clients {
        let mut body = json!({ "first_name": first_name, "last_name": last_name });
        for (field, value) in [("email", email), ("phone", phone)] {
            if !value.is_empty() {
                body[field] = json!(value);
            }
        }
        let answer = api.post(ALL, body.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_parts_of_names_and_addresses() -> Result<()> {
    let api = Fixture::new().await?;
    let clients = [
        ["John", "Smith", "js@example.com", "(555) 014-2233"],
        ["Smilla", "Berg", "berg@smart.example", ""],
        ["Ada", "Lovelace", "ada@example.org", "555-0199"],
        ["Ümit", "Özil", "", "0142233"],
        ["Per_cent", "O'Neil", "100%@example.com", ""],
    ];
    store(&api, &clients).await;
    for (search, expected) in [
        ("smi", vec!["John Smith", "Smilla Berg"]),
        ("SM", vec!["John Smith", "Smilla Berg"]),
        ("smart", vec!["Smilla Berg"]),
        ("john+smi", vec!["John Smith"]),
        ("smith+j", vec!["John Smith"]),
        ("la", vec!["Smilla Berg", "Ada Lovelace"]),
        ("ada@example.org", vec!["Ada Lovelace"]),
        ("@example", vec!["Ada Lovelace", "Per_cent O'Neil", "John Smith"]),
        ("ÖZ", vec!["Ümit Özil"]),
        ("0%25", vec!["Per_cent O'Neil"]),
        ("r_c", vec!["Per_cent O'Neil"]),
        ("x%25", vec![]),
        ("0142233", vec!["John Smith", "Ümit Özil"]),
        ("(555)+0199", vec!["Ada Lovelace"]),
        ("nothing", vec![]),
    ] {
        let answer = api.get(&format!("{ALL}?search={search}")).await;
        let (found, expected): (BTreeSet<_>, BTreeSet<_>) =
            (names(&answer).into_iter().collect(), expected.into_iter().map(str::to_owned).collect());
        assert_eq!(found, expected, "{search}");
        assert_eq!(answer.body["pagination"]["total_items"], expected.len(), "{search}");
    }
    let ranked = api.get(&format!("{ALL}?search=smi")).await;
    assert_eq!(names(&ranked), ["John Smith", "Smilla Berg"], "last names come first");
    assert_eq!(api.get(&format!("{ALL}?search=a")).await.refusal(), (400, "INVALID_PARAMS", vec!["search"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_lists_and_searches_have_each_client_once() -> Result<()> {
    let api = Fixture::new().await?;
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    // More than 5,000 match `an`, of which more than 5,000 have it at the beginning of the last name.
    let insert = "INSERT INTO clients (id, first_name, last_name, is_active) \
        SELECT gen_random_uuid(), 'Name ' || n % 7, CASE n % 10 WHEN 0 THEN 'Roman' ELSE 'Anna' END || n % 50, n % 3 > 0 \
        FROM generate_series(1, 9000) AS n";
    client.batch_execute(insert).await?;
    for (query, expected) in [
        ("search=an&active_only=false", 9_000),
        ("search=an+me", 6_000),
        ("search=roman", 600),
        ("active_only=false", 9_000),
        ("active_only=true", 6_000),
    ] {
        let (mut seen, mut pages, mut cursor) = (BTreeSet::new(), 0, String::new());
        let mut in_order = Vec::new();
        loop {
            let answer = api.get(&format!("{ALL}?per_page=100&{query}{cursor}")).await;
            let clients = answer.data().as_array().expect("clients").clone();
            pages += 1;
            for client in &clients {
                assert!(seen.insert(text(&client["id"]).to_owned()), "{query}: twice");
                let last_name = text(&client["last_name"]).to_lowercase();
                in_order.push((!last_name.starts_with("an"), last_name));
            }
            assert_eq!(answer.body["pagination"]["total_items"], expected, "{query}");
            match answer.body["pagination"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!((seen.len(), pages), (expected, expected / 100), "{query}");
        assert!(in_order.is_sorted(), "{query}");
    }
    let second = names(&api.get(&format!("{ALL}?search=an&per_page=10&page=2")).await);
    let first = names(&api.get(&format!("{ALL}?search=an&per_page=20")).await);
    assert_eq!(second, first[10..], "pages by number have the same order");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_need_the_current_version() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let read = api.get(&format!("{ALL}/{CLIENT}")).await;
    let etag = read.headers["etag"].to_str()?;
    let body = json!({ "first_name": " Augusta ", "last_name": "King", "is_active": false });
    let changed = put(&api, CLIENT, etag, body.clone()).await;
    assert_eq!(changed.data()["first_name"], "Augusta");
    assert_eq!((&changed.data()["version"], &changed.data()["is_active"]), (&json!(2), &json!(false)));
    assert_eq!(put(&api, CLIENT, etag, body.clone()).await.refusal().0, 412);
    assert_eq!(put(&api, CLIENT, "*", body.clone()).await.status, 200);
    assert_eq!(put(&api, &CLIENT.replace('1', "2"), "*", body).await.refusal().0, 404);
    let listed = api.get(ALL).await;
    assert_eq!(names(&listed), ["Grace Hopper"], "clients who have left are not in the list");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn client_includes_requested_relations_newest_first() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    let insert = "INSERT INTO ledger (id, client_id, transaction_type, amount, description, service_date) \
        SELECT gen_random_uuid(), '00000000-0000-0000-0000-000000000001', 'charge', n, 'A session', date '2026-03-02' + n \
        FROM generate_series(1, 120) AS n";
    client.batch_execute(insert).await?;
    let one = format!("{ALL}/{CLIENT}");
    let get = async |query: &str| api.get(&format!("{one}?{query}")).await;
    let client = get("include_notes=false").await;
    for relation in ["appointments", "notes", "ledger"] {
        assert_eq!(client.data().get(relation), None, "{relation}");
    }
    let client = get("include_appointments=true&include_notes=true&include_ledger=true").await;
    assert_eq!(client.headers["etag"], "\"1\"");
    let of = |relation: &str, field: &str| {
        let items = client.data()[relation].as_array().expect("a relation").iter();
        items.map(|item| text(&item[field]).to_owned()).collect::<Vec<_>>()
    };
    let id = |number: u128| uuid::Uuid::from_u128(number).to_string();
    assert_eq!(of("appointments", "id"), [id(2), id(1), id(3)]);
    assert_eq!(of("notes", "id"), [5, 4, 3, 2, 1].map(id));
    assert_eq!(client.data()["notes"][0].get("content"), None);
    let days = of("ledger", "service_date");
    assert!(days.is_sorted_by(|one, next| one > next), "{days:?}");
    assert_eq!((days.len(), days[0].as_str()), (100, "2026-06-30"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn list_has_requested_figures_that_caller_may_see() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let list = async |key: &str, query: &str| {
        let request = Request::get(format!("{ALL}?{query}")).header("x-api-key", key);
        ask(&api.router, request.body(Body::empty()).expect("a request")).await
    };
    assert_eq!(list(api.key(), "").await.data()[0].get("stats"), None);
    let of_ada = json!({
        "appointments": 3, "upcoming_appointments": 2, "last_appointment_at": "2026-05-07T09:00:00Z", "notes": 5,
        "balance": "240.00",
    });
    let of_grace = json!({
        "appointments": 0, "upcoming_appointments": 0, "last_appointment_at": null, "notes": 0, "balance": "0.00",
    });
    for (query, expected) in [
        ("", vec![&of_grace, &of_ada]),
        ("search=lovelace", vec![&of_ada]),
        ("page=2&per_page=1", vec![&of_ada]),
    ] {
        let answer = list(api.key(), &format!("{query}&include_stats=true")).await;
        let clients = answer.data().as_array().expect("clients").iter();
        assert_eq!(clients.map(|client| &client["stats"]).collect::<Vec<_>>(), expected, "{query}");
    }
    let key = api_key(&api.store, &["practice:read"]).await?;
    let answer = list(&key, "search=lovelace&include_stats=true").await;
    let stats = &answer.data()[0]["stats"];
    assert_eq!(
        (&stats["appointments"], &stats["notes"], &stats["balance"]),
        (&json!(3), &Value::Null, &Value::Null)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_have_estimates_and_counts_of_last_day() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    let change = "INSERT INTO appointments (id, client_id, provider_id, scheduled_start, scheduled_end) \
            SELECT gen_random_uuid(), client_id, provider_id, start, start + interval '20 minutes' FROM appointments, \
            (VALUES (now() - interval '23 hours'), (now() - interval '1 hour'), (now() - interval '25 hours'), \
                (now() + interval '1 hour')) AS times (start) WHERE status = 'scheduled'; \
        UPDATE notes SET created_at = now() - interval '25 hours' WHERE title = 'Session' AND NOT is_locked \
            AND id = '00000000-0000-0000-0000-000000000001'; \
        UPDATE notes SET billable = false WHERE id = '00000000-0000-0000-0000-000000000002'; \
        ANALYZE clients, providers, appointments, notes";
    client.batch_execute(change).await?;
    let answer = api.get(&format!("{ALL}/performance/stats")).await;
    let expected = json!({
        "clients": 2, "providers": 2, "appointments": 7, "notes": 5, "ledger": null,
        "appointments_of_last_day": 2, "notes_of_last_day": 4,
    });
    assert_eq!(answer.data(), &expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn included_relations_need_their_scopes() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    for (scopes, refused) in [
        (vec!["practice:read"], vec!["notes", "ledger"]),
        (vec!["practice:read", "notes:read"], vec!["ledger"]),
        (vec!["practice:read", "ledger:read"], vec!["notes"]),
    ] {
        let key = api_key(&api.store, &scopes).await?;
        for relation in ["appointments", "notes", "ledger"] {
            let request = Request::get(format!("{ALL}/{CLIENT}?include_{relation}=true"));
            let answer = ask(&api.router, request.header("x-api-key", &key).body(Body::empty())?).await;
            if refused.contains(&relation) {
                assert_eq!(answer.refusal().0, 403, "{scopes:?}");
                assert!(
                    text(&answer.body["message"]).contains(&format!("{relation}:read")),
                    "{}",
                    answer.body
                );
            } else {
                assert!(answer.data()[relation].is_array(), "{scopes:?}");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_details_are_named_together() -> Result<()> {
    let api = Fixture::new().await?;
    let body =
        json!({ "first_name": "", "last_name": "a\nb", "email": "nobody", "date_of_birth": "2049-01-01" });
    let answer = api.post(ALL, body.to_string()).await;
    let fields = vec!["first_name", "last_name", "email", "date_of_birth"];
    assert_eq!(answer.refusal(), (400, "INVALID_PARAMS", fields));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_and_changes_of_a_client_are_audited() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let request = Request::get(format!("{ALL}/{CLIENT}")).header("x-api-key", api.key());
    let request = request.header("x-correlation-id", "a-read").header("user-agent", "a browser");
    ask(&api.router, request.body(Body::empty())?).await.data();
    put(&api, CLIENT, "*", json!({ "first_name": "Augusta", "last_name": "King" })).await.data();
    api.get(&format!("{ALL}/{}", CLIENT.replace('1', "2"))).await;
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    let sql = "SELECT action, correlation_id, user_agent, old_values ->> 'last_name', new_values ->> 'last_name' \
        FROM audit_log WHERE resource_type = 'client' AND resource_id = $1 ORDER BY id";
    let rows = client.query(sql, &[&CLIENT]).await?;
    let [read, change] = &rows[..] else { panic!("{} entries", rows.len()) };
    let values =
        |row: &tokio_postgres::Row| (row.get::<_, Option<String>>(3), row.get::<_, Option<String>>(4));
    assert_eq!((read.get(0), read.get(1), read.get(2)), ("read", "a-read", Some("a browser")));
    assert_eq!((values(read), change.get(0)), ((None, None), "update"));
    assert_eq!(values(change), (Some("Lovelace".to_owned()), Some("King".to_owned())));
    Ok(())
}
