//! Which failure of the layers below is which code, status and time to come back.

use super::*;
use crate::testing::Lines;
use axum::response::IntoResponse;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(9);

/// Returns the status, the code, `Retry-After` and the number of log lines.
fn answered(problem: Problem) -> (u16, &'static str, Option<String>, usize) {
    let (lines, _guard) = Lines::capture();
    let code = problem.code.as_str();
    let response = problem.into_response();
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().expect("a number").to_owned());
    (response.status().as_u16(), code, retry_after, lines.with("request failed").len())
}

fn cause() -> String {
    "10.0.0.7:5432: SELECT secret".to_owned()
}

#[test]
fn each_failure_of_the_database_has_its_code() {
    use RepositoryError as E;
    let table = [
        (E::Duplicate { constraint: None }, (409, "DUPLICATE_ENTRY", None, 0)),
        (E::Conflict { constraint: None }, (409, "CONFLICT", None, 0)),
        (E::State("It is done."), (409, "CONFLICT", None, 0)),
        (E::UnknownReference { field: "client_id" }, (409, "CONFLICT", None, 0)),
        (E::Invalid(steadfast_domain::Invalid::field("state", "is done")), (400, "INVALID_PARAMS", None, 0)),
        (E::Timeout { cause: cause() }, (408, "DB_TIMEOUT_ERROR", None, 1)),
        (
            E::Unavailable { cause: cause(), retry_after: Some(WAIT) },
            (503, "DB_CONNECTION_ERROR", Some("9"), 1),
        ),
        (E::Unavailable { cause: cause(), retry_after: None }, (503, "DB_CONNECTION_ERROR", Some("5"), 1)),
        (E::Overload { cause: cause() }, (503, "OVERLOADED", Some("5"), 1)),
        (E::OutcomeUnknown, (500, "OUTCOME_UNKNOWN", None, 1)),
        (E::Query { cause: cause() }, (500, "DB_QUERY_ERROR", None, 1)),
    ];
    for (error, (status, code, retry_after, logged)) in table {
        let expected = (status, code, retry_after.map(str::to_owned), logged);
        assert_eq!(answered(Problem::from(error.clone())), expected, "{error:?}");
        assert!(!Problem::from(error).message.contains("10.0.0.7"));
    }
}

#[test]
fn failures_of_pidkey_have_codes_without_log_lines() {
    let table = [
        (Upstream::RateLimited { retry_after: WAIT }, (503, "UPSTREAM_RATE_LIMITED", Some("9"))),
        (Upstream::Unauthorized, (500, "UPSTREAM_CONFIG", None)),
        (Upstream::Status(418), (502, "UPSTREAM_ERROR", None)),
        (Upstream::Body(cause()), (502, "UPSTREAM_ERROR", None)),
        (Upstream::Timeout, (504, "UPSTREAM_TIMEOUT", None)),
        (Upstream::Unreachable(cause()), (500, "UPSTREAM_UNREACHABLE", None)),
        (Upstream::Open { retry_after: WAIT }, (503, "UPSTREAM_UNREACHABLE", Some("9"))),
        (Upstream::Busy { retry_after: WAIT }, (503, "OVERLOADED", Some("9"))),
    ];
    for (upstream, (status, code, retry_after)) in table {
        let expected = (status, code, retry_after.map(str::to_owned), 0);
        let problem = || Problem::from(ServiceError::from(upstream.clone()));
        assert_eq!(answered(problem()), expected, "{upstream:?}");
        assert!(!problem().message.contains("10.0.0.7"));
    }
    assert_eq!(Problem::from(Upstream::Status(418)).message, "PIDKey.com API error: 418");
}
