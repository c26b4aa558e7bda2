//! Tests of ICD-10-CM codes: imports and searches here; lookups and the log of searches in modules.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "terminology/codes.rs"]
mod codes;
#[path = "terminology/prefixes.rs"]
mod prefixes;
#[path = "support/release.rs"]
mod release;
#[path = "terminology/similarity.rs"]
mod similarity;
#[path = "terminology/statistics.rs"]
mod statistics;
mod support;

use anyhow::Result;
use release::rows_of;
use std::collections::HashSet;
use steadfast_domain::terminology::{IcdCode, ImportRow, Leg, Match, MatchType, Query};
use steadfast_repository::terminology::{self, Imported};
use steadfast_repository::{Error, Store};
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

async fn import(store: &Store, rows: &[ImportRow]) -> Result<Imported> {
    Ok(terminology::import(store, "test", rows, |_| ()).await?)
}

async fn imported() -> Result<Fixture> {
    let fixture = Fixture::new().await?;
    import(&fixture.store, &table()).await?;
    Ok(fixture)
}

async fn find(store: &Store, leg: Leg, query: &Query) -> Result<Vec<Match>> {
    let found = terminology::search(store, leg, query).await?;
    Ok(found.expect("the leg applies").matches)
}

async fn codes(fixture: &Fixture, leg: Leg, text: &str) -> Result<Vec<String>> {
    codes_of(fixture, leg, &Query::new(text, None)?).await
}

async fn codes_of(fixture: &Fixture, leg: Leg, query: &Query) -> Result<Vec<String>> {
    Ok(find(&fixture.store, leg, query).await?.into_iter().map(|found| found.code.to_string()).collect())
}

