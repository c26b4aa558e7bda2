//! Finances: balances, revenue and summaries of posted entries in the ledger.

use super::LEDGER_READ;
use super::clients::ClientPath;
use crate::prelude::*;
use steadfast_domain::practice::{
    ClientBalance, DailyRevenue, FinancialDashboard, FinancialSummary, RevenueParameters,
};
use steadfast_repository::practice;

pub(super) fn routes() -> [Route<AppState>; 4] {
    [
        Route::get("/api/ledger/client/{id}/balance", LEDGER_READ, balance)
            .summary("Get the balance of a client")
            .path_parameters::<ClientPath>()
            .answers::<ClientBalance>()
            .codes(&[Code::NotFound]),
        Route::get("/api/ledger/revenue", LEDGER_READ, revenue)
            .summary("List the revenue of each day")
            .query::<RevenueParameters>()
            .answers_all::<DailyRevenue>(),
        Route::get("/api/clients/{id}/financial-summary", LEDGER_READ, summary)
            .summary("Add up the account of a client")
            .path_parameters::<ClientPath>()
            .answers::<FinancialSummary>()
            .codes(&[Code::NotFound]),
        Route::get("/api/clients/dashboard/financial", LEDGER_READ, dashboard)
            .summary("Get the revenue of each day and the highest balances")
            .query::<RevenueParameters>()
            .answers::<FinancialDashboard>(),
    ]
}

async fn balance(
    State(store): State<Store>,
    Path(ClientPath { id }): Path<ClientPath>,
) -> ApiResult<ClientBalance> {
    Ok(Envelope::new(practice::client_balance(&store, id).await?, "Balance"))
}

async fn revenue(
    State(store): State<Store>,
    Query(parameters): Query<RevenueParameters>,
) -> ApiResult<Vec<DailyRevenue>> {
    Ok(Envelope::new(practice::revenue(&store, parameters.parse()?).await?, "Revenue"))
}

async fn summary(
    State(store): State<Store>,
    Path(ClientPath { id }): Path<ClientPath>,
) -> ApiResult<FinancialSummary> {
    Ok(Envelope::new(practice::financial_summary(&store, id).await?, "Financial summary"))
}

async fn dashboard(
    State(store): State<Store>,
    Query(parameters): Query<RevenueParameters>,
) -> ApiResult<FinancialDashboard> {
    let dashboard = practice::financial_dashboard(&store, parameters.parse()?).await?;
    Ok(Envelope::new(dashboard, "Financial dashboard"))
}
