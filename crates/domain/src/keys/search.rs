//! Search of stored keys: filter, sort key and page sizes.

use crate::page::PageLimits;
use crate::{Invalid, text};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// Page sizes of a search.
pub const KEYS_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

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

/// Conditions of a search. Conditions that are `None` do not restrict it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Part of the product code, matched literally and without regard to case.
    pub product: Option<String>,
    /// Minimum number of activations left.
    pub min_remaining: Option<i32>,
    /// Maximum number of activations left.
    pub max_remaining: Option<i32>,
    /// True for blocked keys, false for the others.
    pub blocked: Option<bool>,
}

impl FilterParameters {
    /// Validates the parameters. An empty `product` does not restrict the search.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming every invalid parameter.
    pub fn parse(&self) -> Result<Filter, Invalid> {
        let product = self.product.as_deref().map(|product| text::plain("product", product, 0..=255));
        let blocked = match self.blocked {
            None | Some(1 | -1) => Ok(self.blocked.map(|blocked| blocked == 1)),
            _ => Err(Invalid::field("blocked", "must be 1 (blocked) or -1 (not blocked)")),
        };
        let filter = Invalid::both(Invalid::both(product.transpose(), self.range()), blocked);
        let ((product, (min_remaining, max_remaining)), blocked) = filter?;
        let product = product.filter(|text| !text.is_empty());
        Ok(Filter { product, min_remaining, max_remaining, blocked })
    }

    /// Validates the bounds of the number of activations left.
    fn range(&self) -> Result<(Option<i32>, Option<i32>), Invalid> {
        let bound = |field, value: Option<u64>| {
            let invalid = |_| Invalid::field(field, format!("must be from 0 to {}", i32::MAX));
            value.map(i32::try_from).transpose().map_err(invalid)
        };
        let min = bound("min_remaining", self.min_remaining);
        match Invalid::both(min, bound("max_remaining", self.max_remaining))? {
            (Some(min), Some(max)) if min > max => {
                Err(Invalid::field("max_remaining", "must not be below min_remaining"))
            }
            range => Ok(range),
        }
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
            max_remaining: Some(i32::MAX as u64),
            blocked: Some(-1),
        };
        let filter = Filter {
            product: None,
            min_remaining: Some(5),
            max_remaining: Some(i32::MAX),
            blocked: Some(false),
        };
        assert_eq!(parameters.parse(), Ok(filter));
        let equal = FilterParameters { min_remaining: Some(5), max_remaining: Some(5), ..parameters };
        assert_eq!(equal.parse().map(|filter| filter.max_remaining), Ok(Some(5)));
        let blocked = FilterParameters { blocked: Some(1), ..FilterParameters::default() };
        assert_eq!(blocked.parse().map(|filter| filter.blocked), Ok(Some(true)));
    }
}
