//! How an operation follows a change of the session's id by another handle of the same request.
//!
//! An operation takes the current [node](IdNode) and applies itself to that node's id. If the store does not find the
//! id, and the current node has changed meanwhile, the operation starts again from the new node. Each repetition means
//! that another handle has completed a change, so the operations are lock-free.

use super::Session;
use crate::changes::Refused;
use crate::error::SessionError;
use crate::request::{Change, IdNode};
use cloakroom::{Content, MissingError, SessionId, Undo};
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
                self.0.may_create(at)?;
                let (id, result) = create()?;
                if let Moved::Yes = self.move_to(at, id, Change::Created)? {
                    return Ok(result);
                }
                continue;
            };
            match change(id).map_err(Into::into) {
                Err(SessionError::Gone) if !ptr::eq(at, self.0.current()) => {}
                Err(SessionError::Gone) => return Err(self.why_gone(id)),
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
            let id = self.id_at(at)?;
            match change(id).map_err(Into::into) {
                Err(SessionError::Gone) if !ptr::eq(at, self.0.current()) => {}
                Err(SessionError::Gone) => return Err(self.why_gone(id)),
                result => return result,
            }
        }
    }

    /// Gives the session the id that `rotate` returns. [`SessionError::Gone`] if there is no session.
    pub(super) fn move_by(
        &self,
        mut rotate: impl FnMut(&SessionId, &mut Option<Undo<T>>) -> Result<SessionId, SessionError>,
    ) -> Result<(), SessionError> {
        loop {
            let at = self.0.current();
            let id = self.id_at(at)?;
            self.may_change(at)?;
            let mut undo = None;
            match rotate(id, &mut undo) {
                Ok(new) => {
                    if let Moved::Yes = self.move_to(at, new, Change::Moved(undo))? {
                        return Ok(());
                    }
                }
                Err(SessionError::Gone) if !ptr::eq(at, self.0.current()) => {}
                Err(SessionError::Gone) => return Err(self.why_gone(id)),
                Err(error) => return Err(error),
            }
        }
    }

    /// The id of a node, or why there is none.
    fn id_at<'a>(&self, at: &'a IdNode<T>) -> Result<&'a SessionId, SessionError> {
        match at.id() {
            Some(id) => Ok(id),
            None => Err(self.0.may_create(at).err().unwrap_or(SessionError::Gone)),
        }
    }

    /// The error for an id that the store does not find.
    #[cold]
    fn why_gone(&self, id: &SessionId) -> SessionError {
        match self.store().lookup(id, |_| ()) {
            Err(MissingError::Replaced) => SessionError::Replaced,
            _ => SessionError::Gone,
        }
    }

    /// Checks whether the id may change, before the store does any work.
    pub(super) fn may_change(&self, at: &IdNode<T>) -> Result<(), SessionError> {
        match () {
            () if self.0.is_closed() => Err(SessionError::Answered),
            () if at.is_last_allowed() => Err(SessionError::TooManyChanges),
            () => Ok(()),
        }
    }

    /// Makes `id` the session's id. No other task knows this id yet. If another handle has changed the id first, the
    /// session of `id` is ended. If the response has been made, the change is taken back.
    pub(super) fn move_to(&self, at: &IdNode<T>, id: SessionId, change: Change<T>) -> Result<Moved, SessionError> {
        match self.0.append(at, Some(id), change) {
            Ok(()) => Ok(Moved::Yes),
            Err(Refused::Overtaken(node)) => {
                node.end(self.0.config());
                Ok(Moved::Overtaken)
            }
            Err(Refused::TooLate(node)) => {
                node.undo(self.0.config());
                Err(SessionError::Answered)
            }
        }
    }
}
