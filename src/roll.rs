//! Who is logged in where: for each principal, the roll of its sessions.
//!
//! A roll is itself an entry of a table, under its principal's key: an immutable version that every change replaces, so that all that is
//! promised of sessions holds for rolls too. Changes are linearizable and lock-free; a roll that becomes empty is gone. It takes memory in proportion
//! to the sessions on it.
//!
//! A session is on the roll *before* it is in the table of sessions, as one that is [announced](Rolls::announce); once it is there, it
//! [arrives](Rolls::arrive). Whoever ends a session strikes it off afterwards. So:
//!
//! * Who kills a session finds it on the roll: it was announced before it could be found.
//! * Who [dismisses](Rolls::dismiss) all sessions of a principal marks those on the roll as leaving, and then ends them. One that
//!   has only been announced may not be in the table yet, and so survive that; but then it finds itself dismissed when it arrives, and
//!   whoever brings it ends it. None that was there before slips through.
//! * Who comes to dismiss them when they are leaving already ends them too: whoever marked them may be suspended.
//!
//! A rotation announces the new id beside the old one, as a move: both are on the roll, and take one place, until the new one arrives.
//!
//! ```text
//! ──announce──▶ coming ──arrive──▶ there ──┐
//!                  │                 │     strike_off──▶ (gone)
//!                  └──dismiss──▶ leaving ──┘
//! ```

#![deny(unsafe_code)]

use crate::entry::{Head, Key, Owned, Terms};
use crate::expiry::{Moment, Tick};
use crate::removal::RemovalCause;
use crate::sync::{planted, step};
use crate::table::{Change, Refusal, Table};
use core::convert::Infallible;

/// An id that is on its way into the table of sessions.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Move {
    /// The id that it takes the place of.
    from: Option<Key>,
    to: Key,
}

/// The sessions of one principal.
#[derive(Clone, Default)]
pub(crate) struct Roll {
    there: Box<[Key]>,
    coming: Box<[Move]>,
    /// To be ended, by anyone.
    leaving: Box<[Key]>,
}

/// What has come of announcing a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    Yes,
    /// The principal has as many sessions as it may have.
    Full,
    /// The session whose place the new id was to take is not on the roll.
    NotThere,
}

impl Roll {
    fn is_empty(&self) -> bool {
        self.there.is_empty() && self.coming.is_empty() && self.leaving.is_empty()
    }

    /// How many sessions there are, one counted once that is changing its id.
    fn places(&self) -> usize {
        let takes_one = |coming: &&Move| coming.from.is_none_or(|from| !self.there.contains(&from));
        self.there.len() + self.leaving.len() + self.coming.iter().filter(takes_one).count()
    }

    fn announced(&self, new: Move) -> Self {
        Self { coming: self.coming.iter().copied().chain([new]).collect(), ..self.clone() }
    }

    fn arrived(&self, new: &Move) -> Self {
        let stays = |id: &&Key| Some(**id) != new.from;
        Self {
            there: self.there.iter().filter(stays).copied().chain([new.to]).collect(),
            coming: self.coming.iter().filter(|coming| coming.to != new.to).copied().collect(),
            leaving: self.leaving.clone(),
        }
    }

    /// Without this id, nor the moves of which `void` says so; `None` if there is nothing of that on the roll.
    fn without(&self, id: &Key, void: impl Fn(&Move) -> bool) -> Option<Self> {
        let others = |ids: &[Key]| ids.iter().filter(|other| *other != id).copied().collect();
        let stays = |coming: &&Move| coming.to != *id && !void(coming);
        let coming = self.coming.iter().filter(stays).copied().collect();
        let left = Self { there: others(&self.there), coming, leaving: others(&self.leaving) };
        (left.len() < self.len()).then_some(left)
    }

    fn len(&self) -> usize {
        self.there.len() + self.coming.len() + self.leaving.len()
    }

