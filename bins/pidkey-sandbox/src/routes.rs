//! The routes: the one of PIDKey.com, and the control route.

use crate::answer::{self, Entry};
use crate::control::{Control, Mode, Report, State};
use crate::failures;
use axum::Json;
use axum::Router;
use axum::extract::{Query, RawQuery, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use std::sync::Arc;

/// Path of the PIDKey.com route.
pub(crate) const PATH: &str = "/ajax/pidms_api";

/// Parameters of a check. All are optional, so that missing ones are reported like PIDKey.com does.
/// `justgetdescription` is accepted and ignored.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    keys: String,
    #[serde(default)]
    apikey: String,
}

pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route(PATH, get(check))
        .route("/control", get(report).post(control))
        .fallback(async || failures::page(StatusCode::NOT_FOUND, "Not Found"))
        .with_state(state)
}

async fn check(
    Shared(state): Shared<Arc<State>>,
    RawQuery(raw): RawQuery,
    Query(asked): Query<Asked>,
) -> Response {
    let keys = answer::keys_in(&asked.keys);
    let control = state.arrive(&raw.unwrap_or_default(), keys.len());
    tokio::time::sleep(control.delay()).await;
    if asked.apikey.trim().is_empty() {
        return failures::unauthorized();
    }
    match control.mode {
        Mode::Ok => array(&answer::entries(&keys)),
        Mode::SingleObject => single_object(&keys),
        Mode::Uneven => array(&uneven(&keys)),
        Mode::CutJson => cut_json(&keys),
        mode => failures::response(mode, control.retry_after.as_deref()).await,
    }
}

/// Returns a response with the content type `text/html`, which PIDKey.com uses for JSON.
pub(crate) fn body(text: impl Into<axum::body::Body>) -> Response {
    let html = HeaderValue::from_static("text/html; charset=UTF-8");
    ([(header::CONTENT_TYPE, html)], text.into()).into_response()
}

fn json(entries: &[Entry]) -> String {
    serde_json::to_string(entries).unwrap_or_default()
}

fn array(entries: &[Entry]) -> Response {
    body(json(entries))
}

fn single_object(keys: &[String]) -> Response {
    let object = keys.first().and_then(|key| serde_json::to_string(&answer::entry(key)).ok());
    body(object.unwrap_or_default())
}

fn uneven(keys: &[String]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = keys.iter().step_by(2).map(|key| answer::entry(key)).collect();
    entries.extend(entries.first().cloned());
    entries.push(answer::entry("STRANGERSTRANGERSTRANGER2"));
    entries
}

fn cut_json(keys: &[String]) -> Response {
    let mut text = json(&answer::entries(keys));
    text.truncate(text.len() / 2);
    body(text)
}

async fn report(Shared(state): Shared<Arc<State>>) -> Json<Report> {
    Json(state.report())
}

async fn control(Shared(state): Shared<Arc<State>>, text: String) -> Response {
    let control: Control = match serde_json::from_str(&text) {
        Ok(control) => control,
        Err(error) => return refused(&format!("not a control message: {error}")),
    };
    if control.retry_after.as_deref().is_some_and(|value| HeaderValue::from_str(value).is_err()) {
        return refused("retry_after cannot be sent in a header: use seconds or a date on one line");
    }
    state.set(control);
    Json(state.report()).into_response()
}

fn refused(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response()
}
