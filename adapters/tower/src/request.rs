//! The state of one request: the session that it came with, and the changes of the session's id until the response.
//!
//! What a request has changed counts when its response is handed over. Then the [`Changes`] are closed, and a task that
//! outlives the response can change nothing any more. It must not, because no client would learn the id. If there will
//! be no response, because the client has disconnected or the handler has panicked, the changes are closed too, and are
//! [taken back](RequestState::abandon), the last one first: a session that was created ends, and a rotated session gets
//! its former id again.

use crate::brought::{Brought, Cookies};
use crate::carrier::Ids;
use crate::changes::{Changes, Node, Refused};
use crate::config::{Answered, LocalConfig};
use crate::error::SessionError;
use cloakroom::{Content, MissingError, SessionId, Undo};
use core::sync::atomic::{AtomicBool, Ordering};
use http::{HeaderMap, Uri};
use std::sync::Arc;

/// The state of one request, from its arrival until the response is sent and the last handle is dropped.
pub(crate) struct RequestState<T: Content + ?Sized> {
    config: Arc<LocalConfig<T>>,
    changes: Changes<Change<T>>,
    /// Other live sessions that the request named: see [`SessionCookie::ids`](cloakroom::SessionCookie::ids).
    others: Vec<SessionId>,
    /// The first id of the request that names no session, and of which the store knows nothing.
    stale: Option<SessionId>,
    /// The id with which the request came, and why it may not create a session: the id was replaced or logged out
    /// meanwhile.
    overtaken: Option<(SessionId, SessionError)>,
    brought: Brought,
    /// Whether the cookie of the session that the request came with has a lifetime of its own.
    remembered: bool,
    /// Whether an operation has asked for the session. Noted only if the responses are to say so.
    asked: AtomicBool,
}

/// An id of the request's session.
pub(crate) type IdNode<T> = Node<Change<T>>;

/// How the session came to the id of a node.
pub(crate) enum Change<T: Content + ?Sized> {
    /// The request came with it, or with none.
    Arrived,
    /// The session was created by this request. There was none before.
    Created,
    /// The session got another id, or another session took its place. `None` if that cannot be taken back.
    Moved(Option<Undo<T>>),
    /// The session was ended by this request.
    Ended,
}

impl<T: Content + ?Sized> RequestState<T> {
    /// Finds the session of a request: the first live one that it names, those of users first. Does not touch it.
    pub(crate) fn new(config: &Arc<LocalConfig<T>>, uri: &Uri, headers: &HeaderMap) -> Self {
        let carrier = config.carriers.of_request(uri, headers);
        let mut found = Found { id: None, remembered: false, others: Vec::new(), stale: None, overtaken: None };
        found.look(config, config.carriers.ids(carrier, headers), true);
        let (mut names_visitor, mut came_as_visitor) = (false, false);
        if let Some(visitors) = config.carriers.visitors_of(carrier) {
            let is_user = found.id.is_some();
            // If the user's session has another id by now, nobody would see what is stored in a visitor's.
            let may_be_visitor = !is_user && found.overtaken.is_none();
            names_visitor = found.look(config, Ids::Cookies(visitors.ids(headers)), may_be_visitor);
            came_as_visitor = !is_user && found.id.is_some();
        }
        found.overtaken = found.overtaken.filter(|_| found.id.is_none());
        let Found { id, remembered, others, stale, overtaken } = found;
        let brought = Brought { carrier, names_visitor, session: id.is_some(), as_visitor: came_as_visitor };
        let (config, asked) = (Arc::clone(config), AtomicBool::new(false));
        Self {
            config,
            changes: Changes::new(id, Change::Arrived),
            others,
            stale,
            overtaken,
            brought,
            remembered,
            asked,
        }
    }

    pub(crate) fn config(&self) -> &Arc<LocalConfig<T>> {
        &self.config
    }

    pub(crate) fn others(&self) -> &[SessionId] {
        &self.others
    }

    /// The first id of the request that names no session, if the store does not know it.
    pub(crate) fn stale(&self) -> Option<&SessionId> {
        self.stale.as_ref()
    }

    /// The id with which the request came, if it was replaced or logged out meanwhile.
    pub(crate) fn overtaken(&self) -> Option<&SessionId> {
        self.overtaken.as_ref().map(|(id, _)| id)
    }

    pub(crate) fn brought(&self) -> &Brought {
        &self.brought
    }

    /// Whether the response depends on the session, as far as that is noted.
    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The last node of the list, which holds the current id, for an operation of the handler.
    pub(crate) fn current(&self) -> &IdNode<T> {
        if self.config.settings.vary {
            // Relaxed: the response reads it after the handler has returned.
            self.asked.store(true, Ordering::Relaxed);
        }
        self.changes.last()
    }

