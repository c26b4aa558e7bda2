//! Search of stored keys: filter, sort key and page sizes.

use crate::page::PageLimits;
use crate::{Checks, Invalid, text};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// Page sizes of a search.
pub const KEYS_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

/// Maximum number of characters of a product code: that of the column.
const PRODUCT_MAX: usize = 255;

/// Maximum of the filters on `remaining`: that of the column.
const REMAINING_MAX: u64 = i32::MAX as u64;

/// Unvalidated parameters of a search.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct FilterParameters {
    /// Part of the product code. Case does not matter.
    #[param(max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub product: Option<String>,
    /// Minimum number of activations left.
    #[param(maximum = 2147483647)]
    pub min_remaining: Option<u64>,
    /// Maximum number of activations left.
    #[param(maximum = 2147483647)]
    pub max_remaining: Option<u64>,
    /// 1 for blocked keys, -1 for the others.
    #[param(schema_with = blocked_schema)]
    pub blocked: Option<i64>,
}

/// Returns the schema of `blocked`: 1 or -1.
pub fn blocked_schema() -> Object {
    ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([1, -1])).build()
}

/// Filter on the state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Only keys that are not blocked (`blocked=-1`).
    No,
    /// Only blocked keys (`blocked=1`).
    Yes,
}

/// Conditions of a search. Conditions that are `None` do not restrict it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Part of the product code, matched literally and without regard to case.
    pub product: Option<String>,
    /// Minimum number of activations left.
    pub min_remaining: Option<i32>,
    /// Maximum number of activations left.
    pub max_remaining: Option<i32>,
    /// State of the keys.
    pub blocked: Option<Blocked>,
}

impl FilterParameters {
    /// Validates the parameters. An empty `product` does not restrict the search.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming every invalid parameter.
    pub fn parse(&self) -> Result<Filter, Invalid> {
        let mut checks = Checks::default();
        let product = self.product.as_deref().map(|product| text::plain("product", product, 0..=PRODUCT_MAX));
        let product = checks.keep(product.transpose().map(|product| product.filter(|text| !text.is_empty())));
        let min = checks.keep(remaining("min_remaining", self.min_remaining));
        let max = checks.keep(remaining("max_remaining", self.max_remaining));
        let blocked = checks.keep(self.blocked.map(parse_blocked).transpose());
        if let (Some(Some(min)), Some(Some(max))) = (min, max)
            && min > max
        {
            checks.keep::<()>(Err(Invalid::field("max_remaining", "must not be below min_remaining")));
            return Err(checks.refused());
        }
        match (product, min, max, blocked) {
            (Some(product), Some(min_remaining), Some(max_remaining), Some(blocked)) => {
                Ok(Filter { product, min_remaining, max_remaining, blocked })
            }
            _ => Err(checks.refused()),
        }
    }
}

fn remaining(field: &str, value: Option<u64>) -> Result<Option<i32>, Invalid> {
    match value {
        Some(value) if value > REMAINING_MAX => {
            Err(Invalid::field(field, format!("must be from 0 to {REMAINING_MAX}")))
        }
        value => Ok(value.map(|value| value as i32)),
    }
}

fn parse_blocked(value: i64) -> Result<Blocked, Invalid> {
    match value {
        -1 => Ok(Blocked::No),
        1 => Ok(Blocked::Yes),
        _ => Err(Invalid::field("blocked", "must be 1 (blocked) or -1 (not blocked)")),
    }
}

/// Sort key of a search: by product, then by activations left in descending order, then by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCursor {
    /// Product of the key.
    pub product: String,
    /// Activations left.
    pub remaining: i32,
    /// Row id.
    pub id: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(parameters: FilterParameters) -> Vec<String> {
        let invalid = parameters.parse().expect_err("refused");
        invalid.fields().iter().map(|field| field.field.clone()).collect()
    }

    #[test]
    fn names_every_invalid_parameter() {
        let all = FilterParameters {
            product: Some("a\0".to_owned()),
            min_remaining: Some(1 << 31),
            max_remaining: Some(u64::MAX),
            blocked: Some(0),
        };
        assert_eq!(fields(all), ["product", "min_remaining", "max_remaining", "blocked"]);
        let reversed = FilterParameters {
            min_remaining: Some(5),
            max_remaining: Some(4),
            ..FilterParameters::default()
        };
        assert_eq!(fields(reversed), ["max_remaining"]);
    }

    #[test]
    fn parses_valid_parameters() {
        let parameters = FilterParameters {
            product: Some("  ".to_owned()),
            min_remaining: Some(5),
            max_remaining: Some(REMAINING_MAX),
            blocked: Some(-1),
        };
        let filter = Filter {
            product: None,
            min_remaining: Some(5),
            max_remaining: Some(i32::MAX),
            blocked: Some(Blocked::No),
        };
        assert_eq!(parameters.parse(), Ok(filter));
        let equal = FilterParameters { min_remaining: Some(5), max_remaining: Some(5), ..parameters };
        assert_eq!(equal.parse().map(|filter| filter.max_remaining), Ok(Some(5)));
        let blocked = FilterParameters { blocked: Some(1), ..FilterParameters::default() };
        assert_eq!(blocked.parse().map(|filter| filter.blocked), Ok(Some(Blocked::Yes)));
    }
}
