//! Sessions with string attributes: making a store, creating sessions and reading them. Changing them is in
//! [`edit`](super::edit).

use super::{SessionStore, SessionStoreBuilder};
use crate::attributes::{Attributes, Snapshot, Version};
use crate::clock::TimeSource;
use crate::config::SessionConfig;
use crate::content::{Packed, Stored};
use crate::entry::EntryRef;
use crate::error::CreateError;
use crate::id::SessionId;
use crate::table::Absence;

impl SessionStore {
    /// Returns a builder with the default settings. Wait-free; allocates the name of the cookie.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::SessionStore;
    /// use std::time::Duration;
    ///
    /// let store = SessionStore::builder().ttl(Duration::from_secs(15 * 60)).max_sessions(100_000).build()?;
    /// assert_eq!(store.ttl(), Duration::from_secs(15 * 60));
    /// # Ok::<(), cloakroom::ConfigError>(())
    /// ```
    pub fn builder() -> SessionStoreBuilder {
        SessionStoreBuilder::default()
    }

    /// Makes a store with the default clock.
    ///
    /// Allocates. May block while another thread makes the first store of the process.
    ///
    /// # Examples
    ///
    /// ```
    /// use cloakroom::{SessionConfig, SessionStore};
    ///
    /// let store = SessionStore::new(SessionConfig::default().max_sessions(100_000));
    /// assert_eq!(store.count(), 0);
    /// ```
    #[must_use]
    pub fn new(config: SessionConfig) -> Self {
        Self::assemble(config, TimeSource::default(), None)
    }

