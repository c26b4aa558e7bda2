//! The cases of the operations on the terminology. Their codes and words are of the real table.

use super::seed;
use super::statistics::{keep_months, refresh_popular_searches};
use super::{
    CHAPTERS, CURRENT, FIND, IMPORT, LOG_SEARCHES, PLACE, REFRESH, ROLL_BACK, SEARCH_CODE, SEARCH_SIMILARITY,
    SEARCH_TERM, STATISTICS, UPKEEP,
};
use super::{
    chapters, current_release, find, import, log_searches, place, roll_back, search, search_statistics,
};
use crate::cases::Case;
use chrono::{DateTime, Days};
use std::time::Duration;
use steadfast_domain::terminology::{IcdCode, ImportRow, Leg, Query, SearchLog};
use steadfast_postgres::AnyOperation;

const CODE: &[&str] = &["icd10_codes_pkey"];
const PREFIX: &[&str] = &["idx_icd10_code_prefix_active"];
const TERM: &[&str] = &["idx_icd10_term_fulltext"];

/// Queries for the legs that look at terms.
const QUERIES: [(&str, &str); 10] = [
    ("rare", "cholera"),
    ("common", "fracture"),
    ("most common", "encounter"),
    ("absent", "zzyzx"),
    ("misspelt", "diabtes"),
    ("several words", "fracture of femur left"),
    ("several, misspelt", "fractur of femor"),
    ("unfinished", "hypert"),
    ("two letters", "hy"),
    ("long", "unspecified fracture of upper end of left humerus subsequent encounter with delayed healing"),
];

/// Demanded by name.
pub(crate) const DOCUMENTED: &[(&str, &str)] = &[
    ("idx_search_logs_user_time", "requirements of the terminology"),
    ("idx_search_logs_query_hash", "requirements of the terminology"),
];

/// Tables that stay small.
pub(crate) const SMALL_TABLES: &[(&str, u64, &str)] = &[
    ("icd10_green.chapters", 100, "ICD-10-CM has 22 chapters; a test counts those of the table in data/"),
    (
        "icd10_releases",
        100,
        "an import deletes what was said of all but the last hundred; a test counts them",
    ),
];

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = vec![
        Case::new(&CHAPTERS, "all", &[], async |store| chapters(&store).await.map(drop)),
        Case::new(&CURRENT, "the one", &[], async |store| current_release(&store).await.map(drop)),
        Case::new(&REFRESH, "a night", &[], async |store| refresh_popular_searches(&store).await.map(drop)),
        Case::new(&ROLL_BACK, "nothing before", &[], async |store| roll_back(&store).await.map(drop)),
        // The next one goes to the other slot.
        Case::new(&IMPORT, "a small release, and the next", &[], async |store| {
            import(&store, "a case", &release(), |_| {}).await?;
            import(&store, "the next case", &release()[..1], |_| {}).await.map(drop)
        })
        .heavy(),
        Case::new(&ROLL_BACK, "to the release before", &[], async |store| {
            import(&store, "a case", &release(), |_| {}).await?;
            roll_back(&store).await.map(drop)
        })
        .heavy(),
    ];
    cases.extend(by_code());
    for (name, query) in QUERIES {
        cases.push(leg(&SEARCH_TERM, name, TERM, Leg::Term, query, false));
        cases.push(leg(&SEARCH_SIMILARITY, name, &[], Leg::Similarity, query, false));
    }
    let all_misspelt =
        "transiz enteriz choroiz inertiz neuromz parentz pontinz countrz cardiaz trachez posturz microtz";
    cases.push(leg(&SEARCH_SIMILARITY, "twelve misspelt words", &[], Leg::Similarity, all_misspelt, false));
    cases.push(asked(&SEARCH_TERM, "inactive ones too", TERM, Leg::Term, with_inactive("fracture")));
    cases.push(leg(&SEARCH_TERM, "in a chapter", TERM, Leg::Term, "fracture", true));
    cases.push(leg(&SEARCH_SIMILARITY, "in a chapter", TERM, Leg::Similarity, "fractur", true));
    for (name, code) in
        [("a leaf", "S72001A"), ("a category", "E11"), ("most children", "S72"), ("no such code", "Q9999")]
    {
        cases.push(Case::new(&PLACE, name, CODE, move |store| async move {
            match IcdCode::parse("code", code) {
                Ok(code) => place(&store, &code).await.map(drop),
                Err(_) => Ok(()),
            }
        }));
    }
    for (name, count) in [("one", 1), ("a hundred", 100)] {
        cases.push(found(name, count));
        cases.push(logged(name, count));
    }
    cases.push(Case::new(&FIND, "codes that nobody has", CODE, async |store| {
        let codes: Vec<IcdCode> = IcdCode::parse("code", "Q9999").into_iter().collect();
        find(&store, &codes).await.map(drop)
    }));
    cases.push(Case::new(&STATISTICS, "days to come", &[], async |store| {
        search_statistics(&store, seed::newest_day() + Days::new(1)).await.map(drop)
    }));
    cases.push(Case::new(&STATISTICS, "a month", &[], async |store| {
        search_statistics(&store, seed::newest_day() - Days::new(29)).await.map(drop)
    }));
    // A search of long ago has no month of its own, and goes. After the cases that log: whoever comes to the log first in a
    // session also reads what the server knows of its partitions, and this one does not run at both sizes.
    cases.push(
        Case::new(&UPKEEP, "an old search", &[], async |store| {
            log_searches(&store, &[log(0)]).await?;
            keep_months(&store).await.map(drop)
        })
        .heavy(),
    );
    cases
}

