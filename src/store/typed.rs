//! Sessions with a value of the user's own type.

use super::{SessionStore, why_unchanged};
use crate::clock::TimeSource;
use crate::config::SessionConfig;
use crate::content::{Stored, typed_entry};
use crate::error::{CreateError, UpdateError};
use crate::id::SessionId;
use crate::table::Change;

impl<T: Send + Sync + 'static> SessionStore<T> {
    /// Makes a store of sessions that each hold a value, with the default clock. With another clock:
    /// [`SessionStoreBuilder::build_typed`](crate::SessionStoreBuilder::build_typed).
    ///
    /// A value is never changed in place, for others may be looking at it: an [`update`](Self::update) makes a new one
    /// out of the old. `max_session_bytes` is of no concern here. If a value's `Drop` panics, that is of no consequence
    /// to the store.
    ///
    /// May wait for another thread that is making its first store.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SessionStore};
    ///
    /// struct Visitor {
    ///     user: u64,
    ///     clicks: u32,
    /// }
    ///
    /// let store = SessionStore::<Visitor>::typed(SessionConfig::default());
    /// let id = store.create_with(Visitor { user: 42, clicks: 0 })?;
    /// store.update(&id, |visitor| Visitor { user: visitor.user, clicks: visitor.clicks + 1 })?;
    /// assert_eq!(store.read(&id, |visitor| visitor.clicks), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn typed(config: SessionConfig) -> Self {
        Self::assemble(config, TimeSource::default(), None)
    }

    /// Creates a session with this value.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`CreateError::Full`] at [`max_sessions`](SessionConfig::max_sessions), [`CreateError::Random`] if the operating
    /// system gives no random bytes. The value is dropped then.
    pub fn create_with(&self, value: T) -> Result<SessionId, CreateError> {
        self.new_session().create_with(value)
    }

    /// Replaces a session's value by what `f` makes of it, and touches the session.
    ///
    /// Nothing is lost: where another update comes first, `f` is called again, with what that has made. So it may be
    /// called several times, and should do nothing but make a value. It runs as a closure of [`read`](Self::read) does;
    /// if it panics, nothing has changed.
    ///
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded.
    ///
    /// # Errors
    ///
    /// [`UpdateError::NotFound`] if there is no such session, [`UpdateError::Expired`] if there was but it had expired
    /// (it is removed then).
    pub fn update(&self, id: &SessionId, mut f: impl FnMut(&T) -> T) -> Result<(), UpdateError> {
        let result = self.table.update(id.as_bytes(), self.moment(), |version, stamp| {
            let overrides = version.overrides();
            Ok::<_, UpdateError>(Change::Replace(typed_entry(version.next_head(stamp, &overrides), f(T::of(version)))))
        });
        result.map_err(why_unchanged)
    }
}
