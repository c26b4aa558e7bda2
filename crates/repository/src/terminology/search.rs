//! The legs of a search. Each looks for itself and reads no more than it ranks.

use super::document::{self, Alternatives};
use super::rows::MatchRow;
use super::words;
use crate::{Error, Store};
use steadfast_domain::terminology::{Candidate, IcdCode, Leg, Match, Query, Trigrams, by_likeness, by_words};
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Cached, Operation, Read, Reads, cached};

/// Codes that begin with a text.
pub const SEARCH_CODE: Operation<Read> =
    Operation::read("terminology.search_code").served_by(&["icd10_codes_pkey"]);

/// Terms that have all words of a text.
pub const SEARCH_TERM: Operation<Read> = Operation::read("terminology.search_term")
    .served_by(&["idx_icd10_term_fulltext"])
    .reads(Reads::Lists, LISTS);

/// Terms that look like a text.
pub const SEARCH_SIMILARITY: Operation<Read> = Operation::read("terminology.search_similarity")
    .statements(3)
    .served_by(&["icd10_words_pkey", "idx_icd10_words_forms", "idx_icd10_term_fulltext"])
    .reads(Reads::Lists, LISTS);

/// Why the legs that look at terms read more when there are more terms.
const LISTS: &str =
    "the full-text index keeps a list of terms for each word, and frequent words have long ones";

/// Terms with all words that are ranked, the lightest: more than are shown, since what begins with the query goes first.
const WITH_ALL_WORDS_MAX: i64 = 50;

/// Terms with most words that are ranked: those with the fewest words missing, then those of about the query's weight.
const LOOK_ALIKES_MAX: i64 = 300;

/// Codes that begin with a text and are ranked, the lowest. Those of another chapter than the wanted one are dropped
/// afterwards: chapters are ranges of codes that part after two characters at the latest, so codes that begin alike are of
/// one chapter.
const BY_PREFIX_MAX: i64 = 50;

/// A statement with its values, ready to run.
type Statement<'a> = Cached<BoxedSqlQuery<'a, Pg, SqlQuery>>;

/// What one leg found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finds {
    /// The finds, best first, at most the leg's limit.
    pub matches: Vec<Match>,
    /// The release they are of; `None` when nothing was found.
    pub release: Option<i64>,
}

/// The finds of one leg of a search; `None` when the query gives the leg nothing to look for: words are no code, and
/// punctuation is no words. Codes are a range of `icd10_codes_pkey`; terms come from `idx_icd10_term_fulltext`; look-alikes
/// too, after their words were looked up in `icd10_words_pkey` and, when misspelt, `idx_icd10_words_forms`.
///
/// # Errors
/// [`Error`].
pub async fn search(store: &Store, leg: Leg, query: &Query) -> Result<Option<Finds>, Error> {
    let (release, candidates) = match leg {
        Leg::Code => {
            let Some(prefix) = query.as_code() else { return Ok(None) };
            parsed(by_prefix(store, &prefix, query).await?)?
        }
        Leg::Term | Leg::Similarity if query.words().is_empty() => return Ok(None),
        Leg::Term => {
            let (release, candidates) = parsed(with_all_words(store, query).await?)?;
            (release, by_words(query, candidates))
        }
        Leg::Similarity => {
            let (spelling, rows) = with_most_words(store, query).await?;
            let (release, candidates) = parsed(rows)?;
            (release, by_likeness(query, &spelling, candidates))
        }
    };
    let shown = candidates.into_iter().take(leg.limit() as usize);
    Ok(Some(Finds { matches: shown.map(|candidate| Match::new(leg, query, candidate)).collect(), release }))
}

fn parsed(rows: Vec<MatchRow>) -> Result<(Option<i64>, Vec<Candidate>), Error> {
    let release = rows.iter().map(|row| row.release).next();
    Ok((release, rows.into_iter().map(MatchRow::parse).collect::<Result<_, _>>()?))
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
            let mended = words::mend(conn, query.words()).await?;
            let conditions = document::most_of(mended.groups, weight, query.chapter());
            let rows = having(&conditions, query, weight, LOOK_ALIKES_MAX).load(conn).await?;
            Ok((mended.spelling, rows))
        })
        .await
}

fn weight(query: &Query) -> usize {
    Trigrams::of_words(query.words()).count()
}

/// Codes that begin with `prefix`: a range, because a pattern would need a plan of its own for each value. The range ends
/// before `~`, which no code contains and every letter precedes. The code itself comes first, then what is nearest to
/// it, the shorter codes; of those that are equally near the billable, then the lower code.
fn by_code_prefix<'a>(prefix: &'a IcdCode, query: &Query) -> Statement<'a> {
    let sql = "SELECT code, term, chapter, billable, release FROM ( \
        SELECT code, term, chapter, billable, release, document FROM icd10_codes \
        WHERE code >= $1 AND code < $1 || '~' AND (active OR $2) ORDER BY code LIMIT $4) AS first \
        WHERE $3 IS NULL OR document @@ $3::tsquery \
        ORDER BY length(code), NOT billable, code LIMIT $5";
    let statement = sql_query(sql)
        .into_boxed()
        .bind::<Text, _>(prefix.as_str())
        .bind::<Bool, _>(query.finds_inactive())
        .bind::<Nullable<Text>, _>(query.chapter().map(document::of_chapter))
        .bind::<BigInt, _>(BY_PREFIX_MAX)
        .bind::<BigInt, _>(Leg::Code.limit());
    cached(statement)
}

/// At most `limit` codes that fulfil the first of `conditions`, then the second, and so on: a condition is looked at only
/// when those before it gave too few. Of more, those nearest to `weight`, then the billable, the shorter, the lower.
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
