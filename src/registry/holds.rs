//! Sessions that are held in use: they do not expire for being idle.
//!
//! The table has the number of holds of each held session, and the tick before the first of them. It is read when a
//! session would expire for being idle, or be ended to make room, and at no other time. A hold begins by the entry here
//! and then touches the session. It ends by a touch and then removes the entry. So a thread that finds the session idle
//! either sees the entry, or has judged an older stamp than the last touch, and then its exchange of the life word
//! fails.
//!
//! The tick keeps a hold from reviving a session whose idle timeout was over before.

use super::MOST_SHARDS;
use crate::entry::{Head, Key, Overrides, Owned};
use crate::expiry::{Moment, Tick};
use crate::sync::{AtomicUsize, Ordering, step};
use crate::table::{Change, RemovalCause, Table};
use core::convert::Infallible;

/// The holds of one session.
#[derive(Clone, Copy)]
struct Held {
    holds: u32,
    since: Tick,
}

/// The held sessions of one store.
pub(crate) struct Holds {
    held: Table<Held>,
    /// The number of all holds.
    all: AtomicUsize,
}

impl Holds {
    pub(crate) fn new(shards: usize) -> Self {
        Self { held: Table::new(shards.min(MOST_SHARDS), 0), all: AtomicUsize::new(0) }
    }

    /// Adds a hold, which begins at `now`. Lock-free.
    pub(crate) fn add(&self, id: &Key, now: Tick) {
        self.all.fetch_add(1, Ordering::Relaxed); // Relaxed: the touch that follows publishes it.
        while !self.change(id, |holds| Some(holds + 1)) {
            let first = Held { holds: 1, since: now };
            let first = Owned::new(Head::first(*id, NEVER, &Overrides::NONE), first, 0, |_| {});
            let place = self.held.enter(id).expect("any number of held sessions");
            if self.held.insert(place, first, Moment::TIMELESS).is_ok() {
                break;
            }
        }
        step("held");
    }

    /// Removes a hold. Lock-free.
    pub(crate) fn remove(&self, id: &Key) {
        step("to be released");
        self.change(id, |holds| holds.checked_sub(1).filter(|left| *left > 0));
        self.all.fetch_sub(1, Ordering::Relaxed); // Relaxed: a mere number.
    }

    /// Changes the number of holds of a session; `None` removes the entry. False if there is no entry.
    fn change(&self, id: &Key, f: impl Fn(u32) -> Option<u32>) -> bool {
        let changed = self.held.update(id, Moment::TIMELESS, |version, _| {
            let held = *version.payload();
            Ok::<_, Infallible>(match f(held.holds) {
                Some(holds) => {
                    let next = Held { holds, ..held };
                    Change::Replace(Owned::new(version.next_head(NEVER, &Overrides::NONE), next, 0, |_| {}))
                }
                None => Change::End(RemovalCause::Deleted),
            })
        });
        changed.is_ok()
    }

    /// Since when a session is held, if it is. Lock-free.
    pub(crate) fn since(&self, id: &Key) -> Option<Tick> {
        // Relaxed: a thread that has loaded the stamp of a hold's first touch has seen the hold.
        if self.all.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.held.read(id, false, Moment::TIMELESS, |entry| entry.payload().since).ok()
    }
}

/// The stamp of the entries, which do not expire.
const NEVER: Tick = Tick::new(0);
