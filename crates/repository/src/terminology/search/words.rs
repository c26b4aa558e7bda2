//! The vocabulary of the terms: which words of a query they have, and which ones a misspelling may mean.

use crate::terminology::document::Alternatives;
use std::cmp::Reverse;
use std::collections::HashSet;
use steadfast_domain::terminology::{forms, typos_in};
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use steadfast_postgres::diesel::sql_types::{Array, BigInt, Integer, Text};
use steadfast_postgres::diesel::{self, QueryResult, QueryableByName, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Cached, Conn, cached};

/// Words that a misspelling may stand for.
const MEANT_MAX: usize = 4;

/// Maximum number of words that are read because they share a form with a misspelt one. Five misspelt words share theirs
/// with about a hundred words, twelve with three hundred and more.
const NEAR_MAX: i64 = 300;

/// One word of the vocabulary.
#[derive(Debug, QueryableByName)]
struct WordRow {
    #[diesel(sql_type = Text)]
    word: String,
    #[diesel(sql_type = Integer)]
    documents: i32,
}

/// A query's words as the terms spell them.
pub(super) struct Mended {
    /// For each word of which there is a trace, the words that it may mean.
    pub(super) groups: Vec<Alternatives>,
    /// The whole query in its likeliest spelling.
    pub(super) spelling: Vec<String>,
}

/// Looks `words` up; those that no term has are taken for misspellings, the last one also for the beginning of a word. One
/// statement on `icd10_words_pkey`, and another on `idx_icd10_words_forms` when there are strangers among them.
pub(super) async fn mend(conn: &mut Conn, words: &[String]) -> QueryResult<Mended> {
    let last = words.last().map(String::as_str).unwrap_or_default();
    let known: Vec<WordRow> = known(words, last).load(conn).await?;
    let known: HashSet<String> = known.into_iter().map(|row| row.word).collect();
    let strangers: Vec<&String> = words.iter().filter(|word| !known.contains(*word)).collect();
    let near: Vec<WordRow> =
        if strangers.is_empty() { Vec::new() } else { near(&strangers).load(conn).await? };
    Ok(Mended::new(words, &known, &near))
}

impl Mended {
    fn new(words: &[String], known: &HashSet<String>, near: &[WordRow]) -> Self {
        let mut mended = Self { groups: Vec::new(), spelling: Vec::new() };
        for (at, word) in words.iter().enumerate() {
            let is_last = at + 1 == words.len();
            let is_begun = is_last && known.iter().any(|longer| longer != word && longer.starts_with(word));
            let meant = if known.contains(word) { vec![word.clone()] } else { meant_by(word, near) };
            let likeliest = if is_begun { word } else { meant.as_slice().first().unwrap_or(word) };
            mended.spelling.push(likeliest.clone());
            mended.add(Alternatives { words: meant, beginning: is_begun.then(|| word.clone()) });
        }
        mended
    }

    /// Takes note of a word, unless nothing is known of it or it was there before.
    fn add(&mut self, alternatives: Alternatives) {
        let is_traced = !alternatives.words.is_empty() || alternatives.beginning.is_some();
        if is_traced && !self.groups.contains(&alternatives) {
            self.groups.push(alternatives);
        }
    }
}

/// The words among `near` that `word` may mean, the likest first, then the frequent ones.
fn meant_by(word: &str, near: &[WordRow]) -> Vec<String> {
    let mut meant: Vec<(usize, Reverse<i32>, &str)> = near
        .iter()
        .filter_map(|row| Some((typos_in(word, &row.word)?, Reverse(row.documents), row.word.as_str())))
        .collect();
    meant.sort_unstable();
    meant.into_iter().take(MEANT_MAX).map(|(.., word)| word.to_owned()).collect()
}

/// Those of `words` that some term has, and one word that begins with `last`. A range, as for codes.
fn known<'a>(words: &'a [String], last: &'a str) -> Cached<BoxedSqlQuery<'a, Pg, SqlQuery>> {
    let sql = "SELECT word, documents FROM icd10_words WHERE word = ANY($1) \
        UNION ALL \
        (SELECT word, documents FROM icd10_words WHERE word > $2 AND word < $2 || '~' ORDER BY word LIMIT 1)";
    cached(sql_query(sql).into_boxed().bind::<Array<Text>, _>(words).bind::<Text, _>(last))
}

/// The words that share a form with one of `strangers`. Form by form: for many at once the planner holds reading all words
/// for cheaper than the index; and fenced in by OFFSET, or the distinct words would be taken from all words in order.
fn near<'a>(strangers: &[&String]) -> Cached<BoxedSqlQuery<'a, Pg, SqlQuery>> {
    let forms: HashSet<String> = strangers.iter().flat_map(|word| forms(word)).collect();
    let sql = "SELECT DISTINCT near.word, near.documents FROM unnest($1::text[]) AS form CROSS JOIN LATERAL ( \
        SELECT word, documents FROM icd10_words WHERE forms @> ARRAY[form] OFFSET 0) AS near LIMIT $2";
    let query = sql_query(sql).into_boxed().bind::<Array<Text>, _>(Vec::from_iter(forms));
    cached(query.bind::<BigInt, _>(NEAR_MAX))
}
