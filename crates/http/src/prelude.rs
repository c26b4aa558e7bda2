//! Names that most resources use.

pub(crate) use crate::envelope::Envelope;
pub(crate) use crate::extract::{Audited, Bearer, Creation, IfMatch, Json, Paged, Path, Query};
pub(crate) use crate::problem::{Code, Problem};
pub(crate) use crate::route::Route;
pub(crate) use crate::state::AppState;
pub(crate) use axum::extract::State;
pub(crate) use axum::http::StatusCode;
pub(crate) use chrono::{DateTime, Utc};
pub(crate) use serde::{Deserialize, Serialize};
pub(crate) use steadfast_domain::Invalid;
pub(crate) use steadfast_repository::Store;
pub(crate) use utoipa::{IntoParams, ToSchema};

/// Result of a handler: the data in its envelope, or a problem.
pub(crate) type ApiResult<T> = Result<Envelope<T>, Problem>;
