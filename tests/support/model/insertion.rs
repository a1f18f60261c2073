//! Sessions under given ids, and sessions replaced as a whole, in the model.

use cloakroom::{InsertError, SetError, UpdateError};

use super::{Attributes, Model, Subject, Timeouts, collected};

impl Model {
    /// The number, under which there may have been another session before.
    pub(super) fn insert(
        &mut self,
        subject: Subject,
        timeouts: Timeouts,
        given: &[(String, String)],
    ) -> Result<usize, InsertError> {
        let limit = self.settings.max_session_bytes;
        let attributes = collected(given, limit).map_err(|size| InsertError::TooLarge { size, limit })?;
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
        let limit = self.settings.max_session_bytes;
        let (session, now) = self.unchanged(subject).map_err(UpdateError::from)?;
        let attributes: Attributes = collected(given, limit).map_err(|size| SetError::TooLarge { size, limit })?;
        session.touched = now;
        session.attributes = attributes;
        session.version += 1;
        session.lives(timeouts, now);
        Ok(())
    }
}
