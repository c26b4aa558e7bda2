//! What went wrong, as the caller reads it: the one place that knows error codes and status codes.
//!
//! The caller's text and the log's text are two texts. A failure on the server's side is logged once, when its
//! answer is made or in the layer that knows more of it; the caller never reads a statement, a host name or a library's words.

mod code;
mod sources;

pub(crate) use code::{Code, ErrorCode};

use crate::envelope::Stamp;
use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::any::Any;
use std::borrow::Cow;
use std::time::Duration;
use steadfast_domain::{FieldError, Invalid};
use utoipa::ToSchema;

/// When to come back, where the failure does not say.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);

/// A request that is not answered as asked.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    code: Code,
    message: Cow<'static, str>,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    // Boxed, for a problem is the error of every handler and most have none.
    cause: Option<Box<Cause>>,
}

/// What the log says of a failure on the server's side.
#[derive(Clone, Debug)]
struct Cause {
    error_type: &'static str,
    class: &'static str,
    text: String,
}

impl Problem {
    /// A problem with its code's own text.
    pub(crate) fn new(code: Code) -> Self {
        Self::says(code, code.text())
    }

    /// A problem with another text for the caller.
    pub(crate) fn says(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), fields: Vec::new(), retry_after: None, cause: None }
    }

    /// The same problem, that names one field.
    #[must_use]
    pub(crate) fn field(mut self, field: &str, message: impl Into<String>) -> Self {
        self.fields.push(FieldError { field: field.to_owned(), message: message.into() });
        self
    }

    /// The same problem with the time after which a repetition may succeed.
    #[must_use]
    pub(crate) fn retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after: Some(retry_after.unwrap_or(RETRY_AFTER_DEFAULT)), ..self }
    }

    /// The same problem with what the log has to say of it.
    #[must_use]
    pub(crate) fn caused(self, error_type: &'static str, class: &'static str, text: impl ToString) -> Self {
        let cause = Cause { error_type, class, text: text.to_string() };
        Self { cause: Some(Box::new(cause)), ..self }
    }

    /// Returns true if the database could not answer at this time, which says nothing about the request.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.code, Code::DbConnection | Code::DbTimeout | Code::Overloaded)
    }

    /// Returns true if the request was refused for its credentials.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.code == Code::Unauthorized
    }

    /// The answer to a request whose handler panicked.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::new(Code::InternalError).caused("panic", "fault", said.unwrap_or("panicked without a message"))
    }

    fn log(&self) {
        let Some(cause) = &self.cause else { return };
        tracing::error!(
            error = self.code.as_str(),
            error_type = cause.error_type,
            class = cause.class,
            cause = cause.text,
            "request failed"
        );
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let fields = invalid.fields().to_vec();
        Self { fields, ..Self::says(Code::InvalidParams, invalid.to_string()) }
    }
}

/// The body of every answer that is not a success.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Always `false`.
    success: bool,
    /// What kind of problem it is; never changes for the same kind.
    error: &'static str,
    /// What is wrong, and what to do about it.
    message: Cow<'static, str>,
    /// More of it, where there is more.
    details: Details,
    #[serde(flatten)]
    stamp: Stamp,
}

/// More about a problem.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProblemDetails)]
struct Details {
    /// Every field that is wrong, with what is allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    field_errors: Vec<Field>,
    /// Seconds after which a repetition may succeed; also in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

/// One field that is wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldError)]
struct Field {
    /// The field as the caller named it; `body` for the body as a whole.
    field: String,
    /// What is allowed.
    message: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.log();
        let code = self.code;
        // Rounded up: a caller that comes back on time must not be early.
        let retry_after_seconds = self.retry_after.map(|wait| wait.as_secs_f64().ceil().max(1.0) as u64);
        let field_errors = self.fields.into_iter().map(|f| Field { field: f.field, message: f.message });
        let body = ProblemBody {
            success: false,
            error: code.as_str(),
            message: self.message,
            details: Details { field_errors: field_errors.collect(), retry_after_seconds },
            stamp: Stamp::now(),
        };
        let mut response = (code.status(), Json(body)).into_response();
        if let Some(seconds) = retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if code == Code::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(ErrorCode(code.as_str()));
        response
    }
}

#[cfg(test)]
mod tests;
