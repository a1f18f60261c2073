//! What a request and its response have in common: the session that the request came with, and which one the browser is to have after it.
//!
//! A request has at most one session at a time, and its handler may end it, give it another id, or create one. The handle in the
//! handler and the layer, which writes the cookie, may be in different tasks, and the handle may be cloned into several more. What they share
//! is a chain of *stations*, each of which names the id that the session had from then on, or none:
//!
//! ```text
//! arrival: id A ──next──▶ id B (rotated) ──next──▶ none (logged out)
//! ```
//!
//! Only the end of the chain counts, and it only ever grows, by filling an empty `next`: of two who go on from the same station one wins,
//! and the other looks again. So nobody waits for anybody, and no lock is held or even there. A request that changes nothing has only the
//! first station, which lies in the visit itself; each change allocates one.
//!
//! # The answer
//!
//! Once the response has its headers, no cookie can be added to it, nor once the client has hung up. A task that outlives the response
//! must not create a session then, whose id nobody would ever learn, nor give one another id. `changes` settles who comes first: a change
//! is entered into it after its station was added, the answer before the chain is read. All of these are read-modify-writes of one word,
//! so either the change sees the answer, and is undone, or the answer sees the station.
//!
//! # Orderings
//!
//! | access | ordering | why |
//! |---|---|---|
//! | `next`, filled and followed | Release, Acquire (within `OnceBox`) | publishes the station |
//! | `changes.fetch_add`, `fetch_or` | AcqRel | as above: the answer that comes after a change has its station, the change that comes after the answer knows it |
//! | `changes.load` | Relaxed | only to spare the work that would be undone |

use crate::cookie::SessionCookie;
use crate::layer::Settings;
use cloakroom::{Content, SessionId, SessionStore};
use core::sync::atomic::{AtomicUsize, Ordering};
use http::{HeaderMap, HeaderValue};
use once_cell::race::OnceBox;
use std::sync::Arc;

/// What all requests of a layer share.
pub(crate) struct Shared<T: Content + ?Sized> {
    pub(crate) store: Arc<SessionStore<T>>,
    pub(crate) cookie: SessionCookie,
    pub(crate) settings: Settings,
}

/// One request, from its arrival to its answer, or to when the last handle is dropped.
pub(crate) struct Visit<T: Content + ?Sized> {
    shared: Arc<Shared<T>>,
    arrival: Station,
    /// Other live sessions that the request names: see [`SessionCookie::ids`].
    others: Vec<SessionId>,
    /// Whether the request named a session that is not there.
    stale: bool,
    /// How many changes there were, and [`ANSWERED`].
    changes: AtomicUsize,
}

/// The id that the session has from then on; none if there is no session.
#[derive(Default)]
pub(crate) struct Station {
    id: Option<SessionId>,
    /// How many stations come before.
    number: u32,
    next: OnceBox<Station>,
}

/// The lowest bit: the rest counts in twos.
const ANSWERED: usize = 1;
const CHANGE: usize = 2;

/// How often the session of one request may change its id. Nobody has use for so many; and a chain is dropped from its end, by as many
/// calls within each other.
const MOST_CHANGES: u32 = 100;

/// What became of a change.
pub(crate) enum Change {
    Made,
    /// Another one has been made meanwhile.
    Overtaken,
    /// The response was on its way.
    TooLate,
}

impl<T: Content + ?Sized> Visit<T> {
    /// Finds the session of a request: the first live one that it names. Does not touch it.
    pub(crate) fn begin(shared: &Arc<Shared<T>>, headers: &HeaderMap) -> Self {
        let mut stale = false;
        let mut live = shared.cookie.ids(headers).filter(|id| {
            let live = shared.store.exists(id);
            stale |= !live;
            live
        });
        let id = live.next();
        let others = live.filter(|other| Some(*other) != id).collect();
        let arrival = Station { id, ..Station::default() };
        Self { shared: Arc::clone(shared), arrival, others, stale, changes: AtomicUsize::new(0) }
    }

    pub(crate) fn shared(&self) -> &Shared<T> {
        &self.shared
    }

    pub(crate) fn others(&self) -> &[SessionId] {
        &self.others
    }

    /// The end of the chain.
    pub(crate) fn now(&self) -> &Station {
        let mut station = &self.arrival;
        while let Some(next) = station.next.get() {
            station = next;
        }
        station
    }

    /// There will be no answer, or there has been one.
    pub(crate) fn end(&self) {
        if !self.is_answered() {
            self.changes.fetch_or(ANSWERED, Ordering::AcqRel);
        }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.changes.load(Ordering::Relaxed) & ANSWERED != 0
    }

    /// Goes on from a station: to a session of this id, or to none.
    pub(crate) fn go_on(&self, from: &Station, id: Option<SessionId>) -> Change {
        let next = Station { id, number: from.number + 1, next: OnceBox::new() };
        if from.next.set(Box::new(next)).is_err() {
            return Change::Overtaken;
        }
        match self.changes.fetch_add(CHANGE, Ordering::AcqRel) & ANSWERED {
            0 => Change::Made,
            _ => Change::TooLate,
        }
    }

    /// The `Set-Cookie` that the response needs. From then on, no session is created and none is given another id by way of this visit.
    ///
    /// A session that was ended by somebody else meanwhile gets no cookie; nor does the browser lose one for it, for it may have got
    /// another in the meantime, from another response.
    pub(crate) fn answer(&self) -> Option<HeaderValue> {
        self.changes.fetch_or(ANSWERED, Ordering::AcqRel);
        let Shared { store, cookie, settings } = &*self.shared;
        let end = self.now();
        match (&end.id, end.number == 0) {
            (Some(id), true) => (settings.rolling && store.touch(id)).then(|| cookie.issue(id)),
            (Some(id), false) => store.exists(id).then(|| cookie.issue(id)),
            (None, true) => (settings.remove_stale && self.stale).then(|| cookie.removal()),
            (None, false) => Some(cookie.removal()),
        }
    }

    pub(crate) fn keeps_caches_out(&self) -> bool {
        self.shared.settings.no_store
    }
}

impl Station {
    pub(crate) fn id(&self) -> Option<&SessionId> {
        self.id.as_ref()
    }

    /// Whether the request has ended its session, or was never given one and has said so.
    pub(crate) fn is_end(&self) -> bool {
        self.id.is_none() && self.number > 0
    }

    pub(crate) fn is_last_allowed(&self) -> bool {
        self.number >= MOST_CHANGES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit() -> Visit<cloakroom::Attributes> {
        let shared = Shared { store: Arc::default(), cookie: SessionCookie::default(), settings: Settings::default() };
        Visit::begin(&Arc::new(shared), &HeaderMap::new())
    }

    #[test]
    fn a_change_before_the_answer_is_made_and_is_in_it() {
        let visit = visit();
        assert!(matches!(visit.go_on(visit.now(), None), Change::Made));
        assert_eq!(visit.answer(), Some(visit.shared.cookie.removal()));
    }

    #[test]
    fn a_change_after_the_answer_is_told_so() {
        let visit = visit();
        assert_eq!(visit.answer(), None);
        assert!(visit.is_answered());
        assert!(matches!(visit.go_on(visit.now(), None), Change::TooLate));
    }

    #[test]
    fn of_two_changes_of_one_station_the_second_is_overtaken() {
        let visit = visit();
        let (first, second) = (visit.now(), visit.now());
        assert!(matches!(visit.go_on(first, None), Change::Made));
        assert!(matches!(visit.go_on(second, None), Change::Overtaken));
        assert_eq!(visit.now().number, 1);
    }
}
