//! Restored sessions, and what the journal is told.
//!
//! A record on disk has a hash of the id, and not the id. So a restored session waits in the table under a *stand-in*,
//! an id that the journal makes of the hash and that no client knows. An operation that finds no session under its id
//! asks the journal for the stand-in, and moves the session to its own id. The move is a rotation with a grace
//! ([`crate::table`]): the stand-in forwards to the session, so an operation finds the session while the moving thread
//! is suspended between two steps.
//!
//! ```text
//! 1. the operation finds no session under the id
//! 2. move: stand-in → id             fails if another thread is moving it, has moved it or has ended it
//! 3. if it failed: look up the stand-in, which follows a forward and activates the session under its id
//! 4. the operation again, where step 3 has found the session
//! ```
//!
//! A session is never put under its stand-in again. So if the operation still finds none, the session has ended.

use super::SessionStore;
use crate::content::{Content, Replicated};
use crate::entry::{EntryRef, Head, Overrides, Owned, Payload};
use crate::error::{BindError, MissingError};
use crate::events::{Journal, RemovalCause};
use crate::expiry::{Tick, limit};
use crate::id::SessionId;
use crate::sync::step;
use crate::table::{Absence, Change, Former, Refusal};
use core::time::Duration;
use std::sync::Arc;

/// Copies a version under another head.
type Copy<T> =
    fn(EntryRef<'_, <T as crate::content::Stored>::Payload>, Head<'_>) -> Owned<<T as crate::content::Stored>::Payload>;

/// The journal of a store, and what it takes to move a restored session to its own id.
pub(super) struct Journaled<T: Content + ?Sized> {
    pub(super) journal: Arc<dyn Journal>,
    copy: Copy<T>,
}

impl<T: Content + Replicated + ?Sized> Journaled<T> {
    pub(super) fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, copy: T::replicate }
    }
}

/// How long a stand-in forwards to the session: for threads that were suspended in the midst of a look-up, and for a
/// journal that has heard of the stand-in and not of the id.
const FORWARDS: Duration = Duration::from_secs(300);

/// An outcome that may mean that there is no session under an id.
pub(super) trait Outcome {
    /// Whether there is no session under the id.
    fn is_missing(&self) -> bool;
}

impl<R> Outcome for Result<R, Absence> {
    #[inline(always)]
    fn is_missing(&self) -> bool {
        matches!(self, Err(Absence::Unknown))
    }
}

impl<R, E> Outcome for Result<R, Refusal<E>> {
    #[inline(always)]
    fn is_missing(&self) -> bool {
        matches!(self, Err(Refusal::NotFound))
    }
}

impl<R> Outcome for Result<R, BindError> {
    fn is_missing(&self) -> bool {
        matches!(self, Err(BindError::Missing(MissingError::NotFound)))
    }
}

/// Whether a session was ended.
impl Outcome for bool {
    #[inline]
    fn is_missing(&self) -> bool {
        !self
    }
}

/// What builds the next version of a session, and whether it has built one.
pub(super) struct Noted<B> {
    build: B,
    replaced: bool,
}

