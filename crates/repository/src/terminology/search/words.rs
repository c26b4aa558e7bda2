//! Spelling correction of queries with the vocabulary of the terms.

use crate::prelude::*;
use crate::terminology::document::Alternatives;
use std::cmp::Reverse;
use std::collections::HashSet;
use steadfast_domain::terminology::{forms, typos_in};
use steadfast_postgres::Conn;
use steadfast_postgres::diesel::sql_types::{Array, BigInt, Integer, Text};

/// Maximum number of corrections of a misspelt word.
const CORRECTIONS_MAX: usize = 4;

/// Maximum number of words that are read because they share a form with a misspelt word. Five misspelt words share
/// forms with about a hundred words, twelve with more than three hundred.
const SIMILAR_MAX: i64 = 300;

/// A word of the vocabulary.
#[derive(Debug, QueryableByName)]
struct WordRow {
    #[diesel(sql_type = Text)]
    word: String,
    #[diesel(sql_type = Integer)]
    documents: i32,
}

/// Words of a query with corrected spelling.
pub(super) struct Corrected {
    /// Corrections of each word that has any.
    pub(super) groups: Vec<Alternatives>,
    /// All words of the query in their most likely spelling.
    pub(super) spelling: Vec<String>,
}

/// Corrects the spelling of `words`. Words that no term contains are considered misspelt; the last one may also be the
/// beginning of a word. Sends one statement on `icd10_words_pkey`, and one on `idx_icd10_words_forms` if words are
/// misspelt.
pub(super) async fn correct(conn: &mut Conn, words: &[String]) -> QueryResult<Corrected> {
    let last = words.last().map(String::as_str).unwrap_or_default();
    let known: Vec<WordRow> = known(words, last).load(conn).await?;
    let known: HashSet<String> = known.into_iter().map(|row| row.word).collect();
    let misspelt: Vec<&String> = words.iter().filter(|word| !known.contains(*word)).collect();
    let similar: Vec<WordRow> =
        if misspelt.is_empty() { Vec::new() } else { similar(&misspelt).load(conn).await? };
    Ok(Corrected::new(words, &known, &similar))
}

impl Corrected {
    fn new(words: &[String], known: &HashSet<String>, similar: &[WordRow]) -> Self {
        let mut corrected = Self { groups: Vec::new(), spelling: Vec::new() };
        for (at, word) in words.iter().enumerate() {
            let is_last = at + 1 == words.len();
            let is_prefix = is_last && known.iter().any(|longer| longer != word && longer.starts_with(word));
            let meant = if known.contains(word) { vec![word.clone()] } else { corrections(word, similar) };
            let likeliest = if is_prefix { word } else { meant.as_slice().first().unwrap_or(word) };
            corrected.spelling.push(likeliest.clone());
            corrected.add(Alternatives { words: meant, beginning: is_prefix.then(|| word.clone()) });
        }
        corrected
    }

    /// Adds a group, unless it is empty or a duplicate.
    fn add(&mut self, alternatives: Alternatives) {
        let is_empty = alternatives.words.is_empty() && alternatives.beginning.is_none();
        if !is_empty && !self.groups.contains(&alternatives) {
            self.groups.push(alternatives);
        }
    }
}

/// Returns the words among `similar` of which `word` may be a misspelling: fewest typos first, then the most frequent.
fn corrections(word: &str, similar: &[WordRow]) -> Vec<String> {
    let mut corrections: Vec<(usize, Reverse<i32>, &str)> = similar
        .iter()
        .filter_map(|row| Some((typos_in(word, &row.word)?, Reverse(row.documents), row.word.as_str())))
        .collect();
    corrections.sort_unstable();
    corrections.into_iter().take(CORRECTIONS_MAX).map(|(.., word)| word.to_owned()).collect()
}

/// Selects the `words` that a term contains, and one word that begins with `last`. Uses a range, as for codes. Written by
/// hand: the DSL has no limit for one side of a UNION.
fn known<'a>(words: &'a [String], last: &'a str) -> Cached<BoxedSql<'a>> {
    let sql = "SELECT word, documents FROM icd10_words WHERE word = ANY($1) \
        UNION ALL \
        (SELECT word, documents FROM icd10_words WHERE word > $2 AND word < $2 || '~' ORDER BY word LIMIT 1)";
    cached(sql_query(sql).into_boxed().bind::<Array<Text>, _>(words).bind::<Text, _>(last))
}

/// Selects the words that share a form with one of the `misspelt` words.
///
/// Looks the forms up one by one: for many at once, the planner prefers a scan of all words to the index. OFFSET 0 is
/// an optimization fence, without which the planner would read all words in order to make them distinct. Written by hand:
/// the DSL has no `LATERAL`.
fn similar<'a>(misspelt: &[&String]) -> Cached<BoxedSql<'a>> {
    let forms: HashSet<String> = misspelt.iter().flat_map(|word| forms(word)).collect();
    let sql = "SELECT DISTINCT near.word, near.documents FROM unnest($1::text[]) AS form CROSS JOIN LATERAL ( \
        SELECT word, documents FROM icd10_words WHERE forms @> ARRAY[form] OFFSET 0) AS near LIMIT $2";
    let query = sql_query(sql).into_boxed().bind::<Array<Text>, _>(Vec::from_iter(forms));
    cached(query.bind::<BigInt, _>(SIMILAR_MAX))
}
