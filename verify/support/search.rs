//! A search in the manner of Wing and Gong ("Testing and verifying concurrent objects", 1993) for an order of events
//! that respects real time and in which a sequential object explains each of them.

use std::collections::HashSet;
use std::hash::Hash;

/// An operation that was called at one time and returned at a later one. One that returns at `usize::MAX` may never
/// take effect.
pub(crate) trait Timed {
    fn called(&self) -> usize;
    fn returned(&self) -> usize;

    /// Whether the operation changes nothing, whatever the state is. Such operations need not be tried in every order.
    fn changes_nothing(&self) -> bool {
        false
    }
}

/// Whether some order explains the events, at most 64 of them. `after` returns the states in which an event may leave
/// a state: none if the state does not explain what the operation returned.
pub(crate) fn explained<'a, E, S, I>(events: &'a [E], state: S, after: impl Fn(&S, &'a E) -> I) -> bool
where
    E: Timed,
    S: Clone + Eq + Hash,
    I: IntoIterator<Item = S>,
{
    assert!(events.len() <= 64, "{} events are too many", events.len());
    Search { events, after, seen: HashSet::new() }.finish(0, state)
}

struct Search<'a, E, S, A> {
    events: &'a [E],
    after: A,
    /// Which events had taken place in which state, without a way on from there.
    seen: HashSet<(u64, S)>,
}

impl<'a, E, S, I, A> Search<'a, E, S, A>
where
    E: Timed,
    S: Clone + Eq + Hash,
    I: IntoIterator<Item = S>,
    A: Fn(&S, &'a E) -> I,
{
    /// Whether the events that are not in the set `done` can follow.
    fn finish(&mut self, done: u64, state: S) -> bool {
        let events = self.events;
        let open = || events.iter().enumerate().filter(|&(index, _)| done & 1 << index == 0);
        let Some(first_return) = open().map(|(_, event)| event.returned()).min() else { return true };
        if first_return == usize::MAX {
            return true;
        }
        if !self.seen.insert((done, state.clone())) {
            return false;
        }
        let possible = || open().filter(|(_, event)| event.called() < first_return);
        // What changes nothing comes first if it can: wherever else it stands, the others have the same effects without
        // it.
        let mut idle = possible().filter(|(_, event)| event.changes_nothing());
        if let Some((index, _)) = idle.find(|(_, event)| (self.after)(&state, event).into_iter().next().is_some()) {
            return self.finish(done | 1 << index, state);
        }
        possible().any(|(index, event)| {
            (self.after)(&state, event).into_iter().any(|next| self.finish(done | 1 << index, next))
        })
    }
}
