//! The life word of an entry: the state of the version, and the tick of its last touch.
//!
//! | from | to | by | means |
//! |---|---|---|---|
//! | `Pending` | `Live(t)` | [`activate`](LifeWord::activate) | the session exists from now on |
//! | `Pending` | `Dead` | [`withdraw`](LifeWord::withdraw) | it never existed, or was deleted in the middle of its rotation |
//! | `Pending` | `Superseded` | [`supersede_pending`](LifeWord::supersede_pending) | the successor is pending in its place |
//! | `Live(t)` | `Live(later)` | [`touch`](LifeWord::touch) | the session was used |
//! | `Live(t)` | `Live(earlier)` | [`bring_back`](LifeWord::bring_back) | the clock was set back, and the stamp with it |
//! | `Live(t)` | `Superseded` | [`supersede`](LifeWord::supersede) | the successor is the session now |
//! | `Live(t)` | `Dead` | [`kill`](LifeWord::kill) | the session, or its id, ended |
//!
//! `Superseded` and `Dead` are final. Every transition is a compare-and-swap from the very state that was judged, so
//! the winner knows that nothing came between. That exchange is the linearization point of nearly every operation of
//! the store.
//!
//! A `Pending` version has its key's slot and is invisible: no operation reads, lists, counts, changes or ends it. Only
//! the thread that made it changes its state, with two exceptions: once a rotation has taken effect, every thread that
//! follows the old key to the pending version activates it; and a delete of the old key of a rotation that may be taken
//! back withdraws it.
//!
//! # Orderings
//!
//! One pair: L1 and L2 of `docs/orderings.md`. Nothing else that depends on the state needs more than the order of the
//! word's own changes.

use crate::expiry::Tick;
use crate::sync::{AtomicU64, Ordering, ordered};

const STATE: u64 = 0b11;
const DEAD: u64 = 0;
const SUPERSEDED: u64 = 1;
const LIVE: u64 = 2;
const PENDING: u64 = 3;

/// The state of one version of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Not a session yet: invisible to every operation.
    Pending,
    /// The session's current version, last touched in this tick.
    Live(Tick),
    /// Replaced by its successor.
    Superseded,
    /// Ended. Without a grace, so is the old id of a session that was rotated.
    Dead,
}

impl Life {
    fn to_word(self) -> u64 {
        match self {
            Self::Pending => PENDING,
            Self::Live(stamp) => (stamp.get() << 2) | LIVE,
            Self::Superseded => SUPERSEDED,
            Self::Dead => DEAD,
        }
    }

    #[inline]
    fn from_word(word: u64) -> Self {
        match word & STATE {
            LIVE => Self::Live(Tick::from_bits(word >> 2)),
            SUPERSEDED => Self::Superseded,
            PENDING => Self::Pending,
            _ => Self::Dead,
        }
    }
}

/// An atomic [`Life`].
pub(crate) struct LifeWord(AtomicU64);

impl LifeWord {
    pub(crate) fn live(stamp: Tick) -> Self {
        Self(AtomicU64::new(Life::Live(stamp).to_word()))
    }

    pub(crate) fn pending() -> Self {
        Self(AtomicU64::new(PENDING))
    }

    #[inline]
    pub(crate) fn load(&self) -> Life {
        // Acquire: a thread that sees `Superseded` follows the successor, which was set before; pairs with L2.
        Life::from_word(self.0.load(ordered("L1", Ordering::Acquire)))
    }

    /// `Live(seen)` → `Live(now)`, where `now` is later. Fails with the present state if it is not `Live(seen)`.
    #[inline]
    pub(crate) fn touch(&self, seen: Tick, now: Tick) -> Result<(), Life> {
        debug_assert!(now > seen);
        self.advance(seen, Life::Live(now))
    }

    /// `Live(seen)` → `Live(fresh)`, where `seen` is in the clock's future, and `fresh` was read after `seen` was
    /// loaded.
    #[cold]
    pub(crate) fn bring_back(&self, seen: Tick, fresh: Tick) -> Result<(), Life> {
        debug_assert!(fresh < seen);
        self.advance(seen, Life::Live(fresh))
    }

    /// `Live(seen)` → `Dead`.
    pub(crate) fn kill(&self, seen: Tick) -> Result<(), Life> {
        self.advance(seen, Life::Dead)
    }

