//! The services that handlers use.

use crate::authentication::Callers;
use crate::identity::LoginDesk;
use crate::openapi::Document;
use crate::serve::Draining;
use axum::extract::FromRef;
use std::sync::Arc;
use steadfast_repository::Store;
use steadfast_services::keys::Checker;
use steadfast_services::terminology::{Catalogue, SearchRecorder};

/// Services of all handlers. A request clones one [`Arc`]; each handler takes the parts that it needs.
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
    /// Stored data.
    pub(crate) store: Store,
    /// Checks of product keys.
    pub(crate) checker: Arc<Checker>,
    /// Codes of the terminology.
    pub(crate) catalogue: Catalogue,
    /// Recorder of searches.
    pub(crate) searches: SearchRecorder,
    /// Callers that are remembered.
    pub(crate) callers: Callers,
    /// Logins and their limits.
    pub(crate) logins: LoginDesk,
    /// State of the shutdown.
    pub(crate) draining: Draining,
    /// OpenAPI document.
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

impl FromRef<AppState> for Callers {
    fn from_ref(state: &AppState) -> Self {
        state.0.callers.clone()
    }
}

impl FromRef<AppState> for LoginDesk {
    fn from_ref(state: &AppState) -> Self {
        state.0.logins.clone()
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
