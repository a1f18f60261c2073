//! The state of one request over a store that servers share: the ids that it has brought, which of them is its session,
//! and the changes of the session's id until the response.
//!
//! The layer itself asks for nothing: it only notes the ids. The first operation of a handler looks for the session, in
//! the near cache and then in the engine. What is found is noted; that the engine is away is not, so a later operation
//! of the same request asks again.

use crate::brought::{Brought, Cookies};
use crate::carrier::{Carrier, Ids, token_value};
use crate::changes::{Changes, Node};
use crate::config::{Answered, LayerConfig};
use crate::cookie::LayerCookie;
use crate::error::SessionError;
use cloakroom::{Attributes, MissingError, SessionId, Timeouts};
use cloakroom_redis::{NewShared, Shared, SharedError, SharedStore, SharedTicket};
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, Ordering};
use http::{HeaderMap, HeaderValue, Uri};
use once_cell::race::{OnceBox, OnceNonZeroUsize};
use std::sync::Arc;

/// The configuration of a layer over a store that servers share.
pub(crate) type SharedConfig<T> = LayerConfig<SharedStore<T>>;

impl<T: Shared + ?Sized> SharedConfig<T> {
    /// Starts building a session that has the layer's timeouts and audience.
    pub(crate) fn new_session(&self) -> NewShared<'_, T> {
        let mut timeouts = Timeouts::default();
        if let Some(idle) = self.settings.idle_timeout {
            timeouts = timeouts.idle(idle);
        }
        if let Some(absolute) = self.settings.absolute_timeout {
            timeouts = timeouts.absolute(absolute);
        }
        let new = self.store.new_session().timeouts(timeouts);
        match self.settings.audience {
            Some(audience) => new.audience(audience),
            None => new,
        }
    }
}

/// How the session came to the id of a node.
pub(crate) enum Change {
    /// The request came with it, or with none: see [`SharedState::arrived`].
    Arrived,
    /// The session was created by this request, or got this id from it. Whether a user is logged in.
    Issued { is_user: bool },
    /// The session was ended by this request.
    Ended,
}

/// The state of one request, from its arrival until the response is sent and the last handle is dropped.
pub(crate) struct SharedState<T: Shared + ?Sized = Attributes> {
    config: Arc<SharedConfig<T>>,
    changes: Changes<Change>,
    carrier: Carrier,
    /// The ids that the request has brought, those of users first. The first one takes no allocation.
    first: Option<Named>,
    more: Vec<Named>,
    /// The place of the request's session among them, from 1 on, or [`NONE`].
    found: OnceNonZeroUsize,
    /// Why the request may not create a session: an id that it has brought was replaced or logged out meanwhile.
    overtaken: OnceBox<SessionError>,
    /// Whether the first id is known to name no session.
    first_is_missing: AtomicBool,
    /// Whether an operation has asked for the session.
    asked: AtomicBool,
}

/// An id that the request has brought.
#[derive(Clone, Copy)]
struct Named {
    id: SessionId,
    as_visitor: bool,
}

/// Stands in place of the session's place if there is no session.
const NONE: NonZeroUsize = NonZeroUsize::MAX;

