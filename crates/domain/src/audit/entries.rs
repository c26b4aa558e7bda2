//! Entries of the audit trail, as they are listed.

use crate::page::PageLimits;
use crate::{Invalid, text};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::net::IpAddr;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

/// Page sizes of the list of entries.
pub const ENTRIES_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

/// An entry of the audit trail.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct Entry {
    /// Row id, in the order of the writes.
    pub id: i64,
    /// Time of the write.
    pub created_at: DateTime<Utc>,
    /// Id of the request, as in the log of the server.
    pub correlation_id: String,
    /// Row id of the user; null if the caller was no user.
    pub user_id: Option<i64>,
    /// Row id of the user's session.
    pub session_id: Option<i64>,
    /// Row id of the API key; null if the caller had none.
    pub api_key_id: Option<i64>,
    /// Kind of effect.
    #[schema(example = "update")]
    pub action: String,
    /// Kind of resource.
    #[schema(example = "client")]
    pub resource_type: String,
    /// Id of the resource; null if there was none.
    pub resource_id: Option<String>,
    /// The resource before the change; null for a creation and a read.
    #[schema(value_type = Option<Object>)]
    pub old_values: Option<Box<RawValue>>,
    /// The resource after the change; null for a deletion and a read.
    #[schema(value_type = Option<Object>)]
    pub new_values: Option<Box<RawValue>>,
    /// Further facts about the effect.
    #[schema(value_type = Option<Object>)]
    pub details: Option<Box<RawValue>>,
    /// False if the request was refused.
    pub success: bool,
    /// Reason for the refusal.
    pub error_message: Option<String>,
    /// Address from which the request came.
    #[schema(value_type = Option<String>, example = "192.0.2.1")]
    pub ip_address: Option<IpAddr>,
    /// Header `User-Agent` of the request, cut to 512 characters.
    pub user_agent: Option<String>,
}

/// Unvalidated parameters of the list. An index serves these combinations: none, `user_id` and `action`, `resource_type`
/// and `action`, `resource_type` and `resource_id`, `correlation_id`, `action`, and `success`.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct EntryParameters {
    /// Row id of the user who sent the request. Requires `action`.
    pub user_id: Option<i64>,
    /// Kind of effect, such as `read`. Alone, or with `user_id` or `resource_type`.
    #[param(max_length = 100, pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*)$")]
    pub action: Option<String>,
    /// Kind of resource, such as `client`. Requires `action` or `resource_id`.
    #[param(max_length = 100, pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*)$")]
    pub resource_type: Option<String>,
    /// Id of the resource. Requires `resource_type`.
    #[param(max_length = 255, pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*)$")]
    pub resource_id: Option<String>,
    /// Id of the request. Excludes the other conditions but those on the time.
    #[param(max_length = 255, pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]*)$")]
    pub correlation_id: Option<String>,
    /// False for requests that were refused. Excludes the other conditions but those on the time.
    #[param(schema_with = false_schema)]
    pub success: Option<bool>,
    /// Time of the first entry. Requires another condition.
    pub from: Option<DateTime<Utc>>,
    /// Time before which the last entry was written. Requires another condition.
    pub to: Option<DateTime<Utc>>,
}

/// Returns the schema of `success`: false.
fn false_schema() -> Object {
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])).build()
}

/// Entries that a list shows, by the index that serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All entries.
    All,
    /// An action of a user.
    UserAction(i64, String),
    /// An action on a kind of resource, in this order: kind, action.
    ResourceAction(String, String),
    /// All actions on a resource, by kind and id.
    Resource(String, String),
    /// All effects of a request.
    Correlation(String),
    /// All entries of an action.
    Action(String),
    /// Refused requests.
    Failures,
}

/// Time of the first entry, and time after the last one.
pub type TimeRange = (DateTime<Utc>, DateTime<Utc>);

/// Conditions of a list of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFilter {
    /// Condition on the content.
    pub selection: Selection,
    /// Times of the entries; `None` with [`Selection::All`].
    pub range: Option<TimeRange>,
}

/// Returns the beginning of the year 1 and of the year 9999. The database cannot store all times beyond them.
pub fn all_times() -> TimeRange {
    let year = |year: i64| DateTime::from_timestamp((year - 1970) * 31_556_952, 0).unwrap_or_default();
    (year(1), year(9999))
}

/// Combinations of parameters, for messages.
const COMBINATIONS: &str = "allowed are user_id and action, resource_type and action, resource_type and resource_id, \
     correlation_id, action, or success=false, each with or without from and to";

impl EntryParameters {
    /// Validates the parameters.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming every invalid parameter, or a parameter that cannot be combined with the others.
    pub fn parse(&self) -> Result<EntryFilter, Invalid> {
        let plain = |field, value: &Option<String>, max| {
            value.as_deref().map(|value| text::plain(field, value, 1..=max)).transpose()
        };
        let kinds = Invalid::both(
            plain("action", &self.action, 100),
            plain("resource_type", &self.resource_type, 100),
        );
        let ids = Invalid::both(
            plain("resource_id", &self.resource_id, 255),
            plain("correlation_id", &self.correlation_id, 255),
        );
        let rest = Invalid::both(self.refused_only(), self.range());
        let (((action, resource), (id, correlation)), (success, range)) =
            Invalid::both(Invalid::both(kinds, ids), rest)?;
        let selection = match (self.user_id, action, resource, id, correlation, success) {
            (None, None, None, None, None, None) => self.all()?,
            (Some(user), Some(action), None, None, None, None) => Selection::UserAction(user, action),
            (None, Some(action), Some(resource), None, None, None) => {
                Selection::ResourceAction(resource, action)
            }
            (None, None, Some(resource), Some(id), None, None) => Selection::Resource(resource, id),
            (None, None, None, None, Some(correlation), None) => Selection::Correlation(correlation),
            (None, Some(action), None, None, None, None) => Selection::Action(action),
            (None, None, None, None, None, Some(())) => Selection::Failures,
            _ => return Err(self.not_combinable()),
        };
        Ok(EntryFilter { selection, range })
    }

