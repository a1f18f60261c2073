//! Sessions with string attributes.

#![deny(unsafe_code)]

use super::SessionStore;
use crate::attributes::{Assignment, Attributes};
use crate::clock::TimeSource;
use crate::config::{SessionConfig, SessionStoreBuilder};
use crate::content::{Packed, Stored};
use crate::entry::{Head, Owned, Tail};
use crate::error::{CreateError, SetError};
use crate::id::SessionId;
use crate::table::{Change, Refusal};
use core::fmt;

impl SessionStore {
    /// Starts from the defaults; see [`SessionStoreBuilder`].
    pub fn builder() -> SessionStoreBuilder {
        SessionStoreBuilder::default()
    }

    /// Makes a store with the default clock.
    ///
    /// May wait for another thread that is making its first store.
    pub fn new(config: SessionConfig) -> Self {
        Self::assemble(config, TimeSource::default(), None)
    }

    /// Creates a session without attributes. See [`create_with`](Self::create_with).
    ///
    /// # Errors
    ///
    /// [`CreateError::Full`] at [`max_sessions`](SessionConfig::max_sessions), [`CreateError::Random`] if the operating system gives
    /// no random bytes.
    pub fn create(&self) -> Result<SessionId, CreateError> {
        self.new_session().create()
    }

    /// Creates a session with these attributes, in one step: no thread ever sees it with only some of them. Of a key that is given
    /// twice, the last value counts.
    ///
    /// The id is 32 bytes from the operating system's random source, a call of its own for each session. At
    /// [`max_sessions`](SessionConfig::max_sessions) it first looks for expired sessions to end, among no more than 512.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`CreateError::TooLarge`] if the attributes exceed [`max_session_bytes`](SessionConfig::max_session_bytes);
    /// [`CreateError::Full`] and [`CreateError::Random`] as for [`create`](Self::create). In either case nothing has changed, but for
    /// expired sessions that were ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user_id", "42"), ("role", "admin")])?;
    /// assert_eq!(store.get(&id, "role").as_deref(), Some("admin"));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn create_with<I, K, V>(&self, attributes: I) -> Result<SessionId, CreateError>
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        self.new_session().create_with(attributes)
    }

    /// Sets an attribute and touches the session. Never creates a session.
    ///
    /// Copies the session's attributes; succeeds or fails whatever [`max_sessions`](SessionConfig::max_sessions) says.
    /// Lock-free; allocates. Takes effect when the session's previous version is superseded, or where the value is what it was, when the session
    /// is touched.
    ///
    /// # Errors
    ///
    /// [`SetError::NotFound`] if there is no such session, [`SetError::Expired`] if there was but it had expired (it is removed then),
    /// [`SetError::TooLarge`] if its attributes would exceed [`max_session_bytes`](SessionConfig::max_session_bytes). In either case
    /// no attribute has changed, and the session has not been touched.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SetError;
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// store.set(&id, "theme", "dark")?;
    /// store.delete(&id);
    /// assert_eq!(store.set(&id, "theme", "light"), Err(SetError::NotFound));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&self, id: &SessionId, key: &str, value: &str) -> Result<(), SetError> {
        let tick = || self.time.tick();
        let limit = self.config.size_limit();
        let result = self.table.update(id.as_bytes(), self.moment(&tick), |version, stamp| {
            let assignment = Assignment::new(Attributes::of(version), key, value);
            if assignment.is_noop() {
                return Ok(Change::Touch);
            }
            let size = assignment.size();
            if size > limit {
                return Err(SetError::TooLarge { size, limit });
            }
            let terms = version.terms();
            Ok(Change::Replace(written(version.next_head(stamp, &terms), size, |text| assignment.write(text))))
        });
        result.map_err(|refusal| match refusal {
            Refusal::NotFound => SetError::NotFound,
            Refusal::Expired => SetError::Expired,
            Refusal::Build(error) => error,
        })
    }

    /// Returns the value of an attribute, and touches the session even if there is no such attribute. `None` without it, or if the
    /// session does not exist or has expired (it is removed then).
    ///
    /// Lock-free; allocates the value. Writes shared memory at most once per tick of the clock. Takes effect when the session is touched.
    pub fn get(&self, id: &SessionId, key: &str) -> Option<String> {
        self.read(id, |attributes| attributes.get(key).map(str::to_owned)).flatten()
    }
}

/// An entry whose packed attributes, of so many bytes, `write` writes.
fn written(head: Head<'_>, len: usize, write: impl FnOnce(&mut Tail<'_>) -> fmt::Result) -> Owned<Packed> {
    let len = u32::try_from(len).expect("a session's size limit fits 32 bits");
    Owned::new(head, Attributes::absent(), len, |text| write(text).expect("the text is as long as what is written"))
}
