//! Tests of the plans that prepared statements settle on.

use crate::support::{Library, rules, served_by};
use anyhow::Result;
use diesel::sql_query;
use diesel::sql_types::{Integer, Text};
use diesel_async::RunQueryDsl;
use steadfast_plans::{Captured, Contract, Finding, Judged, Rule, Run, judge, plan_kinds};

impl Library {
    async fn with_status(&mut self, status: &str, id: i32) -> Result<Captured> {
        self.recorder.start();
        let query = sql_query("SELECT title FROM books WHERE status = $1 AND id > $2 ORDER BY id LIMIT 5");
        query.bind::<Text, _>(status).bind::<Integer, _>(id).execute(&mut self.conn).await?;
        Ok(self.recorder.take())
    }

    async fn settle(&self, contract: &Contract, cases: &[(&str, &Captured)]) -> Result<Vec<Judged>> {
        let run =
            |(case, captured): &(&str, &Captured)| Run::new(contract.clone(), *case, (*captured).clone());
        let runs: Vec<_> = cases.iter().map(run).collect();
        let mut judged = Vec::new();
        for run in &runs {
            judged.push(judge(&self.replays, run).await?);
        }
        plan_kinds(&self.replays, &runs, &mut judged).await?;
        Ok(judged)
    }
}

#[tokio::test]
async fn lookups_by_key_settle_on_a_generic_plan() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("SELECT title FROM books WHERE id = $1", 77).await?;
    let judged = library.settle(&served_by(&["books_pkey"]), &[("one", &captured)]).await?;
    assert_eq!(judged[0].findings, []);
    let kind = judged[0].statements[0].plan_kind.as_ref().expect("asked");
    assert!(kind.is_generic && kind.generic_shape == "Index Scan books_pkey", "{kind:?}");
    Ok(())
}

#[tokio::test]
async fn unchosen_generic_plans_are_notes() -> Result<()> {
    let mut library = Library::open().await?;
    library.recorder.start();
    let query = sql_query("SELECT id FROM books WHERE title LIKE $1").bind::<Text, _>("t77%");
    query.execute(&mut library.conn).await?;
    let captured = library.recorder.take();
    let judged = library.settle(&served_by(&["books_title"]), &[("prefix", &captured)]).await?;
    assert_eq!(judged[0].findings, []);
    let kind = judged[0].statements[0].plan_kind.as_ref().expect("asked");
    assert!(!kind.is_generic && kind.generic_shape.contains("Seq Scan books"), "{kind:?}");
    let [note] = &judged[0].notes[..] else { panic!("{:?}", judged[0].notes) };
    assert_eq!(note.rule, Rule::GenericPlan);
    assert!(note.found.starts_with("in the generic plan: Seq Scan on books"), "{note}");
    Ok(())
}

#[tokio::test]
async fn repeated_statements_have_the_kind_that_the_server_chose() -> Result<()> {
    let mut library = Library::open().await?;
    library.recorder.start();
    for prefix in ["t77%", "t78%"] {
        let query = sql_query("SELECT id FROM books WHERE title LIKE $1").bind::<Text, _>(prefix);
        query.execute(&mut library.conn).await?;
    }
    let captured = library.recorder.take();
    let contract = served_by(&["books_title"]).statements(2);
    let judged = library.settle(&contract, &[("two prefixes", &captured)]).await?;
    assert_eq!(judged[0].findings, []);
    let kinds: Vec<_> = judged[0].statements.iter().map(|statement| statement.plan_kind.clone()).collect();
    assert!(kinds.iter().all(|kind| kind.as_ref().is_some_and(|kind| !kind.is_generic)), "{kinds:?}");
    Ok(())
}

#[tokio::test]
async fn names_bound_constant_of_partial_index() -> Result<()> {
    let mut library = Library::open().await?;
    let rare = library.with_status("free", 10).await?;
    let absent = library.with_status("free", 30_000).await?;
    let contract = served_by(&["books_free"]);
    // If random access costs as little as sequential access, as on fast disks, the generic plan by the primary key
    // looks as cheap as the partial index.
    library.replays.client().batch_execute("SET random_page_cost = 1.0").await?;
    let judged = library.settle(&contract, &[("rare", &rare), ("absent", &absent)]).await?;
    for judged in &judged {
        let kind = judged.statements[0].plan_kind.as_ref().expect("asked");
        assert!(judged.findings.iter().all(|finding| finding.rule == Rule::GenericPlan), "{judged:?}");
        let found = judged.findings[..].first().unwrap_or_else(|| panic!("nothing found: {kind:?}"));
        let cause = "write the value of $1 into the statement as a constant: books_free is partial, WHERE (status = \
                     'free'::text)";
        assert!(found.suggestion.starts_with(cause), "{found}");
    }
    let literal = "SELECT title FROM books WHERE status = 'free' AND id > $1 ORDER BY id LIMIT 5";
    let literal = library.with_number(literal, 10).await?;
    let judged = library.settle(&contract, &[("literal", &literal)]).await?;
    assert_eq!(rules(&judged[0]), []);
    Ok(())
}

/// Statements whose generic plan has findings for another reason.
#[tokio::test]
async fn accuses_partial_index_only_if_a_constant_helps() -> Result<()> {
    let mut library = Library::open().await?;
    let contract = served_by(&["books_title", "books_free"]);
    for (sql, value) in [
        // No condition on the column of the predicate.
        ("SELECT id FROM books WHERE title LIKE $1", "t77%"),
        // Another table.
        ("SELECT id FROM reviews WHERE words LIKE $1", "free%"),
        // The constant, with an alternative.
        ("SELECT id FROM books WHERE status = 'free' OR title LIKE $1", "t77%"),
        // A value that the index does not contain.
        ("SELECT id FROM books WHERE status = $1 AND notes = 'y'", "lent"),
        // A value that only looks like the constant.
        ("SELECT id FROM books WHERE status LIKE $1", "free"),
        // The constant in another column.
        ("SELECT id FROM books WHERE notes = $1", "free"),
    ] {
        library.recorder.start();
        sql_query(sql).bind::<Text, _>(value).execute(&mut library.conn).await?;
        let captured = library.recorder.take();
        let judged = library.settle(&contract, &[("one", &captured)]).await?;
        let of_generic = |finding: &&Finding| finding.rule == Rule::GenericPlan;
        let all: Vec<_> = judged[0].findings.iter().chain(&judged[0].notes).filter(of_generic).collect();
        assert!(!all.is_empty(), "{sql}: {judged:?}");
        assert!(all.iter().all(|finding| !finding.suggestion.contains("is partial")), "{sql}: {all:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn writes_are_rolled_back() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("UPDATE books SET notes = 'it''s \\ new' WHERE id = $1", 77).await?;
    let judged = library.settle(&served_by(&["books_pkey"]), &[("one", &captured)]).await?;
    assert_eq!(judged[0].findings, []);
    assert!(judged[0].statements[0].plan_kind.is_some());
    let left = "SELECT count(*) FROM books WHERE length(notes) < 100";
    let left: i64 = library.replays.client().query_one(left, &[]).await?.get(0);
    assert_eq!(left, 0);
    Ok(())
}
