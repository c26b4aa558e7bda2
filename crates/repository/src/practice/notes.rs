//! Clinical notes.

use crate::audit::entries::{self, Change};
use crate::audit::idempotency::{self, Created};
use crate::prelude::*;
use steadfast_domain::audit::Origin;
use steadfast_domain::audit::entries::all_times;
use steadfast_domain::fields::Valid;
use steadfast_domain::identity::Principal;
use steadfast_domain::page::NUMBERED_MAX;
use steadfast_domain::practice::{
    ClientId, DiagnosisCode, Note, NoteCursor, NoteDetails, NoteFilter, NoteId, NoteStep, NoteSummary,
    NoteType, RELATED_MAX,
};
use steadfast_domain::version::Expected;
use steadfast_postgres::diesel::dsl::{not, now};
use steadfast_postgres::diesel::sql_types::{self, Array, BigInt, Bool, Text, Timestamptz};
use steadfast_postgres::diesel::{delete, insert_into, update};
use steadfast_postgres::{Abort, Conn};
use steadfast_schema::schema::notes;
use uuid::Uuid;

/// Name of the resource in the audit trail.
const RESOURCE: &str = "note";

/// Lists a page of the notes that match a filter, with the total.
pub const NOTES: Operation<Read> = paged(Operation::read("practice.notes").served_by(&[
    "idx_notes_billable_date",
    "idx_notes_client_type_date",
    "idx_notes_provider_type_date",
    "idx_notes_signed_date",
    "idx_notes_type_date",
    "notes_pkey",
]));

/// Reads a note, and adds the read to the audit trail.
pub const NOTE: Operation<Write> = Operation::write("practice.note").statements(2).served_by(&["notes_pkey"]);

/// Creates a note.
pub const CREATE_NOTE: Operation<Write> =
    Operation::write("practice.create_note").statements(3).served_by(&["idempotency_records_pkey"]);

/// Changes a note.
pub const UPDATE_NOTE: Operation<Write> =
    Operation::write("practice.update_note").statements(3).served_by(&["notes_pkey"]);

/// Signs or locks a note.
pub const ADVANCE_NOTE: Operation<Write> =
    Operation::write("practice.advance_note").statements(3).served_by(&["notes_pkey"]);

/// Deletes a note.
pub const DELETE_NOTE: Operation<Write> =
    Operation::write("practice.delete_note").statements(3).served_by(&["notes_pkey"]);

/// Returns a page of the notes that match `filter`, with the total, the newest first.
pub async fn notes(
    store: &Store,
    filter: &NoteFilter,
    position: &Position<NoteCursor>,
) -> Result<Page<NoteSummary>, Error> {
    let statements = (|| rows(filter, position), || count(filter));
    let key = |row: &SummaryRow| NoteCursor { created_at: row.created_at, id: NoteId(row.id) };
    page(store, &NOTES, position, statements, key).await
}

/// Returns the newest notes about `client`, up to [`RELATED_MAX`].
pub(super) async fn of_client(conn: &Conn, client: ClientId) -> Result<Vec<NoteSummary>, Abort<Error>> {
    let filter = NoteFilter { client_id: Some(client), ..NoteFilter::default() };
    newest::<SummaryRow, _, _>(conn, rows(&filter, &Position::first(RELATED_MAX)), RELATED_MAX).await
}

/// Order of a list, whose indexes are read backwards.
const ORDER: &str = "created_at DESC, id DESC";

