//! The state of one request: the session that it came with, and the changes of the session's id until the response.
//!
//! A request has at most one session at a time. Its handler may end the session, give it another id, or create one. The
//! handle in the handler and the layer, which writes the cookie, may be in different tasks, and the handle may be
//! cloned into more tasks. They share a list of [`Node`]s. Each node holds the id that the session has from then on, or
//! none if there is no session:
//!
//! ```text
//! arrival: id A ──next──▶ id B (rotated) ──next──▶ none (logged out) ──next──▶ closed
//! ```
//!
//! The last node is the current one. A node is appended by setting the empty `next` of the last node, once. If two
//! tasks append to the same node, one succeeds and the other starts again from the new last node, so no task waits for
//! another. `next` is a number: the nodes are stored in a second list, in which a node that has lost stays without
//! being reached. The first node is part of the state itself. So a request that changes nothing has no other node, and
//! each change allocates one.
//!
//! # The response
//!
//! What a request has changed counts when its response is handed over. Then the state is closed: `next` of the last
//! node becomes [`CLOSED`], and a task that outlives the response can append nothing any more. It must not, because no
//! client would learn the id. If there will be no response, because the client has disconnected or the handler has
//! panicked, the state is closed too, and the changes are [taken back](RequestState::abandon), the last one first: a
//! session that was created ends, and a rotated session gets its former id again.
//!
//! The same exchange decides both: each change either precedes the closing, and is then delivered or taken back by the
//! thread that closes, or fails, and is undone by the thread that has tried it.
//!
//! # Orderings
//!
//! | access | ordering | why |
//! |---|---|---|
//! | storing a node, and reaching it | Release, Acquire (within `OnceBox`) | publishes the node |
//! | `next`, set and read | Release, Acquire (within `OnceNonZeroUsize`) | a thread that reads the number finds the node |

use crate::carrier::{Carrier, Ids};
use crate::config::{Answered, LayerConfig};
use crate::cookie::LayerCookie;
use crate::error::SessionError;
use cloakroom::{Content, MissingError, SessionId, Undo};
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, Ordering};
use http::{HeaderMap, HeaderValue, Uri};
use once_cell::race::{OnceBox, OnceNonZeroUsize};
use std::sync::Arc;

/// The state of one request, from its arrival until the response is sent and the last handle is dropped.
pub(crate) struct RequestState<T: Content + ?Sized> {
    config: Arc<LayerConfig<T>>,
    arrival: Node<T>,
    /// Other live sessions that the request named: see [`SessionCookie::ids`](cloakroom::SessionCookie::ids).
    others: Vec<SessionId>,
    /// The first id of the request that names no session, and of which the store knows nothing.
    stale: Option<SessionId>,
    /// The id with which the request came, and why it may not create a session: the id was replaced or logged out
    /// meanwhile.
    overtaken: Option<(SessionId, SessionError)>,
    /// Whether the request has a cookie for sessions of visitors, with any id.
    names_visitor: bool,
    /// Whether the session that the request came with was found by that cookie.
    came_as_visitor: bool,
    /// What carries the id, in the request and in the response.
    carrier: Carrier,
    /// Whether the cookie of the session that the request came with has a lifetime of its own.
    remembered: bool,
    /// Whether an operation has asked for the session. Noted only if the responses are to say so.
    asked: AtomicBool,
}

/// The id that the session has from this change on; none if there is no session.
pub(crate) struct Node<T: Content + ?Sized> {
    id: Option<SessionId>,
    change: Change<T>,
    /// The number of changes before this one.
    number: u32,
    /// The place of the next node among the stored ones, or [`CLOSED`].
    next: OnceNonZeroUsize,
    /// The node that was stored after this one, whether it was appended or not.
    stored: OnceBox<Node<T>>,
}

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

/// Stands in place of the next node once the response has been made, or there will be none.
const CLOSED: NonZeroUsize = NonZeroUsize::MAX;

/// The number of times that one request may change its session's id. The bound is far above any use, and keeps the list
/// short, because dropping the list recurses once per node.
const MOST_CHANGES: u32 = 100;

