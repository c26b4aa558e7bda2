//! Storing the status of checked keys.

use super::rows::{COLUMNS, KeyRow};
use crate::prelude::*;
use steadfast_domain::keys::{KeyStatus, Upserted};
use steadfast_postgres::diesel::sql_types::{Array, Bool, Integer, Nullable, Text, Timestamptz};

/// Stores the status of keys.
pub const UPSERT: Operation<Write> =
    Operation::write("keys.upsert").served_by(&["ix_pidms_keys_keyname", "pidms_products_pkey"]);

/// Column that is true if the row was inserted: no other transaction has locked or deleted it. PostgreSQL does not
/// document this; the tests verify it on the version that they run on.
const IS_NEW: &str = "(xmax = 0) AS is_new";

/// Inserts or updates the status of each key, in one statement and one transaction.
///
/// `statuses` has at most 50 entries with distinct keys. Returns one entry for each, in the order of keys. Conflicts
/// are found by `ix_pidms_keys_keyname`.
///
/// # Errors
/// Returns [`Error`] if nothing was stored, or [`Error::OutcomeUnknown`] if it is unknown whether the statuses were
/// stored. Repeating the call is safe.
pub async fn upsert(store: &Store, statuses: &[KeyStatus]) -> Result<Vec<Upserted>, Error> {
    // In the order of keys, so that two checks of the same keys wait for each other instead of deadlocking.
    let mut sorted: Vec<&KeyStatus> = statuses.iter().collect();
    sorted.sort_by_key(|status| status.key);
    let rows: Vec<UpsertedRow> =
        store.write(&UPSERT, async |conn| statement(&sorted).get_results(conn).await).await?;
    rows.into_iter().map(UpsertedRow::parse).collect()
}

/// A key after its upsert.
#[derive(QueryableByName)]
struct UpsertedRow {
    #[diesel(embed)]
    stored: KeyRow,
    #[diesel(sql_type = Bool)]
    is_new: bool,
}

impl UpsertedRow {
    /// Converts the row into the domain's type.
    fn parse(self) -> Result<Upserted, Error> {
        Ok(Upserted { stored: self.stored.parse()?, is_new: self.is_new })
    }
}

/// Builds the statement. Written by hand: with `unnest` its text is the same for any number of keys, which the DSL
/// cannot express.
fn statement<'a>(statuses: &[&'a KeyStatus]) -> Cached<BoxedSql<'a>> {
    let sql = format!(
        "INSERT INTO pidms_keys AS stored (keyname, keyname_with_dash, prd, eid, is_key_type, is_retail, sub, \
         remaining, blocked, errorcode, had_occurred, invalid, datetime_checked_done, checked_at) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (keyname) DO UPDATE SET (prd, eid, is_key_type, is_retail, sub, remaining, blocked, errorcode, \
         had_occurred, invalid, datetime_checked_done, checked_at, updated_at) = (excluded.prd, excluded.eid, \
         excluded.is_key_type, excluded.is_retail, excluded.sub, excluded.remaining, excluded.blocked, \
         excluded.errorcode, excluded.had_occurred, excluded.invalid, excluded.datetime_checked_done, \
         excluded.checked_at, now()) \
         RETURNING {COLUMNS}, {IS_NEW}"
    );
    let texts = |of: fn(&'a KeyStatus) -> Option<&'a str>| each(statuses, of);
    let query = sql_query(sql)
        .into_boxed()
        .bind::<Array<Text>, _>(each(statuses, |status| status.key.as_str()))
        .bind::<Array<Text>, _>(each(statuses, |status| status.key.dashed()))
        .bind::<Array<Text>, _>(each(statuses, |status| &*status.product))
        .bind::<Array<Nullable<Text>>, _>(texts(|status| status.extended_pid.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(texts(|status| status.key_type.as_deref()))
        .bind::<Array<Nullable<Integer>>, _>(each(statuses, |status| status.is_retail))
        .bind::<Array<Nullable<Text>>, _>(texts(|status| status.sub_type.as_deref()))
        .bind::<Array<Integer>, _>(each(statuses, |status| status.remaining))
        .bind::<Array<Integer>, _>(each(statuses, |status| if status.blocked { 1 } else { -1 }))
        .bind::<Array<Nullable<Text>>, _>(texts(|status| status.error_code.as_deref()))
        .bind::<Array<Nullable<Integer>>, _>(each(statuses, |status| status.had_occurred))
        .bind::<Array<Nullable<Integer>>, _>(each(statuses, |status| status.invalid))
        .bind::<Array<Nullable<Text>>, _>(texts(|status| status.checked_text.as_deref()))
        .bind::<Array<Nullable<Timestamptz>>, _>(each(statuses, |status| status.checked_at));
    cached(query)
}

fn each<'a, T>(statuses: &[&'a KeyStatus], of: impl Fn(&'a KeyStatus) -> T) -> Vec<T> {
    statuses.iter().map(|status| of(status)).collect()
}
