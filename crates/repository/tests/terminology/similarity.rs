//! Tests of searches by similarity on parts of the release, compared with pg_trgm.

use crate::release;
use crate::support::Fixture;
use anyhow::Result;
use steadfast_domain::terminology::{Leg, MatchType, Query};
use steadfast_repository::terminology;

/// Parts of the release with short terms and long ones.
const PARTS: [&str; 6] = ["A0", "E", "I", "J", "M10", "S72"];

/// Queries as typed, and with corrected spelling.
const QUERIES: [(&str, &str); 16] = [
    ("diabetes", "diabetes"),
    ("hypertension", "hypertension"),
    ("fracture", "fracture"),
    ("encounter", "encounter"),
    ("type 2 diabetes", "type 2 diabetes"),
    ("fracture of femur", "fracture of femur"),
    ("left femur fracture encounter", "left femur fracture encounter"),
    ("heart failure", "heart failure"),
    ("chronic kidney disease with heart failure", "chronic kidney disease with heart failure"),
    ("fracture cholera", "fracture cholera"),
    ("diabtes", "diabetes"),
    ("hypertention", "hypertension"),
    ("asthmma", "asthma"),
    ("fractur of femor", "fracture of femur"),
    ("pneumonea viral", "pneumonia viral"),
    ("acute miocardial infarction", "acute myocardial infarction"),
];

#[tokio::test]
async fn fuzzy_matches_reach_similarity_threshold_of_pg_trgm() -> Result<()> {
    let fixture = Fixture::new().await?;
    terminology::import(&fixture.store, "parts", &release::rows_of(&PARTS)?, |_| ()).await?;
    let client = fixture.client().await?;
    let (mut matches, mut queries) = (0, 0);
    for (typed, corrected) in QUERIES {
        let query = Query::new(typed, None)?;
        let found =
            terminology::search(&fixture.store, Leg::Similarity, &query).await?.expect("words").matches;
        queries += usize::from(!found.is_empty());
        assert!(found.is_sorted_by(|one, next| one.confidence >= next.confidence), "{typed}");
        for found in found {
            let similarity = "SELECT greatest(similarity($1, $2), similarity($1, $3))";
            let row = client.query_one(similarity, &[&found.term, &typed, &corrected]).await?;
            assert!(row.get::<_, f32>(0) >= 0.3, "{typed}: {}", found.term);
            assert_eq!(found.match_type, MatchType::Fuzzy);
            matches += 1;
        }
    }
    assert!(matches > 100 && queries >= QUERIES.len() - 2, "{matches} matches of {queries} queries");
    Ok(())
}

#[tokio::test]
async fn gibberish_resembles_no_term() -> Result<()> {
    let fixture = Fixture::new().await?;
    terminology::import(&fixture.store, "parts", &release::rows_of(&PARTS)?, |_| ()).await?;
    for text in [
        "xqzvkw",
        "asdfgh",
        "qwert",
        "foobar",
        "hjkl",
        "jfk",
        "xq",
        "sdfsdf lkjh",
        "zxcvb nm",
        "e99z",
        "12345",
    ] {
        for leg in [Leg::Term, Leg::Similarity] {
            let found =
                terminology::search(&fixture.store, leg, &Query::new(text, None)?).await?.expect("words");
            assert_eq!(found.matches, [], "{text}");
        }
    }
    Ok(())
}
