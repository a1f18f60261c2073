//! Logout that keeps a visitor's own data.

use super::Session;
use crate::error::SessionError;

impl Session {
    /// Logs the user out and keeps what the visitor may keep: ends the session as [`logout`](Self::logout) does, and
    /// begins one in its place that is bound to no user and holds the attributes whose key `keep` accepts
    /// ([`SessionStore::unbind`](cloakroom::SessionStore#method.unbind)). The response brings the new id.
    ///
    /// Name what stays, a basket or a language: what `keep` does not accept is gone, so the next visitor of the same
    /// browser does not see it. The new session has the timeouts of a new one of this layer. Other live sessions that
    /// the request named end too.
    ///
    /// Lock-free if `keep` is; allocates. Takes effect when the version under the old id dies.
    ///
    /// # Errors
    ///
    /// The errors of [`rotate`](Self::rotate). **The user may still be logged in then**: call [`logout`](Self::logout),
    /// which does not fail.
    ///
    /// # Examples
    ///
    /// ```
    /// # use cloakroom_tower::Session;
    /// async fn logout(session: Session) {
    ///     if session.logout_keeping(|key| key == "basket").is_err() {
    ///         session.logout();
    ///     }
    /// }
    /// ```
    pub fn logout_keeping(&self, mut keep: impl FnMut(&str) -> bool) -> Result<(), SessionError> {
        let timeouts = self.0.config().timeouts_from_login();
        self.move_by(|id| Ok(self.store().rotation(id).timeouts(timeouts).unbind(&mut keep)?))?;
        self.end_others();
        Ok(())
    }
}

impl<T: Send + Sync + 'static> Session<T> {
    /// Logs the user out, and begins a session in place of this one that is bound to no user and holds what `f` makes
    /// of the value. Like [`logout_keeping`](Session#method.logout_keeping), for sessions with a value
    /// ([`SessionStore::unbind_with`](cloakroom::SessionStore::unbind_with)).
    ///
    /// `f` may be called several times. Lock-free if `f` is; allocates. Takes effect when the version under the old id
    /// dies.
    ///
    /// # Errors
    ///
    /// As for [`logout_keeping`](Session#method.logout_keeping).
    ///
    /// # Examples
    ///
    /// ```
    /// # use cloakroom_tower::Session;
    /// struct Visitor {
    ///     name: Option<String>,
    ///     basket: Vec<u32>,
    /// }
    ///
    /// async fn logout(session: Session<Visitor>) {
    ///     let visitor = |user: &Visitor| Visitor { name: None, basket: user.basket.clone() };
    ///     if session.logout_keeping_with(visitor).is_err() {
    ///         session.logout();
    ///     }
    /// }
    /// ```
    pub fn logout_keeping_with(&self, mut f: impl FnMut(&T) -> T) -> Result<(), SessionError> {
        let timeouts = self.0.config().timeouts_from_login();
        self.move_by(|id| Ok(self.store().rotation(id).timeouts(timeouts).unbind_with(&mut f)?))?;
        self.end_others();
        Ok(())
    }
}
