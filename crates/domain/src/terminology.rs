//! Medical terminology: ICD-10-CM codes and their tree, search, chapters, releases, and statistics of searches.

mod chapters;
mod codes;
mod ranking;
mod releases;
mod search;
mod similarity;
mod statistics;
mod words;

pub use chapters::ChapterTotals;
pub use codes::{
    Batch, CHILDREN_SHOWN, CODE_LENGTH_MAX, CodeWithRelatives, Concept, IcdCode, Relative, Relatives,
    SIBLINGS_SHOWN,
};
pub use ranking::{Candidate, SIMILARITY_MIN, by_similarity, by_words};
pub use releases::{ImportRow, digest};
pub use search::{Leg, Match, MatchType, Query, SEARCH_LIMIT_DEFAULT, SEARCH_LIMIT_MAX, merge};
pub use similarity::Trigrams;
pub use statistics::{PopularQuery, SearchLog, SearchStatistics, SearchTotals};
pub use words::{folded, forms, typos_in, words, words_of_folded};
