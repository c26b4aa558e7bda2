//! ICD-10-CM codes: the legs of a search, the place of a code in its tree, and the import of a release.

mod batch;
#[cfg(feature = "cases")]
pub(crate) mod cases;
mod chapters;
mod current;
mod document;
mod place;
mod release;
mod rows;
mod search;
#[cfg(feature = "cases")]
pub(crate) mod seed;
mod statistics;
mod words;

pub use batch::{FIND, find};
pub use chapters::{CHAPTERS, chapters};
pub use current::{CURRENT, InUse, current_release};
pub use place::{PLACE, place};
pub use release::{IMPORT, Imported, ROLL_BACK, Release, import, roll_back};
pub use search::{Finds, SEARCH_CODE, SEARCH_SIMILARITY, SEARCH_TERM, search};
pub use statistics::{
    LOG_BATCH_MAX, LOG_SEARCHES, REFRESH, STATISTICS, UPKEEP, log_searches, search_logs_upkeep,
    search_statistics,
};