impl<T: Shared + ?Sized> SharedState<T> {
    /// Notes the ids of a request.
    pub(crate) fn new(config: &Arc<SharedConfig<T>>, uri: &Uri, headers: &HeaderMap) -> Self {
        let carriers = &config.carriers;
        let carrier = carriers.of_request(uri, headers);
        let (mut first, mut more) = (None, Vec::new());
        let mut note = |ids: Ids<'_>, as_visitor| {
            for id in ids {
                match first {
                    None => first = Some(Named { id, as_visitor }),
                    Some(_) => more.push(Named { id, as_visitor }),
                }
            }
        };
        note(carriers.ids(carrier, headers), false);
        if let Some(visitors) = carriers.visitors_of(carrier) {
            note(Ids::Cookies(visitors.ids(headers)), true);
        }
        Self {
            config: Arc::clone(config),
            changes: Changes::new(None, Change::Arrived),
            carrier,
            first,
            more,
            found: OnceNonZeroUsize::new(),
            overtaken: OnceBox::new(),
            first_is_missing: AtomicBool::new(false),
            asked: AtomicBool::new(false),
        }
    }

    pub(crate) fn config(&self) -> &Arc<SharedConfig<T>> {
        &self.config
    }

    pub(crate) fn store(&self) -> &SharedStore<T> {
        &self.config.store
    }

    pub(crate) fn changes(&self) -> &Changes<Change> {
        &self.changes
    }

    pub(crate) fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Whether the response depends on the session, as far as that is to be said.
    pub(crate) fn was_asked(&self) -> bool {
        self.config.settings.vary && self.asked.load(Ordering::Relaxed)
    }

    /// The last node, which holds the current id, for an operation of the handler.
    pub(crate) fn current(&self) -> &Node<Change> {
        // Relaxed: the response reads it after the handler has returned.
        self.asked.store(true, Ordering::Relaxed);
        self.changes.last()
    }

    fn named(&self) -> impl Iterator<Item = &Named> {
        self.first.iter().chain(&self.more)
    }

    /// The ids that the request has brought.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &SessionId> {
        self.named().map(|named| &named.id)
    }

    /// Shows the request's session to a closure, if it is the first id and nobody has asked for the session yet: in one
    /// step. `None` if that is not so, and the closure was not called.
    pub(crate) async fn show_first<R>(&self, touch: bool, f: impl FnOnce(&T) -> R) -> Result<Option<R>, SessionError> {
        let is_new = self.found.get().is_none() && !self.first_is_missing.load(Ordering::Relaxed);
        let Some(first) = self.first.as_ref().filter(|_| is_new) else { return Ok(None) };
        let audience = self.config.settings.audience;
        let once = |content: &T, ticket: SharedTicket| (ticket.audience == audience).then(|| f(content));
        match self.store().show(&first.id, touch, once).await {
            Ok(Some(shown)) => {
                let _ = self.found.set(NonZeroUsize::MIN);
                return Ok(Some(shown));
            }
            Ok(None) => {}
            Err(SharedError::Missing(missing)) => self.note_missing(missing),
            Err(error) => return Err(error.into()),
        }
        // Relaxed: a task that does not see it asks once more.
        self.first_is_missing.store(true, Ordering::Relaxed);
        Ok(None)
    }

    /// The session that the request has brought, if that is known.
    fn known(&self) -> Option<Option<&Named>> {
        let place = self.found.get()?;
        Some(if place == NONE { None } else { self.named().nth(place.get() - 1) })
    }

    /// The id of the session that the request has brought: the first live one, those of users first.
    pub(crate) async fn arrived(&self) -> Result<Option<&SessionId>, SessionError> {
        if let Some(known) = self.known() {
            return Ok(known.map(|named| &named.id));
        }
        let mut found = NONE;
        for (at, named) in self.named().enumerate() {
            // If the user's session has another id by now, nobody would see what is stored in a visitor's.
            if named.as_visitor && self.overtaken.get().is_some() {
                break;
            }
            if at == 0 && self.first_is_missing.load(Ordering::Relaxed) {
                continue;
            }
            if self.admit(&named.id).await?.is_some() {
                found = NonZeroUsize::MIN.saturating_add(at);
                break;
            }
        }
        // Another handle may have looked at the same time. One of both findings holds.
        let _ = self.found.set(found);
        Ok(self.known().flatten().map(|named| &named.id))
    }

    /// The ticket of a session that the layer accepts. None if there is no such session.
    async fn admit(&self, id: &SessionId) -> Result<Option<SharedTicket>, SessionError> {
        match self.store().ticket(id).await {
            Ok(ticket) => Ok(Some(ticket).filter(|ticket| ticket.audience == self.config.settings.audience)),
            Err(SharedError::Missing(missing)) => {
                self.note_missing(missing);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether an id that the request has brought may belong to a session of this layer, also if the engine is away.
    pub(crate) async fn may_end(&self, id: &SessionId) -> bool {
        !matches!(self.admit(id).await, Ok(None))
    }

    fn note_missing(&self, missing: MissingError) {
        let error = match missing {
            MissingError::Replaced => SessionError::Replaced,
            MissingError::LoggedOut => SessionError::Gone,
            _ => return,
        };
        let _ = self.overtaken.set(Box::new(error));
    }

    /// The id at a node. `None` if there is no session.
    pub(crate) async fn id_at<'a>(&'a self, at: &'a Node<Change>) -> Result<Option<&'a SessionId>, SessionError> {
        if at.is_arrival() { self.arrived().await } else { Ok(at.id()) }
    }

    /// Why this request may not create a session: it came with an id that was replaced or logged out.
    pub(crate) fn may_create(&self, at: &Node<Change>) -> Result<(), SessionError> {
        match self.overtaken.get() {
            Some(error) if at.is_arrival() && !matches!(self.known(), Some(Some(_))) => Err(*error),
            _ => Ok(()),
        }
    }

    /// Whether the response needs no answer of the engine: nobody has changed the id, and no cookie is to be renewed.
    pub(crate) fn responds_at_once(&self) -> bool {
        let is_unchanged = self.changes.last().is_arrival();
        is_unchanged && !self.config.touches_at_the_response()
    }

    fn brought(&self) -> Brought {
        let found = self.known().flatten();
        Brought {
            carrier: self.carrier,
            names_visitor: self.named().any(|named| named.as_visitor),
            session: found.is_some(),
            as_visitor: found.is_some_and(|named| named.as_visitor),
        }
    }

    /// The headers of a response for which the engine need not be asked.
    pub(crate) fn respond_at_once(&self) -> Cookies {
        let nothing_live = self.found.get() == Some(NONE) && self.first.is_some() && self.overtaken.get().is_none();
        if self.config.settings.remove_stale && nothing_live && self.changes.last().is_arrival() {
            return self.brought().removals(&self.config.carriers);
        }
        [None, None]
    }

    /// The `Set-Cookie` headers that the response needs. The changes must be closed.
    ///
    /// A session that another request has ended gets no cookie. Its cookie is not removed either, because the browser
    /// may have received a newer one in another response. If the engine is away, a session that was created or got
    /// another id is taken for live.
    pub(crate) async fn respond(&self, answered: impl FnOnce() -> Answered) -> Cookies {
        let (last, carriers) = (self.changes.last(), &self.config.carriers);
        match (last.change(), last.id()) {
            (Change::Issued { is_user }, Some(id)) => {
                let Some(max_age) = self.life_of(id).await else { return [None, None] };
                let issue = |cookie: Option<&LayerCookie>| {
                    Some(cookie.map_or_else(|| token_value(id), |cookie| cookie.issue(id, max_age)))
                };
                self.brought().issue(carriers, || *is_user, issue)
            }
            (Change::Ended, _) => self.brought().removals(carriers),
            _ => match self.renew(answered).await {
                Some(header) => [Some(header), None],
                None => self.respond_at_once(),
            },
        }
    }

    /// The lifetime of a session's cookie, if the session is live.
    async fn life_of(&self, id: &SessionId) -> Option<Option<core::time::Duration>> {
        match self.store().ticket(id).await {
            Ok(ticket) => Some(ticket.max_age),
            Err(error) => (!error.is_missing()).then_some(None),
        }
    }

    /// The cookie again, if the request was a use of its session and the cookie is to be renewed.
    async fn renew(&self, answered: impl FnOnce() -> Answered) -> Option<HeaderValue> {
        let Answered { is_use: true, may_carry } = answered() else { return None };
        if !self.config.touches_at_the_response() {
            return None;
        }
        let id = self.arrived().await.ok()??;
        if !self.store().touch(id).await.ok()? {
            return None;
        }
        let brought = self.brought();
        let cookie = brought.cookie(&self.config.carriers).filter(|_| may_carry)?;
        let ticket = self.store().ticket(id).await.ok()?;
        self.config.settings.rolling.then(|| cookie.issue(id, ticket.max_age))
    }

    /// The ids that were issued by this request, the last one first, for the case that no client learns them.
    pub(crate) fn issued(&self) -> Vec<SessionId> {
        let issued = self.changes.iter().filter(|node| matches!(node.change(), Change::Issued { .. }));
        let mut ids: Vec<_> = issued.filter_map(|node| node.id().copied()).collect();
        ids.reverse();
        ids
    }
}
