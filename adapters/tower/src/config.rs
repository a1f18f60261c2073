//! The configuration of a layer, which all its requests share.

use crate::cookie::LayerCookie;
use cloakroom::{Content, NewSession, SessionStore, Timeouts};
use core::time::Duration;
use std::sync::Arc;

/// The store, the cookie and the settings of one layer.
pub(crate) struct LayerConfig<T: Content + ?Sized> {
    pub(crate) store: Arc<SessionStore<T>>,
    pub(crate) cookie: LayerCookie,
    pub(crate) settings: Settings,
}

/// The settings of a layer that are not part of the cookie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) rolling: bool,
    pub(crate) remove_stale: bool,
    pub(crate) no_store: bool,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) absolute_timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rolling: false, remove_stale: false, no_store: true, idle_timeout: None, absolute_timeout: None }
    }
}

impl<T: Content + ?Sized> LayerConfig<T> {
    /// Starts building a session that has the layer's timeouts.
    pub(crate) fn new_session(&self) -> NewSession<'_, T> {
        let mut new = self.store.new_session();
        if let Some(timeout) = self.settings.idle_timeout {
            new = new.idle_timeout(timeout);
        }
        if let Some(timeout) = self.settings.absolute_timeout {
            new = new.absolute_timeout(timeout);
        }
        new
    }

    /// The timeouts that a login restarts in an existing session.
    pub(crate) fn timeouts_from_login(&self) -> Timeouts {
        let mut timeouts = Timeouts::default();
        if let Some(timeout) = self.settings.idle_timeout {
            timeouts = timeouts.idle(timeout);
        }
        if let Some(timeout) = self.settings.absolute_timeout.or(self.store.config().absolute_timeout) {
            timeouts = timeouts.absolute(timeout);
        }
        timeouts
    }
}
