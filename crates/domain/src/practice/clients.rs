//! Clients of the practice.

use super::{Appointment, LedgerEntry, NoteSummary};
use crate::fields::{Check, EmailAddress, Line, Prose, fields, id, recorded};
use crate::page::PageLimits;
use crate::version::Version;
use crate::{Checks, Invalid, text};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// Page sizes of the list of clients.
pub const CLIENTS_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

/// Maximum number of items of each relation in a [`ClientRecord`].
pub const RELATED_MAX: u32 = 100;

id! {
    /// Id of a client.
    ClientId
}

fields! {
    /// Details of a client, as the practice records them.
    pub struct ClientDetails {
        /// First name.
        pub first_name: Line<100>,
        /// Last name.
        pub last_name: Line<100>,
        /// Middle name.
        pub middle_name: Option<Line<100>>,
        /// E-mail address.
        pub email: Option<EmailAddress>,
        /// Phone number, in any notation.
        pub phone: Option<Line<20>>,
        /// First line of the address.
        pub address_line1: Option<Line<255>>,
        /// Second line of the address.
        pub address_line2: Option<Line<255>>,
        /// City.
        pub city: Option<Line<100>>,
        /// State.
        pub state: Option<Line<50>>,
        /// Postal code.
        pub zip_code: Option<Line<10>>,
        /// Date of birth, from 1850 to today.
        pub date_of_birth: Option<BirthDate>,
        /// Gender, in the client's words.
        pub gender: Option<Line<20>>,
        /// Insurance company.
        pub insurance_provider: Option<Line<255>>,
        /// Number of the insurance.
        pub insurance_id: Option<Line<100>>,
        /// Name of the person to call in an emergency.
        pub emergency_contact_name: Option<Line<200>>,
        /// Phone number of that person.
        pub emergency_contact_phone: Option<Line<20>>,
        /// Relationship of that person to the client.
        pub emergency_contact_relationship: Option<Line<100>>,
        /// Primary diagnosis.
        pub primary_diagnosis: Option<Prose<1000>>,
        /// Further diagnoses.
        pub secondary_diagnoses: Option<Prose<2000>>,
        /// Medication that the client takes.
        pub medications: Option<Prose<2000>>,
        /// Allergies.
        pub allergies: Option<Prose<2000>>,
        /// False if the client has left the practice.
        #[serde(default = "active")]
        pub is_active: bool,
        /// Language that the client prefers.
        #[serde(default = "english")]
        pub preferred_language: Line<50>,
        /// Ways in which the client wants to be contacted.
        pub communication_preferences: Option<Prose<1000>>,
        /// Notes of the intake.
        pub intake_notes: Option<Prose<10000>>,
        /// Notes of the administration.
        pub administrative_notes: Option<Prose<10000>>,
    }
}

fn active() -> bool {
    true
}

fn english() -> Line<50> {
    "English".into()
}

recorded! {
    /// A client, as the practice has recorded it.
    pub struct Client: ClientDetails {
        /// Id of the client.
        pub id: ClientId,
        /// Time of the creation.
        pub created_at: DateTime<Utc>,
        /// Time of the last change.
        pub updated_at: DateTime<Utc>,
        /// Number of changes, from 1. The `ETag` of the client.
        pub version: Version,
    }
}

recorded! {
    /// A client with the requested relations. The lists of appointments, notes and entries in the ledger have all items.
    pub struct ClientRecord: Client {
        /// The 100 latest appointments; absent unless requested.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub appointments: Option<Vec<Appointment>>,
        /// The 100 newest notes, without their texts; absent unless requested.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub notes: Option<Vec<NoteSummary>>,
        /// The 100 newest entries in the ledger; absent unless requested.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub ledger: Option<Vec<LedgerEntry>>,
    }
}

/// Relations of a client that a read includes.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub struct ClientInclusion {
    /// True to include the 100 latest appointments.
    #[param(default = false)]
    pub include_appointments: bool,
    /// True to include the 100 newest notes, without their texts. Needs the scope `notes:read`.
    #[param(default = false)]
    pub include_notes: bool,
    /// True to include the 100 newest entries in the ledger. Needs the scope `ledger:read`.
    #[param(default = false)]
    pub include_ledger: bool,
}

/// Date of birth: from 1850-01-01 to today (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BirthDate(pub NaiveDate);

impl Check for BirthDate {
    fn check(&mut self, field: &str, checks: &mut Checks) {
        if self.0.year() < 1850 || self.0 > Utc::now().date_naive() {
            checks.add(field, "must be from 1850-01-01 to today");
        }
    }
}

impl PartialSchema for BirthDate {
    fn schema() -> RefOr<Schema> {
        let date = ObjectBuilder::new().schema_type(Type::String);
        let date = date.format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)));
        date.pattern(Some(r"^(18[5-9]|19\d|20[0-4])\d-\d\d-\d\d$")).into()
    }
}

impl ToSchema for BirthDate {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("BirthDate")
    }
}

/// Summary of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClientSummary {
    /// Id of the client.
    pub id: ClientId,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Date of birth.
    pub date_of_birth: Option<NaiveDate>,
    /// False if the client has left the practice.
    pub is_active: bool,
    /// Time of the creation.
    pub created_at: DateTime<Utc>,
}