    /// With all sessions leaving but one, under whichever id that is.
    fn dismissed(&self, kept: Option<&Key>) -> Self {
        let stays = |id: &Key| Some(id) == kept;
        let moves = |coming: &Move| stays(&coming.to) || coming.from.as_ref().is_some_and(stays);
        let there = self.there.iter().filter(|id| !stays(id)).copied();
        let coming = self.coming.iter().filter(|coming| !moves(coming)).map(|coming| coming.to);
        Self {
            there: self.there.iter().filter(|id| stays(id)).copied().collect(),
            coming: self.coming.iter().filter(|coming| moves(coming)).copied().collect(),
            leaving: self.leaving.iter().copied().chain(there).chain(coming).collect(),
        }
    }

    fn ids(&self) -> impl Iterator<Item = Key> {
        self.there.iter().chain(&self.leaving).copied().chain(self.coming.iter().map(|coming| coming.to))
    }
}

/// The rolls of all principals.
pub(crate) struct Rolls {
    table: Table<Roll>,
}

/// What a change makes of a roll.
enum Next {
    Same,
    Roll(Roll),
}

impl Rolls {
    pub(crate) fn new(shards: usize) -> Self {
        Self { table: Table::new(shards, 0) }
    }

    #[cfg(loom)]
    pub(crate) fn check_at_rest(&self) {
        self.table.check_at_rest();
    }

    /// Replaces a principal's roll by what `f` makes of it, and returns what else it makes. Lock-free; `f` may be called several times.
    fn change<R>(&self, principal: &Key, mut f: impl FnMut(&Roll) -> (Next, R)) -> R {
        loop {
            let mut result = None;
            let changed = self.table.update(principal, timeless(), |version, _| {
                let (next, made) = f(version.payload());
                result = Some(made);
                Ok::<_, Infallible>(match next {
                    Next::Same => Change::Keep,
                    Next::Roll(roll) if roll.is_empty() => Change::End(RemovalCause::Deleted),
                    Next::Roll(roll) => {
                        let head = version.next_head(NEVER, &Terms { limits: None, principal: None, heir: None });
                        Change::Replace(Owned::new(head, roll, 0, |_| {}))
                    }
                })
            });
            match (changed, result) {
                (Ok(()), Some(made)) => return made,
                (Err(Refusal::Build(never)), _) => match never {},
                // There is no roll, or it became empty before its change took effect.
                _ => {
                    let (next, made) = f(&Roll::default());
                    if self.begin(principal, next) {
                        return made;
                    }
                }
            }
        }
    }

    /// Puts the first roll of a principal into the table. False if there is one already.
    fn begin(&self, principal: &Key, next: Next) -> bool {
        let Next::Roll(roll) = next else { return true };
        if roll.is_empty() {
            return true;
        }
        let terms = Terms::default();
        let new = Owned::new(Head::first(*principal, NEVER, &terms), roll, 0, |_| {});
        let place = self.table.enter(principal).expect("any number of principals");
        self.table.insert(place, new, timeless()).is_ok()
    }

    /// Puts `to` on the roll, as a session that is about to be in the table: in the place of `from`, or in one of its own if there are fewer than `limit`
    /// (0: any number). Takes effect when the roll is replaced.
    pub(crate) fn announce(&self, principal: &Key, from: Option<Key>, to: Key, limit: usize) -> Announced {
        self.change(principal, |roll| {
            if from.is_some_and(|from| !roll.there.contains(&from)) {
                return (Next::Same, Announced::NotThere);
            }
            let full = from.is_none() && limit > 0 && roll.places() >= limit;
            if full && !planted("announced-past-the-limit") {
                return (Next::Same, Announced::Full);
            }
            (Next::Roll(roll.announced(Move { from, to })), Announced::Yes)
        })
    }

    /// Turns an announced session, which is in the table now, into one that is there. False if it has been dismissed meanwhile: then the
    /// caller has to end it and to strike it off.
    pub(crate) fn arrive(&self, principal: &Key, to: &Key) -> bool {
        step("about to arrive");
        self.change(principal, |roll| match roll.coming.iter().find(|coming| coming.to == *to) {
            Some(coming) => (Next::Roll(roll.arrived(coming)), true),
            None if planted("arrives-though-dismissed") => {
                (Next::Roll(roll.arrived(&Move { from: None, to: *to })), true)
            }
            None => (Next::Same, false),
        })
    }