/// Why a change was not made.
pub(crate) enum Refused<'a, T: Content + ?Sized> {
    /// Another task has appended to the same node first.
    Overtaken(&'a Node<T>),
    /// The state was closed.
    TooLate(&'a Node<T>),
}

/// The `Set-Cookie` headers of a response.
pub(crate) type Cookies = [Option<HeaderValue>; 2];

impl<T: Content + ?Sized> RequestState<T> {
    /// Finds the session of a request: the first live one that it names, those of users first. Does not touch it.
    pub(crate) fn new(config: &Arc<LayerConfig<T>>, uri: &Uri, headers: &HeaderMap) -> Self {
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
        let arrival = Node::new(id, Change::Arrived, 0);
        let (config, asked) = (Arc::clone(config), AtomicBool::new(false));
        Self { config, arrival, others, stale, overtaken, names_visitor, came_as_visitor, carrier, remembered, asked }
    }

    pub(crate) fn config(&self) -> &Arc<LayerConfig<T>> {
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

    pub(crate) fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Whether the response depends on the session, as far as that is noted.
    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The last node of the list, which holds the current id, for an operation of the handler.
    pub(crate) fn current(&self) -> &Node<T> {
        if self.config.settings.vary {
            // Relaxed: the response reads it after the handler has returned.
            self.asked.store(true, Ordering::Relaxed);
        }
        self.last()
    }

    fn last(&self) -> &Node<T> {
        let mut node = &self.arrival;
        while let Some(next) = self.after(node) {
            node = next;
        }
        node
    }

    fn after(&self, node: &Node<T>) -> Option<&Node<T>> {
        let place = node.next.get().filter(|place| *place != CLOSED)?;
        let mut node = &self.arrival;
        for _ in 0..place.get() {
            node = node.stored.get()?;
        }
        Some(node)
    }

    /// Stores a node, and returns it and its place.
    fn store(&self, node: Node<T>) -> (&Node<T>, NonZeroUsize) {
        let (mut last, mut place, mut node) = (&self.arrival, 1, Box::new(node));
        loop {
            match last.stored.get() {
                Some(next) => (last, place) = (next, place + 1),
                None => match last.stored.set(node) {
                    Ok(()) => break,
                    Err(back) => node = back,
                },
            }
        }
        let stored = last.stored.get().expect("it has just been stored");
        (stored, NonZeroUsize::new(place).expect("the first place is 1"))
    }

    /// Changes the session's id from the one in `from` to `id`, or to none.
    pub(crate) fn append(
        &self,
        from: &Node<T>,
        id: Option<SessionId>,
        change: Change<T>,
    ) -> Result<(), Refused<'_, T>> {
        let (node, place) = self.store(Node::new(id, change, from.number + 1));
        match from.next.set(place) {
            Ok(()) => Ok(()),
            Err(()) if from.next.get() == Some(CLOSED) => Err(Refused::TooLate(node)),
            Err(()) => Err(Refused::Overtaken(node)),
        }
    }

    /// Closes the state. Returns whether this call has closed it.
    fn close(&self) -> bool {
        loop {
            let last = self.last();
            match last.next.set(CLOSED) {
                Ok(()) => return true,
                Err(()) if last.next.get() == Some(CLOSED) => return false,
                Err(()) => {}
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.last().next.get() == Some(CLOSED)
    }

    /// The nodes from the first change to the last one.
    fn changes(&self) -> impl Iterator<Item = &Node<T>> {
        core::iter::successors(self.after(&self.arrival), |node| self.after(node))
    }

    /// Closes the state, because there will be no response, and takes back what the request has changed: no client
    /// learns the ids. Does nothing if the state is closed. A session that was ended stays ended.
    pub(crate) fn abandon(&self) {
        if !self.close() {
            return;
        }
        let changes: Vec<_> = self.changes().collect();
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
        self.close();
        self.changes().for_each(Node::keep);
        let (config, last) = (&self.config, self.last());
        match (&last.id, last.number == 0) {
            (Some(id), true) => [config.renew(id, self.cookie_found(), self.remembered, answered), None],
            (Some(id), false) => self.issue(id),
            (None, true) if config.settings.remove_stale && self.stale.is_some() && self.overtaken.is_none() => {
                self.removals()
            }
            (None, false) => self.removals(),
            (None, true) => [None, None],
        }
    }

    /// The cookie of a session that was created or got another id: of a user, or of a visitor if the layer
    /// distinguishes them. The browser has to forget the cookie of the other kind, if the request came with it. No
    /// cookie if the session has ended.
    fn issue(&self, id: &SessionId) -> Cookies {
        let (config, carriers) = (&self.config, &self.config.carriers);
        let users = carriers.cookie_of(self.carrier);
        let Some(visitors) = carriers.visitors_of(self.carrier) else { return [config.issue(id, users), None] };
        if config.store.principal(id).is_some() {
            let issued = config.issue(id, users);
            let removal = issued.as_ref().filter(|_| self.names_visitor).map(|_| visitors.removal());
            return [issued, removal];
        }
        let issued = config.issue(id, Some(visitors));
        let came_as_user = self.arrival.id.is_some() && !self.came_as_visitor && issued.is_some();
        [issued, users.filter(|_| came_as_user).map(LayerCookie::removal)]
    }

    /// The cookie by which the session was found. None if it came by a token.
    fn cookie_found(&self) -> Option<&LayerCookie> {
        let carriers = &self.config.carriers;
        let visitors = carriers.visitors_of(self.carrier).filter(|_| self.came_as_visitor);
        visitors.or(carriers.cookie_of(self.carrier))
    }

    fn removals(&self) -> Cookies {
        let carriers = &self.config.carriers;
        let visitors = carriers.visitors_of(self.carrier).filter(|_| self.names_visitor);
        [carriers.cookie_of(self.carrier).map(LayerCookie::removal), visitors.map(LayerCookie::removal)]
    }

    /// Why this request may not create a session: it came with an id that was replaced or logged out.
    pub(crate) fn may_create(&self, at: &Node<T>) -> Result<(), SessionError> {
        match self.overtaken {
            Some((_, error)) if at.number == 0 => Err(error),
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
    fn look<T: Content + ?Sized>(&mut self, config: &LayerConfig<T>, ids: Ids<'_>, may_be: bool) -> bool {
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
    fn miss<T: Content + ?Sized>(&mut self, config: &LayerConfig<T>, id: SessionId) {
        // A session of another audience must not be touched.
        let missing = if config.store.exists(&id) { Ok(()) } else { config.store.lookup(&id, |_| ()) };
        match missing {
            Err(MissingError::Replaced) => self.overtaken = Some((id, SessionError::Replaced)),
            Err(MissingError::LoggedOut) => self.overtaken = self.overtaken.or(Some((id, SessionError::Gone))),
            _ => self.stale = self.stale.or(Some(id)),
        }
    }
}

impl<T: Content + ?Sized> Node<T> {
    fn new(id: Option<SessionId>, change: Change<T>, number: u32) -> Self {
        Self { id, change, number, next: OnceNonZeroUsize::new(), stored: OnceBox::new() }
    }

    pub(crate) fn id(&self) -> Option<&SessionId> {
        self.id.as_ref()
    }

    /// Whether the handler has logged out.
    pub(crate) fn is_logout(&self) -> bool {
        matches!(self.change, Change::Ended)
    }

    pub(crate) fn is_last_allowed(&self) -> bool {
        self.number >= MOST_CHANGES
    }

    /// Makes the change final.
    fn keep(&self) {
        if let Change::Moved(Some(undo)) = &self.change {
            undo.keep();
        }
    }

    /// Takes the change back. Returns whether the session has its former id again: otherwise it has ended.
    pub(crate) fn undo(&self, config: &LayerConfig<T>) -> bool {
        let back = matches!(&self.change, Change::Moved(Some(undo)) if config.store.take_back(undo));
        if !back {
            self.end(config);
        }
        back
    }

    /// Ends the session of a change that has lost against another one.
    pub(crate) fn end(&self, config: &LayerConfig<T>) {
        if let Some(id) = &self.id {
            config.store.delete(id);
        }
        self.keep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> RequestState<cloakroom::Attributes> {
        let (store, cookie) = (Arc::default(), LayerCookie::new(cloakroom::SessionCookie::default()));
        RequestState::new(&Arc::new(LayerConfig::new(store, cookie)), &Uri::default(), &HeaderMap::new())
    }

    fn log_out<'a>(
        state: &'a RequestState<cloakroom::Attributes>,
        from: &Node<cloakroom::Attributes>,
    ) -> Result<(), Refused<'a, cloakroom::Attributes>> {
        state.append(from, None, Change::Ended)
    }

    #[test]
    fn a_change_before_the_response_appears_in_it() {
        let state = state();
        assert!(log_out(&state, state.current()).is_ok());
        assert_eq!(state.respond(|| Answered::NOTHING), [Some(state.config.carriers.cookie.removal()), None]);
    }

    #[test]
    fn a_change_after_the_response_is_too_late() {
        let state = state();
        assert_eq!(state.respond(|| Answered::NOTHING), [None, None]);
        assert!(state.is_closed());
        assert!(matches!(log_out(&state, state.current()), Err(Refused::TooLate(_))));
        assert_eq!(state.current().number, 0);
    }

    #[test]
    fn the_second_of_two_changes_of_one_node_is_overtaken() {
        let state = state();
        let (first, second) = (state.current(), state.current());
        assert!(log_out(&state, first).is_ok());
        assert!(matches!(log_out(&state, second), Err(Refused::Overtaken(_))));
        assert_eq!(state.current().number, 1);
        // The node that has lost is stored, and not reached.
        assert!(log_out(&state, state.current()).is_ok());
        assert_eq!((state.current().number, state.changes().count()), (2, 2));
    }

    #[test]
    fn a_state_is_closed_once() {
        let state = state();
        assert!(log_out(&state, state.current()).is_ok());
        assert!(state.close() && !state.close());
    }

    #[test]
    fn of_two_threads_that_append_and_one_that_closes_each_change_is_seen_or_refused() {
        for _ in 0..500 {
            let state = state();
            std::thread::scope(|scope| {
                let append = || (0..20).filter(|_| log_out(&state, state.current()).is_ok()).count();
                let appending = [scope.spawn(append), scope.spawn(append)];
                let seen = scope.spawn(|| {
                    assert!(state.close());
                    state.changes().count()
                });
                let appended: usize = appending.into_iter().map(|thread| thread.join().expect("no panic")).sum();
                assert_eq!(seen.join().expect("no panic"), appended);
            });
        }
    }
}
