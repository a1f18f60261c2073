//! Logout that keeps a visitor's own data: taking a session from its principal, under a new id.

use super::SessionStore;
use crate::error::RotateError;
use crate::id::SessionId;

impl SessionStore {
    /// Logs a user out and keeps what the visitor may keep: ends the session, and begins one in its place that is bound
    /// to no principal, has a new id, and holds the attributes whose key `keep` accepts.
    ///
    /// * The old id is dead at one instant, whatever operations are in progress, and the principal has one session
    ///   fewer. The listener of [`on_removal`](crate::SessionStoreBuilder::on_removal) is told that it was
    ///   [`Deleted`](crate::RemovalCause::Deleted).
    /// * **Name what stays**, a basket or a language. What `keep` does not accept is gone, so an attribute that a later
    ///   version of the program adds is not left to the next visitor.
    /// * The new session has the store's timeouts. [`Rotation::timeouts`](crate::Rotation::timeouts) gives it others.
    ///   A [grace](crate::Rotation::grace) has no effect. It takes the place of the old session, so it also begins in a
    ///   full store.
    ///
    /// A session that is bound to no principal is treated alike. `keep` may be called several times for a key, if other
    /// threads change the session meanwhile.
    ///
    /// Lock-free if `keep` is; allocates. Takes effect when the version under the old id dies. If all sessions of the
    /// principal are ended at the same time, either they end first, and this call finds no session, or the new session
    /// lives on: it is not one of the principal's.
    ///
    /// # Errors
    ///
    /// [`RotateError::Missing`] if there is no such session, [`RotateError::Random`] if the operating system gives no
    /// random bytes. On an error the session is unchanged.
    ///
    /// # Panics
    ///
    /// If `keep` panics. The session is unchanged then.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let ada = Principal::new("ada");
    /// let user = store.new_session().principal(ada).create_with([("basket", "3 apples"), ("name", "Ada")])?;
    /// let visitor = store.unbind(&user, |key| key == "basket")?;
    /// assert_eq!(store.get(&visitor, "basket").as_deref(), Some("3 apples"));
    /// assert_eq!((store.get(&visitor, "name"), store.principal(&visitor)), (None, None));
    /// assert!(!store.exists(&user) && store.sessions_of(&ada).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unbind(&self, id: &SessionId, keep: impl FnMut(&str) -> bool) -> Result<SessionId, RotateError> {
        self.rotation(id).unbind(keep)
    }
}

impl<T: Send + Sync + 'static> SessionStore<T> {
    /// Logs a user out: ends the session, and begins one in its place that is bound to no principal, has a new id, and
    /// holds what `f` makes of the value. Like [`unbind`](SessionStore#method.unbind), for sessions with a value.
    ///
    /// `f` may be called several times. Lock-free if `f` is; allocates. Takes effect when the version under the old id
    /// dies.
    ///
    /// # Errors
    ///
    /// As for [`unbind`](SessionStore#method.unbind).
    ///
    /// # Panics
    ///
    /// If `f` panics. The session is unchanged then.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// struct Visitor {
    ///     name: Option<String>,
    ///     basket: Vec<u32>,
    /// }
    ///
    /// let store = SessionStore::builder().build_typed::<Visitor>()?;
    /// let ada = Visitor { name: Some("Ada".to_owned()), basket: vec![7] };
    /// let user = store.new_session().principal(Principal::new("ada")).create_with(ada)?;
    /// let visitor = store.unbind_with(&user, |user| Visitor { name: None, basket: user.basket.clone() })?;
    /// assert_eq!(store.read(&visitor, |visitor| (visitor.name.is_some(), visitor.basket.len())), Some((false, 1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unbind_with(&self, id: &SessionId, f: impl FnMut(&T) -> T) -> Result<SessionId, RotateError> {
        self.rotation(id).unbind_with(f)
    }
}