    /// Strikes an id off that has ended, or that does not come after all. A move from it goes on.
    pub(crate) fn strike_off(&self, principal: &Key, id: &Key) {
        self.change(principal, |roll| (roll.without(id, |_| false).map_or(Next::Same, Next::Roll), ()));
    }

    /// Strikes a session off that has ended for good: with its id all moves from it, which have come too late.
    pub(crate) fn strike_off_for_good(&self, principal: &Key, id: &Key) {
        let void = |coming: &Move| coming.from == Some(*id);
        self.change(principal, |roll| (roll.without(id, void).map_or(Next::Same, Next::Roll), ()));
    }

    /// Marks all sessions as leaving, or all but one, and returns the ids of all that are: the caller has to end them. They are struck off as others
    /// are, by whoever has ended them.
    pub(crate) fn dismiss(&self, principal: &Key, kept: Option<&Key>) -> Vec<Key> {
        self.change(principal, |roll| {
            let dismissed = roll.dismissed(kept);
            let leaving = dismissed.leaving.to_vec();
            if planted("struck-off-when-dismissed") {
                return (Next::Roll(Roll { leaving: Box::default(), ..dismissed }), leaving);
            }
            (if leaving.len() == roll.leaving.len() { Next::Same } else { Next::Roll(dismissed) }, leaving)
        })
    }

    /// The ids of those that are leaving.
    pub(crate) fn leaving(&self, principal: &Key) -> Vec<Key> {
        self.read(principal, |roll| roll.leaving.to_vec())
    }

    /// The ids on a principal's roll, in the order of their arrival, those last that are on their way.
    pub(crate) fn ids(&self, principal: &Key) -> Vec<Key> {
        self.read(principal, |roll| roll.ids().collect())
    }

    /// Those that have arrived and are not leaving.
    pub(crate) fn there(&self, principal: &Key) -> Vec<Key> {
        self.read(principal, |roll| roll.there.to_vec())
    }

    fn read(&self, principal: &Key, f: impl FnOnce(&Roll) -> Vec<Key>) -> Vec<Key> {
        self.table.read(principal, false, timeless(), |version| f(version.payload())).unwrap_or_default()
    }

    /// How many principals have a session.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

/// Rolls do not grow old.
const NEVER: Tick = Tick::new(0);

fn timeless() -> Moment<'static> {
    Moment::new(NEVER, u64::MAX, &|| NEVER)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const ADA: Key = [1; 32];

    fn id(number: u8) -> Key {
        [number; 32]
    }

    fn there(rolls: &Rolls, number: u8) {
        assert_eq!(rolls.announce(&ADA, None, id(number), 0), Announced::Yes);
        assert!(rolls.arrive(&ADA, &id(number)));
    }

    #[test]
    fn a_roll_that_becomes_empty_is_gone() {
        let rolls = Rolls::new(1);
        there(&rolls, 1);
        assert_eq!((rolls.ids(&ADA), rolls.len()), (vec![id(1)], 1));
        rolls.strike_off(&ADA, &id(1));
        assert_eq!((rolls.ids(&ADA), rolls.len()), (vec![], 0));
        rolls.strike_off(&ADA, &id(1));
        assert_eq!(rolls.len(), 0);
    }

    #[test]
    fn an_announced_session_takes_a_place() {
        let rolls = Rolls::new(1);
        there(&rolls, 1);
        assert_eq!(rolls.announce(&ADA, None, id(2), 2), Announced::Yes);
        assert_eq!(rolls.announce(&ADA, None, id(3), 2), Announced::Full);
        rolls.strike_off(&ADA, &id(2));
        assert_eq!(rolls.announce(&ADA, None, id(3), 2), Announced::Yes);
    }

