//! Sessions of a principal, in the model.

use cloakroom::{BindError, RotateError};
use std::time::Duration;

use super::{Attributes, Model, Subject, Timeouts};

impl Model {
    /// Whether the principal may have one more session. If there seems to be no room, those of its sessions that have
    /// expired are removed first, and then the idlest if it is to make room: of several, the one that has been there
    /// for the longest time.
    pub(super) fn has_room_for(&mut self, principal: u8) -> bool {
        let limit = self.settings.max_sessions_per_principal;
        if limit > 0 && self.bound_to(principal).count() >= limit {
            self.remove_expired(|session| session.principal == Some(principal));
        }
        if limit > 0 && self.settings.idlest_makes_room && self.bound_to(principal).count() >= limit {
            let idlest = self.bound_to(principal).min_by_key(|number| self.sessions[number].touched);
            idlest.and_then(|idlest| self.sessions.remove(&idlest));
        }
        limit == 0 || self.bound_to(principal).count() < limit
    }

    pub(super) fn has_sessions(&self, principal: u8) -> bool {
        self.bound_to(principal).next().is_some()
    }

    /// The numbers of its sessions, expired ones included, in the order in which they were bound: one that is rotated
    /// keeps its place.
    fn bound_to(&self, principal: u8) -> impl Iterator<Item = usize> {
        let bound = self.sessions.iter().filter(|(_, session)| session.principal == Some(principal));
        let mut places: Vec<_> = bound.map(|(number, session)| (session.place, *number)).collect();
        places.sort_unstable();
        places.into_iter().map(|(_, number)| number)
    }

    pub(super) fn bind(&mut self, subject: Subject, principal: u8) -> Result<usize, BindError> {
        self.log_in(subject, principal, false)
    }

    /// A session of another principal ends, and a new one begins in its place.
    pub(super) fn login(&mut self, subject: Subject, principal: u8) -> Result<usize, BindError> {
        self.log_in(subject, principal, true)
    }

    fn log_in(&mut self, subject: Subject, principal: u8, begins_anew: bool) -> Result<usize, BindError> {
        let before = self.unchanged(subject).map(|(session, _)| session.principal)?;
        let others = before.is_some_and(|before| before != principal);
        if others && !begins_anew {
            return Err(BindError::OtherPrincipal);
        }
        if before != Some(principal) && !self.has_room_for(principal) {
            return Err(BindError::PrincipalFull);
        }
        let new = self.rotate(subject, Duration::ZERO)?;
        if let Some(session) = self.sessions.get_mut(&new)
            && before != Some(principal)
        {
            (session.principal, session.place) = (Some(principal), new);
        }
        if others {
            let fresh = self.session(Timeouts::default(), Some(principal), Attributes::new());
            self.sessions.insert(new, super::Session { place: new, ..fresh });
        }
        Ok(new)
    }

    /// The session ends, and one without a principal begins in its place.
    pub(super) fn unbind(&mut self, subject: Subject, kept: &str) -> Result<usize, RotateError> {
        let attributes = self.unchanged(subject).map(|(session, _)| session.attributes.clone())?;
        let attributes = attributes.into_iter().filter(|(key, _)| key == kept).collect();
        let new = self.rotate(subject, Duration::ZERO)?;
        let fresh = self.session(Timeouts::default(), None, attributes);
        self.sessions.insert(new, super::Session { place: new, ..fresh });
        Ok(new)
    }

    pub(super) fn sessions_of(&mut self, principal: u8) -> Vec<usize> {
        self.remove_expired(|session| session.principal == Some(principal));
        self.bound_to(principal).collect()
    }

    /// How many live ones it has ended; `kept` is one that stays, if it is the principal's.
    pub(super) fn end_sessions_of(&mut self, principal: u8, kept: Option<usize>) -> usize {
        let now = self.tick();
        let ends: Vec<usize> = self.bound_to(principal).filter(|number| Some(*number) != kept).collect();
        let removed = ends.into_iter().filter_map(|number| self.sessions.remove(&number));
        removed.filter(|session| !session.is_over(now)).count()
    }
}
