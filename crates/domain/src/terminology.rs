//! Medical terminology: ICD-10-CM codes and their tree, search, chapters, releases, and statistics of searches.

mod chapters;
mod codes;
mod likeness;
mod ranking;
mod releases;
mod search;
mod statistics;
mod words;

pub use chapters::ChapterTotals;
pub use codes::{
    Batch, CHILDREN_SHOWN, CODE_LENGTH_MAX, CodeWithRelatives, Concept, IcdCode, Relative, Relatives,
    SIBLINGS_SHOWN,
};
pub use likeness::Trigrams;
pub use ranking::{Candidate, SIMILARITY_MIN, by_likeness, by_words};
pub use releases::{ImportRow, digest};
pub use search::{Leg, Match, MatchType, Query, SEARCH_LIMIT_DEFAULT, SEARCH_LIMIT_MAX, merge};
pub use statistics::{PopularQuery, SearchLog, SearchStatistics, SearchTotals};
pub use words::{folded, forms, slips_of, words, words_of_folded};
