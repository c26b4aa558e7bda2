//! Admission of callers, the number of look-ups, and behaviour while look-ups fail.

use super::*;
use crate::envelope::Envelope;
use crate::route::{Access, Route};
use crate::router::mount;
use crate::testing::{Answered, KEY, UNKNOWN_KEY, ask, database_down, get, reader, router};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use steadfast_domain::identity::{Caller, Credential};
use tokio::time::{Instant, advance, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn routes() -> Vec<Route<()>> {
    let toy = || async { Envelope::new(1, "a toy") };
    vec![
        Route::get("/read", Access::Scope("toys:read"), toy),
        Route::post("/read", Access::Scope("toys:read"), toy).reading(),
        Route::get("/write", Access::Scope("toys:write"), toy),
        Route::post("/store", Access::Scope("toys:read"), toy),
    ]
}

fn with(headers: &[(&str, &str)], path: &str) -> Request<Body> {
    let request =
        headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    request.body(Body::empty()).expect("a request")
}

/// Toy router whose look-ups are answered by a function of their number and the time at which they begin.
#[derive(Clone)]
struct Toys {
    router: Router,
    look_ups: Arc<AtomicUsize>,
}

impl Toys {
    fn new<L, F>(look_up: L) -> Self
    where
        L: Fn(usize, Credential) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Caller>, Problem>> + Send + 'static,
    {
        let look_ups = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&look_ups);
        let callers = Callers::new(move |hash| look_up(count.fetch_add(1, Ordering::Relaxed), hash));
        Self { router: mount(routes(), &callers).with_state(()), look_ups }
    }

    /// Creates a router whose database answers the first look-up and fails the others.
    fn losing_the_database() -> Self {
        Self::new(
            |number, hash| async move { if number == 0 { Ok(reader(hash)) } else { Err(database_down()) } },
        )
    }

    /// Creates a router whose database answers the first look-up only.
    fn losing_the_answers() -> Self {
        Self::new(|number, hash| async move { if number == 0 { Ok(reader(hash)) } else { pending().await } })
    }

    async fn ask(&self, method: Method, path: &str) -> Answered {
        let mut request = with(&[("x-api-key", KEY)], path);
        *request.method_mut() = method;
        ask(&self.router, request).await
    }

    async fn read(&self) -> StatusCode {
        self.ask(Method::GET, "/read").await.status
    }

    async fn write(&self) -> StatusCode {
        self.ask(Method::POST, "/store").await.status
    }

    fn look_ups(&self) -> usize {
        self.look_ups.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn accepts_key_in_either_header() {
    let bearer = format!("bearer {KEY}");
    for headers in [
        vec![("x-api-key", KEY)],
        vec![("authorization", bearer.as_str())],
        vec![("authorization", bearer.as_str()), ("x-api-key", KEY)],
        vec![("authorization", bearer.as_str()), ("x-api-key", " ")],
        vec![("authorization", "Bearer "), ("x-api-key", KEY)],
    ] {
        let answer = ask(&router(routes()), with(&headers, "/read")).await;
        assert_eq!(answer.status, StatusCode::OK, "{headers:?}");
    }
}

#[tokio::test]
async fn asks_unknown_callers_for_key() {
    let long = "x".repeat(300);
    for headers in [
        vec![],
        vec![("x-api-key", "")],
        vec![("x-api-key", UNKNOWN_KEY)],
        vec![("x-api-key", "sf_malformed")],
        vec![("x-api-key", long.as_str())],
        vec![("authorization", "Bearer")],
        vec![("authorization", "Bearer ")],
        vec![("authorization", "Basic c2Y6cmVhZGVy")],
    ] {
        let answer = ask(&router(routes()), with(&headers, "/read")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn names_missing_scope() {
    let answer = ask(&router(routes()), with(&[("x-api-key", KEY)], "/write")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body["message"].as_str().is_some_and(|text| text.contains("toys:write")));
}

#[tokio::test]
async fn rejects_two_different_keys() {
    let headers = [("x-api-key", KEY), ("authorization", "Bearer sf_other")];
    let answer = ask(&router(routes()), with(&headers, "/read")).await;
    assert_eq!((answer.status, answer.fields()), (StatusCode::BAD_REQUEST, vec!["X-API-Key"]));
}

#[tokio::test]
async fn unknown_paths_need_no_key() {
    assert_eq!(ask(&router(routes()), get("/nowhere")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn key_is_looked_up_once_in_ten_seconds() {
    let toys = Toys::new(|_, hash| async move {
        sleep(SECOND / 10).await;
        Ok(reader(hash))
    });
    let at_once = futures_util::future::join_all((0..20).map(|_| toys.read())).await;
    assert!(at_once.iter().all(|status| *status == StatusCode::OK));
    advance(9 * SECOND).await;
    assert_eq!((toys.write().await, toys.look_ups()), (StatusCode::OK, 1));
    advance(SECOND).await;
    assert_eq!((toys.write().await, toys.look_ups()), (StatusCode::OK, 2));
}

#[tokio::test(start_paused = true)]
async fn unknown_key_is_looked_up_once_in_ten_seconds() {
    let toys = Toys::new(|_, _| async { Ok(None) });
    for expected in [1, 1, 2] {
        assert_eq!((toys.read().await, toys.look_ups()), (StatusCode::UNAUTHORIZED, expected));
        advance(6 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn revoked_key_is_refused_after_ten_seconds() {
    let toys = Toys::new(|number, hash| async move { Ok(reader(hash).filter(|_| number == 0)) });
    assert_eq!(toys.write().await, StatusCode::OK);
    advance(10 * SECOND).await;
    assert_eq!(toys.write().await, StatusCode::OK);
    advance(SECOND / 100).await;
    assert_eq!(toys.write().await, StatusCode::UNAUTHORIZED);
    assert_eq!(toys.read().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn remembered_key_expires_on_time() {
    let toys = Toys::new(|number, hash| async move {
        let caller = reader(hash).filter(|_| number == 0).ok_or_else(database_down)?;
        Ok(Some(Caller { expires_in: Some(8 * SECOND), ..caller }))
    });
    assert_eq!(toys.read().await, StatusCode::OK);
    advance(8 * SECOND).await;
    // First while the answer is fresh, then while the database gives no other.
    for _ in 0..2 {
        assert_eq!(toys.read().await, StatusCode::UNAUTHORIZED);
        advance(5 * SECOND).await;
    }
    assert_eq!(toys.write().await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn unavailable_database_is_not_a_wrong_key() {
    let toys = Toys::new(|_, _| async { Err(database_down()) });
    for expected in [1, 2] {
        let answer = toys.ask(Method::GET, "/read").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!answer.header("retry-after").is_empty());
        assert_eq!(toys.look_ups(), expected, "a failure must not be remembered");
    }
}

#[tokio::test(start_paused = true)]
async fn unavailable_database_permits_reads_for_one_minute() {
    let toys = Toys::losing_the_database();
    assert_eq!(toys.read().await, StatusCode::OK);
    for _ in 0..4 {
        advance(15 * SECOND).await;
        assert_eq!(toys.write().await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(toys.read().await, StatusCode::OK);
        assert_eq!(toys.ask(Method::POST, "/read").await.status, StatusCode::OK, "a POST that reads");
    }
    advance(SECOND / 100).await;
    assert_eq!(toys.read().await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn silent_database_delays_reads_by_one_second() {
    let toys = Toys::losing_the_answers();
    assert_eq!(toys.read().await, StatusCode::OK);
    advance(11 * SECOND).await;
    let began = Instant::now();
    assert_eq!(toys.read().await, StatusCode::OK);
    assert_eq!(began.elapsed(), SECOND);
    assert_eq!(toys.read().await, StatusCode::OK);
    assert_eq!(began.elapsed(), SECOND, "the second read must not wait for the same look-up again");
    assert_eq!(toys.write().await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(began.elapsed(), 10 * SECOND);
    assert_eq!(toys.look_ups(), 2);
}

#[tokio::test(start_paused = true)]
async fn waiting_counts_towards_age() {
    let toys = Toys::losing_the_answers();
    assert_eq!(toys.read().await, StatusCode::OK);
    advance(59 * SECOND + SECOND / 2).await;
    assert_eq!(toys.read().await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn write_waits_for_slow_look_up() {
    let toys = Toys::new(|_, hash| async move {
        sleep(9 * SECOND).await;
        Ok(reader(hash))
    });
    assert_eq!(toys.write().await, StatusCode::OK);
    advance(2 * SECOND).await;
    let began = Instant::now();
    assert_eq!(toys.write().await, StatusCode::OK);
    assert_eq!(began.elapsed(), 9 * SECOND, "the answer counts from the beginning of its look-up");
}

#[tokio::test(start_paused = true)]
async fn first_successful_look_up_refuses_revoked_key() {
    let toys = Toys::new(|number, hash| async move {
        match number {
            0 => Ok(reader(hash)),
            3 => Ok(None),
            _ => Err(database_down()),
        }
    });
    for expected in [200, 200, 200, 401, 401] {
        assert_eq!(toys.read().await, expected, "look-up {}", toys.look_ups());
        advance(11 * SECOND).await;
    }
    assert_eq!(toys.write().await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn cancelled_request_does_not_cancel_look_up() {
    let toys = Toys::new(|_, hash| async move {
        // Twice, because a timer also runs while the look-up is not polled.
        sleep(SECOND).await;
        sleep(SECOND).await;
        Ok(reader(hash))
    });
    let left = tokio::time::timeout(SECOND / 2, toys.write()).await;
    assert!(left.is_err(), "it has not waited");
    sleep(2 * SECOND).await;
    let began = Instant::now();
    assert_eq!((toys.write().await, toys.look_ups()), (StatusCode::OK, 1));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn panicking_look_up_is_repeated() {
    let toys = Toys::new(|number, hash| async move {
        assert!(number > 0, "the first look-up breaks");
        Ok(reader(hash))
    });
    assert_eq!(toys.read().await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(toys.read().await, StatusCode::OK);
}
