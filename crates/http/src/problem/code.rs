//! The table of error codes with their statuses and texts, for answers and the OpenAPI document.

use axum::http::StatusCode;

/// Code of a problem, a response extension for the access log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorCode(pub(crate) &'static str);

/// Kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidParams,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    DbTimeout,
    DuplicateEntry,
    Conflict,
    PreconditionFailed,
    IdempotencyKeyMismatch,
    PayloadTooLarge,
    UnsupportedMediaType,
    RateLimited,
    DbQuery,
    InternalError,
    OutcomeUnknown,
    UpstreamRateLimited,
    UpstreamConfig,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
    /// Same code as [`Code::UpstreamUnreachable`], if nothing was sent because the circuit breaker is open.
    UpstreamOpen,
    DbConnection,
    Overloaded,
}

impl Code {
    /// Returns the code as callers read it.
    pub(crate) const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// Returns the status of the answer.
    pub(crate) const fn status(self) -> StatusCode {
        self.row().1
    }

    /// Returns the default text for callers.
    pub(crate) const fn text(self) -> &'static str {
        self.row().2
    }

    const fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::InvalidParams => {
                ("INVALID_PARAMS", StatusCode::BAD_REQUEST, "The request is not valid; see field_errors.")
            }
            Self::Unauthorized => (
                "UNAUTHORIZED",
                StatusCode::UNAUTHORIZED,
                "Send a valid API key in X-API-Key, or a session token as bearer token.",
            ),
            Self::Forbidden => ("FORBIDDEN", StatusCode::FORBIDDEN, "The caller may not do that."),
            Self::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND, "There is nothing here."),
            Self::MethodNotAllowed => (
                "METHOD_NOT_ALLOWED",
                StatusCode::METHOD_NOT_ALLOWED,
                "This path takes other methods; see the header Allow.",
            ),
            Self::DbTimeout => (
                "DB_TIMEOUT_ERROR",
                StatusCode::REQUEST_TIMEOUT,
                "The database took too long. Please ask for less or try again.",
            ),
            Self::PayloadTooLarge => (
                "PAYLOAD_TOO_LARGE",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is larger than this path takes.",
            ),
            Self::UnsupportedMediaType => (
                "UNSUPPORTED_MEDIA_TYPE",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send JSON, with Content-Type: application/json.",
            ),
            Self::RateLimited => (
                "RATE_LIMITED",
                StatusCode::TOO_MANY_REQUESTS,
                "There were too many requests, or too many invalid keys and tokens from this address. Wait as long as Retry-After says.",
            ),
            Self::DbQuery => {
                ("DB_QUERY_ERROR", StatusCode::INTERNAL_SERVER_ERROR, "The database refused a query.")
            }
            Self::InternalError => {
                ("INTERNAL_ERROR", StatusCode::INTERNAL_SERVER_ERROR, "Internal server error.")
            }
            Self::OutcomeUnknown => (
                "OUTCOME_UNKNOWN",
                StatusCode::INTERNAL_SERVER_ERROR,
                "The confirmation was lost: it may have been stored; read before repeating.",
            ),
            Self::DbConnection => (
                "DB_CONNECTION_ERROR",
                StatusCode::SERVICE_UNAVAILABLE,
                "The database cannot be reached. Please try again later.",
            ),
            Self::Overloaded => (
                "OVERLOADED",
                StatusCode::SERVICE_UNAVAILABLE,
                "The service has too much to do right now. Please try again later.",
            ),
            _ => self.state_row(),
        }
    }

    /// Returns the row of a request that the stored data does not permit.
    const fn state_row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::DuplicateEntry => ("DUPLICATE_ENTRY", StatusCode::CONFLICT, "That exists already."),
            Self::Conflict => ("CONFLICT", StatusCode::CONFLICT, "The stored data does not allow that."),
            Self::PreconditionFailed => (
                "PRECONDITION_FAILED",
                StatusCode::PRECONDITION_FAILED,
                "It was changed since it was read. Read it again and repeat the change with its new ETag.",
            ),
            Self::IdempotencyKeyMismatch => (
                "IDEMPOTENCY_KEY_MISMATCH",
                StatusCode::UNPROCESSABLE_ENTITY,
                "This Idempotency-Key was used for another request. Send a new one.",
            ),
            _ => self.upstream_row(),
        }
    }

    /// Returns the row of a failure of PIDKey.com. The requirements document fixes the texts.
    const fn upstream_row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::UpstreamRateLimited => (
                "UPSTREAM_RATE_LIMITED",
                StatusCode::SERVICE_UNAVAILABLE,
                "PIDKey.com API rate limit exceeded. Please try again later.",
            ),
            Self::UpstreamConfig => (
                "UPSTREAM_CONFIG",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Invalid PIDKey.com API key. Please check configuration.",
            ),
            Self::UpstreamError => {
                ("UPSTREAM_ERROR", StatusCode::BAD_GATEWAY, "PIDKey.com API error: unreadable answer")
            }
            Self::UpstreamTimeout => {
                ("UPSTREAM_TIMEOUT", StatusCode::GATEWAY_TIMEOUT, "PIDKey.com API timeout. Please try again.")
            }
            Self::UpstreamOpen => (
                "UPSTREAM_UNREACHABLE",
                StatusCode::SERVICE_UNAVAILABLE,
                "PIDKey.com API failed repeatedly and is left alone for a while. Please try again later.",
            ),
            _ => (
                "UPSTREAM_UNREACHABLE",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Failed to communicate with PIDKey.com API",
            ),
        }
    }
}
