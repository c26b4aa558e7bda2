//! ICD-10-CM codes: search, lookup, chapters, releases, and statistics of searches.

#[cfg(feature = "cases")]
pub(crate) mod cases;
mod chapters;
mod codes;
mod document;
mod releases;
mod search;
#[cfg(feature = "cases")]
pub(crate) mod seed;
mod statistics;

pub use chapters::{CHAPTERS, chapters};
pub use codes::{CODE_WITH_RELATIVES, FIND, code_with_relatives, find};
pub use releases::{
    CURRENT, IMPORT, Imported, InUse, ROLL_BACK, Release, current_release, import, roll_back,
};
pub use search::{LegMatches, SEARCH_CODE, SEARCH_SIMILARITY, SEARCH_TERM, search};
pub use statistics::{
    LOG_BATCH_MAX, LOG_SEARCHES, REFRESH, STATISTICS, UPKEEP, log_searches, search_logs_upkeep,
    search_statistics,
};

use crate::prelude::*;
use steadfast_domain::terminology::IcdCode;

impl Parse<IcdCode> for String {
    fn parse(self, column: &'static str) -> Result<IcdCode, Error> {
        IcdCode::parse("code", &self).map_err(|_| invalid(column))
    }
}

impl Parse<Option<IcdCode>> for Option<String> {
    fn parse(self, column: &'static str) -> Result<Option<IcdCode>, Error> {
        self.map(|code| code.parse(column)).transpose()
    }
}
