//! The state of one request: the session that it came with, and the changes of the session's id until the response.
//!
//! A request has at most one session at a time. Its handler may end the session, give it another id, or create one. The
//! handle in the handler and the layer, which writes the cookie, may be in different tasks, and the handle may be
//! cloned into more tasks. They share a linked list of [`Node`]s. Each node holds the id that the session has from then
//! on, or none if there is no session:
//!
//! ```text
//! arrival: id A ──next──▶ id B (rotated) ──next──▶ none (logged out)
//! ```
//!
//! The last node is the current one. A node is appended by filling the empty `next` of the last node. If two tasks
//! append to the same node, one succeeds and the other starts again from the new last node, so no task waits for
//! another. A request that changes nothing has only the first node, which is part of the state itself. Each change
//! allocates one node.
//!
//! # The response
//!
//! No cookie can be sent once the response has its headers, or once the client has disconnected. From then on the state
//! is closed: a task that outlives the response must neither create a session, because no client would learn its id,
//! nor change the id of one. The word `changes` decides whether a change or the closing came first. A change enters
//! itself after it has appended its node. Closing enters itself before it reads the list. Both are read-modify-writes
//! of one word, so either the change sees that the state is closed and is undone, or the response sees the node.
//!
//! # Orderings
//!
//! | access | ordering | why |
//! |---|---|---|
//! | `next`, filled and followed | Release, Acquire (within `OnceBox`) | publishes the node |
//! | `changes.fetch_add`, `fetch_or` | AcqRel | a closing that follows a change sees its node; a change that follows the closing sees `CLOSED` |
//! | `asked`, stored and loaded | Relaxed | says only that it happened; a handler that is done has stored it before |
//! | `changes.load` | Relaxed | avoids work that would be undone, and decides nothing |

use crate::carrier::Carrier;
use crate::config::{Answered, LayerConfig};
use cloakroom::{Content, SessionId};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use http::{HeaderMap, HeaderValue, Uri};
use once_cell::race::OnceBox;
use std::sync::Arc;

/// The state of one request, from its arrival until the response is sent and the last handle is dropped.
pub(crate) struct RequestState<T: Content + ?Sized> {
    config: Arc<LayerConfig<T>>,
    arrival: Node,
    /// What carries the id, in the request and in the response.
    carrier: Carrier,
    /// Other live sessions that the request named: see [`SessionCookie::ids`](cloakroom::SessionCookie::ids).
    others: Vec<SessionId>,
    /// Whether the request named a session that does not exist.
    stale: bool,
    /// Whether the cookie of the session that the request came with has a lifetime of its own.
    remembered: bool,
    /// Whether an operation has asked for the session. Noted only if the responses are to say so.
    asked: AtomicBool,
    /// Twice the number of changes, and [`CLOSED`].
    changes: AtomicUsize,
}

/// The id that the session has from this change on; none if there is no session.
#[derive(Default)]
pub(crate) struct Node {
    id: Option<SessionId>,
    /// The number of nodes before this one.
    number: u32,
    next: OnceBox<Node>,
}

/// The lowest bit of `changes`; the other bits count the changes.
const CLOSED: usize = 1;
const CHANGE: usize = 2;

/// The number of times that one request may change its session's id. The bound is far above any use, and keeps the list
/// short, because dropping the list recurses once per node.
const MOST_CHANGES: u32 = 100;

/// The result of [`RequestState::append`].
pub(crate) enum Appended {
    Yes,
    /// Another task has appended to the same node first.
    Overtaken,
    /// The state was closed. The node has been appended, but the response does not show it.
    TooLate,
}

impl<T: Content + ?Sized> RequestState<T> {
    /// Finds the session of a request: the first live one that it names. Does not touch it.
    pub(crate) fn new(config: &Arc<LayerConfig<T>>, uri: &Uri, headers: &HeaderMap) -> Self {
        let carrier = config.carriers.of_request(uri, headers);
        let mut stale = false;
        let mut live = config.carriers.ids(carrier, headers).filter_map(|id| {
            let ticket = config.admit(&id);
            stale |= ticket.is_none();
            ticket.map(|ticket| (id, ticket.max_age.is_some()))
        });
        let (id, remembered) = live.next().unzip();
        let others = live.map(|(other, _)| other).filter(|other| Some(*other) != id).collect();
        let (config, arrival) = (Arc::clone(config), Node { id, ..Node::default() });
        let (asked, changes) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self { config, arrival, carrier, others, stale, remembered: remembered == Some(true), asked, changes }
    }

