//! Rows and their conversion into the domain's types and back.

use crate::Error;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use steadfast_domain::fields::{Amount, EmailAddress, Line, Number, Prose, SignedAmount};

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

/// Conversion of the domain's type into the stored value.
pub(crate) trait Stored<T> {
    fn stored(&self) -> T;
}

/// Implements the conversion for types that are stored as they are.
macro_rules! stored_as_is {
    ($($Type:ty),+) => {
        $(impl Stored<$Type> for $Type {
            fn stored(&self) -> $Type {
                *self
            }
        })+
    };
}

stored_as_is!(bool, DateTime<Utc>, Option<DateTime<Utc>>);

/// Implements both conversions, also of optional values, for a type of the domain that wraps a stored value.
macro_rules! wrapper {
    ($Type:ty: $from:expr, $into:expr, $stored:ty $(, const $LIMIT:ident: $limit:ty)*) => {
        impl<$(const $LIMIT: $limit),*> $crate::row::Parse<$Type> for $stored {
            fn parse(self, _: &'static str) -> Result<$Type, $crate::Error> {
                Ok($from(self))
            }
        }

        impl<$(const $LIMIT: $limit),*> $crate::row::Parse<Option<$Type>> for Option<$stored> {
            fn parse(self, _: &'static str) -> Result<Option<$Type>, $crate::Error> {
                Ok(self.map($from))
            }
        }

        impl<$(const $LIMIT: $limit),*> $crate::row::Stored<$stored> for $Type {
            fn stored(&self) -> $stored {
                let into: fn(&$Type) -> $stored = $into;
                into(self)
            }
        }

        impl<$(const $LIMIT: $limit),*> $crate::row::Stored<Option<$stored>> for Option<$Type> {
            fn stored(&self) -> Option<$stored> {
                self.as_ref().map($into)
            }
        }
    };
}

pub(crate) use wrapper;

wrapper!(Line<MAX>: Line::from_stored, |text| text.as_str().to_owned(), String, const MAX: usize);
wrapper!(Prose<MAX>: Prose::from_stored, |text| text.as_str().to_owned(), String, const MAX: usize);
wrapper!(EmailAddress: EmailAddress::from_stored, |address| address.as_str().to_owned(), String);
wrapper!(Number<MIN, MAX>: Number, |number| number.0, i32, const MIN: i32, const MAX: i32);
wrapper!(Amount: Amount, |amount| amount.0, Decimal);
wrapper!(SignedAmount: SignedAmount, |amount| amount.0, Decimal);

/// Implements both conversions, also of optional values, for an enumeration of the domain, which is stored by its names.
macro_rules! named {
    ($Type:ty) => {
        impl $crate::row::Parse<$Type> for String {
            fn parse(self, column: &'static str) -> Result<$Type, $crate::Error> {
                <$Type>::of_name(&self).ok_or_else(|| $crate::row::invalid(column))
            }
        }

        impl $crate::row::Parse<Option<$Type>> for Option<String> {
            fn parse(self, column: &'static str) -> Result<Option<$Type>, $crate::Error> {
                self.map(|name| $crate::row::Parse::parse(name, column)).transpose()
            }
        }

        impl $crate::row::Stored<String> for $Type {
            fn stored(&self) -> String {
                self.as_str().to_owned()
            }
        }

        impl $crate::row::Stored<Option<String>> for Option<$Type> {
            fn stored(&self) -> Option<String> {
                self.map(|value| value.as_str().to_owned())
            }
        }
    };
}

pub(crate) use named;

/// Declares the columns that a request body sets, as [`row!`](crate::row::row) does, and converts the body into them.
macro_rules! details {
    ($(#[$meta:meta])* $Row:ident of $table:ident for $Domain:ident {
        $($(#[$attribute:meta])* $field:ident: $type:ty,)+
    }) => {
        $crate::row::row! {
            $(#[$meta])*
            #[derive(steadfast_postgres::diesel::Insertable, steadfast_postgres::diesel::AsChangeset)]
            #[diesel(treat_none_as_null = true, treat_none_as_default_value = false)]
            $Row of $table for $Domain {
                $($(#[$attribute])* $field: $type,)+
            }
        }

        impl $Row {
            /// Returns the columns of a body.
            fn of(body: &$Domain) -> Self {
                Self { $($field: $crate::row::Stored::stored(&body.$field),)+ }
            }
        }
    };
}

pub(crate) use details;
