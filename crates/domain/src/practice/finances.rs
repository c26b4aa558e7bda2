//! Finances of the practice: figures that the posted entries of the ledger add up to.

use super::ClientId;
use super::ledger::{ServiceDate, range};
use crate::Invalid;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Maximum number of days whose revenue one request reads.
pub const REVENUE_DAYS_MAX: i64 = 92;

/// Zero, with cents like all amounts.
pub const NO_DOLLARS: Decimal = Decimal::from_parts(0, 0, 0, false, 2);

/// Number of clients with the highest balances.
pub const HIGHEST_BALANCES: i64 = 10;

/// Balance of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ClientBalance {
    /// The client.
    pub client_id: ClientId,
    /// Amount in dollars that the client owes; negative if the client has credit.
    #[schema(value_type = String, example = "120.50")]
    pub balance: Decimal,
}

/// Account of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FinancialSummary {
    /// Sum of all that increased the balance.
    #[schema(value_type = String, example = "240.50")]
    pub total_charges: Decimal,
    /// Sum of all that reduced the balance, as a positive amount.
    #[schema(value_type = String, example = "120.00")]
    pub total_payments: Decimal,
    /// Amount in dollars that the client owes; negative if the client has credit.
    #[schema(value_type = String, example = "120.50")]
    pub balance: Decimal,
    /// Number of entries.
    pub entry_count: i64,
    /// Latest day of an entry; null without entries.
    pub last_service_date: Option<NaiveDate>,
}

/// Finances of the practice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FinancialDashboard {
    /// Revenue of each day.
    pub daily_revenue: Vec<DailyRevenue>,
    /// The ten clients with the highest balances above zero, the highest first.
    pub outstanding_balances: Vec<OutstandingBalance>,
}

/// Revenue of a day: payments, insurance payments and copays, less refunds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DailyRevenue {
    /// Day of the service or of the payment.
    pub date: NaiveDate,
    /// Amount in dollars; negative if the refunds exceed the payments.
    #[schema(value_type = String, example = "1320.00")]
    pub revenue: Decimal,
}

/// Balance of a client who owes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OutstandingBalance {
    /// The client.
    pub client_id: ClientId,
    /// First name of the client.
    pub first_name: String,
    /// Last name of the client.
    pub last_name: String,
    /// Amount in dollars that the client owes.
    #[schema(value_type = String, example = "120.50")]
    pub balance: Decimal,
}

/// Unvalidated range of days whose revenue is read: at most 92 days.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct RevenueParameters {
    /// First day.
    #[param(inline, example = "2026-01-01")]
    pub date_from: ServiceDate,
    /// Last day, at most 91 days later.
    #[param(inline, example = "2026-03-31")]
    pub date_to: ServiceDate,
}

/// Days whose revenue is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevenueDays {
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
}

impl RevenueParameters {
    /// Validates the range.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming every invalid parameter; `date_to` if the range is empty or too long.
    pub fn parse(&self) -> Result<RevenueDays, Invalid> {
        let (from, to) = range(("date_from", self.date_from), ("date_to", self.date_to))?;
        if (to - from).num_days() >= REVENUE_DAYS_MAX {
            let message = format!("must be less than {REVENUE_DAYS_MAX} days after date_from");
            return Err(Invalid::field("date_to", message));
        }
        Ok(RevenueDays { from, to })
    }
}

impl RevenueDays {
    /// Returns the revenue of every day. `known` has the days with revenue, in order; the others have none.
    pub fn complete(self, known: Vec<DailyRevenue>) -> Vec<DailyRevenue> {
        let mut known = known.into_iter().peekable();
        let days = self.from.iter_days().take_while(|day| *day <= self.to);
        let mut revenue = |date| known.next_if(|known| known.date == date);
        days.map(|date| revenue(date).unwrap_or(DailyRevenue { date, revenue: NO_DOLLARS })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn ranges_have_at_most_92_days() {
        let parse = |from, to| {
            let parameters =
                RevenueParameters { date_from: ServiceDate(day(from)), date_to: ServiceDate(day(to)) };
            parameters.parse().map_err(|invalid| invalid.fields()[0].field.clone())
        };
        let (from, to) = (day("2026-01-01"), day("2026-04-02"));
        assert_eq!(parse("2026-01-01", "2026-04-02"), Ok(RevenueDays { from, to }));
        assert_eq!(RevenueDays { from, to }.complete(Vec::new()).len(), 92);
        for (from, to) in
            [("2026-01-01", "2026-04-03"), ("2026-01-02", "2026-01-01"), ("2099-12-31", "2100-01-01")]
        {
            assert_eq!(parse(from, to), Err("date_to".to_owned()), "{from} to {to}");
        }
    }

    #[test]
    fn days_without_revenue_have_zero() {
        let days = RevenueDays { from: day("2026-02-28"), to: day("2026-03-02") };
        let known = DailyRevenue { date: day("2026-03-01"), revenue: Decimal::TEN };
        let complete = days.complete(vec![known]);
        let revenue: Vec<_> = complete.iter().map(|day| (day.date.to_string(), day.revenue)).collect();
        let expected = [("2026-02-28", 0), ("2026-03-01", 10), ("2026-03-02", 0)];
        assert_eq!(revenue, expected.map(|(date, dollars)| (date.to_owned(), Decimal::from(dollars))));
    }
}
