//! Look-ups: the way of a reader, from the key to the live version.
//!
//! A look-up goes through the current array, then the array to which its entries are moving, and so on until there is
//! no next array. It changes nothing on the way, except that it touches the session that it finds and ends one that has
//! expired. A key that is in none of the arrays was absent at the instant at which the last `next` was loaded as null.

use crate::entry::account::Binding;
use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Payload};
use crate::expiry::Moment;
use crate::memory;
use crate::sync::step;
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned, Target};
use crate::table::removals::Removals;
use crate::table::search::Absence;
use crate::table::structure::tags::Tag;

/// Why a look-up has found no live version.
pub(in crate::table) enum NotHere<'g, P> {
    Absent(Absence),
    /// The key has a forward: the session lives on under another key.
    Forward(EntryRef<'g, P>),
}

impl<P> From<NotHere<'_, P>> for Absence {
    fn from(why: NotHere<'_, P>) -> Self {
        match why {
            NotHere::Absent(absence) => absence,
            NotHere::Forward(_) => Self::Unknown,
        }
    }
}

impl<P: Payload> Table<P> {
    /// Shows `f` the live version of a session, and first touches the session if `touch` is set. Follows a forward.
    ///
    /// Lock-free. Takes effect when the stamp is moved, or if it is not moved, when it is loaded.
    #[inline(always)]
    pub(crate) fn read<R>(
        &self,
        key: &Key,
        touch: bool,
        moment: Moment<'_>,
        f: impl FnOnce(EntryRef<'_, P>) -> R,
    ) -> Result<R, Absence> {
        self.read_or_return(key, touch, moment, f).map_err(|(absence, _)| absence)
    }

    /// Does the same, and returns `f` if there is no session.
    #[inline(always)]
    pub(crate) fn read_or_return<R, F: FnOnce(EntryRef<'_, P>) -> R>(
        &self,
        key: &Key,
        touch: bool,
        moment: Moment<'_>,
        f: F,
    ) -> Result<R, (Absence, F)> {
        // What `pin` does, written out: a closure costs a look-up 6 to 16 instructions more (`ci/instructions.sh`).
        let target = self.target(key);
        let removals = Removals::new(&self.observer);
        let guard = memory::pin();
        let pinned = Pinned { table: self, shard: self.shard(target.hash), moment, guard: &guard, removals: &removals };
        match pinned.followed_version(target, touch) {
            Ok(version) => Ok(f(version)),
            Err(absence) => Err((absence, f)),
        }
    }

    /// The key of a session's principal, and the binding, if the session is bound. Follows a forward.
    ///
    /// Lock-free. Takes effect when the session's stamp is loaded.
    pub(crate) fn read_bound(&self, key: &Key, moment: Moment<'_>) -> Result<Option<(Key, Binding)>, Absence> {
        self.pin(key, moment, |pinned, target| {
            let version = pinned.followed_version(target, false)?;
            Ok(version.binding().map(|binding| {
                // SAFETY: the session used its account when it was seen live, which was under this guard.
                (*unsafe { binding.account(pinned.guard) }.key(), binding)
            }))
        })
    }

    /// Whether there is a session of this very key, or a pending version, which is about to become one.
    ///
    /// Lock-free.
    pub(crate) fn holds(&self, key: &Key, moment: Moment<'_>) -> bool {
        self.pin(key, moment, |pinned, target| pinned.holds(target))
    }
}

impl<'g, P: Payload> Pinned<'g, P> {
    /// The first entry with the key: a version of its session (live, pending or superseded), or a dead entry.
    ///
    /// A dead entry may end the search, because an insert of the same key removes the dead entry first.
    #[inline(always)]
    pub(in crate::table) fn find(&self, target: Target<'_>) -> Option<EntryRef<'g, P>> {
        let tag = Tag::of(target.hash);
        let mut array = self.shard.current(self.guard);
        loop {
            for (slot, announced) in array.announced(target.hash) {
                step("tag read");
                if announced.is_nothing() {
                    break;
                }
                if announced.has(tag) {
                    let word = slot.load();
                    step("slot read");
                    if let Some(entry) = self.entry_with_key(word, target) {
                        return Some(entry);
                    }
                }
            }
            step("array read");
            array = array.next(self.guard)?;
        }
    }

    /// The live version of the session with this key, or of the session to which this key forwards.
    #[inline(always)]
    fn followed_version(&self, target: Target<'_>, touch: bool) -> Result<EntryRef<'g, P>, Absence> {
        match self.live_version(target, touch) {
            Ok(version) => Ok(version),
            Err(NotHere::Forward(forward)) => self.follow(forward, touch),
            Err(NotHere::Absent(absence)) => Err(absence),
        }
    }

    /// The live version of the session with this key. An expired session is dead and removed when this returns.
    #[inline(always)]
    pub(in crate::table) fn live_version(
        &self,
        target: Target<'_>,
        touch: bool,
    ) -> Result<EntryRef<'g, P>, NotHere<'g, P>> {
        let mut version = self.find(target).ok_or(NotHere::Absent(Absence::Unknown))?;
        step("found");
        loop {
            match version.life().load() {
                Life::Dead | Life::Pending => return Err(NotHere::Absent(Absence::Unknown)),
                Life::Superseded => version = version.successor().expect("a superseded version has a successor"),
                Life::Live(stamp) => match self.judge(version, stamp) {
                    Judgement::Live if !touch || self.touch(version, stamp) => return Ok(version),
                    Judgement::Live | Judgement::Changed => {}
                    // Not touched, because its stamp says when the session was used last before the rotation.
                    Judgement::Forward => return Err(NotHere::Forward(version)),
                    Judgement::Revoked | Judgement::Reserved => return Err(NotHere::Absent(Absence::Unknown)),
                    Judgement::Expired => {
                        (*self).clear_key(target);
                        let absence = if version.is_session() { Absence::Expired } else { Absence::Unknown };
                        return Err(NotHere::Absent(absence));
                    }
                },
            }
        }
    }

    /// Whether there is a session of this very key, or a pending version.
    pub(in crate::table) fn holds(&self, target: Target<'_>) -> bool {
        let mut version = self.find(target);
        while let Some(found) = version {
            match found.life().load() {
                Life::Pending => return true,
                Life::Dead => return false,
                Life::Superseded => version = found.successor(),
                Life::Live(stamp) => match self.judge(found, stamp) {
                    Judgement::Live => return true,
                    Judgement::Changed => {}
                    Judgement::Forward | Judgement::Reserved | Judgement::Expired | Judgement::Revoked => return false,
                },
            }
        }
        false
    }

    /// Clears ended entries of this key.
    #[cold]
    fn clear_key(self, target: Target<'_>) {
        self.locate(target);
    }
}
