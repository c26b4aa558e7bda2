//! Notes: what was signed never changes, whatever is done at the same time.

use crate::support::Fixture;
use anyhow::Result;
use futures_util::future::join_all;
use serde_json::json;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{NoteDetails, NoteId, NoteStep};
use steadfast_domain::version::Expected;
use steadfast_repository::{Error, practice};
use uuid::Uuid;

const CLIENT: Uuid = Uuid::from_u128(1);

fn details(title: &str) -> Valid<NoteDetails> {
    let note = json!({ "client_id": CLIENT, "provider_id": CLIENT, "title": title, "content": "A session." });
    Valid::of(serde_json::from_value(note).expect("a body")).expect("valid details")
}

/// Returns a database with a client and a provider.
async fn practice_of_two() -> Result<Fixture> {
    let fixture = Fixture::new().await?;
    let id = CLIENT.to_string();
    let insert = format!(
        "INSERT INTO clients (id, first_name, last_name) VALUES ('{id}', 'Ada', 'Lovelace'); \
         INSERT INTO providers (id, first_name, last_name, email) VALUES ('{id}', 'Ben', 'Berg', 'ben@example.com')"
    );
    fixture.client().await?.batch_execute(&insert).await?;
    Ok(fixture)
}

async fn new_note(fixture: &Fixture) -> Result<NoteId> {
    let created = practice::create_note(&fixture.store, &Origin::operator("new"), &details("first")).await?;
    Ok(NoteId(created.id.parse()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_note_never_changes() -> Result<()> {
    let fixture = practice_of_two().await?;
    for round in 0..20 {
        let id = new_note(&fixture).await?;
        let tasks = (0..8).map(|task| {
            let store = &fixture.store;
            async move {
                let (origin, at) = (Origin::operator(format!("task {task}")), (id, Expected::Any));
                match (task + round) % 4 {
                    0 => practice::advance_note(store, &origin, at, NoteStep::Sign).await.map(Some),
                    1 => practice::advance_note(store, &origin, at, NoteStep::Lock).await.map(Some),
                    2 => practice::delete_note(store, &origin, id).await.map(|()| None),
                    _ => practice::update_note(store, &origin, at, &details(&format!("task {task}")))
                        .await
                        .map(Some),
                }
            }
        });
        let done = join_all(tasks).await;
        let refused = |error: &Error| matches!(error, Error::State(_) | Error::NotFound);
        assert!(done.iter().all(|done| done.as_ref().map_or_else(refused, |_| true)), "{done:?}");
        let signatures = done.iter().flatten().flatten().filter(|note| note.is_signed && !note.is_locked);
        let Some(signed) = signatures.clone().next() else { continue };
        assert_eq!(signatures.count(), 1, "a note is signed once");
        let now = practice::note(&fixture.store, &Origin::operator("check"), id).await?;
        assert_eq!((&now.details, now.signed_at), (&signed.details, signed.signed_at));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn database_refuses_changes_of_closed_notes() -> Result<()> {
    let fixture = practice_of_two().await?;
    let (id, origin) = (new_note(&fixture).await?, Origin::operator("a clinician"));
    practice::advance_note(&fixture.store, &origin, (id, Expected::Any), NoteStep::Sign).await?;
    let client = fixture.client().await?;
    for change in [
        "UPDATE notes SET content = 'Another'",
        "UPDATE notes SET is_signed = false, signed_at = NULL",
        "UPDATE notes SET is_locked = true, title = 'Another'",
        "UPDATE notes SET version = version + 1",
        "DELETE FROM notes",
    ] {
        let error = client.batch_execute(change).await.expect_err(change);
        assert_eq!(
            error.as_db_error().and_then(|error| error.constraint()),
            Some("notes_keep_signed"),
            "{change}"
        );
    }
    client.batch_execute("UPDATE notes SET is_locked = true, version = version + 1").await?;
    client.batch_execute("UPDATE notes SET is_locked = false").await.expect_err("a locked note stays locked");
    Ok(())
}
