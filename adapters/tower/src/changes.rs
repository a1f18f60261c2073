//! The changes of a session's id that one request makes, until its response.
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
//! being reached. The first node is part of the list itself. So a request that changes nothing has no other node, and
//! each change allocates one.
//!
//! Closing the list decides what counts: each change either precedes the closing, and is then delivered or taken back
//! by the thread that closes, or fails, and is undone by the thread that has tried it.
//!
//! # Orderings
//!
//! | access | ordering | why |
//! |---|---|---|
//! | storing a node, and reaching it | Release, Acquire (within `OnceBox`) | publishes the node |
//! | `next`, set and read | Release, Acquire (within `OnceNonZeroUsize`) | a thread that reads the number finds the node |

use cloakroom::SessionId;
use core::num::NonZeroUsize;
use once_cell::race::{OnceBox, OnceNonZeroUsize};

/// The changes of one request. `C` says how the session came to the id of a node.
pub(crate) struct Changes<C> {
    arrival: Node<C>,
}

/// The id that the session has from this change on; none if there is no session.
pub(crate) struct Node<C> {
    id: Option<SessionId>,
    change: C,
    /// The number of changes before this one.
    number: u32,
    /// The place of the next node among the stored ones, or [`CLOSED`].
    next: OnceNonZeroUsize,
    /// The node that was stored after this one, whether it was appended or not.
    stored: OnceBox<Node<C>>,
}

/// Stands in place of the next node once the response has been made, or there will be none.
const CLOSED: NonZeroUsize = NonZeroUsize::MAX;

/// The number of times that one request may change its session's id. The bound is far above any use, and keeps the list
/// short, because dropping the list recurses once per node.
const MOST_CHANGES: u32 = 100;

/// Why a change was not made.
pub(crate) enum Refused<'a, C> {
    /// Another task has appended to the same node first.
    Overtaken(&'a Node<C>),
    /// The list was closed.
    TooLate(&'a Node<C>),
}

impl<C> Changes<C> {
    /// A list with the id that the request came with, or with none.
    pub(crate) fn new(id: Option<SessionId>, arrival: C) -> Self {
        Self { arrival: Node::new(id, arrival, 0) }
    }

    /// The last node of the list, which holds the current id.
    pub(crate) fn last(&self) -> &Node<C> {
        let mut node = &self.arrival;
        while let Some(next) = self.after(node) {
            node = next;
        }
        node
    }

    fn after(&self, node: &Node<C>) -> Option<&Node<C>> {
        let place = node.next.get().filter(|place| *place != CLOSED)?;
        let mut node = &self.arrival;
        for _ in 0..place.get() {
            node = node.stored.get()?;
        }
        Some(node)
    }

    /// Stores a node, and returns it and its place.
    fn store(&self, node: Node<C>) -> (&Node<C>, NonZeroUsize) {
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
    pub(crate) fn append(&self, from: &Node<C>, id: Option<SessionId>, change: C) -> Result<(), Refused<'_, C>> {
        let (node, place) = self.store(Node::new(id, change, from.number + 1));
        match from.next.set(place) {
            Ok(()) => Ok(()),
            Err(()) if from.next.get() == Some(CLOSED) => Err(Refused::TooLate(node)),
            Err(()) => Err(Refused::Overtaken(node)),
        }
    }

    /// Closes the list. Returns whether this call has closed it.
    pub(crate) fn close(&self) -> bool {
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
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Node<C>> {
        core::iter::successors(self.after(&self.arrival), |node| self.after(node))
    }
}

impl<C> Node<C> {
    fn new(id: Option<SessionId>, change: C, number: u32) -> Self {
        Self { id, change, number, next: OnceNonZeroUsize::new(), stored: OnceBox::new() }
    }

    pub(crate) fn id(&self) -> Option<&SessionId> {
        self.id.as_ref()
    }

    pub(crate) fn change(&self) -> &C {
        &self.change
    }

    /// Whether it is the node of the request's arrival.
    pub(crate) fn is_arrival(&self) -> bool {
        self.number == 0
    }

    pub(crate) fn is_last_allowed(&self) -> bool {
        self.number >= MOST_CHANGES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append<'a>(changes: &'a Changes<()>, from: &Node<()>) -> Result<(), Refused<'a, ()>> {
        changes.append(from, None, ())
    }

    #[test]
    fn the_second_of_two_changes_of_one_node_is_overtaken() {
        let changes = Changes::new(None, ());
        let (first, second) = (changes.last(), changes.last());
        assert!(append(&changes, first).is_ok());
        assert!(matches!(append(&changes, second), Err(Refused::Overtaken(_))));
        assert_eq!(changes.last().number, 1);
        // The node that has lost is stored, and not reached.
        assert!(append(&changes, changes.last()).is_ok());
        assert_eq!((changes.last().number, changes.iter().count()), (2, 2));
    }

    #[test]
    fn a_list_is_closed_once_and_takes_no_change_afterwards() {
        let changes = Changes::new(None, ());
        assert!(append(&changes, changes.last()).is_ok());
        assert!(changes.close() && !changes.close() && changes.is_closed());
        assert!(matches!(append(&changes, changes.last()), Err(Refused::TooLate(_))));
        assert_eq!(changes.last().number, 1);
    }

    #[test]
    fn of_two_threads_that_append_and_one_that_closes_each_change_is_seen_or_refused() {
        for _ in 0..500 {
            let changes = Changes::new(None, ());
            std::thread::scope(|scope| {
                let append = || (0..20).filter(|_| append(&changes, changes.last()).is_ok()).count();
                let appending = [scope.spawn(append), scope.spawn(append)];
                let seen = scope.spawn(|| {
                    assert!(changes.close());
                    changes.iter().count()
                });
                let appended: usize = appending.into_iter().map(|thread| thread.join().expect("no panic")).sum();
                assert_eq!(seen.join().expect("no panic"), appended);
            });
        }
    }
}
