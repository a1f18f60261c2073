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

use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Owned, Payload};
use crate::events::RemovalCause;
use crate::expiry::{Moment, Tick};
use crate::sync::{planted, step};
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned, Target};
use crate::table::search::{Absence, Found};

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

impl<P: Payload> Table<P> {
    /// Changes the live version of a session as `build` says. `build` is given the stamp for the new version, and may be
    /// called several times.
    ///
    /// Lock-free. Takes effect when the old version is superseded, touched or ended; if it is kept, when it was seen
    /// live.
    pub(crate) fn update<E>(
        &self,
        key: &Key,
        moment: Moment<'_>,
        build: impl FnMut(EntryRef<'_, P>, Tick) -> Result<Change<P>, E>,
    ) -> Result<(), Refusal<E>> {
        self.pin(key, moment, |pinned, target| {
            let result = pinned.update(target, build);
            pinned.maintain();
            result
        })
    }
}

impl<'g, P: Payload> Pinned<'g, P> {
    /// Does to the live version what `build` says, given a stamp for the next one. A forward is not changed.
    pub(in crate::table) fn update<E>(
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
    pub(in crate::table) fn complete(
        &self,
        found: &Found<'g, P>,
        successor: EntryRef<'g, P>,
        target: Target<'_>,
    ) -> bool {
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
    pub(in crate::table) fn supersede(&self, old: EntryRef<'g, P>, new: EntryRef<'g, P>) -> bool {
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
}
