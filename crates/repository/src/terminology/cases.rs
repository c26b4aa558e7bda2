//! Cases of the operations on the terminology. Their codes and words exist in the imported release.

use super::seed;
use super::statistics::{maintain_partitions, refresh_popular_searches};
use super::{
    CHAPTERS, CODE_WITH_RELATIVES, CURRENT, FIND, IMPORT, LOG_SEARCHES, REFRESH, ROLL_BACK, SEARCH_CODE,
    SEARCH_SIMILARITY, SEARCH_TERM, STATISTICS, UPKEEP,
};
use super::{
    chapters, code_with_relatives, current_release, find, import, log_searches, roll_back, search,
    search_statistics,
};
use crate::Store;
use crate::cases::{ANY, Case};
use chrono::{DateTime, Days, NaiveDate};
use std::time::Duration;
use steadfast_domain::Invalid;
use steadfast_domain::terminology::{IcdCode, ImportRow, Leg, Query, SearchLog};

const CODE: &[&str] = &["icd10_codes_pkey"];
const PREFIX: &[&str] = &["idx_icd10_code_prefix_active"];
const TERM: &[&str] = &["idx_icd10_term_fulltext"];
const DAY: &[&str] = &["search_stats_daily_pkey"];

/// Queries for the legs that search terms.
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

/// Indexes that a requirement document names.
pub(crate) const DOCUMENTED: &[(&str, &str)] = &[
    ("idx_search_logs_user_time", "requirements of the terminology"),
    ("idx_search_logs_query_hash", "requirements of the terminology"),
];

/// Small tables: name, maximum number of rows, and reason.
pub(crate) const SMALL_TABLES: &[(&str, u64, &str)] = &[
    ("icd10_green.chapters", 100, "ICD-10-CM has 22 chapters; a test counts those of the release in data/"),
    (
        "icd10_releases",
        100,
        "an import deletes the rows of all but the last hundred releases; a test counts them",
    ),
];

/// Returns the cases of this area.
pub(crate) fn all() -> Result<Vec<Case>, Invalid> {
    let parts = [searches()?, look_ups()?, releases()?, logs_and_statistics()];
    Ok(parts.into_iter().flatten().collect())
}

fn searches() -> Result<Vec<Case>, Invalid> {
    let by_code = async |store: Store, query: Query| search(&store, Leg::Code, &query).await;
    let by_term = async |store: Store, query: Query| search(&store, Leg::Term, &query).await;
    let by_similarity = async |store: Store, query: Query| search(&store, Leg::Similarity, &query).await;
    let query = |text: &str| Query::new(text, None);
    let in_chapter = |text: &str| query(text)?.in_chapter(Some("19"));
    let with_inactive = |text: &str| query(text).map(|query| query.with_inactive(true));
    let codes = [
        ("a letter", PREFIX, query("S.")?),
        ("two characters", PREFIX, query("S7")?),
        ("a category", PREFIX, query("E11")?),
        ("a whole code", PREFIX, query("S72.001A")?),
        ("absent", PREFIX, query("Q9999")?),
        ("inactive ones too", PREFIX, with_inactive("S72")?),
        ("in a chapter", PREFIX, in_chapter("S72")?),
        // An empty range: neither a row nor an index entry is read.
        ("in a chapter of other codes", PREFIX, in_chapter("E11")?),
    ];
    let mut terms = vec![
        ("inactive ones too", TERM, with_inactive("fracture")?),
        ("in a chapter", TERM, in_chapter("fracture")?),
    ];
    let misspelt =
        "transiz enteriz choroiz inertiz neuromz parentz pontinz countrz cardiaz trachez posturz microtz";
    let mut similar = vec![
        ("twelve misspelt words", ANY, query(misspelt)?),
        ("in a chapter", TERM, in_chapter("fractur")?),
    ];
    for (name, text) in QUERIES {
        terms.push((name, TERM, query(text)?));
        similar.push((name, ANY, query(text)?));
    }
    let mut cases = Case::each(&SEARCH_CODE, by_code, codes);
    cases.extend(Case::each(&SEARCH_TERM, by_term, terms));
    cases.extend(Case::each(&SEARCH_SIMILARITY, by_similarity, similar));
    Ok(cases)
}

