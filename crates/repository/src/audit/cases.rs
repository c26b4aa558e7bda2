//! Cases of the operations on records of requests.

use super::{EXPIRE_IDEMPOTENCY_RECORDS, expire_idempotency_records};
use crate::Store;
use crate::cases::{ANY, Case};
use chrono::{NaiveDate, NaiveTime};
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::audit::idempotency::{IdempotencyKey, Repeatable, RequestHash};
use steadfast_domain::identity::Principal;

/// Returns the cases of this area.
pub(crate) fn all() -> Result<Vec<Case>, Invalid> {
    let expire = async |store: Store, (year, month): (i32, u32)| {
        let time = NaiveDate::from_ymd_opt(year, month, 1).unwrap_or_default().and_time(NaiveTime::MIN);
        expire_idempotency_records(&store, time.and_utc()).await
    };
    let cases = [
        ("nothing expired", ANY, (2026, 1)),
        ("less than a batch", ANY, (2026, 2)),
        ("a full batch", ANY, (2127, 1)),
    ];
    Ok(Case::each(&EXPIRE_IDEMPOTENCY_RECORDS, expire, cases))
}

/// Returns the origin of a request that a user sends from a known address.
pub(crate) fn user() -> Origin {
    let principal = Principal::User { id: 8, session: 9 };
    let (address, user_agent) = (Some([192, 0, 2, 1].into()), Some("a browser".to_owned()));
    Origin { principal, address, user_agent, ..Origin::operator("a case") }
}

/// Returns the origin of a request that a program sends, with the idempotency key `key`.
pub(crate) fn origin(key: Option<&str>) -> Result<Origin, Invalid> {
    let origin = Origin { principal: Principal::ApiKey(7), ..Origin::operator("a case") };
    match key {
        Some(key) => keyed(origin, key),
        None => Ok(origin),
    }
}

/// Returns `origin` with the idempotency key `key`.
pub(crate) fn keyed(origin: Origin, key: &str) -> Result<Origin, Invalid> {
    let repeatable = Repeatable { key: IdempotencyKey::parse(key)?, hash: RequestHash::of(key, b"") };
    Ok(Origin { repeatable: Some(repeatable), ..origin })
}
