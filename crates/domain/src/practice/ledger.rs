//! Ledger of the practice: charges and payments of clients.

use super::{ClientId, DiagnosisCode};
use crate::fields::{Check, Line, Prose, SignedAmount, fields, id, names, recorded};
use crate::page::PageLimits;
use crate::version::Version;
use crate::{Checks, Invalid};
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// Page sizes of the list of entries.
pub const LEDGER_PAGE: PageLimits = PageLimits { default: 50, max: 100 };

id! {
    /// Id of an entry in the ledger.
    LedgerEntryId
}

names! {
    /// Kind of transaction. Charges, deductibles, refunds and positive adjustments increase what the client owes; payments
    /// of any kind, copays and write-offs reduce it.
    #[schema(example = "adjustment")]
    pub enum TransactionType {
        /// Price of a service.
        Charge = "charge",
        /// Payment by the client.
        Payment = "payment",
        /// Correction, which may be negative.
        Adjustment = "adjustment",
        /// Money returned to the client.
        Refund = "refund",
        /// Debt that the practice gives up.
        WriteOff = "write_off",
        /// Payment by the insurance.
        InsurancePayment = "insurance_payment",
        /// Payment by the client at the time of the service.
        Copay = "copay",
        /// Part of a price that the insurance leaves to the client.
        Deductible = "deductible",
    }
}

names! {
    /// Means of payment.
    pub enum PaymentMethod {
        /// Cash.
        Cash = "cash",
        /// Check.
        Check = "check",
        /// Credit card.
        CreditCard = "credit_card",
        /// Debit card.
        DebitCard = "debit_card",
        /// Bank transfer.
        BankTransfer = "bank_transfer",
        /// Insurance company.
        Insurance = "insurance",
        /// Other means.
        Other = "other",
    }
}

fields! {
    /// Details of an entry in the ledger.
    pub struct LedgerDetails {
        /// The client.
        pub client_id: ClientId,
        /// Kind of transaction.
        pub transaction_type: TransactionType,
        /// Amount in dollars, whatever its effect on the balance. Only an adjustment can be negative.
        pub amount: SignedAmount,
        /// Description.
        pub description: Line<500>,
        /// Day of the service or of the payment, to which the revenue belongs.
        pub service_date: ServiceDate,
        /// Billing code (CPT).
        pub billing_code: Option<Line<20>>,
        /// Code of ICD-10-CM, which the terminology must have.
        pub diagnosis_code: Option<DiagnosisCode>,
        /// Means of payment.
        pub payment_method: Option<PaymentMethod>,
        /// Reference number.
        pub reference_number: Option<Line<100>>,
        /// Number of the check.
        pub check_number: Option<Line<50>>,
        /// Number of the insurance claim.
        pub insurance_claim_number: Option<Line<100>>,
        /// Authorization of the insurance.
        pub insurance_authorization: Option<Line<100>>,
        /// False for a draft, which counts in no balance. A posted entry stays posted.
        #[serde(default = "posted")]
        pub is_posted: bool,
        /// Notes.
        pub notes: Option<Prose<2000>>,
    }
    rules = |details, checks| {
        if details.amount.0 < Decimal::ZERO && details.transaction_type != TransactionType::Adjustment {
            checks.add("amount", "must be positive unless the entry is an adjustment");
        }
    }
}

fn posted() -> bool {
    true
}

recorded! {
    /// An entry in the ledger, as the practice has recorded it.
    pub struct LedgerEntry: LedgerDetails {
        /// Id of the entry.
        pub id: LedgerEntryId,
        /// Amount by which the entry changes the balance that the client owes.
        pub signed_amount: SignedAmount,
        /// True if the entry was reconciled and can no longer be changed.
        pub is_reconciled: bool,
        /// Day of the reconciliation; null if the entry was not reconciled.
        pub reconciliation_date: Option<NaiveDate>,
        /// Time of the creation.
        pub created_at: DateTime<Utc>,
        /// Time of the last change.
        pub updated_at: DateTime<Utc>,
        /// Number of changes, from 1. The `ETag` of the entry.
        pub version: Version,
    }
}

/// Day of a service: from 1900-01-01 to 2099-12-31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceDate(pub NaiveDate);

impl ServiceDate {
    /// First day.
    pub const MIN: Self = Self(NaiveDate::from_ymd_opt(1900, 1, 1).expect("a date"));
    /// Last day.
    pub const MAX: Self = Self(NaiveDate::from_ymd_opt(2099, 12, 31).expect("a date"));
}

impl Check for ServiceDate {
    fn check(&mut self, field: &str, checks: &mut Checks) {
        if !(Self::MIN..=Self::MAX).contains(self) {
            checks.add(field, "must be from 1900-01-01 to 2099-12-31");
        }
    }
}

