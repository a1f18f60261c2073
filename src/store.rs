//! The session store: the guide's operations over the table.
//!
//! Here the operations get their moment (one reading of the clock each), sessions their attributes, and refusals their names. What is
//! concurrent about them lies in [`crate::table`].

#![deny(unsafe_code)]

use crate::attributes::{Assignment, Attributes, pack};
use crate::clock::TimeSource;
use crate::config::{SessionConfig, SessionStoreBuilder};
use crate::entry::{EntryRef, Owned, Tail};
use crate::error::{CreateError, SetError};
use crate::expiry::{Moment, Tick, idle_limit};
use crate::id::SessionId;
use crate::reclaim;
use crate::table::{Place, Refusal, Table};
use core::fmt::{self, Write};
use std::time::Duration;

/// How many entries `create` looks at to find an expired one, when the store is full.
const ENTRIES_SEARCHED_WHEN_FULL: usize = 512;

/// A concurrent store of sessions: string attributes under a random id, which expire when they have not been used for a while.
///
/// Every method takes `&self` and may be called from any thread; none waits for another thread, so none blocks an async executor
/// either. (The memory allocator and, for new ids, the operating system's random source are outside of this claim; a thread's first call
/// registers it with the memory reclamation, which allocates.) Put the store behind an [`Arc`](std::sync::Arc) or into a `static`.
///
/// * **Linearizable.** Each operation on a session takes effect at one instant, which its documentation names.
/// * **Revocation wins.** Once [`delete`](Self::delete) has returned, no operation on that id succeeds again, whatever was under
///   way. Only `create` brings an id into being.
/// * **Never early, never late.** A session that was used within its TTL is not expired; an expired one is never returned.
/// * **No lost updates.** Of two concurrent [`set`](Self::set)s of different keys, both survive.
/// * **Nothing escapes.** Values come back owned, or are seen inside of a closure: no borrow of the store can be held across an
///   `.await`, where it would stall the reclamation of memory.
///
/// Dropping the store frees all sessions.
///
/// # Examples
///
/// ```
/// use cloakroom::SessionStore;
/// use std::time::Duration;
///
/// let store = SessionStore::builder().ttl(Duration::from_secs(30 * 60)).build()?;
/// let id = store.create()?;
/// store.set(&id, "user_id", "42")?;
/// assert_eq!(store.get(&id, "user_id").as_deref(), Some("42"));
///
/// assert!(store.delete(&id));
/// assert_eq!(store.get(&id, "user_id"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Nothing that `read` shows can be kept:
///
/// ```compile_fail
/// # let store = cloakroom::SessionStore::default();
/// # let id = store.create().unwrap();
/// let kept: Option<&str> = store.read(&id, |attributes| attributes.get("user_id")).flatten();
/// ```
///
/// but what is made from it can:
///
/// ```
/// # let store = cloakroom::SessionStore::default();
/// # let id = store.create().unwrap();
/// let kept: Option<String> = store.read(&id, |attributes| attributes.get("user_id").map(str::to_owned)).flatten();
/// # assert_eq!(kept, None);
/// ```
pub struct SessionStore {
    table: Table<Packed>,
    config: SessionConfig,
    time: TimeSource,
    /// How many ticks a session may lie untouched.
    idle: u64,
}

impl SessionStore {
    /// Starts from the defaults; see [`SessionStoreBuilder`].
    pub fn builder() -> SessionStoreBuilder {
        SessionStoreBuilder::default()
    }

    /// Makes a store with the default clock.
    ///
    /// May wait for another thread that is making its first store.
    pub fn new(config: SessionConfig) -> Self {
        Self::assemble(config, TimeSource::default())
    }

    pub(crate) fn assemble(config: SessionConfig, time: TimeSource) -> Self {
        let idle = idle_limit(config.ttl, time.resolution());
        Self { table: Table::new(config.shard_count(), config.max_sessions), config, time, idle }
    }

    /// Creates a session without attributes. See [`create_with`](Self::create_with).
    ///
    /// # Errors
    ///
    /// [`CreateError::Full`] at [`max_sessions`](SessionConfig::max_sessions), [`CreateError::Random`] if the operating system gives
    /// no random bytes.
    pub fn create(&self) -> Result<SessionId, CreateError> {
        self.create_packed("")
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
        let limit = self.config.size_limit();
        let packed = pack(attributes, limit).map_err(|size| CreateError::TooLarge { size, limit })?;
        self.create_packed(&packed)
    }

    fn create_packed(&self, packed: &str) -> Result<SessionId, CreateError> {
        let tick = || self.time.tick();
        let moment = self.moment(&tick);
        loop {
            let id = SessionId::random().map_err(CreateError::Random)?;
            let place = self.enter(&id, moment)?;
            let new = Packed::entry(&id, moment.now(), packed.len(), |tail| tail.write_str(packed));
            if self.table.insert(place, new, moment).is_ok() {
                return Ok(id);
            }
            // 256 random bits that are in use already: draw again.
        }
    }