    /// Creates a session without attributes, under a new id.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`CreateError::Full`] at [`max_sessions`](SessionConfig#structfield.max_sessions), [`CreateError::BytesFull`] at
    /// [`max_bytes`](SessionConfig#structfield.max_bytes). [`CreateError::Random`] if the operating system gives no
    /// random bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// assert_eq!(store.keys(&id), Some(vec![]));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn create(&self) -> Result<SessionId, CreateError> {
        self.new_session().create()
    }

    /// Creates a session with these attributes, under a new id, in one step: no thread sees the session with only some
    /// of them. If a key is given twice, the last value counts.
    ///
    /// The time is in proportion to the number and the size of the attributes, whatever their keys. The id is 32 bytes
    /// from the operating system's random source ([`batch_ids`](SessionConfig#structfield.batch_ids) explains its
    /// calls). At [`max_sessions`](SessionConfig#structfield.max_sessions) the store first looks at up to 512 sessions
    /// in search of expired ones to end.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`CreateError::TooManyAttributes`] beyond [`max_attributes`](SessionConfig#structfield.max_attributes),
    /// otherwise [`CreateError::TooLarge`] beyond [`max_session_bytes`](SessionConfig#structfield.max_session_bytes).
    /// [`CreateError::Full`], [`CreateError::BytesFull`] and [`CreateError::Random`] as for [`create`](Self::create).
    /// On an error nothing has changed, except that sessions may have been ended to make room.
    ///
    /// The iterator is not asked for more attributes after the first one that exceeds a limit. So an endless iterator
    /// of new keys is refused. An endless iterator that repeats the same few keys never exceeds a limit, and the call
    /// does not return.
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

    /// Returns the value of an attribute, and touches the session even if it has no such attribute. `None` if there is
    /// no such attribute or no such session.
    ///
    /// Lock-free; allocates the value. Writes to shared memory at most once per tick of the clock. Takes effect when
    /// the session is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user", "ada")])?;
    /// assert_eq!(store.get(&id, "user").as_deref(), Some("ada"));
    /// assert_eq!(store.get(&id, "role"), None);
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn get(&self, id: &SessionId, key: &str) -> Option<String> {
        let mut value = None;
        let found = self.table.read(id.as_bytes(), true, self.moment(), |version| value = value_in(version, key));
        if found == Err(Absence::Unknown) && self.journal.is_some() {
            return self.get_restored(id, key);
        }
        value
    }

    /// Does the same for a session that was not found under the id. With a look-up of its own, so that the other one is
    /// inlined as without a journal.
    #[cold]
    #[inline(never)]
    fn get_restored(&self, id: &SessionId, key: &str) -> Option<String> {
        self.show_restored(id, true, |version| value_in(version, key)).ok().flatten()
    }

    /// Returns the values of several attributes, all of one version, and touches the session even if it has none of
    /// them. `None` if there is no such session.
    ///
    /// Lock-free; allocates the values. Takes effect when the session is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user", "ada"), ("role", "admin")])?;
    /// let [user, role, theme] = store.get_each(&id, ["user", "role", "theme"]).expect("the session is live");
    /// assert_eq!((user.as_deref(), role.as_deref(), theme), (Some("ada"), Some("admin"), None));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn get_each<const N: usize>(&self, id: &SessionId, keys: [&str; N]) -> Option<[Option<String>; N]> {
        self.read(id, |attributes| keys.map(|key| attributes.get(key).map(str::to_owned)))
    }

    /// Tells whether a session has an attribute, and touches the session. False if there is no such session.
    ///
    /// Lock-free; allocates nothing. Takes effect when the session is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user", "ada")])?;
    /// assert!(store.contains(&id, "user") && !store.contains(&id, "role"));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn contains(&self, id: &SessionId, key: &str) -> bool {
        self.read(id, |attributes| attributes.contains(key)).unwrap_or(false)
    }

    /// Returns the keys of all attributes, of one version and in the order in which they were first set, and touches
    /// the session. `None` if there is no such session.
    ///
    /// Lock-free; allocates the keys. Takes effect when the session is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user", "ada"), ("role", "admin")])?;
    /// assert_eq!(store.keys(&id), Some(vec!["user".to_owned(), "role".to_owned()]));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn keys(&self, id: &SessionId) -> Option<Vec<String>> {
        self.read(id, |attributes| attributes.iter().map(|(key, _)| key.to_owned()).collect())
    }

    /// Returns an owned copy of all attributes, of one version, and touches the session. `None` if there is no such
    /// session.
    ///
    /// Lock-free; one allocation, or none for [few attributes](Snapshot). Takes effect when the session is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user", "ada"), ("role", "admin")])?;
    /// let snapshot = store.snapshot(&id).expect("the session is live");
    /// store.delete(&id);
    /// assert_eq!(snapshot.get("role"), Some("admin"));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self, id: &SessionId) -> Option<Snapshot> {
        self.copy_of(id, true)
    }

    /// Does the same as [`snapshot`](Self::snapshot) without touching the session.
    ///
    /// Lock-free; a single allocation, or none for [few attributes](Snapshot). Takes effect when the stamp is loaded;
    /// if the session has expired, when this call ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user", "ada")])?;
    /// let copy = store.peek_snapshot(&id);
    /// assert_eq!(copy.as_ref().and_then(|copy| copy.get("user")), Some("ada"));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    #[must_use]
    pub fn peek_snapshot(&self, id: &SessionId) -> Option<Snapshot> {
        self.copy_of(id, false)
    }

    fn copy_of(&self, id: &SessionId, touch: bool) -> Option<Snapshot> {
        let copy = self
            .read_version(id, touch, |version| Snapshot::of(Attributes::of(version), Version::new(version.version())));
        copy.ok()
    }

    /// Returns the version that a session is at, without touching the session. `None` if there is no such session.
    ///
    /// For [`set_if`](Self::set_if) and [`update_if`](Self::update_if). A decision that depends on attributes needs the
    /// attributes of the same version: take a [`snapshot`](Self::snapshot), which has both.
    ///
    /// Lock-free; allocates nothing. Takes effect when the stamp is loaded; if the session has expired, when this call
    /// ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create()?;
    /// let first = store.version(&id);
    /// assert_eq!(store.get(&id, "theme"), None); // a touch
    /// assert_eq!(store.version(&id), first);
    /// store.set(&id, "theme", "dark")?;
    /// assert_ne!(store.version(&id), first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn version(&self, id: &SessionId) -> Option<Version> {
        self.read_version(id, false, |version| Version::new(version.version())).ok()
    }
}

/// A copy of an attribute's value.
#[inline(always)]
fn value_in(version: EntryRef<'_, Packed>, key: &str) -> Option<String> {
    Attributes::of(version).get(key).map(str::to_owned)
}
