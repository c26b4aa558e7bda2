//! Rows and their conversion into the domain's types.

use crate::Error;

/// Conversion of a stored value into the domain's type. Fails if the value is invalid, which the constraints of the
/// schema prevent. The error names `column` but not the value.
pub(crate) trait Parse<T> {
    fn parse(self, column: &'static str) -> Result<T, Error>;
}

impl<T> Parse<T> for T {
    fn parse(self, _: &'static str) -> Result<T, Error> {
        Ok(self)
    }
}

/// Returns the error of a stored value that is invalid.
pub(crate) fn invalid(column: &str) -> Error {
    Error::Query { cause: format!("{column}: the stored value is invalid") }
}

/// Declares the row of a table or view, and converts it into a type of the domain with the same fields.
///
/// The struct can be selected with diesel's DSL (`Row::as_select()`) and loaded by [`sql_query`]; its columns are
/// checked against the schema. A field may have a `column_name`, or be a row itself (`embed`). Each field is converted
/// by [`Parse`].
///
/// [`sql_query`]: steadfast_postgres::diesel::sql_query
macro_rules! row {
    ($(#[$meta:meta])* $Row:ident of $table:ident for $Domain:ident {
        $($(#[$attribute:meta])* $field:ident: $type:ty,)+
    }) => {
        $(#[$meta])*
        #[derive(
            steadfast_postgres::diesel::Queryable,
            steadfast_postgres::diesel::QueryableByName,
            steadfast_postgres::diesel::Selectable,
        )]
        #[diesel(table_name = $table, check_for_backend(steadfast_postgres::diesel::pg::Pg))]
        pub(super) struct $Row {
            $($(#[$attribute])* pub(super) $field: $type,)+
        }

        impl $Row {
            /// Converts the row into the domain's type.
            pub(super) fn parse(self) -> Result<$Domain, $crate::Error> {
                Ok($Domain {
                    $($field: $crate::row::Parse::parse(
                        self.$field,
                        concat!(stringify!($table), ".", stringify!($field)),
                    )?,)+
                })
            }
        }

        impl $crate::row::Parse<$Domain> for $Row {
            /// Names the column of this row that is invalid, not the field that embeds it.
            fn parse(self, _: &'static str) -> Result<$Domain, $crate::Error> {
                $Row::parse(self)
            }
        }
    };
}

pub(crate) use row;
