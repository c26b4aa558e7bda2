//! Legs of a search. Each is an operation.
//!
//! The statements are written by hand: the DSL has neither `LATERAL` nor full-text search operators.

mod words;

use super::document::{self, Alternatives};
use crate::prelude::*;
use steadfast_domain::terminology::{
    CODE_LENGTH_MAX, Candidate, IcdCode, Leg, Match, Query, Trigrams, by_similarity, by_words,
};
use steadfast_postgres::diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};
use steadfast_schema::views::icd10_codes;

/// Searches for codes that begin with a text.
pub const SEARCH_CODE: Operation<Read> =
    Operation::read("terminology.search_code").served_by(&["idx_icd10_code_prefix_active"]);

/// Searches for terms that have all words of a text.
pub const SEARCH_TERM: Operation<Read> = Operation::read("terminology.search_term")
    .served_by(&["idx_icd10_term_fulltext"])
    .reads(Reads::PostingLists, LISTS);

/// Searches for terms that are similar to a text.
pub const SEARCH_SIMILARITY: Operation<Read> = Operation::read("terminology.search_similarity")
    .statements(3)
    .served_by(&["icd10_words_pkey", "idx_icd10_words_forms", "idx_icd10_term_fulltext"])
    .reads(Reads::PostingLists, LISTS);

/// Reason why the legs that search terms read more if there are more terms.
const LISTS: &str =
    "the full-text index keeps a list of terms for each word, and frequent words have long ones";

/// Maximum number of terms with all words that are ranked, lightest first. More than are usually returned, because
/// terms that begin with the query come first.
const WITH_ALL_WORDS_MAX: i64 = 50;

/// Maximum number of terms with most words that are ranked: first those with the fewest missing words, then those whose
/// weight is closest to the query's.
const SIMILAR_MAX: i64 = 300;

/// Confidence in a code that begins with the query.
const CODE_CONFIDENCE: f64 = 1.0;

/// Confidence in a term that has all words of the query.
const TERM_CONFIDENCE: f64 = 0.9;

/// A statement with its parameters.
type Statement<'a> = Cached<BoxedSql<'a>>;

/// Result of a leg.
#[derive(Clone, Debug, PartialEq)]
pub struct LegMatches {
    /// Matches, best first, at most the limit of the leg.
    pub matches: Vec<Match>,
    /// Release of the matches; `None` if there are none.
    pub release: Option<i64>,
}

/// Returns the matches of a leg, or `None` if the leg does not apply to the query: the query does not have the form of
/// a code, or has no words.
///
/// Codes are found by `idx_icd10_code_prefix_active` and terms by `idx_icd10_term_fulltext`. For similar terms, the
/// words of the query are first looked up by `icd10_words_pkey`, and misspelt ones by `idx_icd10_words_forms`.
///
/// # Errors
/// Returns [`Error`] if the database fails.
pub async fn search(store: &Store, leg: Leg, query: &Query) -> Result<Option<LegMatches>, Error> {
    let (release, ranked) = match leg {
        Leg::Code => {
            let Some(prefix) = query.as_code() else { return Ok(None) };
            let (release, candidates) = parsed(by_prefix(store, &prefix, query).await?)?;
            (release, all_with(CODE_CONFIDENCE, candidates))
        }
        Leg::Term | Leg::Similarity if query.words().is_empty() => return Ok(None),
        Leg::Term => {
            let (release, candidates) = parsed(with_all_words(store, query).await?)?;
            (release, all_with(TERM_CONFIDENCE, by_words(query, candidates)))
        }
        Leg::Similarity => {
            let (spelling, rows) = with_most_words(store, query).await?;
            let (release, candidates) = parsed(rows)?;
            (release, by_similarity(query, &spelling, candidates))
        }
    };
    let shown = ranked.into_iter().take(leg.limit() as usize);
    let matches = shown.map(|(candidate, confidence)| Match::new(leg, candidate, confidence)).collect();
    Ok(Some(LegMatches { matches, release }))
}

fn all_with(confidence: f64, candidates: Vec<Candidate>) -> Vec<(Candidate, f64)> {
    candidates.into_iter().map(|candidate| (candidate, confidence)).collect()
}

fn parsed(rows: Vec<MatchRow>) -> Result<(Option<i64>, Vec<Candidate>), Error> {
    let release = rows.iter().map(|row| row.release).next();
    Ok((release, rows.into_iter().map(|row| row.candidate.parse()).collect::<Result<_, _>>()?))
}

async fn by_prefix(store: &Store, prefix: &IcdCode, query: &Query) -> Result<Vec<MatchRow>, Error> {
    store.read(&SEARCH_CODE, async |conn| by_code_prefix(prefix, query).load(conn).await).await
}

