//! Giving a session another key.
//!
//! Nobody knows the new key before the operation returns it, so what happens under it is nobody's business until then. Two ways:
//!
//! * **At once.** The old version dies, keeping its place (the effect); then the new one is inserted into that place. A suspended
//!   thread in between leaves a session that nobody can name.
//! * **With grace.** The new version is inserted first, with a place of its own; then the old one is superseded by a version without
//!   content that leads to the new key until its time is over (the effect, see [`update`](super::update)), which frees the old place.
//!
//! Either way one exchange on the old version's life word decides, from the very version that the new one was made of: a `set` in between makes it
//! fail, and the new version is made again; a delete wins, or comes too late.

use super::visit::{Judgement, Target, Visit};
use super::{Change, Place, Refusal, Table};
use crate::entry::life::Life;
use crate::entry::{EntryRef, Key, Owned, Payload};
use crate::expiry::{Limits, Moment, Tick};
use crate::reclaim;
use crate::removal::RemovalCause;
use crate::sync::{planted, step};

impl<'g, P: Payload> Visit<'g, P> {
    /// Ends the session under this key, once `build` has made the version that it goes on as.
    fn move_out(
        &self,
        target: Target<'_>,
        mut build: impl FnMut(EntryRef<'_, P>, Tick) -> Owned<P>,
    ) -> Result<Owned<P>, Refusal<()>> {
        loop {
            let found = self.locate(target).ok_or(Refusal::NotFound)?;
            match self.judge(found.entry, found.stamp) {
                Judgement::Live if found.entry.has_heir() => return Err(Refusal::NotFound),
                Judgement::Live => {}
                Judgement::Changed => continue,
                Judgement::Expired => {
                    self.clean_up(&found, target);
                    return Err(if found.entry.has_heir() { Refusal::NotFound } else { Refusal::Expired });
                }
            }
            if let Some(first) = found.entry.successor() {
                self.complete(&found, first, target);
                continue;
            }
            let new = build(found.entry, self.moment.now().max(found.stamp));
            step("built for another key");
            if self.kill_keeping_the_place(found.entry, found.stamp, RemovalCause::Rotated) {
                self.clean_up(&found, target);
                return Ok(new);
            }
        }
    }

    /// Lets `old` be superseded by a version that leads on, if it is still the live one; returns the tick in which it was touched last.
    fn lead_on(
        &self,
        target: Target<'_>,
        old: EntryRef<'g, P>,
        lead: &mut impl FnMut(EntryRef<'_, P>, Tick) -> Owned<P>,
    ) -> Result<Option<Tick>, Refusal<()>> {
        let found = self.locate(target).ok_or(Refusal::NotFound)?;
        match self.judge(found.entry, found.stamp) {
            Judgement::Live if found.entry == old => {}
            Judgement::Live | Judgement::Changed => return Ok(None),
            Judgement::Expired => {
                self.clean_up(&found, target);
                return Err(Refusal::Expired);
            }
        }
        let leading = match old.succeed(lead(old, self.moment.now().max(found.stamp))) {
            Ok(leading) => leading,
            Err((_, first)) => {
                self.complete(&found, first, target);
                return Ok(None);
            }
        };
        let mut last = None;
        let superseded = self.supersede_telling(found.entry, leading, |stamp| last = Some(stamp));
        self.clean_up(&found, target);
        if !superseded {
            return Err(Refusal::NotFound);
        }
        Ok(Some(match (last, leading.life().load()) {
            // What is touched by way of the leading version is touched under its new key as well.
            (Some(stamp), _) | (None, Life::Live(stamp)) => stamp,
            // Superseded by another thread, and so long ago that its time is over already.
            (None, Life::Superseded | Life::Dead) => self.moment.afresh(),
        }))
    }

    /// Takes a session back that nobody has heard of yet: it is neither counted as ended nor told of.
    fn withdraw(&self, target: Target<'_>) {
        while let Some(found) = self.locate(target) {
            if found.entry.life().kill(found.stamp).is_ok() {
                self.population.leave(self.shard.sessions());
                self.clean_up(&found, target);
            }
        }
    }
}

impl<P: Payload> Table<P> {
    /// Moves a session to the key of the version that `build` makes of it, at once. `build` may be called several times.
    ///
    /// Lock-free. Takes effect when the old version dies.
    pub(crate) fn rotate(
        &self,
        key: &Key,
        moment: Moment<'_>,
        build: impl FnMut(EntryRef<'_, P>, Tick) -> Owned<P>,
    ) -> Result<(), Refusal<()>> {
        let target = self.target(key);
        let old_shard = self.shard(target.hash);
        let new = {
            let deaths = self.deaths();
            let guard = reclaim::pin();
            let visit = self.visit(old_shard, moment, &guard, &deaths);
            let new = visit.move_out(target, build);
            visit.maintain();
            new?
        };
        step("moved out");
        let place = self.population.take_over(old_shard.sessions(), self.shard(self.target(new.key()).hash).sessions());
        // A key of 256 random bits that is in use already is not drawn. If it were, the session would be gone, and its place free.
        self.put(place, new, moment).map(drop).map_err(|_| Refusal::NotFound)
    }

    /// Moves a session to another key, and lets the old one lead there: puts what `copy` makes of the live version into the table, then makes what
    /// `lead` makes supersede that very version. `copy` is called with the limits of the new version, or with none if it is to keep those of the old one.
    ///
    /// False if the session has been changed in between; then all is as it was.
    ///
    /// Lock-free. Takes effect when the old version is superseded.
    pub(crate) fn rotate_with_grace(
        &self,
        key: &Key,
        moment: Moment<'_>,
        place: Place<'_>,
        copy: impl Fn(EntryRef<'_, P>, Tick, Option<Limits>) -> Owned<P>,
        mut lead: impl FnMut(EntryRef<'_, P>, Tick) -> Owned<P>,
    ) -> Result<bool, Refusal<()>> {
        let target = self.target(key);
        let deaths = self.deaths();
        // Pinned all the time, so that no other version can lie where the one lies that is copied.
        let guard = reclaim::pin();
        let visit = self.visit(self.shard(target.hash), moment, &guard, &deaths);
        // Not touched before it takes effect: others would see that.
        let old = visit.live_version(target, false)?;
        if old.has_heir() {
            return Err(Refusal::NotFound);
        }
        // However long this thread is suspended, the new version does not expire before the old one is superseded: nobody touches it.
        let endless = if planted("new-one-expires-unseen") { None } else { Some(Limits::ENDLESS) };
        let new = copy(old, moment.now(), endless);
        let new_key = *new.key();
        self.put(place, new, moment).map_err(|_| Refusal::NotFound)?;
        let newcomer = Newcomer { table: self, key: new_key, moment };
        step("new before old");
        let Some(stamp) = visit.lead_on(target, old, &mut lead)? else { return Ok(false) };
        newcomer.stays();
        step("leads on");
        // It may have been ended by now, through the old key.
        let settled = self.update(&new_key, moment, |_, touched| {
            Ok::<_, Refusal<()>>(Change::Replace(copy(old, touched.max(stamp), None)))
        });
        visit.maintain();
        drop(settled);
        Ok(true)
    }

    /// Takes back a session that was [put](Self::put) into the table and that nobody has heard of yet. Lock-free.
    pub(crate) fn withdraw(&self, key: &Key, moment: Moment<'_>) {
        let target = self.target(key);
        let deaths = self.deaths();
        let guard = reclaim::pin();
        self.visit(self.shard(target.hash), moment, &guard, &deaths).withdraw(target);
    }
}

/// A session that has been inserted under a new key, and is taken out again unless it stays.
struct Newcomer<'a, P: Payload> {
    table: &'a Table<P>,
    key: Key,
    moment: Moment<'a>,
}

impl<P: Payload> Newcomer<'_, P> {
    fn stays(self) {
        core::mem::forget(self);
    }
}

impl<P: Payload> Drop for Newcomer<'_, P> {
    fn drop(&mut self) {
        self.table.withdraw(&self.key, self.moment);
    }
}
