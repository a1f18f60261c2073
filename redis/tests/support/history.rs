//! Recorded operations on one session, and whether some order of them explains what they returned.
//!
//! A session holds a number, which operations increment. An order has to respect real time, except that a read of the
//! near cache may show what was true up to the bound before it. A change that was answered `Unknown`, and an end that
//! was answered `Unconfirmed`, may have taken effect at any time since, or never.

use super::search::{self, Timed};

/// The bound of staleness, in microseconds.
pub(crate) const BOUND: u64 = 500_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A read that may be a hit, and the number that it has shown.
    Read(i64),
    /// A read that asked the engine.
    Fresh(i64),
    /// Some operation was told that there is no session.
    Missing,
    /// The session was changed to this number.
    Incremented(i64),
    MayBeIncremented,
    Ended,
    MayBeEnded,
    /// The same, and the node does not refuse the id until it knows.
    MayBeReplaced,
    /// The engine has lost everything.
    Lost,
}

/// An operation, from when it was called until it returned, in microseconds of the machine's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) session: usize,
    pub(crate) node: usize,
    pub(crate) called: u64,
    pub(crate) returned: u64,
    pub(crate) what: What,
}

impl Event {
    pub(crate) fn line(&self) -> String {
        let (kind, number) = match self.what {
            What::Read(number) => (0, number),
            What::Fresh(number) => (1, number),
            What::Missing => (2, 0),
            What::Incremented(number) => (3, number),
            What::MayBeIncremented => (4, 0),
            What::Ended => (5, 0),
            What::MayBeEnded => (6, 0),
            What::Lost => (7, 0),
            What::MayBeReplaced => (8, 0),
        };
        format!("EVENT {} {} {} {} {kind} {number}", self.session, self.node, self.called, self.returned)
    }

    pub(crate) fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<i64> =
            line.split_once("EVENT ")?.1.split(' ').map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let &[session, node, called, returned, kind, number] = numbers.as_slice() else { return None };
        let what = match kind {
            0 => What::Read(number),
            1 => What::Fresh(number),
            2 => What::Missing,
            3 => What::Incremented(number),
            4 => What::MayBeIncremented,
            5 => What::Ended,
            6 => What::MayBeEnded,
            8 => What::MayBeReplaced,
            _ => What::Lost,
        };
        let (called, returned) = (called as u64, returned as u64);
        Some(Self { session: session as usize, node: node as usize, called, returned, what })
    }
}

struct Placed {
    event: Event,
    called: usize,
    returned: usize,
}

impl Timed for Placed {
    fn called(&self) -> usize {
        self.called
    }

    fn returned(&self) -> usize {
        self.returned
    }

    fn changes_nothing(&self) -> bool {
        matches!(self.event.what, What::Read(_) | What::Fresh(_) | What::Missing)
    }
}

impl Placed {
    fn new(event: Event) -> Self {
        let called = match event.what {
            What::Read(_) => event.called.saturating_sub(BOUND),
            _ => event.called,
        };
        let returned = match event.what {
            What::MayBeIncremented | What::MayBeEnded | What::MayBeReplaced => u64::MAX,
            _ => event.returned,
        };
        Self { event, called: called as usize, returned: returned as usize }
    }

    /// The numbers that a session may have after the event: none if it has ended.
    fn after(&self, state: Option<i64>) -> Vec<Option<i64>> {
        match self.event.what {
            What::Read(number) | What::Fresh(number) if state == Some(number) => vec![state],
            What::Missing if state.is_none() => vec![None],
            What::Incremented(number) if state == Some(number - 1) => vec![Some(number)],
            What::Read(_) | What::Fresh(_) | What::Missing | What::Incremented(_) => vec![],
            // Without an effect they are left to the end.
            What::MayBeIncremented => state.map(|number| Some(number + 1)).into_iter().collect(),
            What::Ended | What::Lost => vec![None],
            What::MayBeEnded | What::MayBeReplaced => vec![None],
        }
    }
}

/// Tells what is wrong with the history of a session that was there, with the number 0, before it began.
pub(crate) fn check(events: &[Event]) -> Result<(), String> {
    check_on_each_node(events)?;
    let placed: Vec<_> =
        events.iter().filter(|event| !barred(events, event)).map(|&event| Placed::new(event)).collect();
    if placed.len() > 64 {
        return Err(format!("{} events are too many to check", placed.len()));
    }
    if search::explained(&placed, Some(0), |&state, placed| placed.after(state)) {
        Ok(())
    } else {
        Err("no order explains it".to_owned())
    }
}

