//! ICD-10-CM codes on a real server: import, search, and the place of a code in its tree.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use anyhow::Result;
use steadfast_domain::terminology::{IcdCode, ImportRow, Leg, Match, MatchType, Query};
use steadfast_repository::terminology;
use support::Fixture;

fn code(text: &str) -> IcdCode {
    IcdCode::parse("code", text).expect("a code")
}

fn row(text: &str, parent: Option<&str>, term: &str) -> ImportRow {
    ImportRow {
        code: code(text),
        term: term.to_owned(),
        category: code(&text[..3]),
        parent_code: parent.map(code),
        block: "S70-S79".to_owned(),
        chapter: "19 Injury".to_owned(),
        billable: text.len() > 5,
    }
}

fn table() -> Vec<ImportRow> {
    let mut rows = vec![
        row("S72", None, "Fracture of femur"),
        row("S720", Some("S72"), "Fracture of head and neck of femur"),
        row("S7200", Some("S720"), "Fracture of unspecified part of neck of femur"),
        row("S72001", Some("S7200"), "Fracture of unspecified part of neck of right femur"),
        row("S72001A", Some("S72001"), "Fracture of right femur, 100% closed, initial encounter"),
        row("S72002A", Some("S72001"), "Fracture_of left femur"),
        row("E11", None, "Type 2 diabetes mellitus"),
    ];
    rows.extend(
        (0..30)
            .map(|n| row(&format!("E11{n:02}"), Some("E11"), &format!("Type 2 diabetes with finding {n}"))),
    );
    rows
}

async fn imported() -> Result<Fixture> {
    let fixture = Fixture::new().await?;
    terminology::import(&fixture.store, &table()).await?;
    Ok(fixture)
}

async fn find(fixture: &Fixture, leg: Leg, text: &str) -> Result<Vec<Match>> {
    let found = terminology::search(&fixture.store, leg, &Query::new(text, None)?).await?;
    Ok(found.expect("the leg has something to look for"))
}

async fn codes(fixture: &Fixture, leg: Leg, text: &str) -> Result<Vec<String>> {
    Ok(find(fixture, leg, text).await?.into_iter().map(|found| found.code.to_string()).collect())
}

#[tokio::test]
async fn an_import_writes_what_is_new_or_changed_and_nothing_twice() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut rows = table();
    assert_eq!(terminology::import(&fixture.store, &rows).await?, rows.len());
    assert_eq!(terminology::import(&fixture.store, &rows).await?, 0, "a repetition writes nothing");
    rows[0].term = "Fracture of the femur".to_owned();
    assert_eq!(terminology::import(&fixture.store, &rows).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_code_that_the_release_has_no_longer_is_kept_but_not_found() -> Result<()> {
    let fixture = imported().await?;
    let kept: Vec<IcdCode> =
        table().into_iter().map(|row| row.code).filter(|kept| *kept != code("S72002A")).collect();
    assert_eq!(terminology::retire_others(&fixture.store, &kept).await?, 1);
    assert_eq!(terminology::retire_others(&fixture.store, &kept).await?, 0);
    assert_eq!(codes(&fixture, Leg::Code, "S72002").await?, [""; 0]);
    let placed = terminology::place(&fixture.store, &code("S72002A")).await?.expect("still there");
    assert!(!placed.concept.active);
    assert_eq!(terminology::import(&fixture.store, &table()).await?, 1, "a later release brings it back");
    assert_eq!(codes(&fixture, Leg::Code, "S72002").await?, ["S72002A"]);
    Ok(())
}

#[tokio::test]
async fn each_leg_finds_what_it_is_for() -> Result<()> {
    let fixture = imported().await?;
    assert_eq!(codes(&fixture, Leg::Code, "s72.00").await?, ["S7200", "S72001", "S72001A", "S72002A"]);
    assert_eq!(codes(&fixture, Leg::Code, "E11").await?.len(), 5, "the leg's limit");
    for (leg, text) in [(Leg::Code, "heart failure"), (Leg::Term, "S7"), (Leg::Term, "a/b cd")] {
        assert_eq!(terminology::search(&fixture.store, leg, &Query::new(text, None)?).await?, None, "{text}");
    }
    assert_eq!(codes(&fixture, Leg::Term, "FEMUR").await?[0], "S72", "the shortest first");
    assert_eq!(codes(&fixture, Leg::Term, "100%").await?, ["S72001A"], "wildcards are taken literally");
    assert_eq!(codes(&fixture, Leg::Term, "ure_of").await?, ["S72002A"]);
    assert_eq!(codes(&fixture, Leg::Similarity, "fractur of femor").await?[0], "S72");
    assert_eq!(codes(&fixture, Leg::Similarity, "zzzz").await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_find_says_how_it_was_found_and_how_sure_it_is() -> Result<()> {
    let fixture = imported().await?;
    for (leg, text, match_type, confidence) in [
        (Leg::Code, "E11", MatchType::ExactCode, 1.0),
        (Leg::Term, "diabetes mellitus", MatchType::TermPrefix, 0.9),
        (Leg::Similarity, "type 2 diabetes melitus", MatchType::Fuzzy, 0.6),
    ] {
        let found = find(&fixture, leg, text).await?;
        assert_eq!((found[0].match_type, found[0].confidence), (match_type, confidence), "{text}");
        assert_eq!(found[0].chapter, "19 Injury");
    }
    Ok(())
}

#[tokio::test]
async fn a_code_has_its_line_of_parents_its_children_and_its_siblings() -> Result<()> {
    let fixture = imported().await?;
    let meter = fixture.meter().await?;
    let deep_code = code("S72001A");
    terminology::place(&fixture.store, &deep_code).await?;
    let (deep, reading) = meter.read(terminology::place(&fixture.store, &deep_code)).await?;
    assert_eq!((reading.statements, reading.utility), (3, 0));
    let deep = deep?.expect("placed");
    assert_eq!(deep.concept.parent_code, Some(code("S72001")));
    assert_eq!(
        deep.parents.iter().map(|p| p.code.as_str()).collect::<Vec<_>>(),
        ["S72", "S720", "S7200", "S72001"]
    );
    assert_eq!(deep.siblings.shown.iter().map(|s| s.code.as_str()).collect::<Vec<_>>(), ["S72002A"]);
    assert_eq!((deep.children.total, deep.siblings.total), (0, 1));

    let wide = terminology::place(&fixture.store, &code("E11")).await?.expect("placed");
    assert_eq!((wide.children.shown.len(), wide.children.total), (20, 30));
    assert_eq!((wide.parents.len(), wide.siblings.total), (0, 0), "a category has no siblings here");
    let sibling = terminology::place(&fixture.store, &code("E1107")).await?.expect("placed");
    assert_eq!((sibling.siblings.shown.len(), sibling.siblings.total), (10, 29));
    assert_eq!(terminology::place(&fixture.store, &code("X99")).await?, None);
    Ok(())
}

#[tokio::test]
async fn a_loop_in_the_table_ends_the_line_of_parents() -> Result<()> {
    let fixture = Fixture::new().await?;
    let rows = [row("A00", Some("A01"), "one"), row("A01", Some("A00"), "other")];
    terminology::import(&fixture.store, &rows).await?;
    let placed = terminology::place(&fixture.store, &code("A00")).await?.expect("placed");
    assert_eq!(placed.parents.len(), 9);
    Ok(())
}