    /// `Live(seen)` → `Superseded`. The successor must be set, and its stamp raised to at least `seen`.
    pub(crate) fn supersede(&self, seen: Tick) -> Result<(), Life> {
        self.advance(seen, Life::Superseded)
    }

    /// Raises the stamp of a live version to at least `stamp`. Does not change a version in another state.
    pub(crate) fn raise(&self, stamp: Tick) {
        let mut life = self.load();
        while let Life::Live(seen) = life
            && seen < stamp
        {
            match self.touch(seen, stamp) {
                Ok(()) => return,
                Err(present) => life = present,
            }
        }
    }

    /// `Pending` → `Live(stamp)`. True if this call did it.
    pub(crate) fn activate(&self, stamp: Tick) -> bool {
        self.swap(Life::Pending, Life::Live(stamp)).is_ok()
    }

    /// `Pending` → `Dead`. True if this call did it.
    pub(crate) fn withdraw(&self) -> bool {
        self.swap(Life::Pending, Life::Dead).is_ok()
    }

    /// `Pending` → `Superseded`. The successor must be set, and pending. True if this call did it.
    pub(crate) fn supersede_pending(&self) -> bool {
        self.swap(Life::Pending, Life::Superseded).is_ok()
    }

    #[inline]
    fn advance(&self, seen: Tick, to: Life) -> Result<(), Life> {
        self.swap(Life::Live(seen), to)
    }

    #[inline]
    fn swap(&self, from: Life, to: Life) -> Result<(), Life> {
        let (from, to) = (from.to_word(), to.to_word());
        // Release: a thread that sees `Superseded` sees the successor with its raised stamp, and a thread that sees an
        // activated version sees the version that it replaces superseded or dead; pairs with L1.
        // Relaxed on failure: a thread that acts on the state loads it again.
        let swap = self.0.compare_exchange(from, to, ordered("L2", Ordering::Release), Ordering::Relaxed);
        swap.map(drop).map_err(Life::from_word)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn tick(milliseconds: u64) -> Tick {
        Tick::new(milliseconds)
    }

    #[test]
    fn every_state_survives_its_word() {
        for life in [Life::Pending, Life::Live(tick(0)), Life::Live(Tick::NEVER), Life::Superseded, Life::Dead] {
            assert_eq!(Life::from_word(life.to_word()), life);
        }
    }

    #[test]
    fn a_transition_needs_the_very_stamp_that_was_judged() {
        let life = LifeWord::live(tick(1));
        assert_eq!(life.touch(tick(1), tick(5)), Ok(()));
        assert_eq!(life.kill(tick(1)), Err(Life::Live(tick(5))));
        assert_eq!(life.supersede(tick(1)), Err(Life::Live(tick(5))));
        assert_eq!(life.load(), Life::Live(tick(5)));
    }

    #[test]
    fn dead_and_superseded_are_final() {
        let dead = LifeWord::live(tick(1));
        assert_eq!(dead.kill(tick(1)), Ok(()));
        dead.raise(tick(9));
        assert_eq!(dead.touch(tick(1), tick(2)), Err(Life::Dead));
        assert_eq!(dead.supersede(tick(1)), Err(Life::Dead));
        let old = LifeWord::live(tick(1));
        assert_eq!(old.supersede(tick(1)), Ok(()));
        old.raise(tick(9));
        assert_eq!(old.kill(tick(1)), Err(Life::Superseded));
    }

    #[test]
    fn a_pending_version_is_moved_on_once_and_by_its_own_transitions_only() {
        let transitions: [fn(&LifeWord) -> bool; 3] =
            [|life| life.activate(tick(4)), LifeWord::withdraw, LifeWord::supersede_pending];
        for (transition, to) in transitions.iter().zip([Life::Live(tick(4)), Life::Dead, Life::Superseded]) {
            let life = LifeWord::pending();
            life.raise(tick(9));
            assert_eq!((life.kill(tick(0)), life.touch(tick(0), tick(1))), (Err(Life::Pending), Err(Life::Pending)));
            assert!(transition(&life));
            assert_eq!(life.load(), to);
            assert!(!transitions.iter().any(|transition| transition(&life)), "{to:?}");
        }
    }

    #[test]
    fn raising_never_lowers() {
        let life = LifeWord::live(tick(5));
        life.raise(tick(3));
        assert_eq!(life.load(), Life::Live(tick(5)));
        life.raise(tick(7));
        assert_eq!(life.load(), Life::Live(tick(7)));
    }
}