#[tokio::test]
async fn repeated_import_changes_nothing() -> Result<()> {
    let fixture = Fixture::new().await?;
    let switched = Imported::Switched { carried_over: 0 };
    assert_eq!(import(&fixture.store, &table()).await?, switched);
    assert_eq!(import(&fixture.store, &table()).await?, Imported::Current);
    let mut rows = table();
    rows[0].term = "Break of the thigh bone".to_owned();
    assert_eq!(import(&fixture.store, &rows).await?, switched);
    assert_eq!(codes(&fixture, Leg::Term, "thigh bone").await?, ["S72"]);
    assert_eq!(import(&fixture.store, &table()).await?, switched, "an earlier release is imported again");
    assert_eq!(codes(&fixture, Leg::Term, "thigh bone").await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn removed_codes_are_retained_as_inactive() -> Result<()> {
    let fixture = imported().await?;
    let rows: Vec<ImportRow> = table().into_iter().filter(|row| row.code != code("S72002A")).collect();
    assert_eq!(import(&fixture.store, &rows).await?, Imported::Switched { carried_over: 1 });
    let with_inactive = |text| Query::new(text, None).map(|query| query.with_inactive(true));
    for (leg, text) in [(Leg::Code, "S72002"), (Leg::Term, "femur left"), (Leg::Similarity, "fracture left")]
    {
        assert!(!codes(&fixture, leg, text).await?.contains(&"S72002A".to_owned()), "{text}");
        assert_eq!(codes_of(&fixture, leg, &with_inactive(text)?).await?[0], "S72002A", "{text}");
    }
    let found = terminology::code_with_relatives(&fixture.store, &code("S72002A")).await?.expect("retained");
    assert!(!found.concept.active);
    let rows: Vec<ImportRow> = table().into_iter().filter(|row| row.code != code("E11")).collect();
    assert_eq!(import(&fixture.store, &rows).await?, Imported::Switched { carried_over: 1 });
    assert_eq!(codes(&fixture, Leg::Code, "S72002").await?, ["S72002A"], "a later release has it again");
    Ok(())
}

#[tokio::test]
async fn rollback_alternates_between_two_releases() -> Result<()> {
    let fixture = Fixture::new().await?;
    assert_eq!(terminology::roll_back(&fixture.store).await?, None);
    terminology::import(&fixture.store, "old", &table(), |_| ()).await?;
    assert_eq!(terminology::roll_back(&fixture.store).await?, None, "there is no previous release yet");
    let mut rows = table();
    rows[0].term = "Break of the thigh bone".to_owned();
    terminology::import(&fixture.store, "new", &rows, |_| ()).await?;
    for (name, found) in [("old", vec![]), ("new", vec!["S72"]), ("old", vec![])] {
        let release = terminology::roll_back(&fixture.store).await?.expect("a previous release");
        assert_eq!((release.name.as_str(), release.codes), (name, table().len()));
        assert_eq!(codes(&fixture, Leg::Term, "thigh bone").await?, found);
    }
    assert_eq!(import(&fixture.store, &table()).await?, Imported::Current, "identified by rows, not by name");
    terminology::import(&fixture.store, "newest", &rows[1..], |_| ()).await?;
    assert_eq!(
        terminology::roll_back(&fixture.store).await?.map(|release| release.name),
        Some("old".to_owned())
    );
    Ok(())
}

#[tokio::test]
async fn release_versions_are_unique() -> Result<()> {
    let fixture = Fixture::new().await?;
    assert_eq!(terminology::current_release(&fixture.store).await?, None);
    import(&fixture.store, &table()).await?;
    let mut versions = Vec::new();
    let first = terminology::current_release(&fixture.store).await?.expect("the first");
    assert_eq!(first.codes, table().len());
    versions.push(first.version);
    import(&fixture.store, &table()).await?;
    let same = terminology::current_release(&fixture.store).await?.expect("the same");
    assert_eq!(same.version, versions[0], "the release is the same");
    import(&fixture.store, &table()[1..]).await?;
    for _ in 0..4 {
        let next = terminology::current_release(&fixture.store).await?.expect("another");
        assert!(!versions.contains(&next.version), "{} after {versions:?}", next.version);
        versions.push(next.version);
        terminology::roll_back(&fixture.store).await?;
    }
    Ok(())
}

#[tokio::test]
async fn import_deletes_rows_of_old_releases() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let former = "INSERT INTO icd10_releases (slot, name, digest, codes, is_stored) \
         SELECT 'icd10_blue', 'former', '', 0, false FROM generate_series(1, 150)";
    client.batch_execute(former).await?;
    import(&fixture.store, &table()).await?;
    import(&fixture.store, &table()[1..]).await?;
    let left = client.query_one("SELECT count(*), min(id) FROM icd10_releases", &[]).await?;
    assert_eq!((left.get::<_, i64>(0), left.get::<_, i64>(1)), (100, 53));
    Ok(())
}

#[test]
fn shipped_release_has_22_chapters() -> Result<()> {
    let chapters: HashSet<String> = rows_of(&[""])?.into_iter().map(|row| row.chapter).collect();
    assert_eq!(chapters.len(), 22, "the cases declare the table of chapters as small: {chapters:?}");
    Ok(())
}

#[tokio::test]
async fn failed_import_changes_nothing() -> Result<()> {
    let fixture = imported().await?;
    let twice = [table(), table()].concat();
    let failed = terminology::import(&fixture.store, "bad", &twice, |_| ()).await;
    assert!(matches!(failed, Err(Error::Duplicate { .. })), "{failed:?}");
    assert_eq!(codes(&fixture, Leg::Code, "S72.00").await?.len(), 4);
    assert_eq!(terminology::roll_back(&fixture.store).await?, None);
    assert_eq!(import(&fixture.store, &table()).await?, Imported::Current);
    Ok(())
}

/// Returns a release of thirty codes with `word` in every term.
fn release_of(word: &str) -> Vec<ImportRow> {
    (10..40).map(|n| row(&format!("A{n}"), None, &format!("Common {word}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_never_see_mixed_releases() -> Result<()> {
    let fixture = Fixture::new().await?;
    import(&fixture.store, &release_of("old")).await?;
    let (store, reader) = (fixture.store.clone(), fixture.store.clone());
    let switching = tokio::spawn(async move {
        for round in 0..10 {
            import(&store, &release_of(if round % 2 == 0 { "new" } else { "old" })).await?;
            terminology::roll_back(&store).await?;
        }
        anyhow::Ok(())
    });
    let (by_code, by_words, mut seen) =
        (Query::new("A.", None)?.in_chapter(Some("19"))?, Query::new("common", None)?, HashSet::new());
    while !switching.is_finished() {
        for (leg, query, expected) in
            [(Leg::Code, &by_code, 30), (Leg::Term, &by_words, 30), (Leg::Similarity, &by_words, 20)]
        {
            let found = terminology::search(&reader, leg, query).await?.expect("the leg applies");
            let terms: HashSet<String> = found.matches.iter().map(|found| found.term.clone()).collect();
            assert_eq!((terms.len(), found.matches.len()), (1, expected), "{leg:?}: {terms:?}");
            seen.insert(found.release);
        }
    }
    switching.await??;
    assert!(seen.len() > 1, "the reader saw only one release");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_imports_are_serialized() -> Result<()> {
    let fixture = imported().await?;
    let (one, other) = (release_of("one"), release_of("other"));
    let (one, other) = tokio::join!(import(&fixture.store, &one), import(&fixture.store, &other));
    let mut carried_over = [one?, other?].map(|imported| match imported {
        Imported::Switched { carried_over } => carried_over,
        Imported::Current => panic!("both are new"),
    });
    carried_over.sort_unstable();
    assert_eq!(carried_over, [table().len(); 2], "each carries over the codes of the first release");
    assert_eq!(codes(&fixture, Leg::Term, "common").await?.len(), 30);
    Ok(())
}

#[tokio::test]
async fn import_recreates_indexes_of_migration() -> Result<()> {
    let fixture = Fixture::new().await?;
    let client = fixture.client().await?;
    let indexes = async |schema: &str| -> Result<Vec<String>> {
        let sql =
            "SELECT replace(indexdef, schemaname, 'slot') FROM pg_indexes WHERE schemaname = $1 ORDER BY 1";
        Ok(client.query(sql, &[&schema]).await?.iter().map(|row| row.get(0)).collect())
    };
    let migrated = indexes("icd10_green").await?;
    assert_eq!((migrated.len(), indexes("icd10_blue").await?), (7, migrated.clone()));
    import(&fixture.store, &table()).await?;
    assert_eq!(indexes("icd10_green").await?, migrated);
    Ok(())
}

#[tokio::test]
async fn each_leg_finds_its_matches() -> Result<()> {
    let fixture = imported().await?;
    assert_eq!(codes(&fixture, Leg::Code, "s72.00").await?, ["S7200", "S72001", "S72001A", "S72002A"]);
    assert_eq!(codes(&fixture, Leg::Code, "E11").await?.len(), 31);
    for (leg, text) in [(Leg::Code, "heart failure"), (Leg::Term, "-- %"), (Leg::Similarity, "()")] {
        assert_eq!(terminology::search(&fixture.store, leg, &Query::new(text, None)?).await?, None, "{text}");
    }
    assert_eq!(codes(&fixture, Leg::Term, "FEMUR").await?[0], "S72", "the shortest first");
    assert_eq!(codes(&fixture, Leg::Term, "right of neck femur").await?, ["S72001"], "in any order");
    assert_eq!(
        codes(&fixture, Leg::Term, "encounter initial clo").await?,
        ["S72001A"],
        "incomplete last word"
    );
    assert_eq!(codes(&fixture, Leg::Term, "fracture's").await?, [""; 0], "no term has the word s");
    assert_eq!(codes(&fixture, Leg::Similarity, "fractur of femor").await?[0], "S72");
    assert_eq!(
        codes(&fixture, Leg::Similarity, "hnead nad ncek").await?[0],
        "S720",
        "transposed letters in short words"
    );
    assert_eq!(codes(&fixture, Leg::Similarity, "zzzz").await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn chapter_restricts_search() -> Result<()> {
    let fixture = Fixture::new().await?;
    let mut rows = table();
    for row in rows.iter_mut().filter(|row| row.code.as_str().starts_with('E')) {
        row.chapter = "4 Endocrine diseases (E00-E89)".to_owned();
    }
    import(&fixture.store, &rows).await?;
    for (leg, text) in [(Leg::Code, "E11"), (Leg::Term, "type 2 diabetes"), (Leg::Similarity, "diabets")] {
        for (chapter, is_found) in [("4", true), ("E00-E89", true), ("19", false), ("e00-e8", false)] {
            let query = Query::new(text, None)?.in_chapter(Some(chapter))?;
            assert_eq!(!codes_of(&fixture, leg, &query).await?.is_empty(), is_found, "{text} in {chapter}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn matches_have_type_and_confidence() -> Result<()> {
    let fixture = imported().await?;
    for (leg, text, match_type, confidence) in [
        (Leg::Code, "E11", MatchType::ExactCode, 1.0),
        (Leg::Term, "diabetes mellitus", MatchType::TermPrefix, 0.9),
        (Leg::Similarity, "type 2 diabetes melitus", MatchType::Fuzzy, 0.6),
    ] {
        let found = find(&fixture.store, leg, &Query::new(text, None)?).await?;
        assert_eq!((found[0].match_type, found[0].confidence), (match_type, confidence), "{text}");
        assert_eq!(found[0].chapter, "19 Injury");
    }
    Ok(())
}

#[tokio::test]
async fn each_leg_sends_expected_statements() -> Result<()> {
    let fixture = imported().await?;
    let meter = fixture.meter().await?;
    for (leg, text, statements) in [
        (Leg::Code, "E11", 1),
        (Leg::Term, "diabetes mellitus", 1),
        (Leg::Similarity, "diabetes mellitus", 2),
        (Leg::Similarity, "diabtes melitus", 3),
    ] {
        let query = Query::new(text, None)?;
        find(&fixture.store, leg, &query).await?;
        let (found, reading) = meter.read(find(&fixture.store, leg, &query)).await?;
        assert!(!found?.is_empty(), "{text}");
        assert_eq!((reading.statements, reading.utility), (statements, 0), "{text}");
    }
    Ok(())
}
