//! Fields of request bodies. Their types say what is allowed, and one check of a body names every field that is wrong.
//!
//! A body is read without checks, so that one response can report all errors. [`Valid`] is the proof that a body was
//! checked; the repository takes nothing else.

mod money;

pub use money::{Amount, SignedAmount};

use crate::{Checks, Invalid};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ops::Deref;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A value that can be wrong until it was checked.
pub trait Check {
    /// Normalises the value, and adds an error for the field with this name if it is not allowed.
    fn check(&mut self, field: &str, checks: &mut Checks);
}

/// A body that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Valid<T>(T);

impl<T: Check> Valid<T> {
    /// Checks a body.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming every field that is not allowed.
    pub fn of(mut body: T) -> Result<Self, Invalid> {
        let mut checks = Checks::default();
        body.check("", &mut checks);
        checks.finish()?;
        Ok(Self(body))
    }
}

impl<T> Deref for Valid<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Check> Check for Option<T> {
    fn check(&mut self, field: &str, checks: &mut Checks) {
        if let Some(value) = self {
            value.check(field, checks);
        }
    }
}

impl<T: Check> Check for Vec<T> {
    fn check(&mut self, field: &str, checks: &mut Checks) {
        for (at, value) in self.iter_mut().enumerate() {
            value.check(&format!("{field}[{at}]"), checks);
        }
    }
}

/// Implements [`Check`] for types of which every value is allowed.
macro_rules! unchecked {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::fields::Check for $type {
            fn check(&mut self, _: &str, _: &mut $crate::Checks) {}
        })+
    };
}

pub(crate) use unchecked;

unchecked!(bool);

/// Times of the years 1 to 9999. The database cannot store all others.
impl Check for DateTime<Utc> {
    fn check(&mut self, field: &str, checks: &mut Checks) {
        if !(1..=9999).contains(&self.year()) {
            checks.add(field, "must be in the years 1 to 9999");
        }
    }
}

