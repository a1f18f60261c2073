//! How an operation follows a change of the session's id by another handle of the same request.
//!
//! An operation takes the current [`Node`] and applies itself to that node's id. If the store does not find the id, and
//! the current node has changed meanwhile, the operation starts again from the new node. Each repetition means that
//! another handle has completed a change, so the operations are lock-free.

use super::Session;
use crate::error::SessionError;
use crate::request::{Appended, Node};
use cloakroom::{Content, SessionId};
use core::ptr;

/// The result of [`Session::move_to`].
pub(super) enum Moved {
    Yes,
    /// Another handle has changed the id first.
    Overtaken,
}

impl<T: Content + ?Sized> Session<T> {
    /// Returns the first result of `look` that is not `None`.
    pub(super) fn find<R>(&self, mut look: impl FnMut(&SessionId) -> Option<R>) -> Option<R> {
        let mut at = self.0.current();
        loop {
            let found = look(at.id()?);
            if found.is_some() {
                return found;
            }
            let current = self.0.current();
            if ptr::eq(at, current) {
                return None;
            }
            at = current;
        }
    }

    /// Changes the session, or creates one if the request has none.
    pub(super) fn change_or_create<R, E: Into<SessionError>>(
        &self,
        mut change: impl FnMut(&SessionId) -> Result<R, E>,
        mut create: impl FnMut() -> Result<(SessionId, R), SessionError>,
    ) -> Result<R, SessionError> {
        loop {
            let at = self.0.current();
            let Some(id) = at.id() else {
                self.may_change(at)?;
                let (id, result) = create()?;
                if let Moved::Yes = self.move_to(at, id)? {
                    return Ok(result);
                }
                continue;
            };
            match change(id).map_err(Into::into) {
                Err(SessionError::Gone) if !ptr::eq(at, self.0.current()) => {}
                result => return result,
            }
        }
    }

    /// Changes the session. [`SessionError::Gone`] if there is none.
    pub(super) fn change<R, E: Into<SessionError>>(
        &self,
        mut change: impl FnMut(&SessionId) -> Result<R, E>,
    ) -> Result<R, SessionError> {
        loop {
            let at = self.0.current();
            let id = at.id().ok_or(SessionError::Gone)?;
            match change(id).map_err(Into::into) {
                Err(SessionError::Gone) if !ptr::eq(at, self.0.current()) => {}
                result => return result,
            }
        }
    }

    /// Gives the session the id that `rotate` returns. [`SessionError::Gone`] if there is no session.
    pub(super) fn move_by(
        &self,
        mut rotate: impl FnMut(&SessionId) -> Result<SessionId, SessionError>,
    ) -> Result<(), SessionError> {
        loop {
            let at = self.0.current();
            let id = at.id().ok_or(SessionError::Gone)?;
            self.may_change(at)?;
            match rotate(id) {
                Ok(new) => {
                    if let Moved::Yes = self.move_to(at, new)? {
                        return Ok(());
                    }
                }
                Err(SessionError::Gone) if !ptr::eq(at, self.0.current()) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Checks whether the id may change, before the store does any work.
    pub(super) fn may_change(&self, at: &Node) -> Result<(), SessionError> {
        match () {
            () if self.0.is_closed() => Err(SessionError::Answered),
            () if at.is_last_allowed() => Err(SessionError::TooManyChanges),
            () => Ok(()),
        }
    }

    /// Makes `id` the session's id. No other task knows this id yet. If it cannot become the session's id, it is ended.
    pub(super) fn move_to(&self, at: &Node, id: SessionId) -> Result<Moved, SessionError> {
        match self.0.append(at, Some(id)) {
            Appended::Yes => Ok(Moved::Yes),
            Appended::Overtaken => {
                self.store().delete(&id);
                Ok(Moved::Overtaken)
            }
            Appended::TooLate => {
                self.store().delete(&id);
                Err(SessionError::Answered)
            }
        }
    }
}
