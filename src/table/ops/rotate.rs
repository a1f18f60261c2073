//! Giving a session another key.
//!
//! ```text
//! 1. reserve    new key: EMPTY → pending         a copy of the live version, which no look-up sees
//! 2. old version: Live(t) → Dead                 the rotation takes effect: at once,
//!                        or → Superseded         or with grace, by a forward to the new key
//! 3. activate   new version: Pending → Live(t')
//! ```
//!
//! Step 2 is an exchange on the very version that was copied. If a `set` has replaced that version, the exchange fails
//! and the rotation copies again. A delete either wins or comes too late. The session keeps its place below the limit,
//! so a rotation succeeds in a full table.
//!
//! No other thread knows the new key before the operation returns it. So between steps 2 and 3 no operation can name a
//! session that was rotated without grace, except for a delete of the old key of a rotation that may be taken back: it
//! withdraws the pending version. A session that was rotated with grace can only be reached through its forward
//! ([`forward`](super::forward)).

use super::update::{Refusal, Reserve};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Owned, Payload};
use crate::expiry::{Moment, Tick};
use crate::sync::step;
use crate::table::RemovalCause;
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned, Target};
use crate::table::search::Absence;
use crate::table::structure::budget::Reservation;

/// What a rotation does to the old key.
pub(crate) enum Former<P> {
    /// The key ends when the rotation takes effect, for this cause. `Rotated`: the session lives on.
    Ends(RemovalCause),
    /// The key forwards to the session until `end`. `absent` makes the payload of the forward. The session counts as
    /// used if `touch` is set.
    Forwards { end: Tick, absent: fn() -> P, touch: bool },
}

impl<P> Clone for Former<P> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<P> Copy for Former<P> {}

impl<'g, P: Payload> Pinned<'g, P> {
    /// Does step 2 if `old` is still the live version, and returns the stamp for the new version. `None` if `old` was
    /// replaced. `new` is the pending version.
    fn move_on(
        &self,
        target: Target<'_>,
        old: EntryRef<'g, P>,
        new: EntryRef<'g, P>,
        former: Former<P>,
    ) -> Result<Option<Tick>, Refusal<()>> {
        loop {
            let found = self.locate(target).ok_or(Refusal::NotFound)?;
            match self.judge(found.entry, found.stamp) {
                Judgement::Live if found.entry == old => {}
                Judgement::Live | Judgement::Forward | Judgement::Reserved => return Ok(None),
                Judgement::Changed => continue,
                Judgement::Revoked => return Err(Refusal::NotFound),
                Judgement::Expired => {
                    self.clear_found(&found, target);
                    return Err(if found.entry.is_session() { Refusal::Expired } else { Refusal::NotFound });
                }
            }
            if let Some(first) = old.successor() {
                self.complete(&found, first, target);
                return Ok(None);
            }
            let stamp = self.moment.now().max(found.stamp);
            match former {
                Former::Ends(cause) => {
                    if self.kill_keeping_the_place(old, found.stamp, cause) {
                        self.clear_found(&found, target);
                        self.table.take_over(self.shard, new.key(), 0).occupy(); // The caller settles the bytes.
                        return Ok(Some(stamp));
                    }
                }
                Former::Forwards { end, absent, touch } => {
                    let stamp = if touch { stamp } else { found.stamp };
                    let parting = old.is_bound() && !new.is_bound();
                    let forward = Owned::forward(old, stamp, absent(), new.key(), end, parting);
                    let Ok(forward) = old.succeed(forward) else { continue };
                    step("forward set");
                    if !self.complete(&found, forward, target) {
                        return Err(Refusal::NotFound);
                    }
                    // `old` may have been touched until the forward superseded it. A thread that has ended the forward
                    // has activated the session first.
                    return Ok(Some(match forward.life().load() {
                        Life::Live(stamp) => stamp,
                        Life::Pending | Life::Superseded | Life::Dead => stamp,
                    }));
                }
            }
        }
    }
}

impl<P: Payload> Pinned<'_, P> {
    /// The tick of this operation, or a later one at which the version was used.
    fn stamp_after(&self, version: EntryRef<'_, P>) -> Tick {
        match version.life().load() {
            Life::Live(stamp) => self.moment.now().max(stamp),
            Life::Pending | Life::Superseded | Life::Dead => self.moment.now(),
        }
    }
}