/// Declares the body of a request. Its check is that of all its fields, and then that of `rules`, a function which takes
/// the body and the [`Checks`], for what involves several fields.
macro_rules! fields {
    ($(#[$meta:meta])* $visibility:vis struct $Name:ident {
        $($(#[$attribute:meta])* pub $field:ident: $type:ty,)+
    } $(rules = $rules:expr)?) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        $visibility struct $Name {
            $($(#[$attribute])* pub $field: $type,)+
        }

        impl $crate::fields::Check for $Name {
            fn check(&mut self, _: &str, checks: &mut $crate::Checks) {
                $($crate::fields::Check::check(&mut self.$field, stringify!($field), checks);)+
                $(
                    let rules: fn(&Self, &mut $crate::Checks) = $rules;
                    rules(self, checks);
                )?
            }
        }
    };
}

pub(crate) use fields;

/// Declares an enumeration that is stored and sent by its names: lower-case words joined by underscores.
macro_rules! names {
    ($(#[$meta:meta])* pub enum $Name:ident {
        $($(#[$attribute:meta])* $Variant:ident = $name:tt,)+
    }) => {
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
            utoipa::ToSchema,
        )]
        $(#[$meta])*
        pub enum $Name {
            $($(#[$attribute])* #[serde(rename = $name)] $Variant,)+
        }

        impl $Name {
            /// All values, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$Variant),+];

            /// Returns the name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }

            /// Returns the value with this name, or `None` for another text.
            pub fn of_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == name)
            }
        }

        $crate::fields::unchecked!($Name);
    };
}

pub(crate) use names;

/// Declares a resource as it was recorded: the body of the request, whose fields come first, and further fields.
macro_rules! recorded {
    ($(#[$meta:meta])* pub struct $Name:ident: $Details:ty {
        $($(#[$attribute:meta])* pub $field:ident: $type:ty,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
        pub struct $Name {
            /// The recorded details.
            #[serde(flatten)]
            pub details: $Details,
            $($(#[$attribute])* pub $field: $type,)+
        }

        const _: () = {
            $(#[$meta])*
            // `Serialize` permits the attributes of serde.
            #[derive(serde::Serialize, utoipa::ToSchema)]
            struct Further {
                $($(#[$attribute])* $field: $type,)+
            }

            impl utoipa::PartialSchema for $Name {
                fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                    let details = <$Details as utoipa::PartialSchema>::schema();
                    $crate::fields::joined(details, <Further as utoipa::PartialSchema>::schema())
                }
            }

            impl utoipa::ToSchema for $Name {
                fn name() -> std::borrow::Cow<'static, str> {
                    std::borrow::Cow::Borrowed(stringify!($Name))
                }

                fn schemas(all: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
                    <$Details as utoipa::ToSchema>::schemas(all);
                    <Further as utoipa::ToSchema>::schemas(all);
                }
            }
        };
    };
}

pub(crate) use recorded;

/// Returns the schema of an object with the properties of both objects and the description of the second.
pub(crate) fn joined(one: RefOr<Schema>, other: RefOr<Schema>) -> RefOr<Schema> {
    let (RefOr::T(Schema::Object(mut one)), RefOr::T(Schema::Object(other))) = (one, other) else {
        unreachable!("structs are described as objects");
    };
    one.properties.extend(other.properties);
    one.required.extend(other.required);
    one.description = other.description;
    one.additional_properties = None;
    Schema::Object(one).into()
}

/// Text of one line with 1 to `MAX` characters, without white space around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line<const MAX: usize>(String);

/// Text of any number of lines with 1 to `MAX` characters, without white space around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prose<const MAX: usize>(String);

/// Implements what [`Line`] and [`Prose`] have in common. `pattern` is the regular expression of the allowed texts.
macro_rules! text {
    ($Name:ident, allows $allowed:expr, pattern $pattern:expr) => {
        impl<const MAX: usize> $Name<MAX> {
            /// Wraps a text that was checked before it was stored.
            pub fn from_stored(text: String) -> Self {
                Self(text)
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<const MAX: usize> From<&str> for $Name<MAX> {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl<const MAX: usize> Check for $Name<MAX> {
            fn check(&mut self, field: &str, checks: &mut Checks) {
                let is_allowed: fn(char) -> bool = $allowed;
                let text = self.0.trim();
                if text.chars().any(|c| c.is_control() && !is_allowed(c)) {
                    checks.add(field, "must not contain control characters");
                } else if !(1..=MAX).contains(&text.chars().count()) {
                    let count = text.chars().count();
                    checks.add(field, format!("must have 1 to {MAX} characters, has {count}"));
                } else if text.len() < self.0.len() {
                    self.0 = text.to_owned();
                }
            }
        }

        impl<const MAX: usize> PartialSchema for $Name<MAX> {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).examples(["A text"]);
                text.min_length(Some(1)).max_length(Some(MAX)).pattern(Some($pattern)).into()
            }
        }

        impl<const MAX: usize> ToSchema for $Name<MAX> {
            fn name() -> Cow<'static, str> {
                format!("{}{MAX}", stringify!($Name)).into()
            }
        }
    };
}

text!(Line, allows |_| false, pattern r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$");
text!(
    Prose,
    allows |c| matches!(c, '\n' | '\r' | '\t'),
    pattern r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
);

/// E-mail address: a local part, `@`, and a domain with a dot, without white space. Whether it exists is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

/// Maximum number of characters of an e-mail address.
const EMAIL_MAX: usize = 255;

impl EmailAddress {
    /// Wraps an address that was checked before it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if the text has the form of an address.
    pub(crate) fn is_allowed(&self) -> bool {
        let is_plain = !self.0.chars().any(|c| c.is_whitespace() || c.is_control());
        let parts = self.0.split_once('@');
        let is_address = parts.is_some_and(|(local, domain)| {
            let labels = || domain.split('.');
            !local.is_empty()
                && !domain.contains('@')
                && labels().count() > 1
                && labels().all(|l| !l.is_empty())
        });
        is_plain && is_address && self.0.chars().count() <= EMAIL_MAX
    }
}

impl Check for EmailAddress {
    fn check(&mut self, field: &str, checks: &mut Checks) {
        if !self.is_allowed() {
            checks.add(field, format!("must be an e-mail address of at most {EMAIL_MAX} characters"));
        }
    }
}

impl PartialSchema for EmailAddress {
    fn schema() -> RefOr<Schema> {
        let part = r"[^\s@.\x00-\x1f\x7f-\x9f]+";
        let local = r"[^\s@\x00-\x1f\x7f-\x9f]+";
        let text = ObjectBuilder::new().schema_type(Type::String).examples(["someone@example.com"]);
        let text = text.max_length(Some(EMAIL_MAX));
        text.pattern(Some(format!(r"^{local}@{part}(\.{part})+$"))).into()
    }
}

impl ToSchema for EmailAddress {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("EmailAddress")
    }
}

/// Integer from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number<const MIN: i32, const MAX: i32>(pub i32);

impl<const MIN: i32, const MAX: i32> Check for Number<MIN, MAX> {
    fn check(&mut self, field: &str, checks: &mut Checks) {
        if !(MIN..=MAX).contains(&self.0) {
            checks.add(field, format!("must be from {MIN} to {MAX}"));
        }
    }
}

impl<const MIN: i32, const MAX: i32> PartialSchema for Number<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).examples([MAX]);
        number.minimum(Some(MIN)).maximum(Some(MAX)).into()
    }
}

impl<const MIN: i32, const MAX: i32> ToSchema for Number<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("Number{MIN}To{MAX}").into()
    }
}

/// Declares the id of a resource, a UUID of version 7.
macro_rules! id {
    ($(#[$meta:meta])* $Name:ident) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
            utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[schema(value_type = uuid::Uuid, example = "00000000-0000-0000-0000-000000000001")]
        pub struct $Name(pub uuid::Uuid);

        impl $Name {
            /// Generates an id that is greater than those generated before, by the clock.
            pub fn generate() -> Self {
                Self(uuid::Uuid::now_v7())
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        $crate::fields::unchecked!($Name);
    };
}

pub(crate) use id;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Role;

    fields! {
        /// A body.
        struct Body {
            /// A name.
            pub name: Line<5>,
            /// A remark.
            pub remark: Option<Prose<5>>,
        }
        rules = |body, checks| {
            if body.name.as_str() == "rule" {
                checks.add("name", "is against the rules");
            }
        }
    }

    fn body(name: &str, remark: Option<&str>) -> Result<Valid<Body>, Invalid> {
        Valid::of(Body { name: name.into(), remark: remark.map(Prose::from) })
    }

    #[test]
    fn check_names_every_wrong_field() {
        let invalid = body(" ", Some("a\0")).expect_err("two errors");
        let fields: Vec<_> = invalid.fields().iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, ["name", "remark"]);
        assert_eq!(
            invalid.to_string(),
            "name: must have 1 to 5 characters, has 0; remark: must not contain control characters"
        );
    }

    #[test]
    fn rules_are_checked_with_the_fields() {
        let invalid = body("rule", Some("")).expect_err("two errors");
        assert_eq!(invalid.fields().iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), ["remark", "name"]);
    }

    #[test]
    fn names_are_those_of_the_json() {
        assert_eq!(Role::ALL[..2], [Role::Admin, Role::Clinician]);
        for role in Role::ALL {
            assert_eq!(Role::of_name(role.as_str()), Some(*role));
            assert_eq!(serde_json::to_value(role).expect("JSON"), role.as_str());
        }
        assert_eq!(Role::of_name("Admin"), None);
    }

    #[test]
    fn numbers_are_within_their_bounds() {
        let is_allowed = |number| {
            let mut checks = Checks::default();
            Number::<5, 480>(number).check("minutes", &mut checks);
            checks.finish().is_ok()
        };
        assert_eq!([4, 5, 480, 481].map(is_allowed), [false, true, true, false]);
    }

    #[test]
    fn texts_are_trimmed_and_counted_in_characters() {
        let valid = body("  äöüäö ", Some("\n a\nb\t ")).expect("allowed");
        assert_eq!((valid.name.as_str(), valid.remark.as_ref().map(Prose::as_str)), ("äöüäö", Some("a\nb")));
        assert!(body("äöüäöü", None).is_err() && body("a", Some("")).is_err());
        assert!(body("a\nb", None).is_err(), "a line has no line breaks");
    }

    #[test]
    fn addresses_have_a_local_part_and_a_domain() {
        let address = |text: &str| EmailAddress(text.to_owned());
        for good in ["a@b.c", "a.b+c@d-e.example.com", "ä@ö.example"] {
            assert!(address(good).is_allowed(), "{good}");
        }
        let long = format!("{}@b.c", "a".repeat(252));
        for bad in ["", "a", "a@b", "@b.c", "a@.c", "a@b.", "a@b..c", "a@b@c.d", "a b@c.d", "a\0@b.c", &long]
        {
            assert!(!address(bad).is_allowed(), "{bad}");
        }
    }
}