    fn enter(&self, id: &SessionId, moment: Moment<'_>) -> Result<Place<'_>, CreateError> {
        if let Some(place) = self.table.enter(id.as_bytes()) {
            return Ok(place);
        }
        if self.table.sweep_some(ENTRIES_SEARCHED_WHEN_FULL, moment) == 0 {
            return Err(CreateError::Full);
        }
        self.table.enter(id.as_bytes()).ok_or(CreateError::Full)
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
            let assignment = Assignment::new(Packed::attributes(version), key, value);
            if assignment.is_noop() {
                return Ok(None);
            }
            let size = assignment.size();
            if size > limit {
                return Err(SetError::TooLarge { size, limit });
            }
            Ok(Some(Packed::entry(id, stamp, size, |tail| assignment.write(tail))))
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

    /// Shows a session's attributes, all of one version, to a closure, and touches the session. `None` if it does not exist or has
    /// expired (it is removed then).
    ///
    /// Nothing is copied or allocated. The closure may call the store, even for the same session; what it is shown stays
    /// as it was. While it runs no memory that any thread retires from this or another store is freed, so keep it short. If it panics, the
    /// store is as before, and the session touched.
    ///
    /// Lock-free. Takes effect when the session is touched.
    ///
    /// # Examples
    ///
    /// ```
    /// # let store = cloakroom::SessionStore::default();
    /// # let id = store.create_with([("user_id", "42"), ("role", "admin")])?;
    /// let is_admin = store.read(&id, |attributes| attributes.get("role") == Some("admin"));
    /// assert_eq!(is_admin, Some(true));
    /// # Ok::<(), cloakroom::CreateError>(())
    /// ```
    pub fn read<R>(&self, id: &SessionId, f: impl FnOnce(Attributes<'_>) -> R) -> Option<R> {
        let tick = || self.time.tick();
        self.table.read(id.as_bytes(), true, self.moment(&tick), |version| f(Packed::attributes(version)))
    }

    /// Tells whether the session exists, without touching it. An expired session does not exist (and is removed).
    ///
    /// Lock-free. Takes effect when the session's stamp is loaded, or where it had expired, when it is ended.
    pub fn exists(&self, id: &SessionId) -> bool {
        let tick = || self.time.tick();
        self.table.read(id.as_bytes(), false, self.moment(&tick), |_| ()).is_some()
    }

    /// Ends a session, and says whether it was there. An expired one was not, but is removed as well.
    ///
    /// Once this has returned, no operation on the id succeeds again, even if it was under way before.
    /// Lock-free. Takes effect when the session's live version dies.
    pub fn delete(&self, id: &SessionId) -> bool {
        let tick = || self.time.tick();
        self.table.remove(id.as_bytes(), self.moment(&tick))
    }

    /// Returns the number of sessions, including expired ones that nobody has met or evicted yet.
    ///
    /// Exact when no operation is under way. While some are, a session that is just coming or going may be counted or not; with
    /// [`max_sessions`](SessionConfig::max_sessions) set, the result never exceeds it. Wait-free.
    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Ends every session that has been idle for longer than the TTL, and returns how many.
    ///
    /// Looks at every session, which takes some tens of nanoseconds for each, and gives back the memory that is not needed any more.
    /// Other threads are not held up. Lock-free. Each session's end takes effect when its live version dies.
    pub fn evict_expired(&self) -> usize {
        let tick = || self.time.tick();
        self.table.sweep(self.moment(&tick))
    }

    /// Frees memory of ended sessions and replaced attributes that no thread can be using any more.
    ///
    /// This happens by and by anyway as the store is used, and after [`evict_expired`](Self::evict_expired); it is worth a call
    /// when the store falls idle after much has been deleted. One call frees up to a million such objects, unless a `read` closure that is running somewhere holds
    /// them back. Memory that other threads were the last to retire may remain with them. May take a fraction of a millisecond; lock-free.
    pub fn flush(&self) {
        reclaim::collect(FLUSHED);
    }

    /// The configuration that the store was made with.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// The name of the cookie that is to carry the id.
    pub fn cookie_name(&self) -> &str {
        self.config.cookie_name.as_str()
    }

    /// How long a session may lie idle.
    pub fn ttl(&self) -> Duration {
        self.config.ttl
    }

    fn moment<'a>(&self, tick: &'a dyn Fn() -> Tick) -> Moment<'a> {
        Moment::new(tick(), self.idle, tick)
    }
}

/// How many retired objects a flush is ready to free.
const FLUSHED: usize = 1 << 20;

impl Default for SessionStore {
    fn default() -> Self {
        Self::new(SessionConfig::default())
    }
}

impl fmt::Debug for SessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStore")
            .field("config", &self.config)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

/// The payload of a session with string attributes: nothing. They are the tail, packed.
struct Packed;

impl Packed {
    fn entry(id: &SessionId, stamp: Tick, len: usize, write: impl FnOnce(&mut Tail<'_>) -> fmt::Result) -> Owned<Self> {
        let len = u32::try_from(len).expect("a session's size limit fits 32 bits");
        let fill = |tail: &mut Tail<'_>| write(tail).expect("the tail is as long as what is written");
        Owned::new(*id.as_bytes(), stamp, Self, len, fill)
    }

    #[inline]
    fn attributes(version: EntryRef<'_, Self>) -> Attributes<'_> {
        Attributes::from_packed(version.text())
    }
}
