//! Ending all sessions of a principal.

use super::SessionStore;
use crate::content::Content;
use crate::events::RemovalCause;
use crate::expiry::{Tick, Ticking};
use crate::id::SessionId;
use crate::principal::Principal;
use crate::principal::index::{Exempt, User};

impl<T: Content + ?Sized> SessionStore<T> {
    /// Ends all sessions of a principal, and returns how many: after a changed password, or for "log out everywhere"
    /// (ASVS 5 requirements 7.4.2, 7.4.3).
    ///
    /// All sessions end at one instant. No session from before that instant can be used after it, whatever operations
    /// were in progress. A session that is being rotated ends under both ids. A concurrent login counts as before or
    /// after that instant.
    ///
    /// After that instant, the call removes the sessions one by one and counts them. (A session that a concurrent
    /// [eviction](Self::evict_expired) removes first is not counted.) Removing 100,000 sessions takes some tens of
    /// milliseconds.
    ///
    /// Lock-free; allocates. Takes effect when the generation of the principal's account is raised.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let ada = Principal::new("ada");
    /// let id = store.new_session().principal(ada).create()?;
    /// store.new_session().principal(ada).create()?;
    /// assert_eq!(store.end_sessions_of(&ada), 2);
    /// assert!(!store.exists(&id));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn end_sessions_of(&self, principal: &Principal) -> usize {
        self.end_all_but(principal, None)
    }

    /// Ends all sessions of a principal except one, and returns how many: "log out my other devices". If `kept` is not
    /// a session of the principal, all its sessions are ended.
    ///
    /// `kept` may be an id that still forwards to the session after a [rotation](Self::rotation) with grace. The
    /// session may be rotated at the same time, and survives.
    ///
    /// Otherwise like [`end_sessions_of`](Self::end_sessions_of): lock-free; allocates; takes effect when the
    /// generation of the principal's account is raised.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let ada = Principal::new("ada");
    /// let laptop = store.new_session().principal(ada).create()?;
    /// let phone = store.new_session().principal(ada).create()?;
    /// assert_eq!(store.end_other_sessions_of(&ada, &phone), 1);
    /// assert!(store.exists(&phone) && !store.exists(&laptop));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn end_other_sessions_of(&self, principal: &Principal, kept: &SessionId) -> usize {
        self.end_all_but(principal, Some(kept))
    }

    fn end_all_but(&self, principal: &Principal, kept: Option<&SessionId>) -> usize {
        self.restore_of(principal);
        let Some(user) = self.index.find(principal.key()) else { return 0 };
        // The clock is read before the sessions end, because it may panic and the rest must not fail.
        let now = self.time.tick();
        user.revoke(|| kept.and_then(|kept| self.exempt(&user, kept)));
        let revoked = user.take_revoked();
        let ended = self.table.end_revoked(&revoked, false, self.moment_at(&now));
        // Also of those that another thread is about to remove, because they must not come back after a restart.
        revoked.iter().for_each(|id| self.note_end(&SessionId::from_bytes(*id), RemovalCause::Principal));
        self.settle();
        ended
    }

    /// The session of this id, if it is one of the principal's.
    fn exempt(&self, user: &User<'_>, id: &SessionId) -> Option<Exempt> {
        match self.on_session(id, |id| self.table.read_bound(id.as_bytes(), self.moment())) {
            Ok(bound) => bound.filter(|(_, binding)| user.is_of(*binding)).map(|(_, binding)| binding.into()),
            // The session may be changing its id right now.
            Err(_) => user.exempt(id.as_bytes()),
        }
    }

    /// Removes a session that this thread has just put into the table, and that was revoked in the meantime.
    pub(super) fn end_revoked(&self, id: &SessionId, now: Tick) {
        self.table.end_revoked(core::slice::from_ref(id.as_bytes()), true, self.moment_at(&now));
    }
}
