//! Sessions with string attributes: creating them and looking at them. Changing them is in [`edit`](super::edit).

use super::{SessionStore, SessionStoreBuilder};
use crate::attributes::{Attributes, Snapshot, Version};
use crate::clock::TimeSource;
use crate::config::SessionConfig;
use crate::content::Stored;
use crate::error::CreateError;
use crate::id::SessionId;

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
    /// [`CreateError::Full`] at [`max_sessions`](SessionConfig::max_sessions), [`CreateError::Random`] if the operating
    /// system gives no random bytes.
    pub fn create(&self) -> Result<SessionId, CreateError> {
        self.new_session().create()
    }

    /// Creates a session with these attributes, in one step: no thread ever sees it with only some of them. Of a key
    /// that is given twice, the last value counts.
    ///
    /// Takes time in proportion to what is given, however many attributes that are and whatever their keys. The id is
    /// 32 bytes from the operating system's random source, a call of its own for each session. At
    /// [`max_sessions`](SessionConfig::max_sessions) it first looks for expired sessions to end, among no more
    /// than 512.
    ///
    /// Lock-free; allocates. Takes effect when the session's entry is put into its slot.
    ///
    /// # Errors
    ///
    /// [`CreateError::TooManyAttributes`] if they are more than [`max_attributes`](SessionConfig::max_attributes),
    /// otherwise [`CreateError::TooLarge`] if they exceed [`max_session_bytes`](SessionConfig::max_session_bytes);
    /// [`CreateError::Full`] and [`CreateError::Random`] as for [`create`](Self::create). In either case nothing has
    /// changed, but for expired sessions that were ended.
    ///
    /// Attributes are taken from the iterator one by one, and none after the first that is too much. So one without an
    /// end is refused too, if it goes on giving new keys; one that repeats the same few keys, which count once each, is
    /// never done with.
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

    /// Returns the value of an attribute, and touches the session even if there is no such attribute. `None` without
    /// it, or if the session does not exist or has expired (it is removed then).
    ///
    /// Lock-free; allocates the value. Writes shared memory at most once per tick of the clock. Takes effect when the
    /// session is touched.
    pub fn get(&self, id: &SessionId, key: &str) -> Option<String> {
        self.read(id, |attributes| attributes.get(key).map(str::to_owned)).flatten()
    }

    /// Returns the values of several attributes, all of one version, and touches the session, whichever of them there
    /// are. `None` if the session does not exist or has expired (it is removed then).
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
    pub fn get_each<const N: usize>(&self, id: &SessionId, keys: [&str; N]) -> Option<[Option<String>; N]> {
        self.read(id, |attributes| keys.map(|key| attributes.get(key).map(str::to_owned)))
    }

    /// Tells whether the session has an attribute, and touches the session even if it has not. False if it does not
    /// exist or has expired (it is removed then).
    ///
    /// Lock-free. Takes effect when the session is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// let id = store.create_with([("user", "ada")])?;
    /// assert!(store.contains(&id, "user") && !store.contains(&id, "role"));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn contains(&self, id: &SessionId, key: &str) -> bool {
        self.read(id, |attributes| attributes.contains(key)).unwrap_or(false)
    }

    /// Returns the keys of all attributes, of one version and in the order in which they were first set, and touches
    /// the session. `None` if it does not exist or has expired (it is removed then).
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
    pub fn keys(&self, id: &SessionId) -> Option<Vec<String>> {
        self.read(id, |attributes| attributes.iter().map(|(key, _)| key.to_owned()).collect())
    }

    /// Returns a copy of all attributes, of one version, to be kept for as long as one likes, and touches the session.
    /// `None` if it does not exist or has expired (it is removed then).
    ///
    /// Lock-free; a single allocation. Takes effect when the session is touched.
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
    pub fn snapshot(&self, id: &SessionId) -> Option<Snapshot> {
        let copy = self.table.read(id.as_bytes(), true, self.moment(), |version| {
            Snapshot::of(Attributes::of(version), Version::new(version.version()))
        });
        copy.ok()
    }

    /// Returns which version the session is at, without touching it. `None` if it does not exist or has expired (it is
    /// removed then).
    ///
    /// For [`set_if`](Self::set_if) and [`update_if`](Self::update_if). What is to be decided by attributes needs those
    /// of that very version: take a [`snapshot`](Self::snapshot), which has both.
    ///
    /// Lock-free. Takes effect when the session's stamp is loaded, or where it had expired, when it is ended.
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
    pub fn version(&self, id: &SessionId) -> Option<Version> {
        self.table.read(id.as_bytes(), false, self.moment(), |version| Version::new(version.version())).ok()
    }
}
