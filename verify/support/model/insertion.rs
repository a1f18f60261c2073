//! Sessions under given ids, and sessions replaced as a whole, in the model.

use cloakroom::{InsertError, SetError};

use super::{Limits, Model, Subject, Timeouts, collected};

impl Model {
    /// The number, under which there may have been another session before.
    pub(super) fn insert(
        &mut self,
        subject: Subject,
        timeouts: Timeouts,
        given: &[(String, String)],
    ) -> Result<usize, InsertError> {
        let attributes = collected(given, Limits::of(&self.settings)).map_err(|refused| match refused {
            SetError::TooManyAttributes { count, limit } => InsertError::TooManyAttributes { count, limit },
            SetError::TooLarge { size, limit } => InsertError::TooLarge { size, limit },
            other => unreachable!("{other:?} of attributes alone"),
        })?;
        // Full even if it is by an expired session of this very id, which makes the room then.
        let full = self.has_no_room();
        // Also while it leads to another session.
        if self.followed(subject).is_ok() {
            return Err(InsertError::Occupied);
        }
        if full {
            self.evict_expired();
        }
        if self.has_no_room() {
            return Err(InsertError::Full);
        }
        let session = self.session(timeouts, None, attributes);
        let Some(number) = subject.number(self.created) else { return Ok(self.number(session)) };
        self.sessions.insert(number, session);
        Ok(number)
    }

    pub(super) fn replace(
        &mut self,
        subject: Subject,
        timeouts: Timeouts,
        given: &[(String, String)],
    ) -> Result<(), SetError> {
        let limits = Limits::of(&self.settings);
        let (session, now) = self.unchanged(subject)?;
        let attributes = collected(given, limits)?;
        session.touched = now;
        session.attributes = attributes;
        session.version += 1;
        session.lives(timeouts, now);
        Ok(())
    }
}
