//! Tests of the JSON of keys and checks.

use super::*;
use chrono::DateTime;
use serde_json::{Value, json};
use steadfast_domain::keys::{KeyStatus, StoredKey, Upserted};

fn key() -> ProductKey {
    ProductKey::parse("6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H").expect("a key")
}

fn stored(is_new: bool, blocked: bool) -> KeyResult {
    let status = KeyStatus {
        is_retail: Some(2),
        sub_type: Some("X21-74564".into()),
        remaining: 2185,
        blocked,
        had_occurred: Some(0),
        invalid: Some(0),
        checked_text: Some("1/12/2026 1:48:27 PM (GMT+7)".into()),
        ..KeyStatus::new(key(), "Office15_ProPlusVL_MAK")
    };
    let stored = StoredKey { id: 9, status, created_at: DateTime::UNIX_EPOCH, updated_at: None };
    KeyResult::Stored(Box::new(Upserted { stored, is_new }))
}

fn as_json(result: KeyResult) -> Value {
    serde_json::to_value(CheckResult::from(result)).expect("JSON")
}

#[test]
fn stored_key_has_all_columns_and_status() {
    let expected = json!({
        "id": 9,
        "keyname": "6NRGDKHFCFY4TF7PRWFDYBF3H",
        "keyname_with_dash": "6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H",
        "prd": "Office15_ProPlusVL_MAK",
        "eid": null,
        "is_key_type": null,
        "is_retail": 2,
        "sub": "X21-74564",
        "remaining": 2185,
        "blocked": -1,
        "errorcode": null,
        "had_occurred": 0,
        "invalid": 0,
        "datetime_checked_done": "1/12/2026 1:48:27 PM (GMT+7)",
        "created_at": "1970-01-01T00:00:00Z",
        "updated_at": null,
        "status": "new",
    });
    assert_eq!(as_json(stored(true, false)), expected);
    let updated = as_json(stored(false, true));
    assert_eq!((&updated["status"], &updated["blocked"]), (&json!("updated"), &json!(1)));
}

#[test]
fn keys_that_are_not_stored_have_errors() {
    let unknown = as_json(KeyResult::Unknown(key()));
    assert_eq!(
        (&unknown["prd"], &unknown["remaining"], &unknown["blocked"]),
        (&json!("UNKNOWN"), &json!(0), &json!(-1))
    );
    assert_eq!((&unknown["status"], &unknown["id"]), (&json!("error"), &Value::Null));
    let rejected = as_json(KeyResult::Rejected(RejectedLine { line: 4, text: "Total: 3".into() }));
    assert_eq!(rejected["keyname"], "Total: 3");
    assert_eq!(rejected["error"], "line 4 is not a product key");
}

#[test]
fn summary_counts_keys_by_status() {
    let summary = CheckSummary { total_keys: 3, new_keys: 2, updated_keys: 0, errors: 1 };
    assert_eq!(summary.to_string(), "3 keys checked: 2 new, 0 updated, 1 error");
    let summary = CheckSummary { total_keys: 1, new_keys: 0, updated_keys: 1, errors: 0 };
    assert_eq!(summary.to_string(), "1 key checked: 0 new, 1 updated, 0 errors");
}
