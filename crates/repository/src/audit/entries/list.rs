//! List of the entries.
//!
//! The statements are written by hand, because the DSL cannot convert `jsonb` and `inet` to text. They are planned anew
//! each time: a generic plan cannot know how many entries are in the range of times.

use crate::prelude::*;
use serde_json::value::RawValue;
use std::net::IpAddr;
use std::str::FromStr;
use steadfast_domain::audit::entries::{Entry, EntryCursor, EntryFilter, Selection, all_times};
use steadfast_postgres::diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz};

/// Lists a page of the entries that match a filter, the newest first, with the total.
pub const ENTRIES: Operation<Read> = paged(Operation::read("audit.entries").served_by(&[
    "audit_log_pkey",
    "idx_audit_log_correlation_date",
    "idx_audit_log_resource_action",
    "idx_audit_log_resource_date",
    "idx_audit_log_user_action_date",
    "ix_audit_log_action_time",
    "ix_audit_log_success",
]));

/// Columns of [`EntryRow`].
const COLUMNS: &str = "id, created_at, correlation_id, user_id, session_id, api_key_id, action, resource_type, \
     resource_id, old_values::text, new_values::text, details::text, success, error_message, \
     host(ip_address) AS ip_address, user_agent";

/// Returns a page of the entries that match `filter`, the newest first, with the total. Each selection is served by an
/// index of its own.
pub async fn entries(
    store: &Store,
    filter: &EntryFilter,
    position: &Position<EntryCursor>,
) -> Result<Page<Entry>, Error> {
    let statements = (|| rows(filter, position), || count(filter));
    let key = |row: &EntryRow| EntryCursor { created_at: row.created_at, id: row.id };
    page(store, &ENTRIES, position, statements, key).await
}

/// Selects the entries of the page at `position`, and one more.
fn rows<'a>(filter: &'a EntryFilter, position: &Position<EntryCursor>) -> BoxedSql<'a> {
    let EntryFilter { selection, range } = filter;
    let (from, to) = range.unwrap_or_else(all_times);
    // Without a cursor, the entries before the end of the range.
    let last = position.cursor().copied().unwrap_or(EntryCursor { created_at: to, id: i64::MIN });
    let page = |sql: String| sql_query(sql).into_boxed();
    if let Selection::All = selection {
        // No index on the time alone is needed: the ids have the order of the writes.
        let before = position.cursor().map_or(i64::MAX, |last| last.id);
        page(format!("SELECT {COLUMNS} FROM audit_log WHERE id < $1 ORDER BY id DESC LIMIT $2 OFFSET $3"))
            .bind::<BigInt, _>(before)
            .bind::<BigInt, _>(position.limit())
            .bind::<BigInt, _>(position.offset())
    } else {
        let condition = condition(selection, ["$6", "$7"]);
        // The comparison of `created_at` alone excludes partitions.
        let select = page(format!(
            "SELECT {COLUMNS} FROM audit_log WHERE {condition} AND created_at >= $1 AND created_at <= $2 \
             AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5"
        ));
        let select = select
            .bind::<Timestamptz, _>(from)
            .bind::<Timestamptz, _>(last.created_at.clamp(from, to))
            .bind::<BigInt, _>(last.id)
            .bind::<BigInt, _>(position.limit())
            .bind::<BigInt, _>(position.offset());
        selected(select, selection)
    }
}

/// Counts the matching entries, up to the limit of totals.
fn count(filter: &EntryFilter) -> BoundedCount<BoxedSql<'_>> {
    let counted = |conditions: String, order: &str| {
        sql_query(format!("SELECT FROM audit_log WHERE {conditions} ORDER BY {order} DESC")).into_boxed()
    };
    let selection = &filter.selection;
    BoundedCount(match filter.range {
        _ if *selection == Selection::All => counted("true".to_owned(), "id"),
        // Without a condition on the time, a generic plan expects many entries, too.
        None => selected(counted(condition(selection, ["$1", "$2"]), "created_at"), selection),
        Some((from, to)) => {
            let condition = condition(selection, ["$3", "$4"]);
            let counted =
                counted(format!("{condition} AND created_at >= $1 AND created_at < $2"), "created_at");
            selected(counted.bind::<Timestamptz, _>(from).bind::<Timestamptz, _>(to), selection)
        }
    })
}

/// Returns the condition of a selection on its parameters, which are named `one` and `other`.
fn condition(selection: &Selection, [one, other]: [&str; 2]) -> String {
    match selection {
        Selection::All => "true".to_owned(),
        Selection::UserAction(..) => format!("user_id = {one} AND action = {other}"),
        Selection::ResourceAction(..) => format!("resource_type = {one} AND action = {other}"),
        Selection::Resource(..) => format!("resource_type = {one} AND resource_id = {other}"),
        Selection::Correlation(_) => format!("correlation_id = {one}"),
        Selection::Action(_) => format!("action = {one}"),
        // The predicate of the partial index.
        Selection::Failures => "NOT success".to_owned(),
    }
}

/// Binds the parameters of [`condition`].
fn selected<'a>(sql: BoxedSql<'a>, selection: &'a Selection) -> BoxedSql<'a> {
    match selection {
        Selection::All | Selection::Failures => sql,
        Selection::UserAction(user, action) => sql.bind::<BigInt, _>(*user).bind::<Text, _>(action),
        Selection::ResourceAction(one, other) | Selection::Resource(one, other) => {
            sql.bind::<Text, _>(one).bind::<Text, _>(other)
        }
        Selection::Correlation(one) | Selection::Action(one) => sql.bind::<Text, _>(one),
    }
}

/// An entry, with JSON and address as text.
#[derive(QueryableByName)]
struct EntryRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    correlation_id: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    user_id: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    session_id: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    api_key_id: Option<i64>,
    #[diesel(sql_type = Text)]
    action: String,
    #[diesel(sql_type = Text)]
    resource_type: String,
    #[diesel(sql_type = Nullable<Text>)]
    resource_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    old_values: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    new_values: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    details: Option<String>,
    #[diesel(sql_type = Bool)]
    success: bool,
    #[diesel(sql_type = Nullable<Text>)]
    error_message: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    ip_address: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    user_agent: Option<String>,
}

impl Parse<Entry> for EntryRow {
    fn parse(self, _: &'static str) -> Result<Entry, Error> {
        Ok(Entry {
            id: self.id,
            created_at: self.created_at,
            correlation_id: self.correlation_id,
            user_id: self.user_id,
            session_id: self.session_id,
            api_key_id: self.api_key_id,
            action: self.action,
            resource_type: self.resource_type,
            resource_id: self.resource_id,
            old_values: parsed(self.old_values, "audit_log.old_values", RawValue::from_string)?,
            new_values: parsed(self.new_values, "audit_log.new_values", RawValue::from_string)?,
            details: parsed(self.details, "audit_log.details", RawValue::from_string)?,
            success: self.success,
            error_message: self.error_message,
            ip_address: parsed(self.ip_address, "audit_log.ip_address", |text| IpAddr::from_str(&text))?,
            user_agent: self.user_agent,
        })
    }
}

/// Parses JSON or an address that the database wrote.
fn parsed<T, E>(
    text: Option<String>,
    column: &str,
    parse: impl Fn(String) -> Result<T, E>,
) -> Result<Option<T>, Error> {
    text.map(parse).transpose().map_err(|_| invalid(column))
}
