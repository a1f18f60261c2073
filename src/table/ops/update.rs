//! Replacing a session's live version by a new one.
//!
//! ```text
//! 1. old.successor: null → new          from here on other threads help
//! 2. new.life raised to old's stamp     the new version is not older than the last touch
//! 3. old.life: Live(t) → Superseded     the update takes effect
//! 4. slot: old → new, retire old        frees memory and shortens look-ups
//! ```
//!
//! If the old version dies before step 3, the new one never takes effect: revocation wins. No update is lost: a second
//! update finds a successor, completes the first update, and starts from its result.

use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Owned, Payload};
use crate::expiry::{Moment, Tick};
use crate::sync::step;
use crate::table::RemovalCause;
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned, Target};
use crate::table::search::{Absence, Found};

/// What an update does to a session's live version.
pub(crate) enum Change<P: Payload> {
    /// Replaces it by this version.
    Replace(Owned<P>),
    /// Keeps and touches it.
    Touch,
    /// Keeps it.
    Keep,
    /// Ends the session.
    End(RemovalCause),
}

/// Why an update has changed nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal<E> {
    /// There is no session with this key.
    NotFound,
    /// The session had expired, and has been removed by this call.
    Expired,
    /// The new version could not be made.
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
    /// Changes the live version of a session as `build` says. `build` is given the stamp for the new version, and may
    /// be called several times.
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
    /// Changes the live version as `build` says, which is given the stamp for the new version. Does not change a
    /// forward.
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
                    self.clear_found(&found, target);
                    return Err(if found.entry.is_session() { Refusal::Expired } else { Refusal::NotFound });
                }
                Judgement::Forward | Judgement::Reserved | Judgement::Revoked(_) => return Err(Refusal::NotFound),
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
                    self.clear_found(&found, target);
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
                    let superseded = self.complete(&found, new, target);
                    return if superseded { Ok(()) } else { Err(Refusal::NotFound) };
                }
            }
        }
    }

    /// Completes an update whose successor is set, by this thread or another one. False if the found version has died.
    pub(in crate::table) fn complete(
        &self,
        found: &Found<'g, P>,
        successor: EntryRef<'g, P>,
        target: Target<'_>,
    ) -> bool {
        step("succeeded");
        let superseded = self.supersede(found.entry, successor);
        step("superseded");
        self.clear_found(found, target);
        superseded
    }

    /// Supersedes a version whose successor is set. False if it has died.
    ///
    /// Does not judge the version again: the operation has judged it, and a touch since then has only made it younger.
    /// So the clock is not read, and a clock that panics cannot leave the update half done.
    pub(in crate::table) fn supersede(&self, old: EntryRef<'g, P>, new: EntryRef<'g, P>) -> bool {
        loop {
            match old.life().load() {
                Life::Dead => return false,
                Life::Superseded => return true,
                Life::Pending => unreachable!("a pending version is superseded by the thread that made it"),
                Life::Live(stamp) => {
                    step("to be raised");
                    new.life().raise(stamp);
                    step("raised");
                    if old.life().supersede(stamp).is_ok() {
                        if let Some(key) = new.forward() {
                            self.moved_on(old, &key);
                        }
                        return true;
                    }
                }
            }
        }
    }
}
