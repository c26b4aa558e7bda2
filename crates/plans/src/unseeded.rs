//! Tables with too little data: reading one of eight pages without an index costs nothing, so nothing is proven there.

use crate::replay_database::ReplayDatabase;
use crate::{Error, Finding, Judged, Rule};
use std::collections::BTreeSet;

/// A table that is small by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmallTable<'a> {
    /// Its name, written as in SQL: with its schema where it needs that.
    pub table: &'a str,
    /// Maximum number of rows.
    pub rows: u64,
    /// What enforces that maximum: a constraint, or a test.
    pub because: &'a str,
}

/// A finding for each table that a case reads or writes and that has no more than eight pages in `database`, the larger
/// size, unless it is one of `small`; and for each of `small` that has more rows than it may have.
///
/// # Errors
/// Returns [`Error::Database`] if the rows of a small table cannot be counted.
pub async fn unseeded(
    database: &ReplayDatabase,
    judged: impl IntoIterator<Item = &Judged>,
    small: &[SmallTable<'_>],
) -> Result<Vec<Finding>, Error> {
    let statements = judged.into_iter().flat_map(|case| &case.statements);
    let touched: BTreeSet<&str> =
        statements.flat_map(|statement| &statement.touched).map(|touched| touched.table.as_str()).collect();
    let mut findings = Vec::new();
    for table in touched {
        let declared = small.iter().find(|declared| declared.table == table);
        match declared {
            Some(declared) => findings.extend(too_many(database, declared).await?),
            None if database.facts.is_small_table(table) => findings.push(finding(
                table,
                "more than eight pages at the larger size, or to be declared small".to_owned(),
                "eight pages at most, which are read as fast without an index".to_owned(),
                "seed it, or declare it small with its maximum number of rows",
            )),
            None => {}
        }
    }
    Ok(findings)
}

async fn too_many(database: &ReplayDatabase, declared: &SmallTable<'_>) -> Result<Option<Finding>, Error> {
    let SmallTable { table, rows, because } = declared;
    let sql = format!("SELECT count(*) FROM {table}");
    let counted = database.client.query_one(&sql, &[]).await;
    let counted: i64 = counted.map_err(Error::database(format!("count the rows of {table}")))?.get(0);
    let finding = || {
        finding(
            table,
            format!("at most {rows} rows, as declared: {because}"),
            format!("{counted} rows"),
            "seed as many rows as there will be; if there will be more than declared, remove the declaration",
        )
    };
    Ok((counted.cast_unsigned() > *rows).then(finding))
}

fn finding(table: &str, expected: String, found: String, suggestion: &str) -> Finding {
    Finding::new(Rule::Unseeded, table, expected, found, suggestion)
}
