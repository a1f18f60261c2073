//! Keeps the sessions in the directory that the variable `PERSIST` names.

use std::{
    error::Error,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Extension, Router};
use cloakroom::{SessionStore, SessionStoreBuilder};
use cloakroom_persist::{Health, Options, Persistence, SettledLayer};
use serde::Serialize;

/// The sessions on disk. `None` once it is closed.
pub(crate) struct Disk(Mutex<Option<Persistence>>);

/// What the page shows.
#[derive(Serialize)]
pub(crate) struct DiskFigures {
    /// Sessions that were restored when the server started.
    restored: u64,
    /// For how many seconds writing has failed. `null` if it works.
    failing: Option<u64>,
}

impl Disk {
    /// Opens the directory, and restores its sessions.
    pub(crate) fn open(
        directory: &Path,
        store: SessionStoreBuilder,
    ) -> Result<(Arc<Disk>, Arc<SessionStore>), Box<dyn Error>> {
        let kept = Persistence::open(directory, Options::new().store(store))
            .map_err(|error| format!("cannot keep sessions in {}: {error}", directory.display()))?;
        let store = Arc::clone(kept.store());
        Ok((Arc::new(Disk(Mutex::new(Some(kept)))), store))
    }

    /// Holds back the response to a logout or a login until it is on disk, and lets the page show the figures.
    pub(crate) fn around(self: &Arc<Self>, app: Router) -> Router {
        let app = app.layer(Extension(Arc::clone(self)));
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(kept) => app.layer(SettledLayer::new(kept)),
            None => app,
        }
    }

    /// `None` once it is closed.
    pub(crate) fn figures(&self) -> Option<DiskFigures> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref()?;
        let Health { failing, .. } = kept.health();
        Some(DiskFigures { restored: kept.restored().sessions, failing: failing.map(|(since, _)| since.as_secs()) })
    }

    /// How many sessions were restored, in words.
    pub(crate) fn restored(&self) -> String {
        let restored = self.figures().map_or(0, |figures| figures.restored);
        format!("sessions restored from disk: {restored}")
    }

    /// Writes what is left. Call it when the server has stopped.
    pub(crate) fn close(&self) -> Result<(), Box<dyn Error>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.map_or(Ok(()), Persistence::close).map_err(|error| format!("the last changes are lost: {error}").into())
    }
}
