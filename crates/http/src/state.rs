//! What the handlers work with.

use crate::openapi::Document;
use crate::serve::Draining;
use axum::extract::FromRef;
use std::sync::Arc;
use steadfast_repository::Store;
use steadfast_services::keys::Checker;

/// What the handlers work with. Cheap to clone; each handler takes the part that it needs.
#[derive(Clone)]
pub(crate) struct AppState {
    /// The data.
    pub(crate) store: Store,
    /// The check of product keys.
    pub(crate) checker: Arc<Checker>,
    /// Whether the server is about to end.
    pub(crate) draining: Draining,
    /// The API's description.
    pub(crate) document: Document,
}

impl FromRef<AppState> for Store {
    fn from_ref(state: &AppState) -> Self {
        state.store.clone()
    }
}

impl FromRef<AppState> for Arc<Checker> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.checker)
    }
}

impl FromRef<AppState> for Draining {
    fn from_ref(state: &AppState) -> Self {
        state.draining.clone()
    }
}

impl FromRef<AppState> for Document {
    fn from_ref(state: &AppState) -> Self {
        state.document.clone()
    }
}
