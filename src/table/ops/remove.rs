//! Ending one session by its key.

use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Payload};
use crate::expiry::{Moment, Tick};
use crate::table::RemovalCause;
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned, Target};
use crate::table::structure::population::Place;

/// The outcome of a removal.
pub(in crate::table) enum Removal<'g, P: Payload> {
    /// The session was live, and this call has ended it.
    Ended,
    /// There is no live session.
    Absent,
    /// The key has this forward to the session.
    Forwards(EntryRef<'g, P>),
}

impl<P: Payload> Table<P> {
    /// Ends a session, also one to which a forward of this key leads. False if there is none, or it has expired.
    ///
    /// Lock-free. Takes effect when the live version dies.
    pub(crate) fn remove(&self, key: &Key, moment: Moment<'_>) -> bool {
        self.pin(key, moment, |pinned, target| {
            let removal = match pinned.remove(target) {
                Removal::Forwards(forward) => pinned.remove_target(forward),
                removal => removal,
            };
            pinned.maintain();
            matches!(removal, Removal::Ended)
        })
    }

    /// Ends a session with this key that is in the middle of a rotation without grace. False if there is none.
    ///
    /// The rotation may not have taken effect yet, and fails then. To be called only for a session that has to end.
    /// Lock-free. Takes effect when the pending version dies.
    pub(crate) fn withdraw(&self, key: &Key, moment: Moment<'_>) -> bool {
        self.pin(key, moment, |pinned, target| pinned.withdraw(target))
    }

    /// Ends a session that was touched last at `stamp` and has not been revoked, in favour of one with the key
    /// `newcomer`, which gets its place. `None` if the session has been used or has ended since.
    ///
    /// Lock-free. Takes effect when the session's live version dies.
    pub(crate) fn end_for(
        &self,
        key: &Key,
        stamp: Tick,
        newcomer: &Key,
        cause: RemovalCause,
        moment: Moment<'_>,
    ) -> Option<Place<'_>> {
        self.pin(key, moment, |pinned, target| {
            let found = pinned.locate(target)?;
            if found.stamp != stamp || pinned.judge(found.entry, stamp) != Judgement::Live {
                return None;
            }
            if pinned.spare_if_held(found.entry, stamp) {
                return None;
            }
            if !pinned.kill_keeping_the_place(found.entry, stamp, cause) {
                return None;
            }
            let place = self.take_over_from(pinned.shard, found.entry, newcomer);
            pinned.clear_found(&found, target);
            pinned.maintain();
            Some(place)
        })
    }
}

impl<'g, P: Payload> Pinned<'g, P> {
    /// Withdraws a pending version of this key, unless it has a forward.
    fn withdraw(&self, target: Target<'_>) -> bool {
        let mut version = self.find(target);
        while let Some(found) = version {
            match found.life().load() {
                Life::Superseded => version = found.successor(),
                Life::Pending if found.overrides().former.is_none() => {
                    if found.life().withdraw() {
                        self.locate(target);
                        return true;
                    }
                }
                Life::Pending | Life::Live(_) | Life::Dead => return false,
            }
        }
        false
    }

    /// Accounts for a session that a delete has ended by withdrawing its version, after the rotation had taken effect.
    pub(in crate::table) fn note_deleted(&self, version: EntryRef<'g, P>) {
        self.table.population.leave(self.shard.sessions(), || version.charge());
        self.shard.counters().removed(RemovalCause::Deleted);
        self.removals.note(version, RemovalCause::Deleted, false, self.guard);
    }

    /// Ends the session with this key, if it is live.
    pub(in crate::table) fn remove(&self, target: Target<'_>) -> Removal<'g, P> {
        while let Some(found) = self.locate(target) {
            match self.judge(found.entry, found.stamp) {
                Judgement::Changed => {}
                Judgement::Revoked => return Removal::Absent,
                Judgement::Expired => {
                    self.clear_found(&found, target);
                    return Removal::Absent;
                }
                Judgement::Forward => return Removal::Forwards(found.entry),
                Judgement::Reserved if found.entry.is_bar() => return Removal::Absent,
                Judgement::Reserved => {
                    if self.kill(found.entry, found.stamp, RemovalCause::Deleted) {
                        self.clear_found(&found, target);
                        return Removal::Absent;
                    }
                }
                Judgement::Live => {
                    if self.kill(found.entry, found.stamp, RemovalCause::Deleted) {
                        self.clear_found(&found, target);
                        return Removal::Ended;
                    }
                }
            }
        }
        Removal::Absent
    }
}