/// Selects the notes of the page at `position`, and one more. Their ids are found first, in an index that has all columns
/// of the filter. By hand, because the DSL has neither comparisons of rows nor UNION ALL in parts.
fn rows<'a>(filter: &NoteFilter, position: &Position<NoteCursor>) -> BoxedSql<'a> {
    // Without a cursor, the notes before the end of the range.
    let end = NoteCursor { created_at: range(filter).1, id: NoteId(Uuid::nil()) };
    let last = position.cursor().copied().filter(|last| last.created_at < end.created_at).unwrap_or(end);
    let of = |condition: &str| {
        format!(
            "SELECT id, created_at FROM notes WHERE {condition} AND created_at >= $7 AND (created_at, id) < ($8, $9) \
             ORDER BY {ORDER} LIMIT $10 + $11"
        )
    };
    let ids = match condition(filter) {
        Some(condition) => of(&condition),
        // All notes are the billed ones and the others, each in order.
        None => format!("({}) UNION ALL ({})", of("billable"), of("NOT billable")),
    };
    let sql = sql_query(format!(
        "SELECT {SUMMARY} FROM notes WHERE id = ANY (ARRAY(SELECT id FROM ({ids}) found ORDER BY {ORDER} LIMIT $10 OFFSET $11)) \
         ORDER BY {ORDER}"
    ));
    bind(sql.into_boxed(), filter)
        .bind::<Timestamptz, _>(range(filter).0)
        .bind::<Timestamptz, _>(last.created_at)
        .bind::<sql_types::Uuid, _>(last.id.0)
        .bind::<BigInt, _>(position.limit())
        .bind::<BigInt, _>(position.offset())
}

/// Counts the matching notes, up to the limit of totals.
fn count<'a>(filter: &NoteFilter) -> BoundedCount<BoxedSql<'a>> {
    let of = |condition: &str| {
        format!(
            "SELECT FROM notes WHERE {condition} AND created_at >= $7 AND created_at < $8 ORDER BY {ORDER}"
        )
    };
    let sql = match condition(filter) {
        Some(condition) => of(&condition),
        None => format!(
            "({0} LIMIT {2}) UNION ALL ({1} LIMIT {2})",
            of("billable"),
            of("NOT billable"),
            NUMBERED_MAX + 1
        ),
    };
    let (from, to) = range(filter);
    BoundedCount(
        bind(sql_query(sql).into_boxed(), filter).bind::<Timestamptz, _>(from).bind::<Timestamptz, _>(to),
    )
}

/// Returns the times between which the notes were created.
fn range(filter: &NoteFilter) -> (DateTime<Utc>, DateTime<Utc>) {
    let (first, last) = all_times();
    (filter.from.unwrap_or(first).max(first), filter.to.unwrap_or(last).min(last))
}

/// Returns the condition of a filter, of which an index has all columns; `None` for all notes. Conditions that are not
/// given allow all values, so they need no statements of their own.
fn condition(filter: &NoteFilter) -> Option<String> {
    const OTHERS: &str = "note_type = ANY ($1) AND is_signed = ANY ($2) AND billable = ANY ($3)";
    match filter {
        NoteFilter { client_id: Some(_), .. } => {
            Some(format!("client_id = $4 AND provider_id BETWEEN $5 AND $6 AND {OTHERS}"))
        }
        NoteFilter { provider_id: Some(_), .. } => Some(format!("provider_id = $5 AND {OTHERS}")),
        // The domain allows one of these alone.
        NoteFilter { note_type: Some(_), .. } => Some("note_type = ($1)[1]".to_owned()),
        NoteFilter { is_signed: Some(_), .. } => Some("is_signed = ($2)[1]".to_owned()),
        NoteFilter { billable: Some(_), .. } => Some("billable = ($3)[1]".to_owned()),
        _ => None,
    }
}

/// Binds the parameters `$1` to `$6` of [`condition`].
fn bind<'a>(sql: BoxedSql<'a>, filter: &NoteFilter) -> BoxedSql<'a> {
    let flags = |only: Option<bool>| only.map_or_else(|| vec![true, false], |only| vec![only]);
    let types = filter.note_type.as_ref().map_or(NoteType::ALL, std::slice::from_ref);
    let provider = filter.provider_id.map(|id| id.0);
    sql.bind::<Array<Text>, _>(types.iter().map(|name| name.as_str()).collect::<Vec<_>>())
        .bind::<Array<Bool>, _>(flags(filter.is_signed))
        .bind::<Array<Bool>, _>(flags(filter.billable))
        .bind::<sql_types::Uuid, _>(filter.client_id.map_or(Uuid::nil(), |id| id.0))
        .bind::<sql_types::Uuid, _>(provider.unwrap_or(Uuid::nil()))
        .bind::<sql_types::Uuid, _>(provider.unwrap_or(Uuid::max()))
}

