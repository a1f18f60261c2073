//! Rotations and logins that can be taken back.

use super::SessionStore;
use crate::content::{Content, Stored};
use crate::entry::{EntryRef, Head, Overrides, Owned};
use crate::events::RemovalCause;
use crate::expiry::Tick;
use crate::id::SessionId;
use crate::principal::Principal;
use crate::registry::tentative::Announced;
use crate::table::Former;
use core::fmt;

/// Copies a version under another head.
pub(super) type Replicator<T> =
    for<'v, 'h> fn(EntryRef<'v, <T as Stored>::Payload>, Head<'h>) -> Owned<<T as Stored>::Payload>;

/// Takes a rotation or a login back, as long as the new id has not reached the client. Made by
/// [`Rotation::undo`](super::Rotation::undo).
///
/// Give it to [`SessionStore::take_back`] if the client has not received the new id, or call [`keep`](Self::keep) if it
/// has. Until one of the two is called, or this is dropped, the rotation is tentative: [`delete`] of the old id also
/// ends the session under the new one, because the client may know only the old id. Dropping this is to keep the
/// rotation. `Debug` shows no id.
///
/// It has a copy of the session's content from before the rotation.
///
/// [`delete`]: SessionStore::delete
pub struct Undo<T: Content + ?Sized> {
    announced: Announced,
    old: SessionId,
    new: SessionId,
    /// The last version under the old id, without its binding.
    before: Owned<T::Payload>,
    /// Whether the session was bound to the principal before.
    was_bound: bool,
    replicate: Replicator<T>,
}

impl<T: Content + ?Sized> Undo<T> {
    pub(super) fn new(
        announced: Announced,
        (old, new): (SessionId, SessionId),
        before: Owned<T::Payload>,
        was_bound: bool,
        replicate: Replicator<T>,
    ) -> Self {
        Self { announced, old, new, before, was_bound, replicate }
    }

    /// Makes the rotation final. The old id can no longer end the session. Does nothing if the rotation is final or has
    /// been taken back.
    ///
    /// Lock-free; allocates nothing. Takes effect when the store forgets that the rotation was tentative.
    pub fn keep(&self) {
        self.announced.remove();
    }
}

/// Shows no id.
impl<T: Content + ?Sized> fmt::Debug for Undo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Undo(..)")
    }
}

/// The version under the old id, without its binding: copied in the step that the rotation takes from it.
pub(super) fn copy_of<T: Content + ?Sized>(
    version: EntryRef<'_, T::Payload>,
    id: &SessionId,
    replicate: Replicator<T>,
) -> Owned<T::Payload> {
    let unbound = Overrides { binding: None, former: None, ..version.overrides() };
    replicate(version, Head { key: *id.as_bytes(), ..version.next_head(Tick::new(0), &unbound) })
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Takes a rotation or a login back: the session lives on under its old id, with the content, the timeouts and the
    /// principal that it had before, and the new id is dead from the next
    /// millisecond on. Returns whether it did.
    ///
    /// Nothing that was stored under the new id is visible under the old one, because another client may know the old
    /// id (session fixation). The session is touched.
    ///
    /// **Revocation wins.** If the session has ended meanwhile, by its old id, its new id, its principal or a timeout,
    /// nothing is taken back and the old id stays dead. The same holds if the session has been rotated again, unless
    /// that rotation was taken back before.
    ///
    /// Lock-free; allocates. Takes effect when the version under the new id is superseded by a forward to the old id.
    pub fn take_back(&self, undo: &Undo<T>) -> bool {
        if !undo.announced.is_open() {
            return false;
        }
        let taken_back = self.move_back(undo).is_some();
        // Not before: a delete of the old id that has missed the session there needs it to find the session.
        undo.announced.remove();
        if taken_back {
            self.note_rotation(&undo.new, &undo.old);
        }
        self.settle();
        taken_back
    }

    fn move_back(&self, undo: &Undo<T>) -> Option<()> {
        let Undo { old, new, before, was_bound, replicate, .. } = undo;
        let moment = self.moment();
        let binding = if *was_bound { Some(self.binding_at(new).ok()??) } else { None };
        let seat = self.seat(binding, None::<&Principal>, new, old, moment).ok()?;
        // The forward leads nowhere after this tick: it is there for operations that are under way.
        let former = Former::Forwards { end: moment.now(), absent: T::absent, touch: true };
        let mut restore = |version: EntryRef<'_, T::Payload>, stamp| {
            let binding = version.overrides().binding.filter(|_| *was_bound);
            let overrides = Overrides { binding, former: Some(*new.as_bytes()), ..before.borrow().overrides() };
            replicate(before.borrow(), Head { key: *old.as_bytes(), ..version.next_head(stamp, &overrides) })
        };
        // What the session held before may take more bytes than it takes now.
        let rotated =
            self.with_room(new, moment, |room| self.table.rotate(new.as_bytes(), former, moment, room, &mut restore));
        rotated.ok()?;
        seat.take(self, old, moment.now());
        self.tracer.rotated(new.as_bytes(), old.as_bytes());
        Some(())
    }

    /// Deletes a session whose id is being replaced by rotations that may be taken back. The id names no session.
    #[cold]
    #[inline(never)]
    pub(super) fn delete_tentative(&self, id: &SessionId) -> bool {
        let mut changes = self.tentative.changes();
        if changes == 0 {
            return false;
        }
        loop {
            let ended = self.delete_along(id);
            let before = core::mem::replace(&mut changes, self.tentative.changes());
            if ended || before == changes {
                if ended {
                    // On disk the session may still have this id.
                    self.note_end(id, RemovalCause::Deleted);
                }
                return ended;
            }
        }
    }

    /// Ends the session of an id under the id that it has now, whether its rotations are being made or taken back.
    fn delete_along(&self, id: &SessionId) -> bool {
        let (mut ids, mut ended) = (vec![*id.as_bytes()], false);
        while let Some(next) = ids.last().and_then(|last| self.tentative.successor(last)) {
            if self.table.remove(&next, self.moment()) {
                return true;
            }
            ended |= self.table.withdraw(&next, self.moment());
            ids.push(next);
        }
        // The rotations may have been taken back meanwhile, the last one first.
        ids.iter().rev().any(|id| self.table.remove(id, self.moment())) || ended
    }
}
