//! Pasted text in the forms that people really send.

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
fn every_kind_of_separator_separates() {
    let separators = [
        "\n", "\r\n", "\r", "\\r\\n", "\\n", ",", ", ", ";", "\t", " ", "\u{2028}", "\u{85}", "\n\n  \n",
        ",\r\n",
    ];
    for separator in separators {
        assert_eq!(keys(&format!("{A}{separator}{B}")), [A, B], "separator {separator:?}");
    }
}

#[test]
fn dashes_spaces_and_case_do_not_matter() {
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
fn two_keys_on_a_line_may_have_only_a_space_between() {
    assert_eq!(keys("6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"), [A, B]);
}

#[test]
fn a_key_pasted_twice_counts_once() {
    let pasted = Pasted::parse(&format!("{A}\n6nrgd-khfcf-y4tf7-prwfd-ybf3h\n{B}\n{A}")).expect("two keys");
    assert_eq!(pasted.keys().len(), 2);
}

#[test]
fn fifty_keys_pass_and_the_line_of_the_fifty_first_is_named() {
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
fn of_many_surplus_lines_ten_are_named_each_once_and_the_others_counted() {
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
fn a_text_without_a_key_is_refused_and_its_lines_are_named() {
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
fn a_bad_line_among_keys_is_kept_with_its_number() {
    let pasted = Pasted::parse(&format!("{A}\noops\n{B}")).expect("two keys");
    assert_eq!(pasted.rejected(), [RejectedLine { line: 2, text: "oops".to_owned() }]);
    assert_eq!(pasted.keys().len(), 2);
}

#[test]
fn a_flood_of_bad_lines_and_a_nul_are_refused() {
    let flood = format!("{A}\n{}", "oops\n".repeat(51));
    let invalid = Pasted::parse(&flood).expect_err("flood");
    assert_eq!(messages(&invalid)[10..], ["line 11 is not a product key: oops", "and 41 more lines"]);
    assert_eq!(Pasted::parse(&format!("{A}\0")).expect_err("NUL").fields()[0].field, "keys");
}

#[test]
fn debug_does_not_show_the_key() {
    let shown = format!("{:?}", Pasted::parse(A).expect("a key"));
    assert!(!shown.contains(A) && shown.contains("6NRGD***"), "{shown}");
    let slip = format!("{:?}", Pasted::parse(&format!("{A}\n{}", &B[1..])).expect("a key").rejected());
    assert_eq!(slip, "[RejectedLine(2, 24 characters)]");
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused_and_limits_hold(text in "\\PC{0,400}|[A-Z0-9 ,\n-]{0,400}") {
        if let Ok(pasted) = Pasted::parse(&text) {
            let distinct: HashSet<_> = pasted.keys().iter().collect();
            prop_assert_eq!(distinct.len(), pasted.keys().len());
            prop_assert!((1..=MAX_KEYS).contains(&pasted.keys().len()));
            prop_assert!(pasted.rejected().len() <= MAX_KEYS);
        }
    }

    #[test]
    fn a_dashed_key_parses_back(text in "[A-Z0-9]{25}") {
        let key = ProductKey::parse(&text).expect("25 letters and digits");
        prop_assert_eq!(ProductKey::parse(&key.dashed()), Some(key));
        prop_assert_eq!(key.as_str(), text);
    }
}
