//! Responses that were observed, that are possible, and that are invalid.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const KEY: &str = "6NRGDKHFCFY4TF7PRWFDYBF3H";
const OTHER: &str = "22222333334444466666XXXXX";

fn key(text: &str) -> ProductKey {
    ProductKey::parse(text).unwrap()
}

fn read_value(value: &Value) -> Result<Answer, Error> {
    read(value.to_string().as_bytes(), &[key(KEY)])
}

/// Returns the status of `KEY` for the object `{"keyname": KEY, "prd": "P", ...members}`.
fn status(members: Value) -> KeyStatus {
    let mut object = json!({"keyname": KEY, "prd": "P"});
    object.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    match read_value(&json!([object])).unwrap().checked.remove(0) {
        Checked::Known(status) => status,
        Checked::Unknown { .. } | Checked::Unanswered { .. } => panic!("the object has a product"),
    }
}

#[test]
fn reads_all_members() {
    let answer = r#"[{"keyname":"6NRGDKHFCFY4TF7PRWFDYBF3H","keyname_with_dash":"6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H",
        "eid":"XXXXX-02165-456-008091-03-1033-9200.0000-1002022","is_key_type":"Volume:MAK","is_retail":2,
        "prd":"Office15_ProPlusVL_MAK","sub":"X21-74564","remaining":2185,"had_occurred":0,"invalid":0,"blocked":-1,
        "errorcode":null,"datetime_checked_done":"1/12/2026 1:48:27 PM (GMT+7)","something_new":[1]}]"#;
    let expected = KeyStatus {
        key: key(KEY),
        product: "Office15_ProPlusVL_MAK".to_owned(),
        extended_pid: Some("XXXXX-02165-456-008091-03-1033-9200.0000-1002022".to_owned()),
        key_type: Some("Volume:MAK".to_owned()),
        is_retail: Some(2),
        sub_type: Some("X21-74564".to_owned()),
        remaining: 2185,
        blocked: false,
        error_code: None,
        had_occurred: Some(false),
        invalid: Some(false),
        checked_text: Some("1/12/2026 1:48:27 PM (GMT+7)".to_owned()),
        checked_at: "2026-01-12T06:48:27Z".parse().ok(),
    };
    let answer = read(answer.as_bytes(), &[key(KEY)]).unwrap();
    assert_eq!(answer.checked, [Checked::Known(expected)]);
    assert_eq!((answer.missing, answer.strangers), (0, 0));
}

#[test]
fn accepts_single_objects() {
    let answer = read_value(&json!({"keyname": KEY, "prd": "P"})).unwrap();
    assert!(matches!(&answer.checked[..], [Checked::Known(status)] if status.product == "P"));
}

#[test]
fn ignores_byte_order_marks() {
    let body = format!("\u{FEFF}[{{\"keyname\": \"{KEY}\"}}]");
    assert!(read(body.as_bytes(), &[key(KEY)]).is_ok());
}

#[test]
fn results_have_the_order_of_the_request() {
    let asked = [key(KEY), key(OTHER), key(KEY)];
    let body = json!([
        {"keyname": "22222-33333-44444-66666-xxxxx", "prd": "B"},
        {"keyname_with_dash": "6nrgd-khfcf-y4tf7-prwfd-ybf3h", "prd": "A"},
    ]);
    let answer = read(body.to_string().as_bytes(), &asked).unwrap();
    assert_eq!(answer.checked.iter().map(Checked::key).collect::<Vec<_>>(), asked);
    let product = |checked: &Checked| match checked {
        Checked::Known(status) => status.product.clone(),
        Checked::Unknown { .. } | Checked::Unanswered { .. } => String::new(),
    };
    assert_eq!(answer.checked.iter().map(product).collect::<Vec<_>>(), ["A", "B", "A"]);
}

#[test]
fn tolerates_missing_additional_and_duplicate_keys() {
    let body = json!([
        {"keyname": KEY, "prd": "first"},
        {"keyname": "STRANGERSTRANGERSTRANGER2", "prd": "P"},
        {"keyname": KEY, "prd": "last"},
    ]);
    let answer = read(body.to_string().as_bytes(), &[key(KEY), key(OTHER)]).unwrap();
    assert!(matches!(&answer.checked[0], Checked::Known(status) if status.product == "last"));
    assert_eq!(answer.checked[1], Checked::Unanswered { key: key(OTHER) });
    assert_eq!((answer.missing, answer.strangers), (1, 1));
}

#[test]
fn rejects_arrays_without_requested_keys() {
    for body in [json!([]), json!([{"keyname": "STRANGERSTRANGERSTRANGER2", "prd": "P"}])] {
        let refused = read(body.to_string().as_bytes(), &[key(KEY), key(OTHER)]);
        assert_eq!(refused, Err(Error::Body("none of the requested keys")), "{body}");
    }
}

#[test]
fn keys_without_product_are_unknown() {
    for product in [json!(null), json!(""), json!("  "), json!("\0"), json!([]), json!({}), json!(false)] {
        let answer = read_value(&json!([{"keyname": KEY, "prd": product, "remaining": 7}])).unwrap();
        assert_eq!(answer.checked, [Checked::Unknown { key: key(KEY) }], "{product}");
        assert_eq!(answer.missing, 0);
    }
}

