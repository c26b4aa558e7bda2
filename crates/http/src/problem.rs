//! Errors as callers read them. Only this module maps errors to codes and statuses.
//!
//! The caller and the log get different texts. A failure of the server is logged once, when its answer is built or in the
//! layer with more details. Callers never read a statement, a host name or the message of a library.

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

/// Default of `Retry-After`.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);

/// Error answer to a request.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    code: Code,
    message: Cow<'static, str>,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    // Boxed, because a problem is the error of every handler and most have no cause.
    cause: Option<Box<Cause>>,
}

/// Details of a failure of the server for the log.
#[derive(Clone, Debug)]
struct Cause {
    error_type: &'static str,
    class: &'static str,
    text: String,
}

impl Problem {
    /// Creates a problem with the default text of its code.
    pub(crate) fn new(code: Code) -> Self {
        Self::says(code, code.text())
    }

    /// Creates a problem with another text for the caller.
    pub(crate) fn says(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), fields: Vec::new(), retry_after: None, cause: None }
    }

    /// Adds an invalid field.
    #[must_use]
    pub(crate) fn field(mut self, field: &str, message: impl Into<String>) -> Self {
        self.fields.push(FieldError { field: field.to_owned(), message: message.into() });
        self
    }

    /// Sets the time after which a repetition may succeed; `None` is the default of 5 s.
    #[must_use]
    pub(crate) fn retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after: Some(retry_after.unwrap_or(RETRY_AFTER_DEFAULT)), ..self }
    }

    /// Sets the details for the log.
    #[must_use]
    pub(crate) fn caused(self, error_type: &'static str, class: &'static str, text: impl ToString) -> Self {
        let cause = Cause { error_type, class, text: text.to_string() };
        Self { cause: Some(Box::new(cause)), ..self }
    }

    /// Returns true if the database could not answer at this time, whatever the request.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.code, Code::DbConnection | Code::DbTimeout | Code::Overloaded)
    }

    /// Returns true if the request was refused for its credentials.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.code == Code::Unauthorized
    }

    /// Creates the answer to a request whose handler panicked.
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

/// Body of every error answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Always `false`.
    success: bool,
    /// Code of the error. It never changes.
    error: &'static str,
    /// Description of the error and of what to do about it.
    message: Cow<'static, str>,
    /// Further details.
    details: Details,
    #[serde(flatten)]
    stamp: Stamp,
}

/// Details of an error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProblemDetails)]
struct Details {
    /// All invalid fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    field_errors: Vec<Field>,
    /// Seconds after which a repetition may succeed; also in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

/// Invalid field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldError)]
struct Field {
    /// Name of the field as the caller wrote it; `body` for the whole body.
    field: String,
    /// Description of the allowed values.
    message: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.log();
        let code = self.code;
        // Rounded up, so that a caller that waits as long is not early.
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
