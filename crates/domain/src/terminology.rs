//! Medical terminology: ICD-10-CM codes, where they stand in their tree, and what a search for them finds.

mod batch;
mod chapters;
mod code;
mod digest;
mod likeness;
mod ranking;
mod search;
mod statistics;
mod words;

pub use batch::Batch;
pub use chapters::ChapterTotals;
pub use code::{CODE_LENGTH_MAX, IcdCode};
pub use digest::digest;
pub use likeness::Trigrams;
pub use ranking::{Candidate, SIMILARITY_MIN, by_likeness, by_words};
pub use search::{Leg, Match, MatchType, Query, SEARCH_LIMIT_DEFAULT, SEARCH_LIMIT_MAX, merge};
pub use statistics::{PopularQuery, SearchLog, SearchStatistics, SearchTotals};
pub use words::{folded, forms, slips_of, words, words_of_folded};

/// Children that a look-up shows; the rest is counted.
pub const CHILDREN_SHOWN: i64 = 20;

/// Siblings that a look-up shows; the rest is counted.
pub const SIBLINGS_SHOWN: i64 = 10;

/// One code of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concept {
    /// The code.
    pub code: IcdCode,
    /// What it stands for.
    pub term: String,
    /// Number and title of the chapter.
    pub chapter: String,
    /// The code above it; `None` for a three-character category.
    pub parent_code: Option<IcdCode>,
    /// Whether it is in use in the release that was imported last.
    pub active: bool,
    /// Whether it may stand on a bill: it has no codes below it.
    pub billable: bool,
}

/// A relative of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relative {
    /// The code.
    pub code: IcdCode,
    /// What it stands for.
    pub term: String,
}

/// Some relatives of one kind, and how many there are in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relatives {
    /// The first ones, in code order.
    pub shown: Vec<Relative>,
    /// All of them, counted.
    pub total: i64,
}

/// A code and its place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The code itself.
    pub concept: Concept,
    /// From the category down to the code above this one.
    pub parents: Vec<Relative>,
    /// The codes right below.
    pub children: Relatives,
    /// The other codes below the same parent.
    pub siblings: Relatives,
}

/// One line of the table as it is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRow {
    /// The code.
    pub code: IcdCode,
    /// What it stands for.
    pub term: String,
    /// The three-character category.
    pub category: IcdCode,
    /// The code above it.
    pub parent_code: Option<IcdCode>,
    /// The block of categories, e.g. `A00-A09`.
    pub block: String,
    /// Number and title of the chapter.
    pub chapter: String,
    /// Whether it has no codes below it.
    pub billable: bool,
}
