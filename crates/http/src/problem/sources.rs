//! Which problem each failure of the layers below is. The caller gets the code's own text; the words of the layer go
//! to the log.

use super::{Code, Problem};
use steadfast_repository::Error as RepositoryError;
use steadfast_services::{Error as ServiceError, Upstream};

impl From<RepositoryError> for Problem {
    fn from(error: RepositoryError) -> Self {
        let text = error.to_string();
        match error {
            RepositoryError::Duplicate { .. } => Self::new(Code::DuplicateEntry),
            RepositoryError::Conflict { .. } => Self::new(Code::Conflict),
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

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Repository(error) => error.into(),
            ServiceError::Invalid(invalid) => invalid.into(),
            ServiceError::Upstream(upstream) => upstream.into(),
        }
    }
}

impl From<Upstream> for Problem {
    fn from(upstream: Upstream) -> Self {
        let text = upstream.to_string();
        match upstream {
            Upstream::RateLimited { retry_after } => {
                let problem = Self::new(Code::UpstreamRateLimited).retry_after(Some(retry_after));
                problem.caused("upstream.rate_limited", "overload", text)
            }
            Upstream::Unauthorized => {
                Self::new(Code::UpstreamConfig).caused("upstream.unauthorized", "fault", text)
            }
            Upstream::Status(status) => {
                let problem = Self::says(Code::UpstreamError, format!("PIDKey.com API error: {status}"));
                problem.caused("upstream.status", "fault", text)
            }
            Upstream::Body(_) => Self::new(Code::UpstreamError).caused("upstream.body", "fault", text),
            Upstream::Timeout => Self::new(Code::UpstreamTimeout).caused("upstream.timeout", "timeout", text),
            Upstream::Unreachable(_) => {
                Self::new(Code::UpstreamUnreachable).caused("upstream.unreachable", "unavailable", text)
            }
            // Nothing of PIDKey.com's doing: too many checks are under way here.
            Upstream::Busy { retry_after } => {
                let problem = Self::new(Code::Overloaded).retry_after(Some(retry_after));
                problem.caused("upstream.busy", "overload", text)
            }
            Upstream::Open { retry_after } => {
                let problem = Self::new(Code::UpstreamOpen).retry_after(Some(retry_after));
                problem.caused("upstream.open", "unavailable", text)
            }
        }
    }
}

#[cfg(test)]
mod tests;
