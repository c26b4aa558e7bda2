//! Cases of the operations on the audit trail and on records of requests.

use super::{
    COUNT_UNSEALED, ENTRIES, EXPIRE_IDEMPOTENCY_RECORDS, Horizon, LAST_SEAL, MAINTAIN_PARTITIONS,
    MARK_HORIZON, OLDEST_PARTITION, ROWS, SEAL, SEALS,
};
use super::{
    attached_since, count_unsealed, entries, expire_idempotency_records, last_seal, maintain_partitions,
    mark_horizon, rows, seal, seals,
};
use crate::Store;
use crate::cases::{ANY, Case};
use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::audit::entries::{EntryCursor, EntryFilter, Selection, all_times};
use steadfast_domain::audit::idempotency::{IdempotencyKey, Repeatable, RequestHash};
use steadfast_domain::identity::Principal;
use steadfast_domain::page::Position;

const USER_ACTION: &[&str] = &["idx_audit_log_user_action_date"];
const RESOURCE_ACTION: &[&str] = &["idx_audit_log_resource_action"];
const RESOURCE: &[&str] = &["idx_audit_log_resource_date"];
const CORRELATION: &[&str] = &["idx_audit_log_correlation_date"];
const ACTION: &[&str] = &["ix_audit_log_action_time"];
const FAILURES: &[&str] = &["ix_audit_log_success"];
const IDS: &[&str] = &["audit_log_pkey"];

/// Returns the cases of this area.
pub(crate) fn all() -> Result<Vec<Case>, Invalid> {
    let expire = async |store: Store, (year, month): (i32, u32)| {
        let time = NaiveDate::from_ymd_opt(year, month, 1).unwrap_or_default().and_time(NaiveTime::MIN);
        expire_idempotency_records(&store, time.and_utc()).await
    };
    let expirations = [
        ("nothing expired", ANY, (2026, 1)),
        ("less than a batch", ANY, (2026, 2)),
        ("a full batch", ANY, (2127, 1)),
    ];
    let mut cases = Case::each(&EXPIRE_IDEMPOTENCY_RECORDS, expire, expirations);
    cases.extend(lists()?);
    cases.extend(sealing());
    cases.extend(verification());
    Ok(cases)
}

