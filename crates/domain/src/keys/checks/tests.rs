//! Tests of pasted text in the forms that users send.

use super::*;
use proptest::prelude::*;

const A: &str = "6NRGDKHFCFY4TF7PRWFDYBF3H";
const B: &str = "AAAAABBBBBCCCCCDDDDDEEEEE";

fn keys(text: &str) -> Vec<String> {
    Pasted::parse(text).expect("has keys").keys().iter().map(|key| key.as_str().to_owned()).collect()
}

fn messages(invalid: &Invalid) -> Vec<&str> {
    invalid.fields().iter().map(|wrong| wrong.message.as_str()).collect()
}

fn many(n: usize) -> String {
    (0..n).map(|i| format!("{i:025}\n")).collect()
}

#[test]
fn accepts_every_separator() {
    let separators = [
        "\n", "\r\n", "\r", "\\r\\n", "\\n", ",", ", ", ";", "\t", " ", "\u{2028}", "\u{85}", "\n\n  \n",
        ",\r\n",
    ];
    for separator in separators {
        assert_eq!(keys(&format!("{A}{separator}{B}")), [A, B], "separator {separator:?}");
    }
}

#[test]
fn ignores_dashes_spaces_case() {
    for text in [
        "6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H",
        "6nrgd-khfcf-y4tf7-prwfd-ybf3h",
        " 6NRGD KHFCF Y4TF7 PRWFD YBF3H ",
        "6NRGD–KHFCF–Y4TF7–PRWFD–YBF3H",
        "\u{FEFF}6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H\u{200B}",
        "6nrgdkhfcfy4tf7prwfdybf3h",
    ] {
        assert_eq!(keys(text), [A], "{text:?}");
    }
}

#[test]
fn splits_dashed_keys_at_spaces() {
    assert_eq!(keys("6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"), [A, B]);
}

#[test]
fn counts_repeated_keys_once() {
    let pasted = Pasted::parse(&format!("{A}\n6nrgd-khfcf-y4tf7-prwfd-ybf3h\n{B}\n{A}")).expect("two keys");
    assert_eq!(pasted.keys().len(), 2);
}

#[test]
fn names_lines_beyond_fifty_keys() {
    assert_eq!(keys(&many(50)).len(), 50);
    assert_eq!(keys(&format!("{}{}", many(50), many(50))).len(), 50, "repeated keys do not count");
    let invalid = Pasted::parse(&many(53)).expect_err("too many");
    assert_eq!(invalid.to_string(), "Maximum 50 keys per request");
    assert!(invalid.fields().iter().all(|wrong| wrong.field == "keys"));
    let named = [
        "line 51 has key number 51; 3 too many",
        "line 52 has keys beyond the first 50",
        "line 53 has keys beyond the first 50",
    ];
    assert_eq!(messages(&invalid), named);
}

#[test]
fn lists_ten_surplus_lines_counts_others() {
    let twice =
        many(75).lines().collect::<Vec<_>>().chunks(2).map(|pair| pair.join(",") + "\n").collect::<String>();
    let invalid = Pasted::parse(&twice).expect_err("too many");
    let messages = messages(&invalid);
    assert_eq!(messages[0], "line 26 has key number 51; 25 too many");
    assert_eq!(messages[9], "line 35 has keys beyond the first 50");
    assert_eq!(messages[10..], ["and 3 more lines"]);
    let one_more = Pasted::parse(&many(61)).expect_err("too many");
    assert_eq!(one_more.fields()[10].message, "and 1 more line");
}

#[test]
fn rejects_text_without_keys() {
    for text in ["", " \r\n \n", "- - -", ",,,"] {
        assert_eq!(Pasted::parse(text).expect_err("nothing").to_string(), "No keys provided", "{text:?}");
    }
    let invalid = Pasted::parse("hello\n\n6NRGD-KHFCF").expect_err("no key");
    assert_eq!(invalid.to_string(), "No keys provided");
    assert_eq!(
        messages(&invalid)[1..],
        ["line 1 is not a product key: hello", "line 3 is not a product key: 6NRGD-KHFCF"]
    );
}

#[test]
fn reports_rejected_lines_with_number() {
    let pasted = Pasted::parse(&format!("{A}\noops\n{B}")).expect("two keys");
    assert_eq!(pasted.rejected(), [RejectedLine { line: 2, text: "oops".to_owned() }]);
    assert_eq!(pasted.keys().len(), 2);
}

#[test]
fn rejects_nul_or_too_many_bad_lines() {
    let flood = format!("{A}\n{}", "oops\n".repeat(51));
    let invalid = Pasted::parse(&flood).expect_err("flood");
    assert_eq!(messages(&invalid)[10..], ["line 11 is not a product key: oops", "and 41 more lines"]);
    assert_eq!(Pasted::parse(&format!("{A}\0")).expect_err("NUL").fields()[0].field, "keys");
}

#[test]
fn debug_hides_key() {
    let shown = format!("{:?}", Pasted::parse(A).expect("a key"));
    assert!(!shown.contains(A) && shown.contains("6NRGD***"), "{shown}");
    let slip = format!("{:?}", Pasted::parse(&format!("{A}\n{}", &B[1..])).expect("a key").rejected());
    assert_eq!(slip, "[RejectedLine(2, 24 characters)]");
}

proptest! {
    #[test]
    fn parsed_text_respects_limits(text in "\\PC{0,400}|[A-Z0-9 ,\n-]{0,400}") {
        if let Ok(pasted) = Pasted::parse(&text) {
            let distinct: HashSet<_> = pasted.keys().iter().collect();
            prop_assert_eq!(distinct.len(), pasted.keys().len());
            prop_assert!((1..=MAX_KEYS).contains(&pasted.keys().len()));
            prop_assert!(pasted.rejected().len() <= MAX_KEYS);
        }
    }

    #[test]
    fn dashed_key_round_trips(text in "[A-Z0-9]{25}") {
        let key = ProductKey::parse(&text).expect("25 letters and digits");
        prop_assert_eq!(ProductKey::parse(&key.dashed()), Some(key));
        prop_assert_eq!(key.as_str(), text);
    }
}
