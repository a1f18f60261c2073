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
use crate::entry::{EntryRef, Key, Owned, Payload};
use crate::expiry::{Moment, Tick};
use crate::reclaim;
use crate::removal::RemovalCause;
use crate::sync::step;

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

    /// Moves a session to another key, and lets the old one lead there: puts `new` into the table, then makes `leading` supersede the version that
    /// `new` was made of.
    ///
    /// False if that version is not the session's any more; nothing has changed then.
    ///
    /// Lock-free. Takes effect when the old version is superseded.
    pub(crate) fn rotate_with_grace(
        &self,
        key: &Key,
        moment: Moment<'_>,
        place: Place<'_>,
        new: Owned<P>,
        made_of: u32,
        mut leading: impl FnMut(EntryRef<'_, P>, Tick) -> Owned<P>,
    ) -> Result<bool, Refusal<()>> {
        let new_key = *new.key();
        self.put(place, new, moment).map_err(|_| Refusal::Build(()))?;
        let newcomer = Newcomer { table: self, key: new_key, moment };
        step("new before old");
        let mut current = true;
        self.update(key, moment, |version, stamp| {
            current = version.version() == made_of;
            Ok(if current { Change::Replace(leading(version, stamp)) } else { Change::Keep })
        })?;
        if current {
            newcomer.stays();
        }
        Ok(current)
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
