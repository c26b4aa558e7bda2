//! Codes of diagnoses.

use crate::Checks;
use crate::fields::Check;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Code of ICD-10-CM: a letter and two to six letters or digits. It is accepted in any case and with its dot,
/// and stored in upper case without it. Whether it exists is known to the terminology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiagnosisCode(String);

impl DiagnosisCode {
    /// Wraps a code that was checked before it was stored.
    pub fn from_stored(code: String) -> Self {
        Self(code)
    }

    /// Returns the code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Check for DiagnosisCode {
    fn check(&mut self, field: &str, checks: &mut Checks) {
        let (category, rest) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let code = [category, rest].concat().to_ascii_uppercase();
        let has_form = (3..=7).contains(&code.len())
            && code.starts_with(|c: char| c.is_ascii_alphabetic())
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if has_form && (rest.is_empty() || category.len() == 3) {
            self.0 = code;
        } else {
            checks.add(field, "must have the form of a code of ICD-10-CM, such as F41.1");
        }
    }
}

impl PartialSchema for DiagnosisCode {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).examples(["F41.1"]);
        text.pattern(Some(r"^[A-Za-z][0-9A-Za-z]{2}\.?[0-9A-Za-z]{0,4}$")).into()
    }
}

impl ToSchema for DiagnosisCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("DiagnosisCode")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        let (mut code, mut checks) = (DiagnosisCode(text.to_owned()), Checks::default());
        code.check("code", &mut checks);
        checks.finish().is_ok().then_some(code.0)
    }

    #[test]
    fn codes_are_stored_in_one_notation() {
        for (text, code) in [
            ("f41.1", "F411"),
            ("F411", "F411"),
            ("E11", "E11"),
            ("S72.001A", "S72001A"),
            ("C7A.0", "C7A0"),
            ("QA0.", "QA0"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(code));
        }
        for wrong in ["", "F", "F4", "41.1", "F.411", "F41.1.", "F41 1", "F41.12345", "F411.1", "Ä41"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
