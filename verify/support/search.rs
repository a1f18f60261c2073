//! A search in the manner of Wing and Gong ("Testing and verifying concurrent objects", 1993) for an order of events
//! that respects real time and in which a sequential object explains each of them.

use std::collections::HashSet;
use std::hash::Hash;

/// An operation that was called at one time and returned at a later one.
pub(crate) trait Timed {
    fn called(&self) -> usize;
    fn returned(&self) -> usize;
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
        if !self.seen.insert((done, state.clone())) {
            return false;
        }
        open().filter(|(_, event)| event.called() < first_return).any(|(index, event)| {
            (self.after)(&state, event).into_iter().any(|next| self.finish(done | 1 << index, next))
        })
    }
}