    #[test]
    fn a_move_takes_the_place_of_the_old_id_whatever_the_limit() {
        let rolls = Rolls::new(1);
        there(&rolls, 1);
        assert_eq!(rolls.announce(&ADA, Some(id(1)), id(2), 1), Announced::Yes);
        assert_eq!(rolls.announce(&ADA, None, id(3), 1), Announced::Full);
        assert_eq!(rolls.announce(&ADA, None, id(3), 2), Announced::Yes);
        assert!(rolls.arrive(&ADA, &id(2)));
        assert_eq!(rolls.ids(&ADA), [id(2), id(3)]);
    }

    #[test]
    fn a_move_whose_old_id_has_been_struck_off_keeps_its_place() {
        let rolls = Rolls::new(1);
        there(&rolls, 1);
        assert_eq!(rolls.announce(&ADA, Some(id(1)), id(2), 1), Announced::Yes);
        rolls.strike_off(&ADA, &id(1));
        assert_eq!(rolls.announce(&ADA, None, id(3), 1), Announced::Full);
        assert!(rolls.arrive(&ADA, &id(2)));
        assert_eq!(rolls.ids(&ADA), [id(2)]);
    }

    #[test]
    fn who_ends_a_session_for_good_strikes_its_moves_off_as_well() {
        let rolls = Rolls::new(1);
        there(&rolls, 1);
        assert_eq!(rolls.announce(&ADA, Some(id(1)), id(2), 1), Announced::Yes);
        rolls.strike_off_for_good(&ADA, &id(1));
        assert_eq!(rolls.len(), 0);
        assert!(!rolls.arrive(&ADA, &id(2)));
    }

    #[test]
    fn nothing_is_moved_that_is_not_there() {
        let rolls = Rolls::new(1);
        assert_eq!(rolls.announce(&ADA, Some(id(1)), id(2), 0), Announced::NotThere);
        assert_eq!(rolls.len(), 0);
    }

    #[test]
    fn who_was_dismissed_does_not_arrive() {
        let rolls = Rolls::new(1);
        there(&rolls, 1);
        assert_eq!(rolls.announce(&ADA, None, id(2), 0), Announced::Yes);
        assert_eq!(rolls.dismiss(&ADA, None), [id(1), id(2)]);
        assert!(!rolls.arrive(&ADA, &id(2)));
        (1..=2).for_each(|number| rolls.strike_off_for_good(&ADA, &id(number)));
        assert_eq!(rolls.len(), 0);
    }

    #[test]
    fn who_is_leaving_is_dismissed_by_everyone_who_comes_and_keeps_a_place() {
        let rolls = Rolls::new(1);
        there(&rolls, 1);
        assert_eq!(rolls.dismiss(&ADA, None), [id(1)]);
        assert_eq!(rolls.dismiss(&ADA, Some(&id(1))), [id(1)]);
        assert_eq!((rolls.there(&ADA), rolls.leaving(&ADA)), (vec![], vec![id(1)]));
        assert_eq!(rolls.announce(&ADA, Some(id(1)), id(2), 0), Announced::NotThere);
        assert_eq!(rolls.announce(&ADA, None, id(2), 1), Announced::Full);
    }

    #[test]
    fn all_are_dismissed_but_the_one_that_is_kept_and_its_move() {
        let rolls = Rolls::new(1);
        (1..=3).for_each(|number| there(&rolls, number));
        assert_eq!(rolls.announce(&ADA, Some(id(2)), id(4), 0), Announced::Yes);
        assert_eq!(rolls.announce(&ADA, Some(id(3)), id(5), 0), Announced::Yes);
        assert_eq!(rolls.dismiss(&ADA, Some(&id(2))), [id(1), id(3), id(5)]);
        assert!(rolls.arrive(&ADA, &id(4)));
        assert_eq!(rolls.there(&ADA), [id(4)]);
    }

    #[test]
    fn nobody_is_kept_who_is_not_on_the_roll() {
        let rolls = Rolls::new(1);
        there(&rolls, 1);
        assert_eq!(rolls.dismiss(&ADA, Some(&id(9))), [id(1)]);
        assert!(rolls.there(&ADA).is_empty());
    }
}