fn by_code() -> Vec<Case> {
    let mut cases = vec![
        asked(&SEARCH_CODE, "inactive ones too", PREFIX, Leg::Code, with_inactive("S72")),
        leg(&SEARCH_CODE, "in a chapter", PREFIX, Leg::Code, "S72", true),
        // A range that ends before it begins: no row is read, and no index entry.
        leg(&SEARCH_CODE, "in a chapter of other codes", PREFIX, Leg::Code, "E11", true),
    ];
    for (name, query) in [
        ("a letter", "S."),
        ("two characters", "S7"),
        ("a category", "E11"),
        ("a whole code", "S72.001A"),
        ("absent", "Q9999"),
    ] {
        cases.push(leg(&SEARCH_CODE, name, PREFIX, Leg::Code, query, false));
    }
    cases
}

fn leg(
    operation: &'static AnyOperation,
    name: &'static str,
    served_by: &'static [&'static str],
    leg: Leg,
    text: &'static str,
    in_chapter: bool,
) -> Case {
    let query = Query::new(text, None).ok();
    let query = if in_chapter { query.and_then(|query| query.in_chapter(Some("19")).ok()) } else { query };
    asked(operation, name, served_by, leg, query)
}

fn with_inactive(text: &str) -> Option<Query> {
    Some(Query::new(text, None).ok()?.with_inactive(true))
}

/// What is no query asks nothing, which the test of all cases finds.
fn asked(
    operation: &'static AnyOperation,
    name: &'static str,
    served_by: &'static [&'static str],
    leg: Leg,
    query: Option<Query>,
) -> Case {
    Case::new(operation, name, served_by, move |store| {
        let query = query.clone();
        async move {
            match query {
                Some(query) => search(&store, leg, &query).await.map(drop),
                None => Ok(()),
            }
        }
    })
}

fn found(name: &'static str, count: usize) -> Case {
    Case::new(&FIND, name, CODE, move |store| async move {
        let codes: Vec<IcdCode> = (0..count)
            .filter_map(|number| IcdCode::parse("code", &format!("E{:02}", number % 90)).ok())
            .collect();
        find(&store, &codes).await.map(drop)
    })
}

fn logged(name: &'static str, count: usize) -> Case {
    Case::new(&LOG_SEARCHES, name, &["search_stats_daily_pkey"], move |store| async move {
        log_searches(&store, &(0..count).map(log).collect::<Vec<_>>()).await
    })
}

/// A search of a month without a partition of its own, so that it is the same on every day that verification runs.
fn log(number: usize) -> SearchLog {
    SearchLog {
        caller: Some(1),
        query: Some(format!("query {number}")),
        results: 3,
        took: Duration::from_millis(7),
        cache_hit: false,
        at: DateTime::from_timestamp(978_307_200, 0).unwrap_or_default(),
    }
}

fn row(code: &str, term: &str, parent: Option<&str>) -> Option<ImportRow> {
    let code = IcdCode::parse("code", code).ok()?;
    Some(ImportRow {
        category: IcdCode::parse("category", &code.as_str()[..3]).ok()?,
        code,
        term: term.to_owned(),
        parent_code: parent.and_then(|parent| IcdCode::parse("parent_code", parent).ok()),
        block: "A00-A09".to_owned(),
        chapter: "1 Certain infectious and parasitic diseases (A00-B99)".to_owned(),
        billable: parent.is_some(),
    })
}

fn release() -> Vec<ImportRow> {
    [row("A00", "Cholera", None), row("A000", "Cholera due to Vibrio cholerae 01", Some("A00"))]
        .into_iter()
        .flatten()
        .collect()
}
