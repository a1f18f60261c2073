//! Ids that were replaced or logged out a short while ago.
//!
//! A rotation notes its old id here *before* it takes effect. So an operation that does not find the session under the
//! old id, because of the rotation, finds the note. A note says nothing as long as its id names a session: it is read
//! only after a look-up has found none. If the rotation fails because the session has ended, the note stays. It is then
//! wrong for a short while, and all that depends on it is which error a look-up of an ended session returns.
//!
//! The number of notes is bounded. A full table ends the oldest of a sample for a new one.

use super::MOST_SHARDS;
use crate::entry::{Head, Key, Overrides, Owned};
use crate::expiry::Moment;
use crate::sync::{AtomicU64, Ordering, step};
use crate::table::{Part, Place, Room, Table, Whose};

/// The most ids that are remembered.
pub(crate) const MOST_IDS: usize = 1 << 16;

/// The number of entries that are examined for an expired or old note, if the table is full.
const EXAMINED: usize = 512;

/// What has become of a remembered id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The session was given another id.
    Replaced,
    /// The session was logged out.
    LoggedOut,
}

/// The remembered ids of one store. The moments that its methods are given have the time for which ids are remembered
/// as their idle timeout.
pub(crate) struct Replaced {
    notes: Table<Fate>,
    /// The number of times that a remembered id was looked up.
    replays: AtomicU64,
}

impl Replaced {
    pub(crate) fn new(shards: usize) -> Self {
        Self { notes: Table::new(shards.min(MOST_SHARDS), MOST_IDS), replays: AtomicU64::new(0) }
    }

    /// Remembers an id from now on. Lock-free.
    pub(crate) fn note(&self, id: &Key, fate: Fate, moment: Moment<'_>) {
        // An id that is noted already is remembered for longer.
        if self.notes.read(id, true, moment, |_| ()).is_ok() {
            return;
        }
        if let Some(place) = self.place(id, moment) {
            let new = Owned::new(Head::first(*id, moment.now(), &Overrides::NONE), fate, 0, |_| {});
            // An error means that another thread has just noted it.
            let _ = self.notes.insert(place, new, moment);
            step("noted");
        }
    }

    /// A place for a new note. `None` if the table is full and all notes have changed while this looked for one.
    fn place(&self, id: &Key, moment: Moment<'_>) -> Option<Place<'_>> {
        if let Some(place) = self.notes.enter(id) {
            return Some(place);
        }
        self.notes.sweep_some(EXAMINED, moment);
        loop {
            if let Some(place) = self.notes.enter(id) {
                return Some(place);
            }
            match self.notes.make_room(id, Whose::Any, EXAMINED, moment) {
                Room::Place(place) => return Some(place),
                Room::Again => {}
                Room::None => return None,
            }
        }
    }

    /// What has become of an id that names no session, if it is remembered. Counts the look-up. Lock-free.
    pub(crate) fn fate(&self, id: &Key, moment: Moment<'_>) -> Option<Fate> {
        let fate = self.notes.read(id, false, moment, |note| *note.payload()).ok()?;
        self.replays.fetch_add(1, Ordering::Relaxed); // Relaxed: a mere number.
        Some(fate)
    }

    /// Forgets ids whose time is over.
    pub(crate) fn sweep(&self, moment: Moment<'_>) {
        self.notes.sweep(moment);
    }

    /// Does the same as long as `more` returns true. True if the round is complete.
    pub(crate) fn sweep_on(&self, moment: Moment<'_>, more: impl Fn() -> bool) -> bool {
        let Part { over, .. } = self.notes.sweep_on(moment, more);
        over
    }

    #[cfg_attr(loom, allow(dead_code, reason = "the models ask for no figures"))]
    pub(crate) fn replays(&self) -> u64 {
        self.replays.load(Ordering::Relaxed) // Relaxed: a mere number.
    }

    #[cfg_attr(loom, allow(dead_code, reason = "as above"))]
    pub(crate) fn len(&self) -> usize {
        self.notes.len()
    }
}
