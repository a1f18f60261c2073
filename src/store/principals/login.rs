//! Login: binding an existing session to a principal, under a new id.

use super::SessionStore;
use crate::content::Replicate;
use crate::error::BindError;
use crate::id::SessionId;
use crate::principal::Principal;

impl SessionStore {
    /// Logs in a visitor that has a session: binds the session to a principal, and gives it a new id.
    ///
    /// * A session that is bound to no principal, or to this one, keeps its attributes and timeouts, as with
    ///   [`bind`](Self::bind).
    /// * A session that is **bound to another principal** ends, with the cause
    ///   [`Deleted`](crate::RemovalCause::Deleted). A new one begins in its place, without attributes and with the
    ///   store's timeouts. So one user cannot read the attributes of the previous user of the same browser.
    ///
    /// In both cases the old id is dead at one instant (session fixation; ASVS 5 requirement 7.2.4).
    ///
    /// Lock-free; allocates. Takes effect when the version under the old id dies.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind), but never [`BindError::OtherPrincipal`]. If there is no session
    /// ([`BindError::Missing`]), [create](Self::new_session) one for the principal.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let visitor = store.create_with([("basket", "3 apples")])?;
    /// let ada = store.login(&visitor, &Principal::new("ada"))?;
    /// assert_eq!(store.get(&ada, "basket").as_deref(), Some("3 apples"));
    ///
    /// // Another user logs in with the same browser.
    /// let eve = store.login(&ada, &Principal::new("eve"))?;
    /// assert_eq!(store.get(&eve, "basket"), None);
    /// assert!(!store.exists(&ada));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn login(&self, id: &SessionId, principal: &Principal) -> Result<SessionId, BindError> {
        self.rotation(id).login(principal)
    }
}

impl<T: Send + Sync + 'static> SessionStore<T> {
    /// Logs in a visitor that has a session: binds the session to a principal, and gives it a new id and the value that
    /// `f` makes.
    ///
    /// If the session is bound to no principal or to this one, `f` is shown its value. If it is **bound to another
    /// principal**, `f` is shown `None`: the session ends, and a new one begins in its place, with the store's
    /// timeouts. `f` may be called several times, as in [`update`](Self::update). See also
    /// [`login`](SessionStore#method.login) for attributes.
    ///
    /// Lock-free if `f` is; allocates. Takes effect when the version under the old id dies.
    ///
    /// # Errors
    ///
    /// As for [`bind`](Self::bind), but never [`BindError::OtherPrincipal`].
    ///
    /// # Panics
    ///
    /// If `f` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionConfig, SessionStore};
    ///
    /// let store = SessionStore::<Vec<u32>>::typed(SessionConfig::default());
    /// let visitor = store.create_with(vec![7])?;
    /// let basket = |before: Option<&Vec<u32>>| before.cloned().unwrap_or_default();
    /// let ada = store.login_with(&visitor, &Principal::new("ada"), basket)?;
    /// assert_eq!(store.read(&ada, Vec::len), Some(1));
    /// let eve = store.login_with(&ada, &Principal::new("eve"), basket)?;
    /// assert_eq!(store.read(&eve, Vec::len), Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn login_with(
        &self,
        id: &SessionId,
        principal: &Principal,
        f: impl FnMut(Option<&T>) -> T,
    ) -> Result<SessionId, BindError> {
        self.rotation(id).login_with(principal, f)
    }
}

impl<T: Replicate + ?Sized> SessionStore<T> {
    /// Binds a session to a principal, and gives it a new id: the login of a visitor that has a session.
    ///
    /// No operation binds a session and keeps its id, because an id from before the login must not be valid after it
    /// (session fixation; ASVS 5 requirement 7.2.4). The session keeps its content. A session that is bound to another
    /// principal is refused, because the next user of the same browser would get the attributes of the previous one;
    /// [`login`](Self::login) handles that case.
    ///
    /// Lock-free; allocates. Takes effect when the version under the old id dies. If all sessions of the principal are
    /// ended at the same time, the session may have ended when this returns its id.
    ///
    /// # Errors
    ///
    /// [`BindError::PrincipalFull`] if the principal has
    /// [as many sessions as it may have](crate::SessionConfig#structfield.max_sessions_per_principal),
    /// [`BindError::BytesFull`] if there is no room for the 20 bytes of the binding, which
    /// [`max_bytes`](crate::SessionConfig#structfield.max_bytes) limits,
    /// [`BindError::OtherPrincipal`] if the session is bound to another principal, [`BindError::Missing`] and
    /// [`BindError::Random`] as for [`rotate_id`](Self::rotate_id). On an error the session is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let visitor = store.create_with([("basket", "3 apples")])?;
    /// let ada = Principal::new("ada");
    /// let id = store.bind(&visitor, &ada)?;
    /// assert_eq!(store.get(&id, "basket").as_deref(), Some("3 apples"));
    /// assert_eq!(store.principal(&id), Some(ada));
    /// assert!(!store.exists(&visitor));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bind(&self, id: &SessionId, principal: &Principal) -> Result<SessionId, BindError> {
        self.rotation(id).bind(principal)
    }
}
