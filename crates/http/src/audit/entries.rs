//! Entries of the audit trail.

use super::READ;
use crate::prelude::*;
use steadfast_domain::audit::entries::{ENTRIES_PAGE, Entry, EntryParameters};
use steadfast_repository::audit;

pub(super) fn route() -> Route<AppState> {
    Route::get("/api/audit/entries", READ, list)
        .summary("List entries of the audit trail, the newest first")
        .query::<EntryParameters>()
        .paged(ENTRIES_PAGE)
        .lists::<Entry>()
}

async fn list(
    State(store): State<Store>,
    Paged(filter, page): Paged<EntryParameters>,
) -> ApiResult<Vec<Entry>> {
    let (filter, position) = Invalid::both(filter.parse(), page.position(ENTRIES_PAGE))?;
    let found = audit::entries(&store, &filter, &position).await?;
    Ok(Envelope::page(found, "entries", |entries| entries))
}
