//! The configuration of a layer, which all its requests share.

use crate::carrier::{Carriers, token_value};
use crate::cookie::LayerCookie;
use crate::error::LayerError;
use crate::login::Login;
use crate::usage::Predicate;
use cloakroom::{Audience, Content, NewSession, SessionConfig, SessionId, SessionStore, SessionTicket, Timeouts};
use core::time::Duration;
use http::HeaderValue;
use std::sync::Arc;

/// The store, the cookie or token, and the settings of one layer. `S` is the store.
pub(crate) struct LayerConfig<S> {
    pub(crate) store: S,
    /// What the store gives each session, unless the layer says otherwise.
    pub(crate) defaults: Defaults,
    pub(crate) carriers: Carriers,
    pub(crate) settings: Settings,
    /// What the application counts as a use of a session.
    pub(crate) counts_as_use: Option<Predicate>,
}

/// The configuration of a layer over a store of this process.
pub(crate) type LocalConfig<T> = LayerConfig<Arc<SessionStore<T>>>;

/// The timeouts of a store.
#[derive(Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) idle: Duration,
    pub(crate) absolute: Option<Duration>,
}

impl Defaults {
    pub(crate) fn of(config: &SessionConfig) -> Self {
        Self { idle: config.ttl, absolute: config.absolute_timeout }
    }
}

/// The settings of a layer that are not part of the cookie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) rolling: bool,
    pub(crate) remove_stale: bool,
    pub(crate) no_store: bool,
    pub(crate) vary: bool,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) absolute_timeout: Option<Duration>,
    pub(crate) audience: Option<Audience>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rolling: false,
            remove_stale: false,
            no_store: true,
            vary: false,
            idle_timeout: None,
            absolute_timeout: None,
            audience: None,
        }
    }
}

impl<S: Clone> Clone for LayerConfig<S> {
    fn clone(&self) -> Self {
        let Self { store, defaults, carriers, settings, counts_as_use } = self;
        let (store, carriers, counts_as_use) = (store.clone(), carriers.clone(), counts_as_use.clone());
        Self { store, defaults: *defaults, carriers, settings: *settings, counts_as_use }
    }
}

impl<S> LayerConfig<S> {
    pub(crate) fn over(store: S, defaults: Defaults, cookie: LayerCookie) -> Self {
        let (carriers, settings) = (Carriers::new(cookie), Settings::default());
        Self { store, defaults, carriers, settings, counts_as_use: None }
    }

    /// Whether the settings agree with each other.
    pub(crate) fn check(&self) -> Result<(), LayerError> {
        let idle = self.settings.idle_timeout.unwrap_or(self.defaults.idle);
        let absolute = self.settings.absolute_timeout.or(self.defaults.absolute).unwrap_or(Duration::MAX);
        let Carriers { cookie, by_domain, token, .. } = &self.carriers;
        let life = by_domain.iter().chain([cookie]).filter_map(|cookie| cookie.settings().max_age()).max();
        if life > Some(idle.min(absolute)) {
            return Err(LayerError::CookieOutlivesSession);
        }
        if by_domain.iter().any(|cookie| cookie.settings().domain().is_none()) {
            return Err(LayerError::CookieWithoutDomain);
        }
        match token {
            Some(token) if !token.has_its_own_header() => Err(LayerError::TokenHeader),
            _ => Ok(()),
        }
    }

    /// The timeouts that a login sets. It sets each of them, so that nothing is left of an earlier login.
    pub(crate) fn timeouts_of(&self, login: Login) -> Timeouts {
        let (idle, absolute) = match login.remembered {
            Some(time) => (time, login.absolute.unwrap_or(time)),
            None => {
                let absolute = login.absolute.or(self.settings.absolute_timeout).or(self.defaults.absolute);
                (self.settings.idle_timeout.unwrap_or(self.defaults.idle), absolute.unwrap_or(Duration::MAX))
            }
        };
        Timeouts::default().idle(idle).absolute(absolute).cookie(login.remembered)
    }

    /// Whether the layer touches a session when its response is ready, if the request counts as a use. Reads do not
    /// touch it then.
    pub(crate) fn touches_at_the_response(&self) -> bool {
        self.settings.rolling || self.counts_as_use.is_some()
    }
}

impl<T: Content + ?Sized> LocalConfig<T> {
    pub(crate) fn new(store: Arc<SessionStore<T>>, cookie: LayerCookie) -> Self {
        let defaults = Defaults::of(store.config());
        Self::over(store, defaults, cookie)
    }

    /// The ticket of a session that the layer accepts. None if there is no such session.
    pub(crate) fn admit(&self, id: &SessionId) -> Option<SessionTicket> {
        self.store.ticket(id).filter(|ticket| ticket.audience == self.settings.audience)
    }

    /// Starts building a session that has the layer's timeouts and audience.
    pub(crate) fn new_session(&self) -> NewSession<'_, T> {
        let mut new = self.store.new_session();
        if let Some(timeout) = self.settings.idle_timeout {
            new = new.idle_timeout(timeout);
        }
        if let Some(timeout) = self.settings.absolute_timeout {
            new = new.absolute_timeout(timeout);
        }
        if let Some(audience) = self.settings.audience {
            new = new.audience(audience);
        }
        new
    }

    /// The value of the header that sends a new id, in this cookie or as a token, if its session is live.
    pub(crate) fn issue(&self, id: &SessionId, cookie: Option<&LayerCookie>) -> Option<HeaderValue> {
        let ticket = self.store.ticket(id)?;
        Some(cookie.map_or_else(|| token_value(id), |cookie| cookie.issue(id, ticket.max_age)))
    }

    /// The value of the header that sends an id again, if the request was a use of its session and the cookie is to be
    /// renewed. `remembered` says whether the cookie has a lifetime of its own.
    pub(crate) fn renew(
        &self,
        id: &SessionId,
        cookie: Option<&LayerCookie>,
        remembered: bool,
        answered: impl FnOnce() -> Answered,
    ) -> Option<HeaderValue> {
        if !remembered && !self.touches_at_the_response() {
            return None;
        }
        let Answered { is_use: true, may_carry } = answered() else { return None };
        if self.touches_at_the_response() && !self.store.touch(id) {
            return None;
        }
        let cookie = cookie.filter(|_| may_carry)?;
        match self.store.renew_cookie(id) {
            Some(max_age) => Some(cookie.issue(id, Some(max_age))),
            None if self.settings.rolling => self.issue(id, Some(cookie)),
            None => None,
        }
    }
}

/// What a response says about the use of its session.
#[derive(Clone, Copy)]
pub(crate) struct Answered {
    /// Whether the request was a use.
    pub(crate) is_use: bool,
    /// Whether the response may carry a cookie that the session does not need at once.
    pub(crate) may_carry: bool,
}

impl Answered {
    /// There is no response to carry anything.
    #[cfg(test)]
    pub(crate) const NOTHING: Self = Self { is_use: false, may_carry: false };
}
