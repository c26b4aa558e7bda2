//! What the handlers work with.

use crate::openapi::Document;
use crate::serve::Draining;
use axum::extract::FromRef;
use std::sync::Arc;
use steadfast_repository::Store;
use steadfast_services::keys::Checker;
use steadfast_services::terminology::{Catalogue, SearchRecorder};

/// The services of all handlers. A request clones one [`Arc`]; each handler takes the part that it needs.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Services>);

impl AppState {
    /// Creates the state that hands out `services`.
    pub(crate) fn new(services: Services) -> Self {
        Self(Arc::new(services))
    }
}

/// The parts of [`AppState`].
pub(crate) struct Services {
    /// The data.
    pub(crate) store: Store,
    /// The check of product keys.
    pub(crate) checker: Arc<Checker>,
    /// The codes of the terminology.
    pub(crate) catalogue: Catalogue,
    /// Where searches of the terminology leave word of themselves.
    pub(crate) searches: SearchRecorder,
    /// Whether the server is about to end.
    pub(crate) draining: Draining,
    /// The API's description.
    pub(crate) document: Document,
}

impl FromRef<AppState> for Store {
    fn from_ref(state: &AppState) -> Self {
        state.0.store.clone()
    }
}

impl FromRef<AppState> for Arc<Checker> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.0.checker)
    }
}

impl FromRef<AppState> for Catalogue {
    fn from_ref(state: &AppState) -> Self {
        state.0.catalogue.clone()
    }
}

impl FromRef<AppState> for SearchRecorder {
    fn from_ref(state: &AppState) -> Self {
        state.0.searches.clone()
    }
}

impl FromRef<AppState> for Draining {
    fn from_ref(state: &AppState) -> Self {
        state.0.draining.clone()
    }
}

impl FromRef<AppState> for Document {
    fn from_ref(state: &AppState) -> Self {
        state.0.document.clone()
    }
}