async fn with_all_words(store: &Store, query: &Query) -> Result<Vec<MatchRow>, Error> {
    let (last, others) = query.words().split_last().unzip();
    let words = others.into_iter().flatten().map(|word| Alternatives::word(word));
    let groups: Vec<Alternatives> = words.chain(last.map(|word| Alternatives::beginning(word))).collect();
    let conditions = document::all_of(&groups, weight(query), query.chapter());
    let read = async |conn: &mut _| having(&conditions, query, 0, WITH_ALL_WORDS_MAX).load(conn).await;
    store.read(&SEARCH_TERM, read).await
}

async fn with_most_words(store: &Store, query: &Query) -> Result<(Vec<String>, Vec<MatchRow>), Error> {
    let weight = weight(query);
    store
        .read(&SEARCH_SIMILARITY, async |conn| {
            let corrected = words::correct(conn, query.words()).await?;
            let conditions = document::most_of(corrected.groups, weight, query.chapter());
            let rows = having(&conditions, query, weight, SIMILAR_MAX).load(conn).await?;
            Ok((corrected.spelling, rows))
        })
        .await
}

fn weight(query: &Query) -> usize {
    Trigrams::of_words(query.words()).count()
}

/// Selects the codes that begin with `prefix`, in the order of their [`kinds`] and then by code.
///
/// For each kind, the statement reads a range of the index in its order until the limit is reached, so the work depends
/// on the limit and not on the number of codes with the prefix. A chapter restricts the range to its codes. Its mark is
/// compared as well, because the schema does not prevent the ranges of two chapters from overlapping. The range of a
/// prefix ends before `~`, which no code contains and which sorts after all letters. The statement uses a range instead
/// of LIKE, because LIKE would need a custom plan for each value.
///
/// The view of chapters is read before the view of codes, because a switch of releases locks them in this order.
fn by_code_prefix<'a>(prefix: &'a IcdCode, query: &'a Query) -> Statement<'a> {
    let sql = "SELECT found.* FROM ( \
        SELECT greatest($1, min(first_code)) AS low, least($1 || '~', max(last_code)) AS high FROM icd10_chapters \
        WHERE $2 IS NULL OR lower(split_part(chapter, ' ', 1)) = $2 OR lower(chapter) LIKE '%(' || $2 || ')' \
        HAVING count(*) > 0) AS range CROSS JOIN unnest($3) AS kind CROSS JOIN LATERAL ( \
        SELECT code, term, chapter, billable, release FROM icd10_codes \
        WHERE 4 * length(code) + 2 * (NOT active)::int + (NOT billable)::int = kind \
        AND code >= range.low AND code <= range.high AND ($4 IS NULL OR document @@ $4::tsquery) \
        ORDER BY code LIMIT $5) AS found LIMIT $5";
    let statement = sql_query(sql)
        .into_boxed()
        .bind::<Text, _>(prefix.as_str())
        .bind::<Nullable<Text>, _>(query.chapter())
        .bind::<Array<Integer>, _>(kinds(prefix, query.finds_inactive()))
        .bind::<Nullable<Text>, _>(query.chapter().map(document::of_chapter))
        .bind::<BigInt, _>(Leg::Code.limit());
    cached(statement)
}

/// Returns the kinds of codes that may begin with `prefix`, as numbered by the index: shorter codes first, because they
/// are closer to the typed text, then active codes, then billable codes.
fn kinds(prefix: &IcdCode, with_inactive: bool) -> Vec<i32> {
    let of_a_length = if with_inactive { 4 } else { 2 };
    let lengths = prefix.as_str().len()..=CODE_LENGTH_MAX;
    lengths.flat_map(|length| (0..of_a_length).map(move |kind| 4 * length as i32 + kind)).collect()
}

/// Selects up to `limit` codes that satisfy one of `conditions`. A condition is evaluated only if the earlier ones
/// found too few codes. Within a condition, codes are ordered by distance to `weight`, then billable codes, shorter
/// terms and lower codes come first.
fn having<'a>(conditions: &'a [String], query: &Query, weight: usize, limit: i64) -> Statement<'a> {
    let sql = "SELECT found.* FROM unnest($1::text[]) AS step(condition) CROSS JOIN LATERAL ( \
        SELECT code, term, chapter, billable, release FROM icd10_codes \
        WHERE document @@ step.condition::tsquery AND (active OR $2) \
        ORDER BY abs(weight - $3), NOT billable, length(term), code LIMIT $4) AS found LIMIT $4";
    let statement = sql_query(sql)
        .into_boxed()
        .bind::<Array<Text>, _>(conditions)
        .bind::<Bool, _>(query.finds_inactive())
        .bind::<Integer, _>(i32::try_from(weight).unwrap_or(i32::MAX))
        .bind::<BigInt, _>(limit);
    cached(statement)
}

/// A candidate and its release.
#[derive(QueryableByName)]
#[diesel(table_name = icd10_codes)]
struct MatchRow {
    #[diesel(embed)]
    candidate: CandidateRow,
    release: i64,
}

row! {
    /// A candidate for the ranking.
    CandidateRow of icd10_codes for Candidate {
        code: String,
        term: String,
        chapter: String,
        billable: bool,
    }
}
