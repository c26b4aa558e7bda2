//! Rules of the search: codes, similarity and order.

use crate::support::Fixture;
use anyhow::Result;
use serde_json::Value;
use steadfast_domain::terminology::{IcdCode, ImportRow};
use steadfast_repository::terminology;

/// Number of codes directly below E11.
const BELOW_E11: usize = 60;

const TERMS: [(&str, &str); 11] = [
    ("E11", "Type 2 diabetes mellitus"),
    ("I10", "Essential (primary) hypertension"),
    ("I15", "Secondary hypertension"),
    ("D51", "Vitamin B12 deficiency anemia"),
    ("B07", "Viral warts"),
    ("J12", "Viral pneumonia, not elsewhere classified"),
    ("J18", "Pneumonia, unspecified organism"),
    ("J189", "Pneumonia"),
    ("J85", "Abscess of lung"),
    ("S22", "Fracture of T11-T12 vertebra"),
    ("S72", "Fracture of femur"),
];

async fn filled() -> Result<Fixture> {
    let api = Fixture::new().await?;
    let below = (0..BELOW_E11).map(|n| (format!("E11{n:02}"), format!("Diabetes mellitus with finding {n}")));
    let terms = TERMS.map(|(code, term)| (code.to_owned(), term.to_owned()));
    let rows: Result<Vec<ImportRow>> =
        terms.into_iter().chain(below).map(|(code, term)| row(&code, term)).collect();
    terminology::import(&api.store, "small", &rows?, |_| ()).await?;
    Ok(api)
}

fn row(code: &str, term: String) -> Result<ImportRow> {
    let chapter = match code.starts_with('E') {
        true => "4 Endocrine, nutritional and metabolic diseases (E00-E89)",
        false => "19 Injury and other things (A00-D89)",
    };
    let category = IcdCode::parse("category", &code[..3])?;
    Ok(ImportRow {
        code: IcdCode::parse("code", code)?,
        term,
        parent_code: (code.len() > 3).then(|| category.clone()),
        category,
        block: "A00-Z99".to_owned(),
        chapter: chapter.to_owned(),
        billable: code.len() > 3,
    })
}

async fn found(api: &Fixture, path: &str) -> Vec<Value> {
    let answer = api.get(path).await;
    let data = answer.data();
    let found = data.get("results").or_else(|| data.get("suggestions"));
    found.and_then(Value::as_array).expect("a list").clone()
}

async fn searched(api: &Fixture, query: &str) -> Vec<Value> {
    found(api, &format!("/api/v1/search/icd10?query={query}")).await
}

fn codes(found: &[Value]) -> Vec<&str> {
    found.iter().filter_map(|found| found["code"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn search_accepts_all_spellings_of_code() -> Result<()> {
    let api = filled().await?;
    for query in ["E1107", "e11.07", "E11+07", "e+11.07", "e11-07", "e11.07%20"] {
        let found = searched(&api, query).await;
        assert_eq!(
            (codes(&found), &found[0]["match_type"]),
            (vec!["E1107"], &"exact_code".into()),
            "{query}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn code_query_is_not_searched_as_words() -> Result<()> {
    let api = filled().await?;
    for query in ["E11", "E1", "e.", "E11&limit=50", "E11&chapter=4"] {
        let found = searched(&api, query).await;
        assert_eq!(found[0]["code"], "E11", "{query}");
        assert!(found.iter().all(|found| found["match_type"] == "exact_code"), "{query}: {found:?}");
        assert!(found.len() >= 10, "{query}");
    }
    // A chapter without the code, and codes that do not exist: nothing to confuse with T11 and B12.
    for query in ["E11&chapter=19", "E1199", "B99", "T1199"] {
        assert_eq!(codes(&searched(&api, query).await), [""; 0], "{query}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn word_in_form_of_unknown_code_is_found() -> Result<()> {
    let api = filled().await?;
    for (query, code) in [("b12", "D51"), ("T11", "S22"), ("t11-t12", "S22")] {
        for endpoint in ["search", "autocomplete"] {
            let found = found(&api, &format!("/api/v1/{endpoint}/icd10?query={query}")).await;
            assert_eq!(codes(&found), [code], "{endpoint} {query}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_limit_bounds_answers() -> Result<()> {
    let api = filled().await?;
    for query in ["E11", "diabetes"] {
        for endpoint in ["search", "autocomplete"] {
            for limit in [1, 6, 11, 50] {
                let path = format!("/api/v1/{endpoint}/icd10?query={query}&limit={limit}");
                assert_eq!(found(&api, &path).await.len(), limit, "{path}");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn random_text_finds_nothing() -> Result<()> {
    let api = filled().await?;
    for query in [
        "xqzvkw",
        "asdfgh",
        "qwert",
        "foobar",
        "warxx",
        "x9z9",
        "zz",
        "xq",
        "jkl",
        "qwe+rty",
        "%C3%9F%C3%A6%C3%B0",
    ] {
        for endpoint in ["search", "autocomplete"] {
            let found = found(&api, &format!("/api/v1/{endpoint}/icd10?query={query}&limit=50")).await;
            assert_eq!(codes(&found), [""; 0], "{endpoint} {query}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn confidence_is_in_descending_order() -> Result<()> {
    let api = filled().await?;
    for query in [
        "diabetes",
        "diabtes+melitus",
        "type+2+diabetes",
        "pneumonia+viral",
        "pnumonia+of+lung",
        "fracture+of+femor",
        "hypertention+primary",
        "viral+fracture",
        "E11",
    ] {
        let found = searched(&api, &format!("{query}&limit=50")).await;
        let sure: Vec<f64> = found.iter().filter_map(|found| found["confidence"].as_f64()).collect();
        assert!(!sure.is_empty() && sure.len() == found.len(), "{query}");
        assert!(sure.is_sorted_by(|one, next| one >= next), "{query}: {sure:?}");
    }
    Ok(())
}
