//! Appointments: double bookings, states, the calendar and reminders.

use super::{CLIENT, PROVIDER, fill, put};
use crate::support::{Answered, Fixture, ask};
use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

const ALL: &str = "/api/appointments";
const MISSING: &str = "ffffffff-ffff-7fff-8fff-ffffffffffff";

/// Returns an appointment of 2030-06-03, from one time to another.
fn appointment(from: &str, to: &str) -> Value {
    json!({
        "client_id": CLIENT, "provider_id": PROVIDER, "scheduled_start": format!("2030-06-03T{from}:00Z"),
        "scheduled_end": format!("2030-06-03T{to}:00Z"),
    })
}

async fn create(api: &Fixture, body: &Value) -> Answered {
    api.post(ALL, body.to_string()).await
}

/// Creates an appointment and returns its path.
async fn created(api: &Fixture, body: &Value) -> String {
    let answer = create(api, body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    format!("{ALL}/{}", answer.body["data"]["id"].as_str().expect("an id"))
}

async fn set(api: &Fixture, path: &str, status: &str) -> Answered {
    put(api, &format!("{path}/status"), "*", &json!({ "status": status })).await
}

async fn cancel(api: &Fixture, uri: &str) -> Answered {
    let request = Request::delete(uri).header("x-api-key", api.key());
    ask(&api.router, request.body(Body::empty()).expect("a request")).await
}

fn message(answer: &Answered) -> &str {
    answer.body["message"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn double_bookings_name_the_other_appointment() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let first = created(&api, &appointment("09:00", "10:00")).await;
    let named = format!(
        "The provider has the appointment {} from 2030-06-03T09:00:00Z to 2030-06-03T10:00:00Z.",
        first.rsplit('/').next().unwrap_or_default()
    );
    let refused = create(&api, &appointment("09:59", "11:00")).await;
    assert_eq!((refused.refusal().0, refused.refusal().1, message(&refused)), (409, "CONFLICT", &*named));
    let second = created(&api, &appointment("10:00", "11:00")).await;
    let refused = put(&api, &second, "*", &appointment("09:30", "10:30")).await;
    assert_eq!((refused.status.as_u16(), message(&refused)), (409, &*named));
    let mut group = appointment("09:00", "10:00");
    group["appointment_type"] = json!("group_therapy");
    created(&api, &group).await;
    created(&api, &group).await;
    assert_eq!(set(&api, &first, "no_show").await.status, 200);
    created(&api, &appointment("09:00", "10:00")).await;
    let again = set(&api, &first, "scheduled").await;
    assert!(again.status == 409 && message(&again).contains("from 2030-06-03T09:00:00Z"), "{}", again.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_and_providers_must_exist() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    for field in ["client_id", "provider_id"] {
        let mut body = appointment("09:00", "10:00");
        body[field] = json!(MISSING);
        assert_eq!(create(&api, &body).await.refusal(), (409, "CONFLICT", vec![field]));
    }
    let reversed = create(&api, &appointment("10:00", "09:00")).await;
    assert_eq!(reversed.refusal(), (400, "INVALID_PARAMS", vec!["scheduled_end"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn states_follow_each_other_as_allowed() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let path = created(&api, &appointment("09:00", "10:00")).await;
    let refused = set(&api, &path, "completed").await;
    assert_eq!(refused.refusal(), (409, "CONFLICT", vec![]));
    assert!(message(&refused).contains("can become confirmed, in_progress"), "{}", refused.body);
    assert_eq!(set(&api, &path, "confirmed").await.data()["actual_start"], Value::Null);
    let begun = set(&api, &path, "in_progress").await;
    assert!(
        begun.data()["actual_start"].is_string() && begun.data()["actual_end"].is_null(),
        "{}",
        begun.body
    );
    let moved = put(&api, &path, "*", &appointment("12:00", "13:00")).await;
    assert_eq!(moved.refusal().0, 409, "it has begun");
    let completed = set(&api, &path, "completed").await;
    assert_eq!(completed.data()["actual_start"], begun.data()["actual_start"]);
    assert!(completed.data()["actual_end"].is_string());
    assert_eq!(set(&api, &path, "completed").await.data()["version"], completed.data()["version"]);
    assert_eq!(cancel(&api, &path).await.refusal().0, 409);
    let stale = put(&api, &format!("{path}/status"), "\"1\"", &json!({ "status": "completed" })).await;
    assert_eq!(stale.status, 200, "nothing is changed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancellations_have_a_reason_and_are_final() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let path = created(&api, &appointment("09:00", "10:00")).await;
    let reason = json!({ "status": "no_show", "cancellation_reason": "ill" });
    let refused = put(&api, &format!("{path}/status"), "*", &reason).await;
    assert_eq!(refused.refusal(), (400, "INVALID_PARAMS", vec!["cancellation_reason"]));
    for uri in [format!("{path}?reason=is+ill"), format!("{path}?reason=is+ill"), path.clone()] {
        assert_eq!(cancel(&api, &uri).await.status, 204);
    }
    let read = api.get(&path).await;
    let facts = [&read.data()["status"], &read.data()["cancellation_reason"], &read.data()["version"]];
    assert_eq!(facts, [&json!("cancelled"), &json!("is ill"), &json!(2)]);
    assert_eq!(cancel(&api, &format!("{path}?reason=other")).await.refusal().0, 409);
    assert_eq!(set(&api, &path, "scheduled").await.refusal().0, 409);
    created(&api, &appointment("09:00", "10:00")).await;
    let listed = api.get(&format!("{ALL}?provider_id={PROVIDER}&status=cancelled")).await;
    assert_eq!(listed.body["pagination"]["total_items"], 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_combine_their_filters() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    for (query, expected) in [
        (String::new(), vec![2, 1, 3]),
        (format!("client_id={CLIENT}"), vec![2, 1, 3]),
        (format!("client_id={CLIENT}&provider_id={PROVIDER}&status=scheduled"), vec![1]),
        (format!("client_id={CLIENT}&provider_id={MISSING}"), vec![]),
        (format!("client_id={MISSING}"), vec![]),
        (format!("provider_id={PROVIDER}&date_from=2030-05-07T09:00:00Z"), vec![2, 1]),
        (format!("provider_id={PROVIDER}&date_to=2030-05-07T09:00:00Z"), vec![3]),
        ("status=completed".to_owned(), vec![3]),
        ("status=completed&date_from=2030-01-01T00:00:00Z".to_owned(), vec![]),
        ("date_from=2026-05-07T09:00:00Z&date_to=2030-05-07T09:00:01Z".to_owned(), vec![1, 3]),
    ] {
        let answer = api.get(&format!("{ALL}?{query}")).await;
        let ids = answer.data().as_array().expect("appointments").iter();
        let ids: Vec<String> = ids.filter_map(|one| Some(one["id"].as_str()?.to_owned())).collect();
        let expected: Vec<String> = expected.iter().map(|n| CLIENT.replace('1', &n.to_string())).collect();
        assert_eq!(ids, expected, "{query}");
        assert_eq!(answer.body["pagination"]["total_items"], expected.len(), "{query}");
    }
    let first = api.get(&format!("{ALL}?per_page=2")).await;
    let cursor = first.body["pagination"]["next_cursor"].as_str().expect("a cursor");
    let second = api.get(&format!("{ALL}?per_page=2&cursor={cursor}")).await;
    assert_eq!(second.data()[0]["id"], CLIENT.replace('1', "3"));
    assert_eq!(second.data().as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn calendar_shows_upcoming_appointments_with_names() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let calendar = |from: &str, to: &str| {
        format!("/api/providers/{PROVIDER}/calendar?from={from}T00:00:00Z&to={to}T00:00:00Z")
    };
    let late = created(&api, &appointment("15:00", "16:00")).await;
    created(&api, &appointment("09:00", "10:00")).await;
    let cancelled = created(&api, &appointment("11:00", "12:00")).await;
    assert_eq!(cancel(&api, &cancelled).await.status, 204);
    assert_eq!(set(&api, &late, "confirmed").await.status, 200);
    let shown = api.get(&calendar("2030-06-03", "2030-06-04")).await;
    let entries = shown.data().as_array().expect("entries");
    let facts = |entry: &Value| {
        ["scheduled_start", "status", "client_first_name", "client_last_name"]
            .map(|name| entry[name].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(
        entries.iter().map(facts).collect::<Vec<_>>(),
        [
            ["2030-06-03T09:00:00Z", "scheduled", "Ada", "Lovelace"],
            ["2030-06-03T15:00:00Z", "confirmed", "Ada", "Lovelace"]
        ]
    );
    let long = api.get(&calendar("2030-06-01", "2030-07-03")).await;
    assert_eq!(long.refusal(), (400, "INVALID_PARAMS", vec!["to"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn reminders_are_due_until_they_are_recorded() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let hours =
        |hours: i64| (Utc::now() + TimeDelta::hours(hours)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let at = |from: i64| {
        let mut body = appointment("09:00", "10:00");
        (body["scheduled_start"], body["scheduled_end"]) = (json!(hours(from)), json!(hours(from + 1)));
        body
    };
    let soon = created(&api, &at(2)).await;
    let later = created(&api, &at(30)).await;
    let due = async |query: &str| {
        let answer = api.get(&format!("{ALL}/reminders{query}")).await;
        let due = answer.data().as_array().expect("appointments").clone();
        due.iter().map(|one| format!("{ALL}/{}", one["id"].as_str().unwrap_or_default())).collect::<Vec<_>>()
    };
    assert_eq!(due("").await, [&*soon]);
    assert_eq!(due("?hours=48").await, [&*soon, &*later]);
    let record = format!("{soon}/reminder");
    let first = api.post(&record, Body::empty()).await;
    assert_eq!(first.data()["version"], 2);
    assert_eq!(api.post(&record, Body::empty()).await.data(), first.data());
    assert_eq!(due("?hours=48").await, [&*later]);
    let unmoved = put(&api, &soon, "*", &at(2)).await;
    let is_same = unmoved.data()["scheduled_start"] == first.data()["scheduled_start"];
    assert_eq!(unmoved.data()["reminder_sent_at"].is_string(), is_same);
    put(&api, &soon, "*", &at(5)).await.data();
    assert_eq!(due("").await, [&*soon], "it begins at another time");
    assert_eq!(api.get(&format!("{ALL}/reminders?hours=169")).await.refusal().2, ["hours"]);
    Ok(())
}