impl<P: Payload> Table<P> {
    /// Moves a session to another key. `build` copies the version that it is given, under the new key and with the
    /// stamp that it is given. It may be called several times. What a larger copy needs is taken from `bytes`, and
    /// from what the limit allows.
    ///
    /// Lock-free. Takes effect when the old version dies or is superseded by a forward.
    pub(crate) fn rotate(
        &self,
        key: &Key,
        former: Former<P>,
        moment: Moment<'_>,
        mut bytes: Option<&mut Reservation<'_>>,
        mut build: impl FnMut(EntryRef<'_, P>, Tick) -> Owned<P>,
    ) -> Result<(), Refusal<()>> {
        // Pinned throughout, so that the copied version's address is not reused for another version.
        self.pin(key, moment, |pinned, target| {
            let mut reserved: Option<Reserved<'_, P>> = None;
            let (stamp, old) = loop {
                // Not touched before the rotation takes effect, because other threads would see the touch.
                let old = pinned.live_version(target, false).map_err(Absence::from)?;
                let new = build(old, pinned.stamp_after(old));
                if let Some(bytes) = &mut bytes
                    && !bytes.reserve_for(old, new.borrow())
                {
                    return Err(Refusal::Full);
                }
                let reserved = match &mut reserved {
                    Some(reserved) => {
                        if !reserved.replace(new) {
                            // Deleted in the middle of the rotation.
                            return Err(Refusal::NotFound);
                        }
                        reserved
                    }
                    // A key of 256 random bits that is in use already is not drawn. If it were, the session would stay
                    // as it is.
                    None => reserved.insert(self.reserve(new, pinned).map_err(|_| Refusal::NotFound)?),
                };
                step("reserved");
                if let Some(stamp) = pinned.move_on(target, old, reserved.version, former)? {
                    break (stamp, old);
                }
            };
            step("moved on");
            if let Some(reserved) = reserved {
                if let Some(bytes) = bytes {
                    bytes.settle(old, reserved.version);
                }
                if !matches!(former, Former::Forwards { .. } | Former::Ends(RemovalCause::Rotated)) {
                    self.shard(self.target(&reserved.key).hash).counters().created();
                }
                reserved.activate(stamp, matches!(former, Former::Ends(_)));
            }
            pinned.maintain();
            Ok(())
        })
    }

    /// Puts a pending version into the table. Returns the entry if there is a session with its key.
    fn reserve<'g>(&self, new: Owned<P>, pinned: Pinned<'g, P>) -> Result<Reserved<'g, P>, Owned<P>> {
        let new = new.into_pending();
        let (key, pointer) = (*new.key(), new.pointer());
        self.put(new, pinned.moment)?;
        // SAFETY: published under this guard.
        let version = unsafe { EntryRef::new(pointer) };
        Ok(Reserved { key, version, pinned })
    }
}

/// A pending version in the table. Dropping this withdraws it.
struct Reserved<'g, P: Payload> {
    key: Key,
    version: EntryRef<'g, P>,
    pinned: Pinned<'g, P>,
}

impl<P: Payload> Reserved<'_, P> {
    /// Replaces the version by another pending one. False if it was withdrawn by a delete.
    fn replace(&mut self, new: Owned<P>) -> bool {
        let Ok(new) = self.version.succeed(new.into_pending()) else {
            unreachable!("a pending version is superseded by the thread that made it")
        };
        let superseded = self.version.life().supersede_pending();
        if superseded {
            self.version = new;
        }
        self.clear_found();
        superseded
    }

    /// Activates the version, unless a thread that followed the forward has done so. `alone` says that there is no
    /// forward. Then only a delete can have prevented it, and the session has ended.
    fn activate(self, stamp: Tick, alone: bool) {
        let activated = self.version.life().activate(stamp);
        step("activated");
        if !activated && alone {
            let there = self.pinned.at(self.pinned.target(&self.key));
            there.note_deleted(self.version);
            self.clear_found();
        }
        core::mem::forget(self);
    }

    /// Clears the slot of a superseded or withdrawn version.
    fn clear_found(&self) {
        let target = self.pinned.target(&self.key);
        self.pinned.at(target).locate(target);
    }
}

impl<P: Payload> Drop for Reserved<'_, P> {
    fn drop(&mut self) {
        self.version.life().withdraw();
        self.clear_found();
    }
}
