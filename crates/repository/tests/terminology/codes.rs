//! Tests of looking up codes and chapters.

use crate::support::Fixture;
use anyhow::Result;
use steadfast_domain::terminology::{CodeWithRelatives, IcdCode, ImportRow, Relatives};
use steadfast_repository::terminology::{chapters, code_with_relatives, find, import};

fn code(text: &str) -> IcdCode {
    IcdCode::parse("code", text).expect("a code")
}

fn row(text: &str, parent: Option<&str>) -> ImportRow {
    ImportRow {
        code: code(text),
        term: format!("Term of {text}"),
        category: code(&text[..3]),
        parent_code: parent.map(code),
        block: "S70-S79".to_owned(),
        chapter: if text.starts_with('S') { "19 Injury (S00-T88)" } else { "4 Endocrine (E00-E89)" }
            .to_owned(),
        billable: text.len() > 4,
    }
}

/// Imports a deep branch, a category with thirty children, and two codes that are each other's parents.
async fn filled() -> Result<Fixture> {
    let fixture = Fixture::new().await?;
    let mut rows = vec![
        row("S72", None),
        row("S720", Some("S72")),
        row("S7200", Some("S720")),
        row("S72001", Some("S7200")),
        row("S72001A", Some("S72001")),
        row("S72002A", Some("S72001")),
        row("S90", Some("S91")),
        row("S91", Some("S90")),
        row("E11", None),
    ];
    rows.extend((0..30).map(|n| row(&format!("E11{n:02}"), Some("E11"))));
    import(&fixture.store, "small", &rows, |_| ()).await?;
    Ok(fixture)
}

async fn looked_up(fixture: &Fixture, text: &str) -> Result<CodeWithRelatives> {
    Ok(code_with_relatives(&fixture.store, &code(text)).await?.expect("the code exists"))
}

fn shown(relatives: &Relatives) -> Vec<&str> {
    relatives.shown.iter().map(|relative| relative.code.as_str()).collect()
}

#[tokio::test]
async fn lookup_returns_relatives_in_one_statement() -> Result<()> {
    let fixture = filled().await?;
    looked_up(&fixture, "S72001A").await?;
    let (deep, reading) = fixture.meter().await?.read(looked_up(&fixture, "S72001A")).await?;
    let deep = deep?;
    assert_eq!(reading.statements, 1);
    let parents: Vec<&str> = deep.parents.iter().map(|parent| parent.code.as_str()).collect();
    assert_eq!(parents, ["S72", "S720", "S7200", "S72001"]);
    assert_eq!((shown(&deep.siblings), deep.children.total), (vec!["S72002A"], 0));
    assert_eq!(deep.concept.parent_code, Some(code("S72001")));
    let middle = looked_up(&fixture, "S72001").await?;
    assert_eq!((shown(&middle.children), middle.siblings.total), (vec!["S72001A", "S72002A"], 0));
    assert_eq!(code_with_relatives(&fixture.store, &code("X99")).await?, None);
    Ok(())
}

#[tokio::test]
async fn lookup_shows_first_relatives_and_counts_all() -> Result<()> {
    let fixture = filled().await?;
    let parent = looked_up(&fixture, "E11").await?;
    assert_eq!((parent.children.shown.len(), parent.children.total, parent.siblings.total), (20, 30, 0));
    assert_eq!((shown(&parent.children)[0], shown(&parent.children)[19]), ("E1100", "E1119"));
    let child = looked_up(&fixture, "E1107").await?;
    assert_eq!((child.siblings.shown.len(), child.siblings.total), (10, 29));
    assert!(!shown(&child.siblings).contains(&"E1107"), "a code is not its own sibling");
    Ok(())
}

#[tokio::test]
async fn cycle_of_parents_ends_at_depth_limit() -> Result<()> {
    let fixture = filled().await?;
    assert_eq!(looked_up(&fixture, "S90").await?.parents.len(), 9);
    Ok(())
}

#[tokio::test]
async fn finds_existing_codes_in_one_statement() -> Result<()> {
    let fixture = filled().await?;
    let mut wanted: Vec<IcdCode> = (0..99).map(|n| code(&format!("E11{n:02}"))).collect();
    wanted.push(code("S72"));
    find(&fixture.store, &wanted).await?;
    let (found, reading) = fixture.meter().await?.read(find(&fixture.store, &wanted)).await?;
    let mut found: Vec<String> = found?.into_iter().map(|concept| concept.code.to_string()).collect();
    found.sort_unstable();
    let expected: Vec<String> = (0..30).map(|n| format!("E11{n:02}")).chain(["S72".to_owned()]).collect();
    assert_eq!((reading.statements, found), (1, expected));
    let (none, reading) = fixture.meter().await?.read(find(&fixture.store, &[])).await?;
    assert_eq!((reading.statements, none?), (0, vec![]));
    Ok(())
}

#[tokio::test]
async fn chapters_are_precomputed() -> Result<()> {
    let fixture = filled().await?;
    chapters(&fixture.store).await?;
    let (found, reading) = fixture.meter().await?.read(chapters(&fixture.store)).await?;
    let found = found?;
    assert!(reading.statements == 1 && reading.buffers < 10, "{reading:?}");
    let numbers: Vec<i16> = found.iter().map(|chapter| chapter.number).collect();
    assert_eq!(numbers, [4, 19]);
    assert_eq!((found[0].title.as_str(), found[0].total_codes), ("Endocrine (E00-E89)", 31));
    assert_eq!((found[1].first_code.as_str(), found[1].last_code.as_str()), ("S72", "S91"));
    assert_eq!((found[1].active_codes, found[1].billable_codes), (8, 4));
    Ok(())
}
