//! Sessions that are bound to a principal.
//!
//! A session is bound when it is created, or when it gets a new id, and stays bound under that id. So the principal of
//! an id never changes. [`crate::principal::index`] explains how the index of principals and the table of sessions
//! agree.
//!
//! | file | subject |
//! |---|---|
//! | `login` | binding an existing session, under a new id |
//! | `listing` | the sessions of a principal |
//! | `ending` | ending all sessions of a principal |
//! | `unbind` | taking a session from its principal, under a new id |
//! | `seat` | the place in the index of a session that is created or rotated, and the principal's limit |

mod ending;
mod listing;
mod login;
mod seat;
#[cfg(all(test, not(loom)))]
mod tests;
mod unbind;

use super::SessionStore;
use crate::content::Content;
use crate::entry::account::Binding;
use crate::id::SessionId;
use crate::principal::Principal;
use crate::table::{Change, Refusal};

impl<T: Content + ?Sized> SessionStore<T> {
    /// Returns the principal that a session is bound to, without touching the session. `None` if it is bound to none,
    /// or if there is no such session.
    ///
    /// Lock-free; allocates nothing. Takes effect when the stamp is loaded; if the session has expired, when this call
    /// ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{Principal, SessionStore};
    ///
    /// let store = SessionStore::default();
    /// let ada = Principal::new("ada");
    /// let id = store.new_session().principal(ada).create()?;
    /// assert_eq!(store.principal(&id), Some(ada));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn principal(&self, id: &SessionId) -> Option<Principal> {
        let moment = self.moment();
        self.table.read_bound(id.as_bytes(), moment).ok().flatten().map(|(principal, _)| Principal::from_key(principal))
    }

    /// The binding of the session that has exactly this id, or the reason why there is none.
    pub(in crate::store) fn binding_of(&self, id: &SessionId) -> Result<Option<(Principal, Binding)>, Refusal<()>> {
        let moment = self.moment();
        let mut bound = false;
        // `update` and not `read`, because `read` would follow a forward.
        self.table.update(id.as_bytes(), moment, |version, _| {
            bound = version.is_bound();
            Ok(Change::Keep)
        })?;
        if !bound {
            return Ok(None);
        }
        let (principal, binding) = self.table.read_bound(id.as_bytes(), moment)?.ok_or(Refusal::NotFound)?;
        Ok(Some((Principal::from_key(principal), binding)))
    }
}
