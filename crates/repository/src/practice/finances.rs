//! Finances: balances, revenue and summaries of posted entries in the ledger. All of them add up `ledger.signed_amount`.

use crate::prelude::*;
use chrono::NaiveDate;
use futures_util::future::try_join;
use rust_decimal::Decimal;
use steadfast_domain::practice::{
    ClientBalance, ClientId, DailyRevenue, FinancialDashboard, FinancialSummary, HIGHEST_BALANCES,
    NO_DOLLARS, OutstandingBalance, RevenueDays,
};
use steadfast_postgres::diesel::sql_types::{BigInt, Bool, Date, Nullable, Numeric, Text, Uuid as SqlUuid};
use steadfast_schema::schema::{client_balances, clients};
use uuid::Uuid;

/// Reads the balance of a client.
pub const CLIENT_BALANCE: Operation<Read> =
    Operation::read("practice.client_balance").served_by(&["client_balances_pkey", "clients_pkey"]);

/// Adds up the account of a client.
pub const FINANCIAL_SUMMARY: Operation<Read> = Operation::read("practice.financial_summary")
    .served_by(&["clients_pkey", "idx_ledger_client_type_date"])
    .reads(Reads::UpTo(800), "adds up the entries of a client, hundreds at most, in an index alone");

/// Adds up the revenue of each day.
pub const REVENUE: Operation<Read> = Operation::read("practice.revenue")
    .served_by(&["idx_ledger_service_date_posted"])
    .reads(Reads::All, ADDED_UP);

/// Reads the revenue of each day and the highest balances.
pub const FINANCIAL_DASHBOARD: Operation<Read> = Operation::read("practice.financial_dashboard")
    .statements(2)
    .served_by(&["client_balances_highest", "clients_pkey", "idx_ledger_service_date_posted"])
    .reads(Reads::All, ADDED_UP);

/// Reason why the revenue reads more if there are more entries.
const ADDED_UP: &str = "adds up the entries of up to 92 days, in an index alone";

/// Returns the balance of the client `id`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such client.
pub async fn client_balance(store: &Store, id: ClientId) -> Result<ClientBalance, Error> {
    let balance: Option<Option<Decimal>> = store
        .read(&CLIENT_BALANCE, async |conn| {
            let of_client = client_balances::table.on(client_balances::client_id.eq(clients::id));
            let balance = clients::table.left_join(of_client).filter(clients::id.eq(id.0));
            balance.select(client_balances::balance.nullable()).first(conn).await.optional()
        })
        .await?;
    let balance = balance.ok_or(Error::NotFound)?.unwrap_or(NO_DOLLARS);
    Ok(ClientBalance { client_id: id, balance })
}

/// Returns the account of the client `id`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such client.
pub async fn financial_summary(store: &Store, id: ClientId) -> Result<FinancialSummary, Error> {
    // SQL, because the DSL has no FILTER for sums of expressions.
    let summary = "SELECT EXISTS (SELECT FROM clients WHERE id = $1) AS is_known, \
            coalesce(sum(signed_amount) FILTER (WHERE signed_amount > 0), 0.00) AS total_charges, \
            coalesce(-sum(signed_amount) FILTER (WHERE signed_amount < 0), 0.00) AS total_payments, \
            count(*) AS entry_count, max(service_date) AS last_service_date \
         FROM ledger WHERE client_id = $1 AND is_posted";
    let summary: SummaryRow = store
        .read(&FINANCIAL_SUMMARY, async |conn| {
            sql_query(summary).bind::<SqlUuid, _>(id.0).get_result(conn).await
        })
        .await?;
    let SummaryRow { is_known, total_charges, total_payments, entry_count, last_service_date } = summary;
    if !is_known {
        return Err(Error::NotFound);
    }
    let balance = total_charges - total_payments;
    Ok(FinancialSummary { total_charges, total_payments, balance, entry_count, last_service_date })
}

/// Returns the revenue of each of `days`.
pub async fn revenue(store: &Store, days: RevenueDays) -> Result<Vec<DailyRevenue>, Error> {
    let known = store.read(&REVENUE, async |conn| revenue_by_day(days).get_results(conn).await).await?;
    Ok(complete(days, known))
}

/// Returns the revenue of each of `days` and the highest balances above zero.
pub async fn financial_dashboard(store: &Store, days: RevenueDays) -> Result<FinancialDashboard, Error> {
    let (known, highest): (_, Vec<BalanceRow>) = store
        .read(&FINANCIAL_DASHBOARD, async |conn| {
            let revenue = revenue_by_day(days).get_results(&mut &*conn);
            try_join(revenue, highest_balances().get_results(&mut &*conn)).await
        })
        .await?;
    let outstanding = |BalanceRow { client_id, first_name, last_name, balance }| OutstandingBalance {
        client_id: ClientId(client_id),
        first_name,
        last_name,
        balance,
    };
    let outstanding_balances = highest.into_iter().map(outstanding).collect();
    Ok(FinancialDashboard { daily_revenue: complete(days, known), outstanding_balances })
}

/// Adds up the revenue of the days that have some. By hand, because the DSL cannot negate a sum.
fn revenue_by_day<'a>(days: RevenueDays) -> BoxedSql<'a> {
    let sql = "SELECT service_date, -sum(signed_amount) AS revenue FROM ledger \
         WHERE service_date >= $1 AND service_date <= $2 AND is_posted \
         AND transaction_type IN ('payment', 'insurance_payment', 'copay', 'refund') \
         GROUP BY service_date ORDER BY service_date";
    sql_query(sql).into_boxed().bind::<Date, _>(days.from).bind::<Date, _>(days.to)
}

/// Returns the revenue of all `days` from that of those that have some.
fn complete(days: RevenueDays, known: Vec<RevenueRow>) -> Vec<DailyRevenue> {
    let of_day = |RevenueRow { service_date, revenue }| DailyRevenue { date: service_date, revenue };
    days.complete(known.into_iter().map(of_day).collect())
}

/// Selects the highest balances. By hand, because the DSL would join the clients before the limit.
fn highest_balances<'a>() -> BoxedSql<'a> {
    sql_query(format!(
        "SELECT client_id, first_name, last_name, balance FROM ( \
            SELECT client_id, balance FROM client_balances WHERE balance > 0 \
            ORDER BY balance DESC, client_id LIMIT {HIGHEST_BALANCES}) highest \
         JOIN clients ON clients.id = client_id ORDER BY balance DESC, client_id"
    ))
    .into_boxed()
}

/// Account of a client, without its balance.
#[derive(QueryableByName)]
struct SummaryRow {
    #[diesel(sql_type = Bool)]
    is_known: bool,
    #[diesel(sql_type = Numeric)]
    total_charges: Decimal,
    #[diesel(sql_type = Numeric)]
    total_payments: Decimal,
    #[diesel(sql_type = BigInt)]
    entry_count: i64,
    #[diesel(sql_type = Nullable<Date>)]
    last_service_date: Option<NaiveDate>,
}

/// Revenue of a day.
#[derive(QueryableByName)]
struct RevenueRow {
    #[diesel(sql_type = Date)]
    service_date: NaiveDate,
    #[diesel(sql_type = Numeric)]
    revenue: Decimal,
}

/// Balance of a client who owes something.
#[derive(QueryableByName)]
struct BalanceRow {
    #[diesel(sql_type = SqlUuid)]
    client_id: Uuid,
    #[diesel(sql_type = Text)]
    first_name: String,
    #[diesel(sql_type = Text)]
    last_name: String,
    #[diesel(sql_type = Numeric)]
    balance: Decimal,
}
