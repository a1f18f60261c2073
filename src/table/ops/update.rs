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
//!
//! If the bytes of the sessions are limited, the thread that makes the new version reserves what it takes more than the
//! old one before step 1, and settles after step 3 ([`budget`](crate::table::structure::budget)).

use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Owned, Payload};
use crate::expiry::{Moment, Tick};
use crate::sync::step;
use crate::table::RemovalCause;
use crate::table::Table;
use crate::table::pinned::{Judgement, Pinned, Target};
use crate::table::search::{Absence, Found};
use crate::table::structure::budget::Reservation;

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
    /// The new version takes more bytes than the limit allows. The reservation has the
    /// [`Shortage`](crate::table::structure::budget::Shortage).
    Full,
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
        match self.reservation() {
            None => self.update_within(key, moment, &mut Unlimited, build),
            Some(mut reserved) => self.update_within(key, moment, &mut reserved, build),
        }
    }

    /// The same for a version that may be larger: what it takes more is taken from `reserved`, and from what the limit
    /// in bytes allows. `reserved` is the table's [reservation](Self::reservation), or [`Unlimited`] if it has none.
    pub(crate) fn update_within<E>(
        &self,
        key: &Key,
        moment: Moment<'_>,
        reserved: &mut impl Reserve,
        build: impl FnMut(EntryRef<'_, P>, Tick) -> Result<Change<P>, E>,
    ) -> Result<(), Refusal<E>> {
        self.pin(key, moment, |pinned, target| {
            let result = pinned.update(target, reserved, build);
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
        reserved: &mut impl Reserve,
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
                Judgement::Forward | Judgement::Reserved | Judgement::Revoked => return Err(Refusal::NotFound),
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
            if !reserved.reserve_for(found.entry, new.borrow()) {
                return Err(Refusal::Full);
            }
            match found.entry.succeed(new) {
                Err((_, first)) => {
                    self.complete(&found, first, target);
                }
                Ok(new) => {
                    if !self.complete(&found, new, target) {
                        return Err(Refusal::NotFound);
                    }
                    reserved.settle(found.entry, new);
                    return Ok(());
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
                            self.moved_on(old, new, &key);
                        }
                        return true;
                    }
                }
            }
        }
    }
}

/// The bytes of an update.
pub(crate) trait Reserve {
    /// Reserves what `new` takes more than `old`, which it is to replace. False if the limit does not allow it.
    fn reserve_for<P: Payload>(&mut self, old: EntryRef<'_, P>, new: EntryRef<'_, P>) -> bool;

    /// Leaves to the session what `new` takes, which has replaced `old`, and gives back the rest.
    fn settle<P: Payload>(&mut self, old: EntryRef<'_, P>, new: EntryRef<'_, P>);
}

impl Reserve for Reservation<'_> {
    fn reserve_for<P: Payload>(&mut self, old: EntryRef<'_, P>, new: EntryRef<'_, P>) -> bool {
        let fits = self.resize_for(old.charge(), new.charge(), new.is_bound());
        step("bytes reserved");
        fits
    }

    fn settle<P: Payload>(&mut self, old: EntryRef<'_, P>, new: EntryRef<'_, P>) {
        step("to be settled");
        self.settle_for(old.charge(), new.charge());
    }
}

/// The bytes of an update of a table that has no limit on them: nothing is counted.
pub(crate) struct Unlimited;

impl Reserve for Unlimited {
    #[inline]
    fn reserve_for<P: Payload>(&mut self, _old: EntryRef<'_, P>, _new: EntryRef<'_, P>) -> bool {
        true
    }

    #[inline]
    fn settle<P: Payload>(&mut self, _old: EntryRef<'_, P>, _new: EntryRef<'_, P>) {}
}