#[test]
fn rejects_invalid_bodies() {
    for body in [
        "",
        "   ",
        "null",
        "12",
        "\"IID is not correct!!\"",
        "Key blocked!",
        "<!DOCTYPE html><html></html>",
        "{}",
        r#"{"error_executing":"invalid apikey"}"#,
        r#"[{"error_executing":"invalid apikey"}]"#,
        r#"[{"keyname":null,"prd":"P"}]"#,
        r#"["6NRGDKHFCFY4TF7PRWFDYBF3H"]"#,
        "[null]",
        r#"[{"keyname":"6NRGDKHFCFY4TF7PRWFDYBF3H","prd":"P""#,
        "[] []",
        "[\"\\ud800\"]",
    ] {
        let answer = read(body.as_bytes(), &[key(KEY)]);
        assert!(matches!(answer, Err(Error::Body(_))), "{body}: {answer:?}");
    }
    assert!(matches!(read(b"[\xff]", &[key(KEY)]), Err(Error::Body(_))));
    let deep = "[".repeat(100_000);
    assert!(matches!(read(deep.as_bytes(), &[key(KEY)]), Err(Error::Body(_))));
}

#[test]
fn integers_have_any_notation() {
    for (value, remaining) in [
        (json!(2185), 2185),
        (json!("2185"), 2185),
        (json!(" 2185 "), 2185),
        (json!(2185.0), 2185),
        (json!("2185.0"), 2185),
        (json!(0), 0),
        (json!(-1), -1),
        (json!("-1"), -1),
        (json!(true), 1),
        (json!(null), -1),
        (json!(""), -1),
        (json!("many"), -1),
        (json!(1.5), -1),
        (json!("NaN"), -1),
        (json!("1e999"), -1),
        (json!(-7), -1),
        (json!(3_000_000_000_u64), -1),
        (json!(u64::MAX), -1),
        (json!([1]), -1),
    ] {
        assert_eq!(status(json!({"remaining": value})).remaining, remaining, "{value}");
    }
    assert_eq!(status(json!({})).remaining, -1, "missing");
    assert_eq!(status(json!({"is_retail": "4000000000"})).is_retail, None);
}

#[test]
fn only_one_means_blocked() {
    for (value, blocked) in
        [(json!(1), true), (json!("1"), true), (json!(-1), false), (json!(0), false), (json!(null), false)]
    {
        assert_eq!(status(json!({"blocked": value})).blocked, blocked, "{value}");
    }
}

#[test]
fn texts_are_cleaned_and_truncated() {
    assert_eq!(status(json!({"is_key_type": 3})).key_type.as_deref(), Some("3"));
    assert_eq!(status(json!({"eid": "a\u{0}b"})).extended_pid.as_deref(), Some("ab"));
    assert_eq!(status(json!({"errorcode": "0XC004C060"})).error_code.as_deref(), Some("0XC004C060"));
    assert_eq!(status(json!({"sub": "ß".repeat(300)})).sub_type.map(|text| text.chars().count()), Some(255));
    assert_eq!(status(json!({"is_key_type": "x".repeat(300)})).key_type.map(|text| text.len()), Some(50));
    assert_eq!(status(json!({"sub": ""})).sub_type, None);
}

#[test]
fn times_need_a_valid_offset() {
    let read = |text: &str| moment(text).map(|moment| moment.to_rfc3339());
    let utc = |text: &str| Some(text.to_owned());
    assert_eq!(read("1/12/2026 1:48:27 PM (GMT+7)"), utc("2026-01-12T06:48:27+00:00"));
    assert_eq!(read("12/31/2025 11:59:59 PM (GMT-3:30)"), utc("2026-01-01T03:29:59+00:00"));
    assert_eq!(read("1/12/2026 12:00:00 AM (GMT+07:00)"), utc("2026-01-11T17:00:00+00:00"));
    assert_eq!(read("1/12/2026 12:00:00 AM (GMT)"), utc("2026-01-12T00:00:00+00:00"));
    for unreadable in [
        "",
        "yesterday",
        "1/12/2026 1:48:27 PM",
        "13/12/2026 1:48:27 PM (GMT+7)",
        "1/12/2026 13:48:27 PM (GMT+7)",
        "1/12/2026 1:48:27 PM (GMT+99)",
        "1/12/2026 1:48:27 PM (GMT+7",
        "1/12/2026 1:48:27 PM (GMT±7)",
    ] {
        assert_eq!(read(unreadable), None, "{unreadable}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!(KEY)),
    ];
    let name =
        prop_oneof![Just("keyname".to_owned()), Just("prd".to_owned()), Just("remaining".to_owned()), ".*"];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_a_complete_result_or_an_error(value in any_json()) {
        if let Ok(answer) = read_value(&value) {
            prop_assert_eq!(answer.checked.len(), 1);
        }
    }

    #[test]
    fn any_member_fits_its_column(value in any_json()) {
        let members = ["eid", "is_key_type", "is_retail", "sub", "remaining", "blocked", "errorcode",
            "had_occurred", "invalid", "datetime_checked_done"];
        let members: Map<String, Value> = members.map(|name| (name.to_owned(), value.clone())).into_iter().collect();
        let status = status(Value::Object(members));
        prop_assert!(status.remaining >= -1);
        for text in [status.extended_pid, status.sub_type, status.error_code, status.checked_text].into_iter().flatten() {
            prop_assert!(text.chars().count() <= 255 && !text.contains('\0') && !text.is_empty());
        }
        prop_assert!(status.key_type.is_none_or(|text| text.chars().count() <= 50));
    }

    #[test]
    fn any_bytes_are_a_result_or_an_error(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&body, &[key(KEY)]);
    }

    #[test]
    fn time_parser_never_panics(text in "[0-9/: APM()GT+-]{0,40}|\\PC{0,40}") {
        let _ = moment(&text);
    }
}
