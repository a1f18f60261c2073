//! Replacing a session's live version by a new one.
//!
//! ```text
//! 1. old.successor: null → new          whoever comes later helps with what follows
//! 2. new.life raised to old's stamp     the new version is not older than the last touch
//! 3. old.life: Live(t) → Superseded     the update takes effect
//! 4. slot: old → new, old is retired    for memory, and for shorter ways
//! ```
//!
//! If the old version dies before 3, the new one never counts: revocation wins. Two updates never lose one another: the second finds
//! a successor in its way, completes the first, and starts from its result.

use super::Absence;
use super::find::Found;
use super::visit::{Judgement, Target, Visit};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Owned, Payload};
use crate::expiry::Tick;
use crate::removal::RemovalCause;
use crate::sync::{planted, step};

/// What an update makes of a session's live version.
pub(crate) enum Change<P: Payload> {
    /// This version takes its place.
    Replace(Owned<P>),
    /// It stays, and is touched.
    Touch,
    /// It stays as it is.
    Keep,
    /// The session ends.
    End(RemovalCause),
}

/// What a removal has come to.
pub(super) enum Removed<'g, P: Payload> {
    /// The session was live, and this call has ended it.
    Ended,
    /// There is no live one.
    Absent,
    /// This forward leads to it.
    Forwards(EntryRef<'g, P>),
}

/// Why there is no new version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal<E> {
    /// There is no session with this key.
    NotFound,
    /// There was, but it had expired, and is removed now.
    Expired,
    /// The new version could not be made; nothing has changed.
    Build(E),
}

impl<E> From<Absence> for Refusal<E> {
    fn from(absence: Absence) -> Self {
        match absence {
            Absence::Unknown => Self::NotFound,
            Absence::Expired => Self::Expired,
        }
    }
}

impl<'g, P: Payload> Visit<'g, P> {
    /// Does to the live version what `build` says, given a stamp for the next one. A forward is not changed.
    pub(super) fn update<E>(
        &self,
        target: Target<'_>,
        mut build: impl FnMut(EntryRef<'_, P>, Tick) -> Result<Change<P>, E>,
    ) -> Result<(), Refusal<E>> {
        loop {
            let found = self.locate(target).ok_or(Refusal::NotFound)?;
            match self.judge(found.entry, found.stamp) {
                Judgement::Live => {}
                Judgement::Changed => continue,
                Judgement::Expired => {
                    self.clean_up(&found, target);
                    return Err(if found.entry.is_forward() { Refusal::NotFound } else { Refusal::Expired });
                }
                Judgement::Forward | Judgement::Revoked => return Err(Refusal::NotFound),
            }
            if let Some(first) = found.entry.successor() {
                self.complete(&found, first, target);
                continue;
            }
            let stamp = self.moment.now().max(found.stamp);
            let new = match build(found.entry, stamp).map_err(Refusal::Build)? {
                Change::Replace(new) => new,
                Change::Keep => return Ok(()),
                Change::Touch if self.touch(found.entry, found.stamp) => return Ok(()),
                Change::End(cause) if self.kill(found.entry, found.stamp, cause) => {
                    self.clean_up(&found, target);
                    return Ok(());
                }
                Change::Touch | Change::End(_) => continue,
            };
            step("built");
            match found.entry.succeed(new) {
                Err((_, first)) => {
                    self.complete(&found, first, target);
                }
                Ok(new) => {
                    if self.complete(&found, new, target) {
                        return Ok(());
                    }
                    if planted("setter-frees-the-successor") {
                        // SAFETY: none: it is the broken rule.
                        unsafe { new.retire(new.size(), self.guard) }
                    }
                    return Err(Refusal::NotFound);
                }
            }
        }
    }

    /// Sees an update through whose successor is set, whoever set it. False if the version that was found has died instead.
    pub(super) fn complete(&self, found: &Found<'g, P>, successor: EntryRef<'g, P>, target: Target<'_>) -> bool {
        step("succeeded");
        let superseded = self.supersede(found.entry, successor);
        step("superseded");
        if !(superseded && planted("superseded-left-in-its-slot")) {
            self.clean_up(found, target);
        }
        superseded
    }

    /// Does not judge the version again: this operation has, and what has touched it since has only made it younger. So nothing can go
    /// wrong from the moment at which the successor is set, not even a clock that panics.
    pub(super) fn supersede(&self, old: EntryRef<'g, P>, new: EntryRef<'g, P>) -> bool {
        loop {
            match old.life().load() {
                Life::Dead => return planted("set-without-a-look-at-life"),
                Life::Superseded => return true,
                Life::Pending => unreachable!("a pending version is superseded by the thread that made it"),
                Life::Live(stamp) => {
                    step("to be raised");
                    if !planted("stamp-not-raised") {
                        new.life().raise(stamp);
                    }
                    step("raised");
                    if old.life().supersede(stamp).is_ok() {
                        if let Some(key) = new.forward() {
                            self.moved_on(old, &key);
                        }
                        if planted("retired-when-superseded") {
                            // SAFETY: none: it is the broken rule.
                            unsafe { old.retire(old.size(), self.guard) }
                        }
                        return true;
                    }
                }
            }
        }
    }

    /// Ends the session, if there is one.
    pub(super) fn remove(&self, target: Target<'_>) -> Removed<'g, P> {
        while let Some(found) = self.locate(target) {
            match self.judge(found.entry, found.stamp) {
                Judgement::Changed => {}
                Judgement::Revoked => return Removed::Absent,
                Judgement::Expired => {
                    self.clean_up(&found, target);
                    return Removed::Absent;
                }
                Judgement::Forward => return Removed::Forwards(found.entry),
                Judgement::Live => {
                    if self.kill(found.entry, found.stamp, RemovalCause::Deleted) {
                        self.clean_up(&found, target);
                        return Removed::Ended;
                    }
                }
            }
        }
        Removed::Absent
    }
}
