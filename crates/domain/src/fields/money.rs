//! Amounts of money in dollars. In JSON they are texts such as `"120.50"`, because numbers of JSON are read as binary
//! fractions.

use super::Check;
use crate::Checks;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Declares an amount of money whose value `allows` accepts.
macro_rules! amount {
    ($(#[$meta:meta])* $Name:ident, allows $allows:expr, says $message:expr, pattern $pattern:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "Decimal")]
        pub struct $Name(pub Decimal);

        impl TryFrom<String> for $Name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, &'static str> {
                dollars(&text).map(Self).ok_or($message)
            }
        }

        impl From<$Name> for Decimal {
            fn from(amount: $Name) -> Self {
                amount.0
            }
        }

        impl Check for $Name {
            fn check(&mut self, field: &str, checks: &mut Checks) {
                let (value, allows): (_, fn(Decimal) -> bool) = (self.0.normalize(), $allows);
                if value.scale() > 2 || value.abs() >= Decimal::from(100_000_000) || !allows(value) {
                    checks.add(field, $message);
                }
            }
        }

        impl PartialSchema for $Name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).examples(["120.50"]);
                text.pattern(Some($pattern)).into()
            }
        }

        impl ToSchema for $Name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($Name))
            }
        }
    };
}

amount! {
    /// Amount of money, of at least a cent and less than a hundred million dollars.
    Amount,
    allows |value| value > Decimal::ZERO,
    says "must be from \"0.01\" to \"99999999.99\", with at most two decimals",
    pattern r"^(?!0+(\.0+)?$)\d{1,8}(\.\d{1,2})?$"
}

amount! {
    /// Amount of money that may be negative but not zero, of less than a hundred million dollars.
    SignedAmount,
    allows |value| !value.is_zero(),
    says "must be from \"-99999999.99\" to \"99999999.99\", with at most two decimals, and not zero",
    pattern r"^-?(?!0+(\.0+)?$)\d{1,8}(\.\d{1,2})?$"
}

/// Parses up to eight digits and up to two decimals; `None` for any other notation.
fn dollars(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits =
        |part: &str, max| (1..=max).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if are_digits(whole, 8) && are_digits(decimals, 2) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;

    fn is_allowed<T: Check + DeserializeOwned>(json: &str) -> bool {
        let mut checks = Checks::default();
        let Ok(mut amount) = serde_json::from_str::<T>(json) else { return false };
        amount.check("amount", &mut checks);
        checks.finish().is_ok()
    }

    #[test]
    fn amounts_have_cents() {
        for (text, is_positive, is_amount) in [
            ("0.01", true, true),
            ("120", true, true),
            ("007.5", true, true),
            ("99999999.99", true, true),
            ("-120.50", false, true),
            ("0", false, false),
            ("-0.00", false, false),
            ("0.001", false, false),
            ("100000000", false, false),
            ("+1", false, false),
            ("1e3", false, false),
            ("1_0", false, false),
            ("1.", false, false),
            (".5", false, false),
            ("", false, false),
        ] {
            let json = format!("\"{text}\"");
            let allowed = (is_allowed::<Amount>(&json), is_allowed::<SignedAmount>(&json));
            assert_eq!(allowed, (is_positive, is_amount), "{text}");
        }
        assert!(!is_allowed::<Amount>("120.5"), "numbers are binary fractions");
    }

    #[test]
    fn amounts_are_texts() {
        let amount: SignedAmount = serde_json::from_str("\"-120.50\"").expect("an amount");
        assert_eq!(serde_json::to_string(&amount).expect("JSON"), "\"-120.50\"");
        let mut checks = Checks::default();
        Amount(Decimal::new(1005, 3)).check("amount", &mut checks);
        assert!(checks.finish().is_err(), "half a cent");
    }
}
