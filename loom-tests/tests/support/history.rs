//! The check of recorded histories against a plain sequential session, or several of them.

use crate::search::{Timed, explained};

/// Milliseconds for which a session may lie idle in the models.
pub(crate) const IDLE: u64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Insert(usize),
    /// An insert that found the store full.
    Refused,
    /// Appends a digit to the value.
    Set(usize),
    Get,
    Exists,
    Delete,
    Evict,
    /// The clock moves on.
    Tick(u64),
    /// The clock is set back.
    SetBack(u64),
}

/// One operation on one session: what it returned, `None` if it failed, and when it was called and when it returned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) key: u8,
    pub(crate) kind: Kind,
    pub(crate) result: Option<usize>,
    pub(crate) called: usize,
    pub(crate) returned: usize,
}

impl Timed for Event {
    fn called(&self) -> usize {
        self.called
    }

    fn returned(&self) -> usize {
        self.returned
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Model {
    /// Value and last touch.
    session: Option<(usize, u64)>,
    now: u64,
}

impl Model {
    const NEW: Self = Self { session: None, now: 0 };

    fn live(&self) -> Option<usize> {
        self.session.filter(|&(_, touched)| self.now.saturating_sub(touched) <= IDLE).map(|(value, _)| value)
    }

    /// A stamp that lies further ahead of the clock than the limit is brought back by whoever looks at it.
    fn bring_back(&mut self) {
        let now = self.now;
        self.session = self.session.map(|(value, touched)| (value, if touched > now + IDLE { now } else { touched }));
    }

    /// Does the operation and says what it returns. A session that is found expired is removed.
    fn apply(&mut self, kind: Kind) -> Option<usize> {
        match kind {
            Kind::Tick(span) => {
                self.now += span;
                return None;
            }
            Kind::SetBack(span) => {
                self.now -= span;
                return None;
            }
            _ => self.bring_back(),
        }
        let live = self.live();
        let stamp = self.session.map_or(self.now, |(_, touched)| touched.max(self.now));
        let touched = |value| Some((value, stamp));
        match kind {
            Kind::Tick(_) | Kind::SetBack(_) => unreachable!("seen above"),
            Kind::Refused => return None,
            Kind::Evict => {
                let expired = self.session.is_some() && live.is_none();
                self.session = self.session.filter(|_| !expired);
                return expired.then_some(0);
            }
            Kind::Insert(value) => {
                if live.is_some() {
                    return None;
                }
                self.session = Some((value, self.now));
                return Some(0);
            }
            Kind::Exists => {
                self.session = self.session.filter(|_| live.is_some());
                return live.map(|_| 0);
            }
            Kind::Delete => {
                self.session = None;
                return live.map(|_| 0);
            }
            Kind::Get => self.session = live.and_then(touched),
            Kind::Set(digit) => self.session = live.map(|value| value * 10 + digit).and_then(touched),
        }
        self.session.map(|(value, _)| value)
    }
}

/// Whether some order of the events of one session explains their results.
pub(crate) fn linearizable(events: &[Event]) -> bool {
    explained(events, Model::NEW, |model, event| {
        let mut after = *model;
        (after.apply(event.kind) == event.result).then_some(after)
    })
}

/// Whether some order of the events of all sessions explains their results if there are never more than `limit`
/// sessions.
///
/// A session has its place from before it is there until after it has ended. So who is refused has seen as many
/// sessions as there may be, those counted that others were about to insert or had just ended at the time.
pub(crate) fn linearizable_within(limit: usize, events: &[Event]) -> bool {
    let explains = |models: &mut [Model; 8], event: &Event| match event.kind {
        // The one clock moves for all sessions, each of which has recorded it.
        Kind::Tick(_) | Kind::SetBack(_) => {
            models.iter_mut().for_each(|model| _ = model.apply(event.kind));
            true
        }
        Kind::Refused => present(models) + events.iter().filter(|other| holds_a_place(other, event)).count() >= limit,
        kind => models[event.key as usize].apply(kind) == event.result && present(models) <= limit,
    };
    let once = |event: &&Event| event.key == 1 || !matches!(event.kind, Kind::Tick(_) | Kind::SetBack(_));
    let events: Vec<Event> = events.iter().filter(once).copied().collect();
    explained(&events, [Model::NEW; 8], |models, event| {
        let mut after = *models;
        explains(&mut after, event).then_some(after)
    })
}

fn present(models: &[Model]) -> usize {
    models.iter().filter(|model| model.session.is_some()).count()
}

/// Whether the operation `other` may hold a place for a session that is not there, at some time during the one that was
/// `refused`.
fn holds_a_place(other: &Event, refused: &Event) -> bool {
    let overlap = other.called < refused.returned && refused.called < other.returned;
    overlap
        && match other.kind {
            Kind::Insert(_) | Kind::Delete => true,
            Kind::Evict => other.result.is_some(),
            // It may have found the session expired.
            Kind::Get | Kind::Exists | Kind::Set(_) => other.result.is_none(),
            Kind::Refused | Kind::Tick(_) | Kind::SetBack(_) => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, result: Option<usize>, called: usize, returned: usize) -> Event {
        Event { key: 1, kind, result, called, returned }
    }

    #[test]
    fn an_order_is_found_where_there_is_one() {
        let history = [
            event(Kind::Insert(1), Some(0), 0, 1),
            event(Kind::Delete, Some(0), 2, 9),
            event(Kind::Get, Some(1), 3, 4),
            event(Kind::Get, None, 5, 6),
        ];
        assert!(linearizable(&history));
    }

    #[test]
    fn a_session_that_comes_back_is_refused() {
        let history = [
            event(Kind::Insert(1), Some(0), 0, 1),
            event(Kind::Delete, Some(0), 2, 9),
            event(Kind::Get, None, 3, 4),
            event(Kind::Get, Some(1), 5, 6),
        ];
        assert!(!linearizable(&history));
    }

    #[test]
    fn a_lost_update_is_refused() {
        let history = [
            event(Kind::Insert(1), Some(0), 0, 1),
            event(Kind::Set(2), Some(12), 2, 5),
            event(Kind::Set(3), Some(13), 3, 6),
            event(Kind::Get, Some(13), 7, 8),
        ];
        assert!(!linearizable(&history));
    }

    #[test]
    fn two_sessions_in_one_place_are_refused() {
        let (one, two) = (event(Kind::Insert(1), Some(0), 0, 1), event(Kind::Insert(2), Some(0), 4, 5));
        let two = Event { key: 2, ..two };
        let early = [one, event(Kind::Delete, Some(0), 2, 9), two, event(Kind::Get, Some(1), 6, 7)];
        assert!(linearizable(&early[..2]) && linearizable_within(2, &early));
        assert!(!linearizable_within(1, &early));
        assert!(linearizable_within(1, &early[..3]));
    }

    #[test]
    fn a_refusal_needs_a_full_store() {
        let refused = |called| Event { key: 2, ..event(Kind::Refused, None, called, called + 1) };
        let one = [event(Kind::Insert(1), Some(0), 0, 3), event(Kind::Delete, Some(0), 6, 9)];
        for (called, full) in [(1, true), (4, true), (7, true), (10, false)] {
            assert_eq!(linearizable_within(1, &[one[0], one[1], refused(called)]), full, "called at {called}");
        }
        assert!(!linearizable_within(2, &[one[0], one[1], refused(4)]));
    }

    #[test]
    fn an_early_expiry_is_refused() {
        let history = [
            event(Kind::Insert(1), Some(0), 0, 1),
            event(Kind::Tick(3), None, 2, 3),
            event(Kind::Get, Some(1), 4, 5),
            event(Kind::Tick(3), None, 6, 7),
            event(Kind::Exists, None, 8, 9),
        ];
        assert!(!linearizable(&history));
    }
}