    fn refused_only(&self) -> Result<Option<()>, Invalid> {
        match self.success {
            None => Ok(None),
            Some(false) => Ok(Some(())),
            Some(true) => Err(Invalid::field("success", "must be false")),
        }
    }

    /// Returns the range of times; `None` if neither end is given.
    fn range(&self) -> Result<Option<TimeRange>, Invalid> {
        let (earliest, latest) = all_times();
        match (self.from, self.to) {
            (None, None) => Ok(None),
            (Some(from), Some(to)) if from > to => Err(Invalid::field("to", "must not be before from")),
            (from, to) => {
                let within =
                    |time: Option<DateTime<Utc>>, other| time.unwrap_or(other).clamp(earliest, latest);
                Ok(Some((within(from, earliest), within(to, latest))))
            }
        }
    }

    fn all(&self) -> Result<Selection, Invalid> {
        let time = self.from.map(|_| "from").or_else(|| self.to.map(|_| "to"));
        let refused = |field| Invalid::field(field, format!("requires another condition: {COMBINATIONS}"));
        time.map_or(Ok(Selection::All), |field| Err(refused(field)))
    }

    /// Returns the error of a combination that no index serves. Names the first of its parameters.
    fn not_combinable(&self) -> Invalid {
        let given = [
            ("user_id", self.user_id.is_some()),
            ("resource_type", self.resource_type.is_some()),
            ("resource_id", self.resource_id.is_some()),
            ("correlation_id", self.correlation_id.is_some()),
            ("success", self.success.is_some()),
        ];
        let first = given.iter().find(|(_, is_given)| *is_given).map_or("action", |(name, _)| *name);
        Invalid::field(first, format!("cannot be used in this combination: {COMBINATIONS}"))
    }
}

/// Sort key of the list: by time, the newest first, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryCursor {
    /// Time of the entry.
    pub created_at: DateTime<Utc>,
    /// Row id.
    pub id: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &[(&str, &str)]) -> EntryParameters {
        let value =
            |name| query.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        EntryParameters {
            user_id: value("user_id").map(|id| id.parse().expect("an id")),
            action: value("action"),
            resource_type: value("resource_type"),
            resource_id: value("resource_id"),
            correlation_id: value("correlation_id"),
            success: value("success").map(|flag| flag == "true"),
            from: value("from").map(|time| time.parse().expect("a time")),
            to: value("to").map(|time| time.parse().expect("a time")),
        }
    }

    fn fields(query: &[(&str, &str)]) -> Vec<String> {
        let invalid = parameters(query).parse().expect_err("refused");
        invalid.fields().iter().map(|field| field.field.clone()).collect()
    }

    const USER: (&str, &str) = ("user_id", "7");
    const ACTION: (&str, &str) = ("action", "read");
    const TYPE: (&str, &str) = ("resource_type", "client");
    const ID: (&str, &str) = ("resource_id", "3");
    const CORRELATION: (&str, &str) = ("correlation_id", "a-request");
    const REFUSED: (&str, &str) = ("success", "false");
    const FROM: (&str, &str) = ("from", "2026-11-01T00:00:00Z");

    #[test]
    fn combinations_with_an_index_are_accepted() {
        let selection = |query: &[_]| parameters(query).parse().map(|filter| filter.selection);
        let [read, client, id] = ["read", "client", "3"].map(str::to_owned);
        assert_eq!(selection(&[]), Ok(Selection::All));
        assert_eq!(selection(&[USER, ACTION]), Ok(Selection::UserAction(7, read.clone())));
        assert_eq!(selection(&[TYPE, ACTION]), Ok(Selection::ResourceAction(client.clone(), read.clone())));
        assert_eq!(selection(&[TYPE, ID, FROM]), Ok(Selection::Resource(client, id)));
        assert_eq!(selection(&[CORRELATION]), Ok(Selection::Correlation("a-request".to_owned())));
        assert_eq!(selection(&[ACTION]), Ok(Selection::Action(read)));
        assert_eq!(selection(&[REFUSED, FROM]), Ok(Selection::Failures));
    }

    #[test]
    fn other_combinations_name_a_parameter() {
        assert_eq!(fields(&[USER]), ["user_id"]);
        assert_eq!(fields(&[USER, ACTION, TYPE]), ["user_id"]);
        assert_eq!(fields(&[TYPE]), ["resource_type"]);
        assert_eq!(fields(&[ID]), ["resource_id"]);
        assert_eq!(fields(&[CORRELATION, ACTION]), ["correlation_id"]);
        assert_eq!(fields(&[REFUSED, ACTION]), ["success"]);
        assert_eq!(fields(&[FROM]), ["from"]);
        assert_eq!(fields(&[("to", FROM.1)]), ["to"]);
    }

    #[test]
    fn names_every_invalid_parameter() {
        let wrong = [
            ("action", " "),
            ("resource_type", "a\0"),
            ("success", "true"),
            FROM,
            ("to", "2026-10-01T00:00:00Z"),
        ];
        assert_eq!(fields(&wrong), ["action", "resource_type", "success", "to"]);
    }

    #[test]
    fn times_stay_in_the_range_of_the_database() {
        let far =
            parameters(&[ACTION, ("from", "-262000-01-01T00:00:00Z"), ("to", "+262000-01-01T00:00:00Z")]);
        assert_eq!(far.parse().map(|filter| filter.range), Ok(Some(all_times())));
    }
}
