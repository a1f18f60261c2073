//! Operations on all sessions, in the model. Expired ones are met on the way, and removed.

use super::{Entry, Model, Session, Shown, span};

impl Model {
    /// What each live session is shown as, in the order of their creation; under an id that leads on none is shown.
    pub(super) fn shown(&mut self) -> Vec<Shown> {
        self.remove_expired(|_| true);
        let now = self.tick();
        let show = |(number, entry): (&usize, &Entry)| match entry {
            Entry::Session(session) => Some(Shown {
                session: *number,
                attributes: session.attributes.clone(),
                idle_for: span(now - session.touched),
                expires_in: session.left(now),
            }),
            Entry::Leads(_) => None,
        };
        self.entries.iter().filter_map(show).collect()
    }

    /// How many live sessions met the condition.
    pub(super) fn end_where(&mut self, ends: impl Fn(&Session) -> bool) -> usize {
        self.remove_expired(|_| true);
        let before = self.count();
        self.entries.retain(|_, entry| match entry {
            Entry::Session(session) => !ends(session),
            Entry::Leads(_) => true,
        });
        before - self.count()
    }

    pub(super) fn remove_expired(&mut self, which: impl Fn(&Session) -> bool) {
        let now = self.tick();
        self.entries.retain(|_, entry| match entry {
            Entry::Session(session) => !(which(session) && session.is_over(now)),
            Entry::Leads(_) => true,
        });
    }

    /// How many sessions have been removed; ids that lead on are none.
    pub(super) fn evict_expired(&mut self) -> usize {
        let (before, now) = (self.count(), self.tick());
        self.entries.retain(|_, entry| match entry {
            Entry::Session(session) => !session.is_over(now),
            Entry::Leads(lead) => !lead.is_over(now),
        });
        before - self.count()
    }
}