recorded! {
    /// A client in a list, with figures if they are requested.
    pub struct ListedClient: ClientSummary {
        /// Figures about the client; absent unless requested.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub stats: Option<ClientStats>,
    }
}

/// Figures about a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClientStats {
    /// Number of appointments.
    pub appointments: i64,
    /// Number of appointments from now on that are scheduled or confirmed.
    pub upcoming_appointments: i64,
    /// Planned beginning of the latest appointment before now; null without one.
    pub last_appointment_at: Option<DateTime<Utc>>,
    /// Number of notes; null if the caller lacks the scope `notes:read`.
    pub notes: Option<i64>,
    /// Amount in dollars that the client owes, negative if the client has credit; null if the caller lacks the scope
    /// `ledger:read`.
    #[schema(value_type = Option<String>, example = "120.50")]
    pub balance: Option<Decimal>,
}

/// Unvalidated parameters of the list of clients.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ClientParameters {
    /// False to list clients who have left the practice, too.
    #[param(default = true)]
    pub active_only: Option<bool>,
    /// Parts of the first name, the last name or the e-mail address, separated by spaces; one of them has at least two
    /// characters. Case does not matter. Clients whose last name begins with the first part come first. An e-mail address
    /// finds the clients with this address, and at least four digits without letters find the phone numbers that end with
    /// them.
    #[param(
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f]{2}[^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub search: Option<String>,
    /// True to add figures about each client.
    #[param(default = false)]
    pub include_stats: Option<bool>,
}

/// Conditions of the list of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFilter {
    /// True to exclude clients who have left the practice.
    pub active_only: bool,
    /// Search, if there is one.
    pub search: Option<ClientSearch>,
    /// True to add figures about each client.
    pub include_stats: bool,
}

/// Search for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientSearch {
    /// Parts of the names or the e-mail address, in lower case. The first has at least two characters.
    Parts(Vec<String>),
    /// Beginning of the e-mail address, in lower case.
    Email(String),
    /// Last digits of the phone number, at least four.
    Phone(String),
}

impl ClientParameters {
    /// Validates the parameters.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `search` if it has no part of two characters.
    pub fn parse(&self) -> Result<ClientFilter, Invalid> {
        let search = self.search.as_deref().map(ClientSearch::parse).transpose()?;
        let (active_only, include_stats) =
            (self.active_only.unwrap_or(true), self.include_stats.unwrap_or(false));
        Ok(ClientFilter { active_only, search, include_stats })
    }
}

impl ClientSearch {
    fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text::plain("search", text, 2..=100)?;
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if digits.len() >= 4 && !text.chars().any(|c| c.is_alphabetic() || c == '@') {
            return Ok(Self::Phone(digits));
        }
        if EmailAddress::from_stored(text.clone()).is_allowed() {
            return Ok(Self::Email(text.to_lowercase()));
        }
        let mut parts: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let is_long = |part: &String| part.chars().nth(1).is_some();
        let Some(first) = parts.iter().position(is_long) else {
            return Err(Invalid::field("search", "must have a part of at least two characters"));
        };
        parts[..=first].rotate_right(1);
        Ok(Self::Parts(parts))
    }
}

/// Sort key of the list of clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCursor {
    /// Rank of the match in a search, from 1; 0 without a search.
    pub rank: i32,
    /// The text by which the clients of this rank are sorted first.
    pub first: String,
    /// The text by which they are sorted next.
    pub second: String,
    /// Id of the client.
    pub id: ClientId,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(text: &str) -> Result<ClientSearch, Invalid> {
        ClientSearch::parse(text)
    }

    #[test]
    fn searches_are_parts_or_phone_numbers() {
        let parts = |parts: &[&str]| Ok(ClientSearch::Parts(parts.iter().map(|p| (*p).to_owned()).collect()));
        assert_eq!(search(" Ada  LOVE "), parts(&["ada", "love"]));
        assert_eq!(search("J Smith"), parts(&["smith", "j"]));
        assert_eq!(search("123"), parts(&["123"]));
        assert_eq!(search("@x.org"), parts(&["@x.org"]));
        assert_eq!(search("1999@X.org"), Ok(ClientSearch::Email("1999@x.org".to_owned())));
        for phone in ["555-0142", "(555) 01 42", "5550142"] {
            assert_eq!(search(phone), Ok(ClientSearch::Phone("5550142".to_owned())), "{phone}");
        }
        for wrong in ["", "a", "a b c", "a\0b", &"x".repeat(101)] {
            assert_eq!(search(wrong).expect_err(wrong).fields()[0].field, "search");
        }
    }

    #[test]
    fn dates_of_birth_are_not_in_the_future() {
        let is_allowed = |date: NaiveDate| {
            let mut checks = Checks::default();
            BirthDate(date).check("date_of_birth", &mut checks);
            checks.finish().is_ok()
        };
        let today = Utc::now().date_naive();
        assert!(is_allowed(today) && !is_allowed(today + chrono::Days::new(2)));
        let first = NaiveDate::from_ymd_opt(1850, 1, 1).expect("a date");
        assert!(is_allowed(first) && !is_allowed(first.pred_opt().expect("a date")));
    }
}