fn is_end(event: &Event) -> bool {
    matches!(event.what, What::Ended | What::MayBeEnded)
}

/// Whether the node refuses the session because it is ending it, whatever the engine has.
fn barred(events: &[Event], event: &Event) -> bool {
    let mut ends = events.iter().filter(|end| end.node == event.node && is_end(end));
    event.what == What::Missing && ends.any(|end| end.called <= event.returned)
}

/// After an operation has returned, later ones on its node see what it has done, whether the engine has confirmed it or
/// not.
fn check_on_each_node(events: &[Event]) -> Result<(), String> {
    for event in events {
        let shown = match event.what {
            What::Read(number) | What::Fresh(number) => number,
            _ => continue,
        };
        let mut before = events.iter().filter(|other| other.node == event.node && other.returned < event.called);
        if before.clone().any(is_end) {
            return Err(format!("{event:?} shows a session that was ended on its node"));
        }
        if before.any(|other| matches!(other.what, What::Incremented(number) if number > shown)) {
            return Err(format!("{event:?} does not show what its node has written"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Node, when it was called and returned in milliseconds, and what it returned.
    fn history(events: &[(usize, u64, u64, What)]) -> bool {
        let event = |&(node, called, returned, what): &(usize, u64, u64, What)| Event {
            session: 0,
            node,
            called: 1_000_000 + called * 1_000,
            returned: 1_000_000 + returned * 1_000,
            what,
        };
        check(&events.iter().map(event).collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn a_hit_may_be_as_old_as_the_bound_and_no_older() {
        assert!(history(&[(0, 0, 10, What::Ended), (1, 500, 501, What::Read(0))]));
        assert!(!history(&[(0, 0, 10, What::Ended), (1, 511, 512, What::Read(0))]));
        assert!(!history(&[(0, 0, 10, What::Ended), (1, 11, 12, What::Fresh(0))]));
        assert!(!history(&[(0, 0, 10, What::Incremented(1)), (1, 511, 512, What::Read(0))]));
    }

    #[test]
    fn a_node_sees_its_own_ends_and_changes_at_once() {
        assert!(!history(&[(0, 0, 10, What::Ended), (0, 11, 12, What::Read(0))]));
        assert!(!history(&[(0, 0, 10, What::MayBeEnded), (0, 11, 12, What::Read(0))]));
        assert!(history(&[(0, 0, 10, What::MayBeEnded), (1, 600, 601, What::Read(0))]));
        assert!(!history(&[(0, 0, 10, What::Incremented(1)), (0, 11, 12, What::Read(0))]));
    }

    #[test]
    fn what_is_unknown_may_have_happened_or_not() {
        let unknown = (0, 0, 10, What::MayBeIncremented);
        assert!(history(&[unknown, (1, 700, 701, What::Fresh(0)), (1, 800, 801, What::Fresh(1))]));
        assert!(!history(&[unknown, (1, 700, 701, What::Fresh(1)), (1, 800, 801, What::Fresh(0))]));
        assert!(!history(&[unknown, (1, 700, 701, What::Fresh(2))]));
        let unconfirmed = (0, 0, 10, What::MayBeEnded);
        assert!(history(&[unconfirmed, (1, 700, 701, What::Fresh(0)), (1, 800, 801, What::Missing)]));
        assert!(!history(&[unconfirmed, (1, 700, 701, What::Missing), (1, 800, 801, What::Fresh(0))]));
    }

    #[test]
    fn a_revival_a_lost_update_and_a_lost_session_are_refused() {
        assert!(!history(&[(0, 0, 10, What::Ended), (1, 11, 12, What::Incremented(1))]));
        assert!(!history(&[(0, 0, 10, What::Incremented(1)), (1, 5, 12, What::Incremented(1))]));
        assert!(!history(&[(0, 0, 10, What::Missing)]));
        assert!(history(&[(0, 0, 10, What::Lost), (0, 5, 10, What::Missing)]));
    }

    #[test]
    fn events_go_through_a_pipe() {
        let event = Event { session: 3, node: 2, called: 5, returned: 9, what: What::Incremented(7) };
        let read = Event::parse(&format!("test x ... {}", event.line())).unwrap();
        assert_eq!(format!("{read:?}"), format!("{event:?}"));
    }
}
