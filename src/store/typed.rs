//! Sessions that hold a value of the user's own type.

use super::{SessionStore, error_of};
use crate::clock::TimeSource;
use crate::config::SessionConfig;
use crate::content::{Stored, typed_entry};
use crate::error::{CreateError, MissingError};
use crate::id::SessionId;
use crate::table::Change;

impl<T: Send + Sync + 'static> SessionStore<T> {
    /// Makes a store of sessions that each hold a value, with the default clock.
    /// [`SessionStoreBuilder::build_typed`](crate::SessionStoreBuilder::build_typed) does the same with another clock.
    ///
    /// A value is never changed in place, because other threads may be reading it: an [`update`](Self::update) makes a
    /// new value from the old one. `max_session_bytes` and `max_attributes` do not apply. For
    /// [`max_bytes`](SessionConfig#structfield.max_bytes), the bytes of the value itself count, and not what it owns on
    /// the heap. A panic in a value's `Drop` does not affect the store.
    ///
    /// Allocates. May block while another thread makes the first store of the process.
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
    #[must_use]
    pub fn typed(config: SessionConfig) -> Self {
        Self::assemble(config, TimeSource::default(), None)
    }

    /// Creates a session with this value, under a new id.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`CreateError::Full`] at [`max_sessions`](SessionConfig#structfield.max_sessions), [`CreateError::BytesFull`] at
    /// [`max_bytes`](SessionConfig#structfield.max_bytes). [`CreateError::Random`] if the operating system gives no
    /// random bytes. The value is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SessionStore};
    ///
    /// let store = SessionStore::<Vec<u32>>::typed(SessionConfig::default());
    /// let id = store.create_with(vec![7])?;
    /// assert_eq!(store.read(&id, Vec::len), Some(1));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn create_with(&self, value: T) -> Result<SessionId, CreateError> {
        self.new_session().create_with(value)
    }

    /// Replaces a session's value by the result of `f`, and touches the session.
    ///
    /// No update is lost: if another update takes effect first, `f` is called again with the new value. So `f` may be
    /// called several times, and should do nothing but make a value. It runs as a closure of [`read`](Self::read) does.
    /// If it panics, nothing has changed.
    ///
    /// Lock-free if `f` is; allocates. Takes effect when the session's previous version is superseded.
    ///
    /// # Errors
    ///
    /// [`MissingError`] if there is no such session.
    ///
    /// # Panics
    ///
    /// If `f` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SessionStore};
    ///
    /// let store = SessionStore::<u32>::typed(SessionConfig::default());
    /// let id = store.create_with(7)?;
    /// store.update(&id, |seven| seven + 1)?;
    /// assert_eq!(store.read(&id, |eight| *eight), Some(8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update(&self, id: &SessionId, mut f: impl FnMut(&T) -> T) -> Result<(), MissingError> {
        let result = self.table.update(id.as_bytes(), self.moment(), |version, stamp| {
            let overrides = version.overrides();
            Ok::<_, MissingError>(Change::Replace(typed_entry(version.next_head(stamp, &overrides), f(T::of(version)))))
        });
        result.map_err(error_of)
    }
}
