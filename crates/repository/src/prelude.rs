//! Names that most resources use.

pub(crate) use crate::lists::{BoundedCount, all, newest, page, page_at, paged};
pub(crate) use crate::row::{Parse, details, invalid, named, row, wrapper};
pub(crate) use crate::{Error, Store};
pub(crate) use chrono::{DateTime, Utc};
pub(crate) use steadfast_domain::page::{Page, Position};
pub(crate) use steadfast_postgres::diesel::{self, prelude::*, sql_query};
pub(crate) use steadfast_postgres::diesel_async::RunQueryDsl;
pub(crate) use steadfast_postgres::{Cached, Operation, Read, Reads, Write, cached};

use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::query_builder::{BoxedSqlQuery, SqlQuery};

/// Statement that is written by hand, to which any number of parameters can be bound.
pub(crate) type BoxedSql<'a> = BoxedSqlQuery<'a, Pg, SqlQuery>;