impl<B> Noted<B> {
    #[inline(always)]
    pub(super) fn build<P: Payload, E>(&mut self, version: EntryRef<'_, P>, stamp: Tick) -> Result<Change<P>, E>
    where
        B: FnMut(EntryRef<'_, P>, Tick) -> Result<Change<P>, E>,
    {
        let change = (self.build)(version, stamp)?;
        self.replaced = matches!(change, Change::Replace(_));
        Ok(change)
    }
}

/// Where an operation looks for a session, and whether that is the last place.
struct Place {
    id: SessionId,
    last: bool,
}

/// Where a restored session is.
enum Whereabouts {
    /// Under its own id.
    Home,
    /// Still under its stand-in.
    Waiting,
    /// It has ended, or it is home and its stand-in does not forward any more.
    Gone,
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Does an operation on the session with this id, also if it is a restored session that waits under its stand-in.
    #[inline(always)]
    pub(super) fn on_session<O: Outcome>(&self, id: &SessionId, mut operation: impl FnMut(&SessionId) -> O) -> O {
        let mut place = Place { id: *id, last: self.journal.is_none() };
        // One call of the operation in the code, so that it is inlined as without a journal.
        loop {
            let outcome = operation(&place.id);
            if place.last || !outcome.is_missing() {
                return outcome;
            }
            match self.place_of_restored(id) {
                Some(next) => place = next,
                None => return outcome,
            }
        }
    }

    /// Shows `f` the session with this id, also if it is a restored session that waits under its stand-in.
    #[inline(always)]
    pub(super) fn show_session<R>(
        &self,
        id: &SessionId,
        touch: bool,
        f: impl FnOnce(EntryRef<'_, T::Payload>) -> R,
    ) -> Result<R, Absence> {
        match self.table.read_or_return(id.as_bytes(), touch, self.moment(), f) {
            Ok(shown) => Ok(shown),
            Err((Absence::Unknown, f)) if self.journal.is_some() => self.show_restored(id, touch, f),
            Err((absence, _)) => Err(absence),
        }
    }

    /// The same for a session that was not found under the id.
    #[cold]
    #[inline(never)]
    pub(super) fn show_restored<R>(
        &self,
        id: &SessionId,
        touch: bool,
        mut f: impl FnOnce(EntryRef<'_, T::Payload>) -> R,
    ) -> Result<R, Absence> {
        loop {
            let place = self.place_of_restored(id).ok_or(Absence::Unknown)?;
            f = match self.table.read_or_return(place.id.as_bytes(), touch, self.moment(), f) {
                Ok(shown) => return Ok(shown),
                Err((Absence::Unknown, unused)) if !place.last => unused,
                Err((absence, _)) => return Err(absence),
            };
        }
    }

    /// Where to look for a restored session that was not found. `None` if there is none.
    #[cold]
    fn place_of_restored(&self, id: &SessionId) -> Option<Place> {
        let Journaled { journal, copy } = self.journal.as_ref()?;
        let stand_in = journal.stand_in(id)?;
        Some(match self.bring_home(&stand_in, id, *copy) {
            Whereabouts::Home | Whereabouts::Gone => Place { id: *id, last: true },
            // If it is not found there, it was moved or has ended since.
            Whereabouts::Waiting => Place { id: stand_in, last: false },
        })
    }

    /// Moves a restored session to its own id. Lock-free.
    fn bring_home(&self, stand_in: &SessionId, id: &SessionId, copy: Copy<T>) -> Whereabouts {
        if self.move_home(stand_in, id, copy).is_some() {
            if let Some(Journaled { journal, .. }) = &self.journal {
                journal.claimed(stand_in, id);
            }
            return Whereabouts::Home;
        }
        step("not moved home");
        let moment = self.moment();
        let found = self.table.read(stand_in.as_bytes(), false, moment, |version| version.key() == id.as_bytes());
        match found {
            Ok(true) => Whereabouts::Home,
            Ok(false) => Whereabouts::Waiting,
            Err(_) => Whereabouts::Gone,
        }
    }

    fn move_home(&self, stand_in: &SessionId, id: &SessionId, copy: Copy<T>) -> Option<()> {
        let before = self.binding_at(stand_in).ok()?;
        let moment = self.moment();
        let moved = match before {
            None => None,
            Some((principal, binding)) => Some(self.return_seat(&principal, binding, stand_in, id)?),
        };
        let end = moment.now().after(limit(FORWARDS, self.time.resolution()));
        let former = Former::Forwards { end, absent: T::absent, touch: false };
        let mut moved_version = |version: EntryRef<'_, T::Payload>, _| {
            let overrides = Overrides { former: Some(*stand_in.as_bytes()), ..version.overrides() };
            // The same version, last used when it was: the move changes nothing.
            let head = version.next_head(moment.now(), &overrides);
            copy(version, Head { key: *id.as_bytes(), version: version.version(), ..head })
        };
        let mut room = self.table.reservation();
        let rotated = loop {
            let rotated = self.table.rotate(stand_in.as_bytes(), former, moment, room.as_mut(), &mut moved_version);
            // The version under the id is larger by the stand-in. No session is ended for that: where there is no room,
            // the session stays under the stand-in.
            let short = matches!(rotated, Err(Refusal::Full));
            let Some(room) = room.as_mut().filter(|_| short) else { break rotated };
            let more = room.shortage().map(|shortage| shortage.more);
            if !more.is_some_and(|more| room.resize(more)) {
                break rotated;
            }
        };
        rotated.ok()?;
        if let Some(moved) = moved {
            self.seated(moved, id, moment.now());
        }
        Some(())
    }

    /// Runs an update of a session, which calls `build`, and tells the journal if a version was replaced.
    #[inline(always)]
    pub(super) fn updating<B, E>(
        &self,
        id: &SessionId,
        build: B,
        mut update: impl FnMut(&SessionId, &mut Noted<B>) -> Result<(), Refusal<E>>,
    ) -> Result<(), Refusal<E>> {
        let mut noted = Noted { build, replaced: false };
        let result = self.on_session(id, |id| update(id, &mut noted));
        if self.journal.is_some() {
            self.updated(id, noted.replaced && result.is_ok());
        }
        result
    }

    /// Tells the journal of an update, which may have ended sessions to make room.
    #[inline(never)]
    fn updated(&self, id: &SessionId, replaced: bool) {
        if replaced {
            self.note_change(id);
        }
        self.settle();
    }

    /// Tells the journal that a session was created or changed.
    #[inline]
    pub(super) fn note_change(&self, id: &SessionId) {
        if let Some(Journaled { journal, .. }) = &self.journal {
            journal.changed(id);
        }
    }

    /// Tells the journal that an id has ended.
    #[inline]
    pub(super) fn note_end(&self, id: &SessionId, cause: RemovalCause) {
        if let Some(Journaled { journal, .. }) = &self.journal {
            journal.ended(id, cause);
        }
    }

    /// Tells the journal that a session has got another id.
    pub(super) fn note_rotation(&self, old: &SessionId, new: &SessionId) {
        if let Some(Journaled { journal, .. }) = &self.journal {
            journal.rotated(old, new);
        }
    }

    /// Lets the journal wait for the disk, at the end of an operation that may have ended sessions.
    #[inline]
    pub(super) fn settle(&self) {
        if let Some(Journaled { journal, .. }) = &self.journal {
            journal.settle();
        }
    }
}