fn look_ups() -> Result<Vec<Case>, Invalid> {
    let code = |text: &str| IcdCode::parse("code", text);
    let look_up = async |store: Store, code: IcdCode| code_with_relatives(&store, &code).await;
    let find_all = async |store: Store, codes: Vec<IcdCode>| find(&store, &codes).await;
    let hundred = (0..100).map(|number| code(&format!("E{:02}", number % 90))).collect::<Result<_, _>>()?;
    let codes = [
        ("a leaf", CODE, code("S72001A")?),
        ("a category", CODE, code("E11")?),
        ("most children", CODE, code("S72")?),
        ("no such code", CODE, code("Q9999")?),
    ];
    let batches = [
        ("one", CODE, vec![code("E00")?]),
        ("a hundred", CODE, hundred),
        ("unknown codes", CODE, vec![code("Q9999")?]),
    ];
    let mut cases = Case::each(&CODE_WITH_RELATIVES, look_up, codes);
    cases.extend(Case::each(&FIND, find_all, batches));
    cases.push(Case::new(&CHAPTERS, "all", ANY, async |store| chapters(&store).await.map(drop)));
    Ok(cases)
}

fn releases() -> Result<Vec<Case>, Invalid> {
    let rows =
        vec![row("A00", "Cholera", None)?, row("A000", "Cholera due to Vibrio cholerae 01", Some("A00"))?];
    let again = rows.clone();
    Ok(vec![
        Case::new(&CURRENT, "the one", ANY, async |store| current_release(&store).await.map(drop)),
        Case::new(&ROLL_BACK, "nothing before", ANY, async |store| roll_back(&store).await.map(drop)),
        // The second import fills the other slot.
        Case::new(&IMPORT, "a small release, and the next", ANY, move |store| {
            let rows = rows.clone();
            async move {
                import(&store, "a case", &rows, |_| {}).await?;
                import(&store, "the next case", &rows[..1], |_| {}).await.map(drop)
            }
        })
        .heavy(),
        Case::new(&ROLL_BACK, "to the release before", ANY, move |store| {
            let rows = again.clone();
            async move {
                import(&store, "a case", &rows, |_| {}).await?;
                roll_back(&store).await.map(drop)
            }
        })
        .heavy(),
    ])
}

fn logs_and_statistics() -> Vec<Case> {
    let log_all = async |store: Store, count: usize| {
        log_searches(&store, &(0..count).map(log).collect::<Vec<_>>()).await
    };
    let add_up = async |store: Store, since: NaiveDate| search_statistics(&store, since).await;
    let mut cases = Case::each(&LOG_SEARCHES, log_all, [("one", DAY, 1), ("a hundred", DAY, 100)]);
    let (month, future) = (seed::newest_day() - Days::new(29), seed::newest_day() + Days::new(1));
    cases.extend(Case::each(&STATISTICS, add_up, [("days to come", ANY, future), ("a month", ANY, month)]));
    cases.extend([
        Case::new(&REFRESH, "a night", ANY, async |store| refresh_popular_searches(&store).await.map(drop)),
        // The month of the search has no partition, so upkeep deletes it. This case is last, because the first
        // statement on the log in a session also reads the catalogue of its partitions, and a heavy case runs at one
        // scale only.
        Case::new(&UPKEEP, "an old search", ANY, async |store| {
            log_searches(&store, &[log(0)]).await?;
            maintain_partitions(&store).await.map(drop)
        })
        .heavy(),
    ]);
    cases
}

/// Returns a search in a month without its own partition, so that it does not depend on the day of the verification.
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

fn row(code: &str, term: &str, parent: Option<&str>) -> Result<ImportRow, Invalid> {
    let code = IcdCode::parse("code", code)?;
    Ok(ImportRow {
        category: IcdCode::parse("category", &code.as_str()[..3])?,
        code,
        term: term.to_owned(),
        parent_code: parent.map(|parent| IcdCode::parse("parent_code", parent)).transpose()?,
        block: "A00-A09".to_owned(),
        chapter: "1 Certain infectious and parasitic diseases (A00-B99)".to_owned(),
        billable: parent.is_some(),
    })
}
