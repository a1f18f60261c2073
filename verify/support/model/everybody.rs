//! Operations on all sessions, in the model. Expired ones are met on the way, and removed.

use super::{Model, Session, Shown, span};

impl Model {
    /// What each live session is shown as, in the order of their creation; under an id that leads on none is shown.
    pub(super) fn shown(&mut self) -> Vec<Shown> {
        self.remove_expired(|_| true);
        let now = self.tick();
        let show = |(number, session): (&usize, &Session)| Shown {
            session: *number,
            attributes: session.attributes.clone(),
            idle_for: span(now - session.touched),
            expires_in: session.left(now),
        };
        self.sessions.iter().map(show).collect()
    }

    /// How many live sessions met the condition.
    pub(super) fn end_where(&mut self, ends: impl Fn(&Session) -> bool) -> usize {
        self.remove_expired(|_| true);
        let before = self.count();
        self.sessions.retain(|_, session| !ends(session));
        before - self.count()
    }

    pub(super) fn remove_expired(&mut self, which: impl Fn(&Session) -> bool) {
        let now = self.tick();
        self.sessions.retain(|_, session| !(which(session) && session.is_over(now)));
    }

    /// How many sessions have been removed.
    pub(super) fn evict_expired(&mut self) -> usize {
        let before = self.count();
        self.remove_expired(|_| true);
        before - self.count()
    }
}