fn lists() -> Result<Vec<Case>, Invalid> {
    let list = async |store: Store, (filter, position): (EntryFilter, Position<EntryCursor>)| {
        entries(&store, &filter, &position).await
    };
    let now = Utc::now();
    let always = |selection| EntryFilter { selection, range: None };
    let within = |range, selection| {
        let from = now + Days::new(60);
        EntryFilter { selection, range: Some((from, from + range)) }
    };
    let week = |selection| within(TimeDelta::days(7), selection);
    let after = |days| Position::after(EntryCursor { created_at: now + Days::new(days), id: 1_000 }, 50);
    let end = || Position::after(EntryCursor { created_at: all_times().0, id: 0 }, 50);
    let (first, third) = (|| Position::numbered(1, 50), || Position::numbered(3, 50));
    let user = |action: &str| Selection::UserAction(7, action.to_owned());
    let notes = |action: &str| Selection::ResourceAction("note".to_owned(), action.to_owned());
    let client = |id: &str| Selection::Resource("client".to_owned(), id.to_owned());
    let request = |id: &str| Selection::Correlation(id.to_owned());
    let action = |action: &str| Selection::Action(action.to_owned());
    let inputs = [
        ("all", IDS, always(Selection::All), first()?),
        ("all, the third page", IDS, always(Selection::All), third()?),
        ("all, after a cursor", IDS, always(Selection::All), after(60)),
        ("all, after the last cursor", IDS, always(Selection::All), end()),
        ("reads of a user", USER_ACTION, always(user("read")), first()?),
        ("reads of a user, the third page", USER_ACTION, always(user("read")), third()?),
        ("reads of a user in a week", USER_ACTION, week(user("read")), first()?),
        ("reads of a user, after a cursor", USER_ACTION, always(user("read")), after(60)),
        ("what no user did in a week", USER_ACTION, week(user("none")), first()?),
        ("what no user did", USER_ACTION, always(user("none")), first()?),
        ("changes of notes", RESOURCE_ACTION, always(notes("update")), first()?),
        ("changes of notes in a week", RESOURCE_ACTION, week(notes("update")), first()?),
        ("changes of notes, after a cursor", RESOURCE_ACTION, always(notes("update")), after(60)),
        ("changes of notes, the third page", RESOURCE_ACTION, always(notes("update")), third()?),
        ("what was done with no note in a week", RESOURCE_ACTION, week(notes("none")), first()?),
        ("what was done with no note", RESOURCE_ACTION, always(notes("none")), first()?),
        ("a busy client", RESOURCE, always(client("busy")), first()?),
        ("a busy client in a week", RESOURCE, week(client("busy")), first()?),
        ("a busy client, after a cursor", RESOURCE, always(client("busy")), after(60)),
        ("a busy client, the third page", RESOURCE, always(client("busy")), third()?),
        ("no client in a week", RESOURCE, week(client("none")), first()?),
        ("no client", RESOURCE, always(client("none")), first()?),
        ("a request", CORRELATION, always(request("request-7")), first()?),
        ("a request, after a cursor", CORRELATION, always(request("request-7")), after(60)),
        ("an import", CORRELATION, always(request("import")), first()?),
        ("an import, the third page", CORRELATION, always(request("import")), third()?),
        ("an import in a week", CORRELATION, week(request("import")), first()?),
        ("no request in a week", CORRELATION, week(request("none")), first()?),
        ("no request", CORRELATION, always(request("none")), first()?),
        ("a rare action", ACTION, always(action("export")), first()?),
        ("a common action", ACTION, always(action("read")), first()?),
        ("a common action on a day", ACTION, within(TimeDelta::days(1), action("read")), first()?),
        ("no action in a week", ACTION, week(action("none")), first()?),
        ("a common action, after a cursor", ACTION, always(action("read")), after(60)),
        ("a common action, the third page", ACTION, always(action("read")), third()?),
        ("no action", ACTION, always(action("none")), first()?),
        ("failures", FAILURES, always(Selection::Failures), first()?),
        ("failures, the third page", FAILURES, always(Selection::Failures), third()?),
        ("failures in a moment", FAILURES, within(TimeDelta::microseconds(1), Selection::Failures), first()?),
        ("failures in a week", FAILURES, week(Selection::Failures), first()?),
        ("failures, after a cursor", FAILURES, always(Selection::Failures), after(60)),
        ("failures, after the last cursor", FAILURES, always(Selection::Failures), end()),
    ];
    Ok(Case::each(&ENTRIES, list, inputs.map(|(name, index, filter, page)| (name, index, (filter, page)))))
}

fn sealing() -> Vec<Case> {
    let mark = async |store: Store, known: i64| mark_horizon(&store, known).await;
    let seal = async |store: Store, horizon: Horizon| seal(&store, &horizon).await;
    let horizon = |last_id, transaction| Horizon { last_id, transaction };
    let mut cases = Case::each(&MARK_HORIZON, mark, [("ids were drawn", ANY, 0)]);
    let inputs = [
        ("a full seal", ANY, horizon(1 << 40, 0)),
        ("all rows that are left", ANY, horizon(1 << 40, 0)),
        ("nothing left", ANY, horizon(0, 0)),
        ("transactions still open", ANY, horizon(1 << 40, i64::MAX)),
    ];
    cases.extend(Case::each(&SEAL, seal, inputs));
    cases.push(Case::new(&MAINTAIN_PARTITIONS, "no change", ANY, async |store| {
        maintain_partitions(&store, 2_555).await.map(drop)
    }));
    cases
}

fn verification() -> Vec<Case> {
    let batch = async |store: Store, after: i64| seals(&store, after).await;
    let compare =
        async |store: Store, (after, through): (Option<i64>, i64)| rows(&store, after, through).await;
    let count = async |store: Store, last_id: i64| count_unsealed(&store, last_id).await;
    let mut cases = Case::each(
        &SEALS,
        batch,
        [("from the first", ANY, 0), ("in the middle", ANY, 120), ("after the last", ANY, i64::MAX)],
    );
    let ranges = [
        ("of some seals", ANY, (Some(100), 400)),
        ("a full batch", ANY, (None, i64::MAX)),
        ("none", ANY, (Some(i64::MAX - 1), i64::MAX)),
    ];
    cases.extend(Case::each(&ROWS, compare, ranges));
    cases.extend(Case::each(&COUNT_UNSEALED, count, [("all", ANY, 0), ("none", ANY, i64::MAX)]));
    cases.extend([
        Case::new(&LAST_SEAL, "the last", ANY, async |store| last_seal(&store).await.map(drop)),
        Case::new(&OLDEST_PARTITION, "this month", ANY, async |store| attached_since(&store).await.map(drop)),
    ]);
    cases
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
