//! Values that are already encoded, and plans that are still JSON.

use bytes::BytesMut;
use std::error::Error;
use steadfast_postgres::CapturedStatement;
use steadfast_postgres::tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type};

type Failure = Box<dyn Error + Sync + Send>;

/// A parameter value as captured.
pub(crate) struct Raw<'a> {
    value: Option<&'a [u8]>,
    binary: bool,
}

impl<'a> Raw<'a> {
    pub(crate) fn of(statement: &'a CapturedStatement) -> Vec<Self> {
        let parameters = statement.parameters.iter();
        parameters
            .map(|parameter| Self { value: parameter.value.as_deref(), binary: parameter.binary })
            .collect()
    }
}

impl std::fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} bytes", self.value.map(<[u8]>::len))
    }
}

impl ToSql for Raw<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match self.value {
            Some(bytes) => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        if self.binary { Format::Binary } else { Format::Text }
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        self.to_sql(ty, out)
    }
}

/// Value of a JSON column.
pub(crate) struct Json(pub(crate) serde_json::Value);

impl<'a> FromSql<'a> for Json {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self(serde_json::from_slice(raw)?))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSON
    }
}
