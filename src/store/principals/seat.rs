//! The place in the index of a session that is created or rotated, and the limit on a principal's sessions.

use super::SessionStore;
use crate::content::Content;
use crate::entry::Key;
use crate::entry::account::Binding;
use crate::entry::life::Life;
use crate::error::{BindError, CreateError, MissingError};
use crate::events::RemovalCause;
use crate::expiry::{Moment, Tick};
use crate::id::SessionId;
use crate::principal::index::{Joining, User};
use crate::principal::{Principal, WhenPrincipalFull};
use crate::table::Place;

impl<T: Content + ?Sized> SessionStore<T> {
    /// Lists a session that is about to be created for its principal. At the principal's limit, ends another session of
    /// the principal or refuses.
    pub(in crate::store) fn join(
        &self,
        principal: &Principal,
        id: &SessionId,
        moment: Moment<'_>,
    ) -> Result<Joined<'_>, CreateError> {
        self.restore_of(principal);
        let mut user = self.index.open(principal.key());
        let mut place = None;
        loop {
            let limit = self.config.max_sessions_per_principal;
            match user.join(*id.as_bytes(), limit, |id| self.table.holds(id, moment)) {
                Ok(joining) => return Ok(Joined { joining, place }),
                Err(full) if self.config.when_principal_full == WhenPrincipalFull::EndIdlest => {
                    // Each round ends a session, or finds that the chosen one was used or ended in the meantime.
                    user = full;
                    match self.end_idlest(&user, id, moment) {
                        Idlest::Ended(left) => place = Some(left),
                        Idlest::Changed => {}
                        Idlest::None => return Err(CreateError::PrincipalFull),
                    }
                }
                Err(_) => return Err(CreateError::PrincipalFull),
            }
        }
    }

    /// Ends the principal's session with the oldest last use. Its place goes to `newcomer`.
    fn end_idlest(&self, user: &User<'_>, newcomer: &SessionId, moment: Moment<'_>) -> Idlest<'_> {
        let stamps = user.members().into_iter().filter_map(|member| Some((self.stamp(&member.id, moment)?, member.id)));
        let Some((stamp, idlest)) = stamps.min_by_key(|(stamp, _)| *stamp) else { return Idlest::None };
        let cause = RemovalCause::PrincipalLimit;
        match self.table.end_for(&idlest, stamp, newcomer.as_bytes(), cause, moment) {
            Some(place) => Idlest::Ended(place),
            None => Idlest::Changed,
        }
    }

    /// The tick at which the session that has exactly this id was last touched.
    fn stamp(&self, id: &Key, moment: Moment<'_>) -> Option<Tick> {
        loop {
            let life =
                self.table.read(id, false, moment, |version| (version.key() == id).then(|| version.life().load()));
            match life {
                Ok(Some(Life::Live(stamp))) => return Some(stamp),
                Ok(Some(Life::Superseded)) => {}
                Ok(None | Some(Life::Dead | Life::Pending)) | Err(_) => return None,
            }
        }
    }

    /// Completes the creation in the index: the session, which has joined, is in the table. Ends the session if it was
    /// revoked in the meantime.
    pub(in crate::store) fn arrive(&self, joining: Joining<'_>, id: &SessionId, now: Tick) {
        if !joining.arrive() {
            self.end_revoked(id, now);
        }
    }

    /// Reserves the place in the index of a session that changes its id: it moves there to the new id, or joins a
    /// principal.
    pub(in crate::store) fn seat(
        &self,
        before: Option<(Principal, Binding)>,
        principal: Option<&Principal>,
        from: &SessionId,
        to: &SessionId,
        moment: Moment<'_>,
    ) -> Result<Seat<'_>, BindError> {
        match (before, principal) {
            (Some((before, binding)), _) => {
                let user =
                    self.index.find(before.key()).filter(|user| user.is_of(binding)).ok_or(MissingError::NotFound)?;
                if !user.announce_move(binding, from.as_bytes(), *to.as_bytes()) {
                    return Err(MissingError::NotFound.into());
                }
                Ok(Seat::Moves(Move { user, binding, from: *from, leaves: Some(*to) }))
            }
            // The place of a session that was ended for the principal's limit is released: this session has its own.
            (None, Some(principal)) => match self.join(principal, to, moment) {
                Ok(joined) => Ok(Seat::Joins(joined.joining)),
                Err(_) => Err(BindError::PrincipalFull),
            },
            (None, None) => Ok(Seat::Unbound),
        }
    }
}

impl<T: Content + ?Sized> SessionStore<T> {
    /// Lists the own id of a restored session beside its stand-in. If the session does not move after all, its own id
    /// stays listed until the session ends, because another thread may be moving it.
    pub(in crate::store) fn return_seat(
        &self,
        principal: &Principal,
        binding: Binding,
        stand_in: &SessionId,
        id: &SessionId,
    ) -> Option<Move<'_>> {
        let user = self.index.find(principal.key()).filter(|user| user.is_of(binding))?;
        let listed = user.announce_move(binding, stand_in.as_bytes(), *id.as_bytes());
        listed.then_some(Move { user, binding, from: *stand_in, leaves: None })
    }

    /// Completes the move of a restored session in the index.
    pub(in crate::store) fn seated(&self, moved: Move<'_>, id: &SessionId, now: Tick) {
        Seat::Moves(moved).take(self, id, now);
    }
}

/// A session that the index lists for its principal, and the place of the session that was ended for it.
pub(in crate::store) struct Joined<'s> {
    pub(in crate::store) joining: Joining<'s>,
    pub(in crate::store) place: Option<Place<'s>>,
}

enum Idlest<'s> {
    /// It was ended, and left this place.
    Ended(Place<'s>),
    /// It was used or ended in the meantime.
    Changed,
    /// No session can be ended.
    None,
}

/// How the index lists a session that changes its id.
pub(in crate::store) enum Seat<'s> {
    Unbound,
    Moves(Move<'s>),
    Joins(Joining<'s>),
}

impl Seat<'_> {
    /// The new binding of a session that was not bound before.
    pub(in crate::store) fn binding(&self) -> Option<Binding> {
        if let Self::Joins(joining) = self { Some(joining.binding) } else { None }
    }

    /// Completes the rotation in the index: the session is in the table under its new id. Ends the session if it was
    /// revoked in the meantime.
    pub(in crate::store) fn take<T: Content + ?Sized>(self, store: &SessionStore<T>, id: &SessionId, now: Tick) {
        let stands = match self {
            Self::Unbound => true,
            Self::Moves(announced) => announced.finish(),
            Self::Joins(joining) => joining.arrive(),
        };
        if !stands {
            store.end_revoked(id, now);
        }
    }
}

/// A session that the index lists under its old and its new id. Dropping this removes one of them from the index.
pub(in crate::store) struct Move<'s> {
    user: User<'s>,
    binding: Binding,
    from: SessionId,
    /// The id that is removed: the new one at first, the old one after [`finish`](Self::finish).
    leaves: Option<SessionId>,
}

impl Move<'_> {
    /// Completes the move. Returns false if the session was revoked in the meantime.
    fn finish(mut self) -> bool {
        self.leaves = Some(self.from);
        self.user.stands_after_arrival(self.binding)
    }
}

impl Drop for Move<'_> {
    fn drop(&mut self) {
        if let Some(id) = &self.leaves {
            self.user.strike(self.binding, id.as_bytes());
        }
    }
}
