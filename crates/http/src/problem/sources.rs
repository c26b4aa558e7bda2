//! Conversion of errors of the lower layers. Callers get the default text of the code; the log gets the text of the layer.

use super::{Code, Problem};
use chrono::SecondsFormat;
use std::time::Duration;
use steadfast_repository::Error as RepositoryError;
use steadfast_services::identity::LoginError;
use steadfast_services::{Error as ServiceError, Upstream};

/// Time after which a request may be repeated whose first attempt is still running.
const RETRY_IN_PROGRESS: Duration = Duration::from_secs(1);

impl From<RepositoryError> for Problem {
    fn from(error: RepositoryError) -> Self {
        let text = error.to_string();
        match error {
            RepositoryError::Duplicate { constraint } => Self::duplicate(constraint.as_deref()),
            RepositoryError::Conflict { .. } => Self::new(Code::Conflict),
            RepositoryError::NotFound => Self::new(Code::NotFound),
            RepositoryError::Forbidden => {
                let message = "The roles of the user give scopes that the caller lacks.";
                Self::says(Code::Forbidden, message)
            }
            RepositoryError::VersionMismatch => Self::new(Code::PreconditionFailed),
            RepositoryError::State(message) => Self::says(Code::Conflict, message),
            RepositoryError::Invalid(invalid) => invalid.into(),
            RepositoryError::UnknownReference { field } => {
                let message = "The request refers to a resource that does not exist; see field_errors.";
                Self::says(Code::Conflict, message).field(field, "does not exist")
            }
            RepositoryError::Overlap(overlap) => {
                let message = format!(
                    "The provider has the appointment {} from {} to {}.",
                    overlap.id,
                    overlap.scheduled_start.to_rfc3339_opts(SecondsFormat::AutoSi, true),
                    overlap.scheduled_end.to_rfc3339_opts(SecondsFormat::AutoSi, true)
                );
                Self::says(Code::Conflict, message)
            }
            RepositoryError::KeyReused => Self::new(Code::IdempotencyKeyMismatch),
            RepositoryError::InProgress => {
                let message = "The first request with this Idempotency-Key is still running.";
                Self::says(Code::Conflict, message).retry_after(Some(RETRY_IN_PROGRESS))
            }
            RepositoryError::Timeout { .. } => {
                Self::new(Code::DbTimeout).caused("repository.timeout", "timeout", text)
            }
            RepositoryError::Unavailable { retry_after, .. } => {
                let problem = Self::new(Code::DbConnection).retry_after(retry_after);
                problem.caused("repository.unavailable", "unavailable", text)
            }
            RepositoryError::Overload { .. } => {
                let problem = Self::new(Code::Overloaded).retry_after(None);
                problem.caused("repository.overload", "overload", text)
            }
            RepositoryError::OutcomeUnknown => {
                Self::new(Code::OutcomeUnknown).caused("repository.outcome_unknown", "ambiguous", text)
            }
            RepositoryError::Query { .. } => {
                Self::new(Code::DbQuery).caused("repository.query", "fault", text)
            }
        }
    }
}

/// Fields whose values are unique, by constraint.
const UNIQUE: [(&str, &str); 4] = [
    ("providers_email_key", "email"),
    ("providers_npi_number_key", "npi_number"),
    ("users_email_key", "email"),
    ("users_phone_number_key", "phone_number"),
];

impl Problem {
    /// Creates the answer to a request that violates the unique `constraint`. Names the field.
    fn duplicate(constraint: Option<&str>) -> Self {
        let problem = Self::new(Code::DuplicateEntry);
        match UNIQUE.iter().find(|(name, _)| Some(*name) == constraint) {
            Some((_, field)) => problem.field(field, "is that of another one"),
            None => problem,
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Refused => Self::says(Code::Unauthorized, "The address or the password is wrong."),
            LoginError::Locked { retry_after } => {
                let message = "There were too many attempts to log in. Wait as long as Retry-After says.";
                Self::says(Code::RateLimited, message).retry_after(Some(retry_after))
            }
            LoginError::Busy => Self::new(Code::Overloaded).retry_after(None),
            LoginError::Fault(cause) => Self::new(Code::InternalError).caused("password", "fault", cause),
            LoginError::Repository(error) => error.into(),
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Repository(error) => error.into(),
            ServiceError::Invalid(invalid) => invalid.into(),
            ServiceError::Upstream(upstream) => upstream.into(),
        }
    }
}

/// Sets no cause, because the check has logged it with more details.
impl From<Upstream> for Problem {
    fn from(upstream: Upstream) -> Self {
        match upstream {
            Upstream::RateLimited { retry_after } => {
                Self::new(Code::UpstreamRateLimited).retry_after(Some(retry_after))
            }
            Upstream::Unauthorized => Self::new(Code::UpstreamConfig),
            Upstream::Status(status) => {
                Self::says(Code::UpstreamError, format!("PIDKey.com API error: {status}"))
            }
            Upstream::Body(_) => Self::new(Code::UpstreamError),
            Upstream::Timeout => Self::new(Code::UpstreamTimeout),
            Upstream::Unreachable(_) => Self::new(Code::UpstreamUnreachable),
            // Not caused by PIDKey.com: too many checks are running here.
            Upstream::Busy { retry_after } => Self::new(Code::Overloaded).retry_after(Some(retry_after)),
            Upstream::Open { retry_after } => Self::new(Code::UpstreamOpen).retry_after(Some(retry_after)),
        }
    }
}

#[cfg(test)]
mod tests;