/// Returns the note `id`, and adds the read to the audit trail. Served by `notes_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such note.
pub async fn note(store: &Store, origin: &Origin, id: NoteId) -> Result<Note, Error> {
    entries::read(store, &NOTE, origin, (RESOURCE, id.to_string()), async |conn| {
        let note = notes::table.find(id.0).select(NoteRow::as_select()).first(conn).await;
        Ok(note.optional()?.ok_or(Error::NotFound)?.parse()?)
    })
    .await
}

/// Stores a new note.
///
/// # Errors
/// Returns [`Error::UnknownReference`] if there is no such client, provider or appointment.
pub async fn create_note(
    store: &Store,
    origin: &Origin,
    details: &Valid<NoteDetails>,
) -> Result<Created, Error> {
    let id = NoteId::generate();
    let created = idempotency::create(store, &CREATE_NOTE, origin, RESOURCE, async |conn| {
        let stored: NoteRow = insert_into(notes::table)
            .values((notes::id.eq(id.0), DetailsRow::of(details)))
            .returning(NoteRow::as_select())
            .get_result(conn)
            .await?;
        Ok((id.to_string(), stored.parse()?))
    });
    created.await.map_err(|error| error.naming(&REFERENCES))
}

/// Changes the note `id` to `details` and returns it. Served by `notes_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such note, [`Error::State`] if it is signed or locked,
/// [`Error::VersionMismatch`] if its version is not `expected`, and [`Error::UnknownReference`] if there is no such
/// client, provider or appointment.
pub async fn update_note(
    store: &Store,
    origin: &Origin,
    (id, expected): (NoteId, Expected),
    details: &Valid<NoteDetails>,
) -> Result<Note, Error> {
    let changed = entries::change(store, &UPDATE_NOTE, origin, ("update", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        if old.is_signed || old.is_locked {
            Err(Error::State(CLOSED))?;
        }
        let change = update(notes::table.find(id.0))
            .filter(notes::version.eq(expected.or(old.version)))
            .set((DetailsRow::of(details), notes::updated_at.eq(now), notes::version.eq(notes::version + 1)))
            .returning(NoteRow::as_select());
        Change::updated(id, old, change.get_result(conn).await)
    });
    changed.await.map_err(|error| error.naming(&REFERENCES))
}

/// Signs or locks the note `id` and returns it. Served by `notes_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such note, [`Error::State`] if it is locked, or signed and to be signed
/// again, and [`Error::VersionMismatch`] if its version is not `expected`.
pub async fn advance_note(
    store: &Store,
    origin: &Origin,
    (id, expected): (NoteId, Expected),
    step: NoteStep,
) -> Result<Note, Error> {
    let action = match step {
        NoteStep::Sign => "sign",
        NoteStep::Lock => "lock",
    };
    entries::change(store, &ADVANCE_NOTE, origin, (action, RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        if old.is_locked || (old.is_signed && step == NoteStep::Sign) {
            Err(Error::State(CLOSED))?;
        }
        let signer = match origin.principal {
            Principal::User { id, .. } => Some(id),
            _ => None,
        };
        let (signed_at, signed_by) = match step {
            NoteStep::Sign => (Some(Utc::now()), signer),
            NoteStep::Lock => (old.signed_at, old.signed_by),
        };
        let change = update(notes::table.find(id.0))
            .filter(notes::version.eq(expected.or(old.version)))
            .set((
                notes::is_signed.eq(signed_at.is_some()),
                notes::signed_at.eq(signed_at),
                notes::signed_by.eq(signed_by),
                notes::is_locked.eq(step == NoteStep::Lock),
                notes::updated_at.eq(now),
                notes::version.eq(notes::version + 1),
            ))
            .returning(NoteRow::as_select());
        Change::updated(id, old, change.get_result(conn).await)
    })
    .await
}