    /// Changes the session's id from the one in `from` to `id`, or to none.
    pub(crate) fn append(
        &self,
        from: &IdNode<T>,
        id: Option<SessionId>,
        change: Change<T>,
    ) -> Result<(), Refused<'_, Change<T>>> {
        self.changes.append(from, id, change)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.changes.is_closed()
    }

    /// Closes the state, because there will be no response, and takes back what the request has changed: no client
    /// learns the ids. Does nothing if the state is closed. A session that was ended stays ended.
    pub(crate) fn abandon(&self) {
        if !self.changes.close() {
            return;
        }
        let changes: Vec<_> = self.changes.iter().collect();
        for node in changes.iter().rev() {
            if !node.undo(&self.config) {
                break;
            }
        }
        changes.iter().for_each(|node| node.keep());
    }

    /// Closes the state and returns the `Set-Cookie` headers that the response needs. The changes are final.
    ///
    /// A session that another request has ended gets no cookie. Its cookie is not removed either, because the browser
    /// may have received a newer one in another response.
    ///
    /// `answered` is called only if it matters.
    pub(crate) fn respond(&self, answered: impl FnOnce() -> Answered) -> Cookies {
        self.changes.close();
        self.changes.iter().for_each(IdNode::keep);
        let (config, last, brought) = (&self.config, self.changes.last(), &self.brought);
        let carriers = &config.carriers;
        match (last.id(), last.is_arrival()) {
            (Some(id), true) => [config.renew(id, brought.cookie(carriers), self.remembered, answered), None],
            (Some(id), false) => {
                let is_user = || config.store.principal(id).is_some();
                brought.issue(carriers, is_user, |cookie| config.issue(id, cookie))
            }
            (None, true) if config.settings.remove_stale && self.stale.is_some() && self.overtaken.is_none() => {
                brought.removals(carriers)
            }
            (None, false) => brought.removals(carriers),
            (None, true) => [None, None],
        }
    }

    /// Why this request may not create a session: it came with an id that was replaced or logged out.
    pub(crate) fn may_create(&self, at: &IdNode<T>) -> Result<(), SessionError> {
        match self.overtaken {
            Some((_, error)) if at.is_arrival() => Err(error),
            _ => Ok(()),
        }
    }
}

/// If there was no response future (the handler has panicked when it was called), there is no response.
impl<T: Content + ?Sized> Drop for RequestState<T> {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// What the ids of a request name.
struct Found {
    id: Option<SessionId>,
    remembered: bool,
    others: Vec<SessionId>,
    stale: Option<SessionId>,
    overtaken: Option<(SessionId, SessionError)>,
}

impl Found {
    /// Looks for the ids under the name of one cookie. `may_be` says that one of them may be the request's session.
    /// Returns whether there are any.
    fn look<T: Content + ?Sized>(&mut self, config: &LocalConfig<T>, ids: Ids<'_>, may_be: bool) -> bool {
        let mut any = false;
        for id in ids {
            any = true;
            let Some(ticket) = config.admit(&id) else {
                self.miss(config, id);
                continue;
            };
            if self.id.is_none() && may_be {
                (self.id, self.remembered) = (Some(id), ticket.max_age.is_some());
            } else if self.id != Some(id) {
                self.others.push(id);
            }
        }
        any
    }

    #[cold]
    fn miss<T: Content + ?Sized>(&mut self, config: &LocalConfig<T>, id: SessionId) {
        // A session of another audience must not be touched.
        let missing = if config.store.exists(&id) { Ok(()) } else { config.store.lookup(&id, |_| ()) };
        match missing {
            Err(MissingError::Replaced) => self.overtaken = Some((id, SessionError::Replaced)),
            Err(MissingError::LoggedOut) => self.overtaken = self.overtaken.or(Some((id, SessionError::Gone))),
            _ => self.stale = self.stale.or(Some(id)),
        }
    }
}

impl<T: Content + ?Sized> IdNode<T> {
    /// Whether the handler has logged out.
    pub(crate) fn is_logout(&self) -> bool {
        matches!(self.change(), Change::Ended)
    }

    /// Makes the change final.
    fn keep(&self) {
        if let Change::Moved(Some(undo)) = self.change() {
            undo.keep();
        }
    }

    /// Takes the change back. Returns whether the session has its former id again: otherwise it has ended.
    pub(crate) fn undo(&self, config: &LocalConfig<T>) -> bool {
        let back = matches!(self.change(), Change::Moved(Some(undo)) if config.store.take_back(undo));
        if !back {
            self.end(config);
        }
        back
    }

    /// Ends the session of a change that has lost against another one.
    pub(crate) fn end(&self, config: &LocalConfig<T>) {
        if let Some(id) = self.id() {
            config.store.delete(id);
        }
        self.keep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::LayerCookie;

    fn state() -> RequestState<cloakroom::Attributes> {
        let (store, cookie) = (Arc::default(), LayerCookie::new(cloakroom::SessionCookie::default()));
        RequestState::new(&Arc::new(LocalConfig::new(store, cookie)), &Uri::default(), &HeaderMap::new())
    }

    #[test]
    fn a_change_before_the_response_appears_in_it() {
        let state = state();
        assert!(state.append(state.current(), None, Change::Ended).is_ok());
        assert_eq!(state.respond(|| Answered::NOTHING), [Some(state.config.carriers.cookie.removal()), None]);
    }

    #[test]
    fn a_change_after_the_response_is_too_late() {
        let state = state();
        assert_eq!(state.respond(|| Answered::NOTHING), [None, None]);
        assert!(state.is_closed());
        assert!(matches!(state.append(state.current(), None, Change::Ended), Err(Refused::TooLate(_))));
        assert!(state.current().is_arrival());
    }
}
