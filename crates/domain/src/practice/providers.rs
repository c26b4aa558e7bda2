//! Providers of the practice: clinicians and others who see clients.

use crate::fields::{Check, EmailAddress, Line, Number, Prose, fields, id, recorded};
use crate::page::PageLimits;
use crate::version::Version;
use crate::{Checks, Invalid, text};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// Page sizes of the list of providers.
pub const PROVIDERS_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

id! {
    /// Id of a provider.
    ProviderId
}

fields! {
    /// Details of a provider, as the practice records them.
    pub struct ProviderDetails {
        /// First name.
        pub first_name: Line<100>,
        /// Last name.
        pub last_name: Line<100>,
        /// Middle name.
        pub middle_name: Option<Line<100>>,
        /// Title.
        pub title: Option<Line<50>>,
        /// Credentials, such as PhD.
        pub credentials: Option<Line<200>>,
        /// Specialty.
        pub specialty: Option<Line<200>>,
        /// Number of the license.
        pub license_number: Option<Line<100>>,
        /// State that granted the license.
        pub license_state: Option<Line<50>>,
        /// E-mail address, which no other provider has.
        pub email: EmailAddress,
        /// Phone number, in any notation.
        pub phone: Option<Line<20>>,
        /// Phone number of the office.
        pub office_phone: Option<Line<20>>,
        /// First line of the address of the office.
        pub office_address_line1: Option<Line<255>>,
        /// Second line of the address of the office.
        pub office_address_line2: Option<Line<255>>,
        /// City of the office.
        pub office_city: Option<Line<100>>,
        /// State of the office.
        pub office_state: Option<Line<50>>,
        /// Postal code of the office.
        pub office_zip_code: Option<Line<10>>,
        /// National Provider Identifier, which no other provider has.
        pub npi_number: Option<NpiNumber>,
        /// Tax id.
        pub tax_id: Option<Line<20>>,
        /// Usual duration of an appointment, in minutes.
        #[serde(default = "fifty_minutes")]
        pub default_appointment_minutes: Number<5, 480>,
        /// True if the provider accepts new clients.
        #[serde(default = "yes")]
        pub accepts_new_patients: bool,
        /// False if the provider has left the practice.
        #[serde(default = "yes")]
        pub is_active: bool,
        /// Description for clients.
        pub bio: Option<Prose<5000>>,
        /// Notes of the administration.
        pub administrative_notes: Option<Prose<5000>>,
    }
}

fn fifty_minutes() -> Number<5, 480> {
    Number(50)
}

fn yes() -> bool {
    true
}

recorded! {
    /// A provider, as the practice has recorded it.
    pub struct Provider: ProviderDetails {
        /// Id of the provider.
        pub id: ProviderId,
        /// Time of the creation.
        pub created_at: DateTime<Utc>,
        /// Time of the last change.
        pub updated_at: DateTime<Utc>,
        /// Number of changes, from 1. The `ETag` of the provider.
        pub version: Version,
    }
}

/// National Provider Identifier: ten digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NpiNumber(String);

impl NpiNumber {
    /// Wraps a number that was checked before it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Check for NpiNumber {
    fn check(&mut self, field: &str, checks: &mut Checks) {
        if self.0.len() != 10 || !self.0.bytes().all(|byte| byte.is_ascii_digit()) {
            checks.add(field, "must have ten digits");
        }
    }
}

impl PartialSchema for NpiNumber {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).examples(["1234567893"]);
        text.pattern(Some("^[0-9]{10}$")).into()
    }
}

impl ToSchema for NpiNumber {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("NpiNumber")
    }
}

/// Unvalidated parameters of the list of providers.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ProviderParameters {
    /// Specialty, as it was recorded.
    #[param(max_length = 200, pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*)$")]
    pub specialty: Option<String>,
    /// True for providers who are active, false for those who have left the practice.
    pub is_active: Option<bool>,
    /// True for providers who accept new clients, false for those who do not.
    pub accepts_new_patients: Option<bool>,
}

/// Conditions of the list of providers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderFilter {
    /// Specialty.
    pub specialty: Option<String>,
    /// True for providers who are active, false for those who have left the practice.
    pub is_active: Option<bool>,
    /// True for providers who accept new clients, false for those who do not.
    pub accepts_new_patients: Option<bool>,
}

impl ProviderParameters {
    /// Validates the parameters.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `specialty` if no specialty can have this name.
    pub fn parse(&self) -> Result<ProviderFilter, Invalid> {
        let specialty = self.specialty.as_deref().map(|name| text::plain("specialty", name, 1..=200));
        let (is_active, accepts_new_patients) = (self.is_active, self.accepts_new_patients);
        Ok(ProviderFilter { specialty: specialty.transpose()?, is_active, accepts_new_patients })
    }
}

/// Sort key of the list of providers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderCursor {
    /// Last name.
    pub last_name: String,
    /// First name.
    pub first_name: String,
    /// Id of the provider.
    pub id: ProviderId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Valid;

    #[test]
    fn npi_numbers_have_ten_digits() {
        let is_allowed = |number: &str| {
            let body = serde_json::json!({
                "first_name": "Ada", "last_name": "King", "email": "ada@example.com", "npi_number": number
            });
            Valid::<ProviderDetails>::of(serde_json::from_value(body).expect("a body")).is_ok()
        };
        assert!(is_allowed("1234567893"));
        assert!(
            !["", "123456789", "12345678901", "123456789x", "１２３４５６７８９３"]
                .into_iter()
                .any(is_allowed)
        );
    }
}
