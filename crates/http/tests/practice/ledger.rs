//! Ledger: signs of amounts, changes that the history permits, and figures that agree with each other.

use super::{CLIENT, fill};
use crate::support::{Answered, Fixture, ask};
use crate::terminology::filled;
use anyhow::Result;
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio_postgres::{NoTls, connect};

const ALL: &str = "/api/ledger";

/// Sends a request with the key, any version and a body if it is not null.
async fn send(api: &Fixture, method: Method, uri: &str, body: Value) -> Answered {
    let request = Request::builder().method(method).uri(uri).header("x-api-key", api.key());
    let request = request.header("content-type", "application/json").header("if-match", "*");
    let body = if body.is_null() { Body::empty() } else { body.to_string().into() };
    ask(&api.router, request.body(body).expect("a request")).await
}

/// Sends `POST` without a body.
async fn act(api: &Fixture, id: &str, action: &str) -> Answered {
    send(api, Method::POST, &format!("{ALL}/{id}/{action}"), Value::Null).await
}

fn entry(client: &str, kind: &str, amount: &str, date: &str) -> Value {
    json!({
        "client_id": client, "transaction_type": kind, "amount": amount, "description": "A session",
        "service_date": date,
    })
}

/// Creates an entry and returns its id.
async fn create(api: &Fixture, body: &Value) -> String {
    let answer = api.post(ALL, body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["data"]["id"].as_str().expect("an id").to_owned()
}

async fn create_client(api: &Fixture, last_name: &str) -> String {
    let body = json!({ "first_name": "Ada", "last_name": last_name });
    let answer = api.post("/api/clients", body.to_string()).await;
    answer.body["data"]["id"].as_str().expect("an id").to_owned()
}

fn draft(kind: &str, amount: &str) -> Value {
    let mut body = entry(CLIENT, kind, amount, "2026-03-02");
    body["is_posted"] = json!(false);
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_follow_the_sign_of_each_kind() -> Result<()> {
    let api = Fixture::new().await?;
    let client = create_client(&api, "Lovelace").await;
    let (mut charges, mut payments) = (0, 0);
    for (kind, amount, signed) in [
        ("charge", "100.00", 100),
        ("payment", "100.00", -100),
        ("refund", "100.00", 100),
        ("write_off", "30.00", -30),
        ("insurance_payment", "50.00", -50),
        ("copay", "20.00", -20),
        ("deductible", "15.00", 15),
        ("adjustment", "7.00", 7),
        ("adjustment", "-9.00", -9),
    ] {
        let id = create(&api, &entry(&client, kind, amount, "2026-03-02")).await;
        let stored = api.get(&format!("{ALL}/{id}")).await;
        assert_eq!(stored.data()["signed_amount"], format!("{signed}.00"), "{kind}");
        *(if signed > 0 { &mut charges } else { &mut payments }) += i32::abs(signed);
        let summary = api.get(&format!("/api/clients/{client}/financial-summary")).await;
        let dollars = |number: i32| json!(format!("{number}.00"));
        let figures = ["total_charges", "total_payments", "balance"].map(|name| summary.data()[name].clone());
        let expected = [charges, payments, charges - payments].map(dollars);
        assert_eq!(figures, expected, "{kind}");
        let balance = api.get(&format!("{ALL}/client/{client}/balance")).await;
        assert_eq!(balance.data()["balance"], dollars(charges - payments), "{kind}");
    }
    create(
        &api,
        &json!({ "is_posted": false, "client_id": client, "transaction_type": "charge", "amount": "1",
        "description": "A draft", "service_date": "2026-03-09" }),
    )
    .await;
    let summary = api.get(&format!("/api/clients/{client}/financial-summary")).await;
    assert_eq!(
        (&summary.data()["entry_count"], &summary.data()["last_service_date"]),
        (&json!(9), &json!("2026-03-02"))
    );
    let revenue = api.get(&format!("{ALL}/revenue?date_from=2026-03-01&date_to=2026-03-03")).await;
    let expected = [("2026-03-01", "0.00"), ("2026-03-02", "70.00"), ("2026-03-03", "0.00")];
    let expected = expected.map(|(date, revenue)| json!({ "date": date, "revenue": revenue }));
    assert_eq!(revenue.data(), &json!(expected), "100 + 50 + 20 paid, 100 refunded");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_reconciled_once_and_then_final() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let body = entry(CLIENT, "charge", "80", "2026-03-02");
    let id = create(&api, &body).await;
    let one = format!("{ALL}/{id}");
    let reconciled = act(&api, &id, "reconcile").await;
    assert_eq!(
        (&reconciled.data()["is_reconciled"], &reconciled.data()["version"]),
        (&json!(true), &json!(2))
    );
    assert!(reconciled.data()["reconciliation_date"].is_string());
    assert_eq!(act(&api, &id, "reconcile").await.refusal(), (400, "INVALID_PARAMS", vec!["is_reconciled"]));
    for method in [Method::PUT, Method::DELETE] {
        let body = if method == Method::PUT { body.clone() } else { Value::Null };
        assert_eq!(send(&api, method, &one, body).await.refusal(), (409, "CONFLICT", vec![]));
    }
    assert_eq!(api.get(&one).await.data(), reconciled.data());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_are_posted_or_deleted() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let balance = async || api.get(&format!("{ALL}/client/{CLIENT}/balance")).await.data()["balance"].clone();
    let before = balance().await;
    let (kept, dropped) =
        (create(&api, &draft("charge", "80")).await, create(&api, &draft("copay", "9")).await);
    assert_eq!(act(&api, &kept, "reconcile").await.refusal(), (409, "CONFLICT", vec![]));
    let uri = |id: &str| format!("{ALL}/{id}");
    assert_eq!(send(&api, Method::DELETE, &uri(&dropped), Value::Null).await.status, 204);
    assert_eq!(send(&api, Method::DELETE, &uri(&dropped), Value::Null).await.refusal().0, 404);
    assert_eq!(balance().await, before);
    act(&api, &kept, "post").await.data();
    assert_ne!(balance().await, before);
    assert_eq!(act(&api, &kept, "post").await.refusal(), (409, "CONFLICT", vec![]));
    assert_eq!(send(&api, Method::DELETE, &uri(&kept), Value::Null).await.refusal().0, 409);
    let hidden = send(&api, Method::PUT, &uri(&kept), draft("charge", "80")).await;
    assert_eq!(hidden.refusal().0, 409, "a posted entry stays posted");

    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    let sql = "SELECT action, old_values ->> 'amount', new_values ->> 'is_posted' FROM audit_log \
        WHERE resource_type = 'ledger_entry' AND resource_id = ANY ($1) ORDER BY id";
    let rows = client.query(sql, &[&vec![kept, dropped]]).await?;
    let entries: Vec<(&str, Option<&str>, Option<&str>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let created = ("create", None, Some("false"));
    let (deleted, posted) = (("delete", Some("9.00"), None), ("post", Some("80.00"), Some("true")));
    assert_eq!(entries, [created, created, deleted, posted]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_name_their_fields() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let stranger = "00000000-0000-0000-0000-000000000009";
    let created = api.post(ALL, entry(stranger, "charge", "1", "2026-03-02").to_string()).await;
    assert_eq!(created.refusal(), (409, "CONFLICT", vec!["client_id"]));
    let uri = format!("{ALL}/{CLIENT}");
    let moved = send(&api, Method::PUT, &uri, entry(stranger, "charge", "1", "2026-03-02")).await;
    assert_eq!(moved.refusal(), (409, "CONFLICT", vec!["client_id"]));
    let wrong = entry(CLIENT, "payment", "-1", "1899-12-31").to_string();
    assert_eq!(api.post(ALL, wrong).await.refusal(), (400, "INVALID_PARAMS", vec!["service_date", "amount"]));
    for uri in [
        format!("/api/clients/{stranger}/financial-summary"),
        format!("{ALL}/client/{stranger}/balance"),
        format!("{ALL}/{stranger}"),
    ] {
        assert_eq!(api.get(&uri).await.refusal().0, 404, "{uri}");
    }
    for range in [
        "date_from=2026-01-01&date_to=2026-04-03",
        "date_from=2026-01-02&date_to=2026-01-01",
        "date_from=2026-01-01&date_to=2100-01-01",
        "date_from=2026-01-01",
    ] {
        for uri in [format!("{ALL}/revenue?{range}"), format!("/api/clients/dashboard/financial?{range}")] {
            assert_eq!(api.get(&uri).await.refusal(), (400, "INVALID_PARAMS", vec!["date_to"]), "{uri}");
        }
    }
    let reversed = api.get(&format!("{ALL}?service_date_from=2026-01-02&service_date_to=2026-01-01")).await;
    assert_eq!(reversed.refusal(), (400, "INVALID_PARAMS", vec!["service_date_to"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn diagnoses_must_exist() -> Result<()> {
    let api = filled().await?;
    let with = |code: &str| {
        let mut body = entry(CLIENT, "charge", "1", "2026-03-02");
        body["diagnosis_code"] = json!(code);
        body
    };
    for notation in ["E11.9", "e119"] {
        let id = create(&api, &with(notation)).await;
        let one = format!("{ALL}/{id}");
        assert_eq!(api.get(&one).await.data()["diagnosis_code"], "E119", "{notation}");
        let changed = send(&api, Method::PUT, &one, with("E1165")).await;
        assert_eq!(changed.data()["diagnosis_code"], "E1165");
        let refused = send(&api, Method::PUT, &one, with("Z99.9")).await;
        assert_eq!(refused.refusal(), (409, "CONFLICT", vec!["diagnosis_code"]));
    }
    for (code, status, name) in [("Z99.9", 409, "CONFLICT"), ("a text", 400, "INVALID_PARAMS")] {
        let refused = api.post(ALL, with(code).to_string()).await;
        assert_eq!(refused.refusal(), (status, name, vec!["diagnosis_code"]));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboard_shows_ten_highest_balances() -> Result<()> {
    let api = Fixture::new().await?;
    for number in 1..=12 {
        let client = create_client(&api, &format!("Number{number}")).await;
        let charge = format!("{}", 10 * (number * 7 % 13));
        create(&api, &entry(&client, "charge", &charge, "2026-03-02")).await;
        // The client with the highest charge has paid.
        if number * 7 % 13 == 12 {
            create(&api, &entry(&client, "payment", &charge, "2026-03-01")).await;
        }
    }
    let dashboard = api.get("/api/clients/dashboard/financial?date_from=2026-03-01&date_to=2026-03-02").await;
    let balances = dashboard.data()["outstanding_balances"].as_array().expect("balances");
    let shown: Vec<&str> = balances.iter().filter_map(|client| client["balance"].as_str()).collect();
    assert_eq!(shown, [110, 100, 90, 80, 70, 60, 50, 40, 30, 20].map(|dollars| format!("{dollars}.00")));
    assert_eq!(balances[0]["last_name"], "Number9");
    let revenue =
        json!([{ "date": "2026-03-01", "revenue": "120.00" }, { "date": "2026-03-02", "revenue": "0.00" }]);
    assert_eq!(dashboard.data()["daily_revenue"], revenue);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_each_matching_entry_once_newest_first() -> Result<()> {
    let api = Fixture::new().await?;
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    let insert = "INSERT INTO clients (id, first_name, last_name) \
            SELECT lpad(n::text, 32, '0')::uuid, 'Ada', 'Lovelace' FROM generate_series(1, 3) AS n; \
        INSERT INTO ledger (id, client_id, transaction_type, amount, description, service_date, is_posted, reconciliation_date) \
            SELECT gen_random_uuid(), lpad((1 + n % 3)::text, 32, '0')::uuid, \
                (ARRAY['charge', 'payment'])[1 + n / 3 % 2], 1, 'A session', date '2026-01-01' + n % 30, n % 5 > 0, \
                CASE n % 5 WHEN 1 THEN date '2026-03-01' END FROM generate_series(0, 599) AS n";
    client.batch_execute(insert).await?;
    for (query, condition) in [
        ("", "true"),
        ("client_id=00000000-0000-0000-0000-000000000002", "client_id::text LIKE '%2'"),
        ("transaction_type=payment", "transaction_type = 'payment'"),
        ("is_posted=false", "NOT is_posted"),
        ("is_posted=true&is_reconciled=false", "is_posted AND NOT is_reconciled"),
        ("is_reconciled=true&transaction_type=charge", "is_reconciled AND transaction_type = 'charge'"),
        (
            "service_date_from=2026-01-05&service_date_to=2026-01-09",
            "service_date BETWEEN '2026-01-05' AND '2026-01-09'",
        ),
        (
            "client_id=00000000-0000-0000-0000-000000000003&is_reconciled=false&service_date_to=2026-01-20",
            "client_id::text LIKE '%3' AND NOT is_reconciled AND service_date <= '2026-01-20'",
        ),
    ] {
        let count = format!("SELECT count(*) FROM ledger WHERE {condition}");
        let expected: i64 = client.query_one(&count, &[]).await?.get(0);
        let (mut seen, mut dates, mut cursor) = (BTreeSet::new(), Vec::new(), String::new());
        loop {
            let answer = api.get(&format!("{ALL}?per_page=17&{query}{cursor}")).await;
            assert_eq!(answer.body["pagination"]["total_items"], expected, "{query}");
            for entry in answer.data().as_array().expect("entries") {
                assert!(seen.insert(entry["id"].to_string()), "{query}: twice");
                dates.push(entry["service_date"].to_string());
            }
            match answer.body["pagination"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len() as i64, expected, "{query}");
        assert!(expected > 0 && dates.iter().rev().is_sorted(), "{query}");
        let ids = |answer: &Answered| {
            let entries = answer.data().as_array().cloned().unwrap_or_default();
            entries.iter().map(|entry| entry["id"].to_string()).collect::<Vec<_>>()
        };
        let first = ids(&api.get(&format!("{ALL}?per_page=40&{query}")).await);
        let second = ids(&api.get(&format!("{ALL}?per_page=20&page=2&{query}")).await);
        assert_eq!(second, first[20..], "{query}: pages by number have the same order");
    }
    Ok(())
}
