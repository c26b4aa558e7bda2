//! Chapters of ICD-10-CM.

use super::READ;
use crate::prelude::*;
use steadfast_domain::terminology::ChapterTotals;
use steadfast_repository::terminology;

pub(super) fn routes() -> Vec<Route<AppState>> {
    let route = |path| {
        Route::get(path, READ, chapters)
            .summary("List the chapters of ICD-10-CM with the number of their codes")
            .answers::<Chapters>()
    };
    ["/api/v1/chapters", "/api/v1/enterprise/chapters"].map(route).into()
}

async fn chapters(State(store): State<Store>) -> ApiResult<Chapters> {
    let chapters = terminology::chapters(&store).await?;
    let message = format!("{} chapters", chapters.len());
    Ok(Envelope::new(Chapters { chapters }, message))
}

/// All chapters.
#[derive(Debug, Serialize, ToSchema)]
struct Chapters {
    /// Chapters by number.
    chapters: Vec<ChapterTotals>,
}