/// Deletes the note `id`. Served by `notes_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such note, and [`Error::State`] if it is signed or locked.
pub async fn delete_note(store: &Store, origin: &Origin, id: NoteId) -> Result<(), Error> {
    let deleted = entries::change(store, &DELETE_NOTE, origin, ("delete", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        let draft = notes::table.find(id.0).filter(not(notes::is_signed.or(notes::is_locked)));
        if delete(draft).execute(conn).await? == 0 {
            Err(Error::State(CLOSED))?;
        }
        Ok(Change::Deleted { id: id.to_string(), old })
    });
    deleted.await.map(drop)
}

/// Message about a note that cannot be changed.
const CLOSED: &str = "The note was signed or locked and cannot be changed. Create another note.";

/// Foreign keys, each with its field.
const REFERENCES: [(&str, &str); 3] = [
    ("notes_client_id_fkey", "client_id"),
    ("notes_provider_id_fkey", "provider_id"),
    ("notes_appointment_id_fkey", "appointment_id"),
];

/// Returns the note `id`, locked until the end of the transaction.
async fn locked(conn: &mut Conn, id: NoteId) -> Result<Note, Abort<Error>> {
    let note = notes::table.find(id.0).select(NoteRow::as_select()).for_no_key_update();
    Ok(note.first(conn).await.optional()?.ok_or(Error::NotFound)?.parse()?)
}

details! {
    /// Content of a note.
    DetailsRow of notes for NoteDetails {
        client_id: Uuid,
        provider_id: Uuid,
        appointment_id: Option<Uuid>,
        note_type: String,
        title: String,
        content: String,
        diagnosis_codes: Vec<String>,
        treatment_goals: Option<String>,
        interventions: Option<String>,
        client_response: Option<String>,
        plan: Option<String>,
        requires_review: bool,
        billable: bool,
        billing_code: Option<String>,
    }
}

row! {
    /// A note.
    NoteRow of notes for Note {
        id: Uuid,
        #[diesel(embed)]
        details: DetailsRow,
        is_signed: bool,
        signed_at: Option<DateTime<Utc>>,
        signed_by: Option<i64>,
        is_locked: bool,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
        version: i32,
    }
}

/// Columns of [`SummaryRow`].
const SUMMARY: &str = "id, client_id, provider_id, appointment_id, note_type, title, is_signed, is_locked, \
     requires_review, billable, created_at";

row! {
    /// A note in a list.
    SummaryRow of notes for NoteSummary {
        id: Uuid,
        client_id: Uuid,
        provider_id: Uuid,
        appointment_id: Option<Uuid>,
        note_type: String,
        title: String,
        is_signed: bool,
        is_locked: bool,
        requires_review: bool,
        billable: bool,
        created_at: DateTime<Utc>,
    }
}

wrapper!(NoteId: NoteId, |id| id.0, Uuid);
wrapper!(DiagnosisCode: DiagnosisCode::from_stored, |code| code.as_str().to_owned(), String);
named!(NoteType);

impl Parse<Vec<DiagnosisCode>> for Vec<String> {
    fn parse(self, _: &'static str) -> Result<Vec<DiagnosisCode>, Error> {
        Ok(self.into_iter().map(DiagnosisCode::from_stored).collect())
    }
}

impl crate::row::Stored<Vec<String>> for Vec<DiagnosisCode> {
    fn stored(&self) -> Vec<String> {
        self.iter().map(|code| code.as_str().to_owned()).collect()
    }
}