impl PartialSchema for ServiceDate {
    fn schema() -> RefOr<Schema> {
        let date = ObjectBuilder::new().schema_type(Type::String).examples(["2026-03-02"]);
        let date = date.format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)));
        date.pattern(Some(r"^(19|20)\d\d-\d\d-\d\d$")).into()
    }
}

impl ToSchema for ServiceDate {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ServiceDate")
    }
}

/// Unvalidated parameters of the list of entries.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct LedgerParameters {
    /// The client.
    #[param(value_type = Option<uuid::Uuid>)]
    pub client_id: Option<ClientId>,
    /// Kind of transaction.
    #[param(inline)]
    pub transaction_type: Option<TransactionType>,
    /// False for drafts, true for entries that count in the balance.
    pub is_posted: Option<bool>,
    /// True for entries that were reconciled, false for the others.
    pub is_reconciled: Option<bool>,
    /// First day.
    #[param(inline)]
    pub service_date_from: Option<ServiceDate>,
    /// Last day.
    #[param(inline)]
    pub service_date_to: Option<ServiceDate>,
}

/// Conditions of the list of entries. Conditions that are `None` do not restrict it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFilter {
    /// The client.
    pub client: Option<ClientId>,
    /// Kind of transaction.
    pub transaction_type: Option<TransactionType>,
    /// True for entries that count in the balance, false for drafts.
    pub is_posted: Option<bool>,
    /// True for entries that were reconciled, false for the others.
    pub is_reconciled: Option<bool>,
    /// First and last day.
    pub dates: (NaiveDate, NaiveDate),
}

impl LedgerParameters {
    /// Validates the parameters. Drafts are not reconciled, so `is_posted=false` implies `is_reconciled=false`.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming every invalid parameter.
    pub fn parse(&self) -> Result<LedgerFilter, Invalid> {
        let given = (
            ("service_date_from", self.service_date_from.unwrap_or(ServiceDate::MIN)),
            ("service_date_to", self.service_date_to.unwrap_or(ServiceDate::MAX)),
        );
        let dates = range(given.0, given.1)?;
        let is_reconciled = self.is_reconciled.or((self.is_posted == Some(false)).then_some(false));
        let (client, transaction_type, is_posted) = (self.client_id, self.transaction_type, self.is_posted);
        Ok(LedgerFilter { client, transaction_type, is_posted, is_reconciled, dates })
    }
}

/// Checks two dates and their order. Each has the name of its parameter.
pub(super) fn range(
    (from_name, mut from): (&str, ServiceDate),
    (to_name, mut to): (&str, ServiceDate),
) -> Result<(NaiveDate, NaiveDate), Invalid> {
    let mut checks = Checks::default();
    from.check(from_name, &mut checks);
    to.check(to_name, &mut checks);
    if from > to {
        checks.add(to_name, format!("must not be before {from_name}"));
    }
    checks.finish()?;
    Ok((from.0, to.0))
}

/// Sort key of the list of entries: the newest day first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerCursor {
    /// Day of the service.
    pub service_date: NaiveDate,
    /// Id of the entry.
    pub id: LedgerEntryId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Valid;
    use serde_json::json;

    #[test]
    fn only_adjustments_are_negative() {
        let is_allowed = |kind: TransactionType, amount: &str| {
            let body = json!({
                "client_id": uuid::Uuid::nil(), "transaction_type": kind, "amount": amount,
                "description": "A session", "service_date": "2026-03-02",
            });
            Valid::of(serde_json::from_value::<LedgerDetails>(body).expect("a body")).is_ok()
        };
        for kind in TransactionType::ALL {
            assert!(is_allowed(*kind, "12.50"), "{kind:?}");
            assert_eq!(is_allowed(*kind, "-12.50"), *kind == TransactionType::Adjustment, "{kind:?}");
        }
    }

    #[test]
    fn parameters_name_wrong_dates() {
        let fields = |from: &str, to: &str| {
            let date = |text: &str| text.parse().ok().map(ServiceDate);
            let parameters = LedgerParameters {
                service_date_from: date(from),
                service_date_to: date(to),
                ..LedgerParameters::default()
            };
            let invalid = parameters.parse().err();
            invalid.map(|i| i.fields().iter().map(|field| field.field.clone()).collect::<Vec<_>>())
        };
        assert_eq!(fields("2026-03-02", "2026-03-02"), None);
        assert_eq!(fields("2026-03-02", "2026-03-01"), Some(vec!["service_date_to".to_owned()]));
        let both = vec!["service_date_from".to_owned(), "service_date_to".to_owned()];
        assert_eq!(fields("-0001-01-01", "+12345-01-01"), Some(both));
    }

    #[test]
    fn drafts_are_not_reconciled() {
        let parameters = LedgerParameters { is_posted: Some(false), ..LedgerParameters::default() };
        assert_eq!(parameters.parse().expect("valid").is_reconciled, Some(false));
    }
}
