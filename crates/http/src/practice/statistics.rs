//! Statistics of the practice.

use super::READ;
use crate::prelude::*;
use chrono::{TimeDelta, Utc};
use steadfast_domain::practice::PracticeStatistics;
use steadfast_repository::practice;

pub(super) fn route() -> Route<AppState> {
    Route::get("/api/clients/performance/stats", READ, statistics)
        .summary("Get the estimated sizes of the tables, and the appointments and notes of the last 24 hours")
        .answers::<PracticeStatistics>()
}

async fn statistics(State(store): State<Store>) -> ApiResult<PracticeStatistics> {
    let now = Utc::now();
    let statistics = practice::practice_statistics(&store, now - TimeDelta::days(1), now).await?;
    Ok(Envelope::new(statistics, "Statistics"))
}