    pub(crate) fn config(&self) -> &LayerConfig<T> {
        &self.config
    }

    pub(crate) fn others(&self) -> &[SessionId] {
        &self.others
    }

    /// The last node of the list, which holds the current id, for an operation of the handler.
    pub(crate) fn current(&self) -> &Node {
        if self.config.settings.vary {
            // Relaxed: the response reads it after the handler has returned.
            self.asked.store(true, Ordering::Relaxed);
        }
        self.last()
    }

    pub(crate) fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Whether the response depends on the session, as far as that is noted.
    pub(crate) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    fn last(&self) -> &Node {
        let mut node = &self.arrival;
        while let Some(next) = node.next.get() {
            node = next;
        }
        node
    }

    /// Changes the session's id from the one in `from` to `id`, or to none.
    pub(crate) fn append(&self, from: &Node, id: Option<SessionId>) -> Appended {
        let next = Node { id, number: from.number + 1, next: OnceBox::new() };
        if from.next.set(Box::new(next)).is_err() {
            return Appended::Overtaken;
        }
        match self.changes.fetch_add(CHANGE, Ordering::AcqRel) & CLOSED {
            0 => Appended::Yes,
            _ => Appended::TooLate,
        }
    }

    /// Closes the state, because there is a response or there will be none.
    pub(crate) fn close(&self) {
        if !self.is_closed() {
            self.changes.fetch_or(CLOSED, Ordering::AcqRel);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.changes.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Closes the state and returns the value of the `Set-Cookie`, or of the token's header, that the response needs.
    ///
    /// A session that another request has ended gets no cookie. Its cookie is not removed either, because the browser
    /// may have received a newer one in another response.
    /// `answered` is called only if it matters.
    pub(crate) fn respond(&self, answered: impl FnOnce() -> Answered) -> Option<HeaderValue> {
        self.changes.fetch_or(CLOSED, Ordering::AcqRel);
        let (config, last) = (&self.config, self.last());
        match (&last.id, last.number == 0) {
            (Some(id), true) => config.renew(id, self.carrier, self.remembered, answered),
            (Some(id), false) => config.issue(id, self.carrier),
            (None, true) if !(config.settings.remove_stale && self.stale) => None,
            (None, _) => config.removal(self.carrier),
        }
    }
}

impl Node {
    pub(crate) fn id(&self) -> Option<&SessionId> {
        self.id.as_ref()
    }

    /// Whether the handler has logged out.
    pub(crate) fn is_logout(&self) -> bool {
        self.id.is_none() && self.number > 0
    }

    pub(crate) fn is_last_allowed(&self) -> bool {
        self.number >= MOST_CHANGES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::LayerCookie;

    fn state() -> RequestState<cloakroom::Attributes> {
        let (store, cookie) = (Arc::default(), LayerCookie::new(cloakroom::SessionCookie::default()));
        RequestState::new(&Arc::new(LayerConfig::new(store, cookie)), &Uri::default(), &HeaderMap::new())
    }

    #[test]
    fn a_change_before_the_response_appears_in_it() {
        let state = state();
        assert!(matches!(state.append(state.current(), None), Appended::Yes));
        assert_eq!(state.respond(|| Answered::NOTHING), state.config.removal(Carrier::Cookie));
    }

    #[test]
    fn a_change_after_the_response_is_reported_as_too_late() {
        let state = state();
        assert_eq!(state.respond(|| Answered::NOTHING), None);
        assert!(state.is_closed());
        assert!(matches!(state.append(state.current(), None), Appended::TooLate));
    }

    #[test]
    fn the_second_of_two_changes_of_one_node_is_overtaken() {
        let state = state();
        let (first, second) = (state.current(), state.current());
        assert!(matches!(state.append(first, None), Appended::Yes));
        assert!(matches!(state.append(second, None), Appended::Overtaken));
        assert_eq!(state.current().number, 1);
    }
}
